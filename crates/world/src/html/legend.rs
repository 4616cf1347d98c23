//! What the marks of the page mean, and which rows are shown.

use super::{KINDS, Lanes, escaped};
use crate::timeline::Entry;
use std::fmt::Write as _;

/// How to read the page: each element, and what it means.
const HELP: [(&str, &str); 10] = [
    (
        "Overview",
        "everything in true proportion: what customers hear, when pages and servers are there, and what people do. A click leads to the row.",
    ),
    (
        "Lanes",
        "customers; agents, each with all pages of all her browsers; our server, one after the other; and Twilio.",
    ),
    (
        "Arrows",
        "messages, from who sends them to whom they reach, at the time at which they are sent, or answered. ✕: the message is lost.",
    ),
    (
        "Points",
        "filled: what a person does, or what a customer hears from now on; hollow: what a part does by itself; a square on its corner: a fault.",
    ),
    ("Rows over all lanes", "faults of the network, and rules that are broken."),
    ("Red edge", "something goes wrong at that time."),
    ("Pauses", "a second and more in which nothing happens is left out, and said to be."),
    (
        "Names",
        "people have numbers, from 0 on. CA is a leg of a call, CF a conference, WT a task, WR a reservation, RJ a recovery.",
    ),
    ("Of", "rows that reach somebody or name him; lanes that have no part in it are left out."),
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
    for (kind, told, name) in KINDS {
        let count = timeline.iter().filter(|entry| entry.kind == kind).count();
        if count > 0 {
            writeln!(
                page,
                "<label class=\"{name}\"><input type=\"checkbox\" value=\"{name}\" checked><i></i>{} ({count})</label>",
                escaped(told)
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
