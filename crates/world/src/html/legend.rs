//! The page's legend, and the filter of its rows.

use super::{KINDS, Lanes, escaped};
use crate::timeline::Entry;
use std::fmt::Write as _;

/// The elements of the page and their meaning.
const HELP: [(&str, &str); 10] = [
    (
        "Overview",
        "to scale: what customers hear, when pages and servers are there, and what people do. A click leads to the row.",
    ),
    (
        "Lanes",
        "customers; agents, each with all pages of all their browsers; our servers, one after the other; and Twilio.",
    ),
    (
        "Arrows",
        "messages from sender to receiver, at the time at which they are sent or answered. ✕: the message is lost.",
    ),
    (
        "Points",
        "filled: what a person does, or what a customer hears from now on; hollow: what a part does by itself; a square on its corner: a fault.",
    ),
    ("Rows over all lanes", "faults of the network, and broken rules."),
    ("Red edge", "something goes wrong at that time."),
    ("Pauses", "pauses of a second or more are left out, with a note."),
    (
        "Names",
        "people have numbers, from 0 on. CA is a leg of a call, CF a conference, WT a task, WR a reservation, RJ a recovery.",
    ),
    ("Of", "rows that reach the chosen lane or name it; lanes without a part in them are left out."),
    (
        "Keys",
        "Tab goes into the table, up and down from row to row, Home and End to the first and the last; details stand at the bottom.",
    ),
];

pub(super) fn write_help(page: &mut String) -> std::fmt::Result {
    page.push_str("<details>\n<summary>How to read this page</summary>\n<dl>\n");
    for (what, means) in HELP {
        writeln!(page, "<dt>{what}</dt><dd>{means}</dd>")?;
    }
    page.push_str("</dl>\n</details>\n");
    Ok(())
}

pub(super) fn write_filter(page: &mut String, timeline: &[Entry], lanes: &Lanes) -> std::fmt::Result {
    page.push_str("<form id=\"filter\">\n<fieldset>\n<legend>Show</legend>\n");
    for (kind, label, name) in KINDS {
        let count = timeline.iter().filter(|entry| entry.kind == kind).count();
        if count > 0 {
            writeln!(
                page,
                "<label class=\"{name}\"><input type=\"checkbox\" value=\"{name}\" checked><i></i>{} ({count})</label>",
                escaped(label)
            )?;
        }
    }
    page.push_str("</fieldset>\n<label>Of <select id=\"lane\"><option value=\"\">everybody</option>");
    for (place, lane) in lanes.0.iter().enumerate() {
        write!(page, "<option value=\"{place}\">{}</option>", escaped(&Lanes::name(*lane)))?;
    }
    page.push_str(
        "</select></label>\n<label>With <input id=\"search\" type=\"search\" placeholder=\"any text\"></label>\n\
         <output id=\"count\"></output>\n</form>\n",
    );
    Ok(())
}
