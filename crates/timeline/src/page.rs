//! The fragment, and the page around it.

use crate::escape::Escaped;
use crate::{Timeline, legend, overview, table};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::fmt::{Result, Write as _};

/// Style of a fragment. Each of its rules is about `<rejoin-timeline>` or what is in it.
pub const STYLE: &str = include_str!("timeline.css");
/// Script of a fragment.
pub const SCRIPT: &str = include_str!("timeline.js");
/// Style of what a page has around the fragment.
const FRAME: &str = include_str!("page.css");

/// A page that needs nothing but its file, and makes no requests. Its policy lets a browser run only [`SCRIPT`] in it, and use only
/// [`STYLE`] and the style of the frame.
pub fn page(timeline: &Timeline) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, timeline);
    page
}

/// The timeline as one element, `<rejoin-timeline>`, for a page of a server that serves [`STYLE`] and [`SCRIPT`], too.
pub fn fragment(timeline: &Timeline) -> String {
    let mut fragment = String::new();
    // Writing to a string cannot fail.
    let _ = write_fragment(&mut fragment, timeline);
    fragment
}

fn write_page(page: &mut String, timeline: &Timeline) -> Result {
    let (style, script) = (format!("\n{STYLE}\n{FRAME}\n"), format!("\n{SCRIPT}\n"));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'; script-src '{}'; \
         base-uri 'none'; form-action 'none'\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width\"/>\n<title>{title}</title>\n<style>{style}</style>\n\
         </head>\n<body>\n<header><h1>{title}</h1></header>\n<main>\n",
        hash(&style),
        hash(&script),
        title = Escaped(&timeline.title),
    )?;
    write_fragment(page, timeline)?;
    write!(page, "</main>\n<script>{script}</script>\n</body>\n</html>\n")
}

/// As a policy names what stands in a page: <https://www.w3.org/TR/CSP3/#grammardef-hash-source>.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

fn write_fragment(page: &mut String, timeline: &Timeline) -> Result {
    page.push_str("<rejoin-timeline");
    if let Some(began_at) = timeline.began_at {
        write!(page, " data-began=\"{began_at}\"")?;
    }
    page.push_str(">\n<div class=\"top\">\n");
    write_about(page, timeline)?;
    legend::write_help(page, timeline)?;
    overview::write(page, timeline)?;
    legend::write_filter(page, timeline)?;
    page.push_str("</div>\n");
    table::write(page, timeline)?;
    page.push_str(
        "<section class=\"detail\" aria-label=\"Details\" tabindex=\"0\">\n<p class=\"detail-head\">Point at a row, or go there \
         with the Tab key.</p>\n<p class=\"detail-faults\"></p>\n<pre></pre>\n</section>\n</rejoin-timeline>\n",
    );
    Ok(())
}

fn write_about(page: &mut String, timeline: &Timeline) -> Result {
    if !timeline.summary.is_empty() {
        writeln!(page, "<p class=\"summary\">{}</p>", Escaped(&timeline.summary))?;
    }
    if let Some(verdict) = &timeline.verdict {
        let class = if verdict.is_good { "good" } else { "bad" };
        writeln!(page, "<p class=\"outcome {class}\">{}</p>", Escaped(&verdict.text))?;
    }
    if !timeline.about.is_empty() || !timeline.command.is_empty() {
        write!(page, "<p>{}", Escaped(&timeline.about))?;
        if !timeline.command.is_empty() {
            write!(page, " Shown again by <code>{}</code>", Escaped(&timeline.command))?;
        }
        page.push_str("</p>\n");
    }
    for list in &timeline.lists {
        write!(page, "<details>\n<summary>{}</summary>\n<ul>\n", Escaped(&list.title))?;
        for item in &list.items {
            let class = if item.is_fault { " class=\"fault\"" } else { "" };
            writeln!(page, "<li{class}>{}</li>", Escaped(&item.text))?;
        }
        page.push_str("</ul>\n</details>\n");
    }
    Ok(())
}
