//! A world's timeline as one page: swim lanes from left to right, time downwards. The page is self-contained and
//! makes no requests.

mod legend;
mod overview;

use crate::plan::Plan;
use crate::run::Outcome;
use crate::timeline::{Entry, Kind, Lane};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Pauses of at least this length are left out, with a note (milliseconds).
const PAUSE: u64 = 1_000;
/// Number of lanes above which their names are written upright.
const WIDE: usize = 12;

/// Kinds in the order of the legend: the label, and the name in the page.
const KINDS: [(Kind, &str, &str); 9] = [
    (Kind::Person, "people", "person"),
    (Kind::Hears, "what customers hear", "hears"),
    (Kind::Request, "requests", "request"),
    (Kind::Answer, "answers", "answer"),
    (Kind::Webhook, "Twilio's callbacks", "webhook"),
    (Kind::Push, "pushes", "push"),
    (Kind::Does, "what a part does by itself", "does"),
    (Kind::Fault, "faults", "fault"),
    (Kind::Broken, "broken rules", "broken"),
];

/// The heading of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Title of the page.
    pub title: String,
    /// Summary of what happens; empty if unknown.
    pub summary: String,
    /// The command that reproduces the world.
    pub command: String,
}

/// The page of a recorded world.
pub fn page(plan: &Plan, outcome: &Outcome, about: &About) -> String {
    let lanes = Lanes::of(&outcome.timeline);
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, plan, outcome, &lanes, about);
    page
}

/// The lanes: each customer, each agent with all their pages, our server, and Twilio.
struct Lanes(Vec<Lane>);

impl Lanes {
    fn of(timeline: &[Entry]) -> Self {
        let mut seen: BTreeSet<Lane> = timeline
            .iter()
            .flat_map(|entry| std::iter::once(entry.from).chain(entry.to))
            .map(owner)
            .collect();
        seen.remove(&Lane::World);
        Self(seen.into_iter().collect())
    }

    fn place(&self, lane: Lane) -> Option<usize> {
        let lane = owner(lane);
        self.0.iter().position(|other| *other == lane)
    }

    fn name(lane: Lane) -> String {
        match lane {
            Lane::Server(_) => "server".into(),
            other => other.to_string(),
        }
    }
}

/// The lane that shows an entry: pages are on their agent's lane, and all servers share one.
fn owner(lane: Lane) -> Lane {
    match lane {
        Lane::Page(agent, _) => Lane::Agent(agent),
        Lane::Server(_) => Lane::Server(0),
        other => other,
    }
}

fn named(kind: Kind) -> &'static str {
    KINDS.iter().find(|(of, ..)| *of == kind).map_or("", |(_, _, name)| name)
}

fn counted(count: usize, what: &str) -> String {
    format!(
        "{} {what}{}",
        if count == 0 { "no".to_owned() } else { count.to_string() },
        if count == 1 { "" } else { "s" }
    )
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn write_page(
    page: &mut String,
    plan: &Plan,
    outcome: &Outcome,
    lanes: &Lanes,
    about: &About,
) -> std::fmt::Result {
    let ended = match &outcome.broken {
        Some(broken) => format!("<p class=\"outcome bad\">Broken: {}</p>", escaped(&broken.to_string())),
        None => "<p class=\"outcome good\">Every rule held.</p>".to_owned(),
    };
    let summary = match about.summary.as_str() {
        "" => String::new(),
        text => format!("<p class=\"summary\">{}</p>\n", escaped(text)),
    };
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\n{STYLE}\n.lanes {{ --lanes: {count}; }}\n</style>\n</head>\n<body>\n<header>\n\
         <h1>{title}</h1>\n{summary}{ended}\n\
         <p>{agents}, {customers}, {lasted} s. Shown again by <code>{command}</code></p>\n",
        title = escaped(&about.title),
        count = lanes.0.len(),
        agents = counted(plan.agents.len(), "agent"),
        customers = counted(plan.customers.len(), "customer"),
        lasted = seconds(outcome.lasted),
        command = escaped(&about.command),
    )?;
    write_plan(page, plan)?;
    legend::write_help(page)?;
    overview::write(page, plan, &outcome.timeline, lanes)?;
    legend::write_filter(page, &outcome.timeline, lanes)?;
    page.push_str("</header>\n<main>\n");
    write_table(page, plan, &outcome.timeline, lanes)?;
    write!(
        page,
        "</main>\n<aside aria-label=\"Details\" tabindex=\"0\">\n<p id=\"detail-head\">Point at a row, or go there with the Tab \
         key.</p>\n<p id=\"detail-faults\"></p>\n<pre id=\"detail-text\"></pre>\n</aside>\n\
         <script>\n{SCRIPT}\n</script>\n</body>\n</html>\n"
    )
}

/// Writes the plan.
fn write_plan(page: &mut String, plan: &Plan) -> std::fmt::Result {
    let (deeds, faults) = (counted(plan.deeds.len(), "deed"), counted(plan.faults.len(), "fault"));
    write!(page, "<details>\n<summary>The plan: {deeds}, {faults}</summary>\n<ul>\n")?;
    for deed in &plan.deeds {
        let who = if deed.agent == crate::plan::WHO_HAS_A_CALL {
            "whoever has a call".to_owned()
        } else {
            format!("agent {}", deed.agent)
        };
        writeln!(page, "<li>{} s: {} {}</li>", seconds(deed.at), escaped(&who), deed.act.name())?;
    }
    for fault in &plan.faults {
        let (from, to) = (seconds(fault.from), seconds(fault.to));
        writeln!(page, "<li class=\"fault\">{from} to {to} s: {}</li>", escaped(&fault_text(fault)))?;
    }
    writeln!(page, "</ul>\n</details>")
}

fn fault_text(fault: &crate::plan::Fault) -> String {
    if fault.kind.is_at_a_step() {
        return format!("{} (number {})", fault.kind.name(), fault.rate);
    }
    format!("{} ({} %)", fault.kind.name(), f64::from(fault.rate) / 10.0)
}

fn write_table(page: &mut String, plan: &Plan, timeline: &[Entry], lanes: &Lanes) -> std::fmt::Result {
    let many = if lanes.0.len() > WIDE { " many" } else { "" };
    write!(
        page,
        "<table class=\"lanes{many}\">\n<caption class=\"unseen\">What happened, in order. Up and down arrow keys go from one to \
         the next.</caption>\n<thead><tr><th scope=\"col\">s</th><th scope=\"col\"><span class=\"unseen\">What \
         happened</span><span class=\"names\">"
    )?;
    for lane in &lanes.0 {
        write!(page, "<span>{}</span>", escaped(&Lanes::name(*lane)))?;
    }
    page.push_str("</span></th></tr></thead>\n<tbody>\n");
    let mut before: Option<u64> = None;
    for (number, entry) in timeline.iter().enumerate() {
        let pause = before.map_or(0, |before| entry.at - before);
        if pause >= PAUSE {
            writeln!(
                page,
                "<tr class=\"pause\"><td colspan=\"2\">{}.{} s in which nothing happens</td></tr>",
                pause / 1000,
                pause % 1000 / 100
            )?;
        }
        write_row(page, plan, entry, lanes, (number, before != Some(entry.at)))?;
        before = Some(entry.at);
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

fn write_row(
    page: &mut String,
    plan: &Plan,
    entry: &Entry,
    lanes: &Lanes,
    (number, is_later): (usize, bool),
) -> std::fmt::Result {
    let (from, to) = (lanes.place(entry.from), entry.to.and_then(|to| lanes.place(to)));
    let mut classes = named(entry.kind).to_owned();
    classes.push_str(match (from, to) {
        (Some(from), Some(to)) if from < to => " right",
        (Some(from), Some(to)) if from > to => " left",
        (Some(_), _) => " point",
        (None, _) => " whole",
    });
    if entry.lost {
        classes.push_str(" lost");
    }
    let faults: Vec<String> = plan
        .faults
        .iter()
        .filter(|fault| fault.from <= entry.at && entry.at < fault.to)
        .map(fault_text)
        .collect();
    let (here, there) = (from.unwrap_or_default(), to.or(from).unwrap_or_default());
    let (low, high) = (here.min(there), here.max(there));
    // The text begins or ends where the row does, on the side with more room.
    let side = if low + high + 1 > lanes.0.len() { " before" } else { "" };
    write!(page, "<tr class=\"{classes}{side}\" data-kind=\"{}\"", named(entry.kind))?;
    if let Some(from) = from {
        write!(page, " data-lanes=\"{from} {}\"", to.unwrap_or(from))?;
    }
    if !faults.is_empty() {
        write!(page, " data-faults=\"{}\"", escaped(&faults.join(", ")))?;
    }
    let (time, same) = (seconds(entry.at), if is_later { "" } else { " class=\"same\"" });
    let who = match entry.to {
        Some(to) => format!("{} → {to}", entry.from),
        None => entry.from.to_string(),
    };
    let lost = if entry.lost { " (lost)" } else { "" };
    writeln!(
        page,
        "><th scope=\"row\"{same}>{time}</th><td style=\"--low:{low};--high:{high}\"><button type=\"button\" \
         tabindex=\"-1\" id=\"row{number}\"><span class=\"unseen\">{}{lost}: </span><span class=\"what\">{}</span></button>\
         <i></i></td></tr>",
        escaped(&who),
        escaped(&entry.text),
    )
}

/// Text escaped for HTML, also within quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
