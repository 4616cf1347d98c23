//! The legend, and the filter of the rows.

use crate::escape::Escaped;
use crate::{Kind, Timeline};
use std::fmt::{Result, Write as _};

/// Kinds in the order of the legend: the label, and the name in the page.
const KINDS: [(Kind, &str, &str); 10] = [
    (Kind::Person, "people", "person"),
    (Kind::Hears, "what customers hear", "hears"),
    (Kind::Decision, "decisions", "decision"),
    (Kind::Request, "requests", "request"),
    (Kind::Answer, "answers", "answer"),
    (Kind::Webhook, "Twilio's callbacks", "webhook"),
    (Kind::Push, "pushes", "push"),
    (Kind::Does, "what a part does by itself", "does"),
    (Kind::Fault, "faults", "fault"),
    (Kind::Broken, "broken rules", "broken"),
];

/// The elements of the page and their meaning.
const HELP: [(&str, &str); 8] = [
    (
        "Overview",
        "to scale, but for long pauses: lasting states, and what happens. A click leads to the row.",
    ),
    (
        "Arrows",
        "messages from sender to receiver, at the time at which they are sent or answered. ✕: the message is lost.",
    ),
    (
        "Points",
        "filled: what a person does or a server decides, or what a customer hears from now on; hollow: what a part does by itself; a square on its corner: a fault.",
    ),
    ("Rows over all lanes", "what belongs to no lane, such as a broken rule."),
    ("Red edge", "something goes wrong at that time."),
    ("Pauses", "pauses of a second or more are left out, with a note."),
    ("Of", "rows that reach the chosen lane or name it; lanes without a part in them are left out."),
    (
        "Keys",
        "Tab goes into the table, up and down from row to row, Home and End to the first and the last; details stand at the bottom.",
    ),
];

/// The name of a kind in the page.
pub(crate) fn name(kind: Kind) -> &'static str {
    KINDS.iter().find(|(of, ..)| *of == kind).map_or("", |(_, _, name)| name)
}

pub(crate) fn write_help(page: &mut String, timeline: &Timeline) -> Result {
    page.push_str("<details>\n<summary>How to read this page</summary>\n<dl>\n");
    let own = timeline.help.iter().map(|(what, means)| (&**what, &**means));
    for (what, means) in own.chain(HELP) {
        writeln!(page, "<dt>{}</dt><dd>{}</dd>", Escaped(what), Escaped(means))?;
    }
    page.push_str("</dl>\n</details>\n");
    Ok(())
}

pub(crate) fn write_filter(page: &mut String, timeline: &Timeline) -> Result {
    page.push_str("<form>\n<fieldset>\n<legend>Show</legend>\n");
    for (kind, label, name) in KINDS {
        let count = timeline.entries.iter().filter(|entry| entry.kind == kind).count();
        if count > 0 {
            writeln!(
                page,
                "<label class=\"{name}\"><input type=\"checkbox\" value=\"{name}\" checked=\"\"/><i></i>{label} ({count})</label>"
            )?;
        }
    }
    page.push_str("</fieldset>\n<label>Of <select><option value=\"\">everybody</option>");
    for (place, lane) in timeline.lanes.iter().enumerate() {
        write!(page, "<option value=\"{place}\">{}</option>", Escaped(&lane.name))?;
    }
    page.push_str(
        "</select></label>\n<label>With <input type=\"search\" placeholder=\"any text\"/></label>\n\
         <output></output>\n</form>\n",
    );
    Ok(())
}
