//! The rows: one for each entry, from lane to lane.

use crate::escape::Escaped;
use crate::legend::name;
use crate::{Entry, Timeline};
use std::fmt::{Result, Write as _};

/// Pauses of at least this length are left out, with a note (milliseconds).
const PAUSE: u64 = 1_000;

pub(crate) fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

pub(crate) fn write(page: &mut String, timeline: &Timeline) -> Result {
    page.push_str(
        "<table class=\"lanes\">\n<caption class=\"unseen\">What happened, in order. Up and down arrow keys go from one to the \
         next.</caption>\n<thead><tr><th scope=\"col\">s</th><th scope=\"col\"><span class=\"unseen\">What happened</span>\
         <span class=\"names\">",
    );
    for lane in &timeline.lanes {
        write!(page, "<span>{}</span>", Escaped(&lane.name))?;
    }
    page.push_str("</span></th></tr></thead>\n<tbody>\n");
    let mut before: Option<u64> = None;
    for entry in &timeline.entries {
        let pause = before.map_or(0, |before| entry.at.saturating_sub(before));
        if pause >= PAUSE {
            writeln!(
                page,
                "<tr class=\"pause\"><td colspan=\"2\">{}.{} s in which nothing happens</td></tr>",
                pause / 1000,
                pause % 1000 / 100
            )?;
        }
        write_row(page, timeline, entry)?;
        before = Some(entry.at);
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

fn write_row(page: &mut String, timeline: &Timeline, entry: &Entry) -> Result {
    let is_there = |lane: &usize| *lane < timeline.lanes.len();
    let (from, to) = (entry.from.filter(is_there), entry.to.filter(is_there));
    let kind = name(entry.kind);
    let way = match (from, to) {
        (Some(from), Some(to)) if from < to => "right",
        (Some(from), Some(to)) if from > to => "left",
        (Some(_), _) => "point",
        (None, _) => "whole",
    };
    let lost = if entry.is_lost { " lost" } else { "" };
    write!(page, "<tr class=\"{kind} {way}{lost}\" data-kind=\"{kind}\"")?;
    if let Some(from) = from {
        write!(page, " data-lanes=\"{from} {}\"", to.unwrap_or(from))?;
    }
    let faults: Vec<&str> = timeline
        .faults
        .iter()
        .filter(|fault| fault.from <= entry.at && entry.at < fault.to)
        .map(|fault| &*fault.text)
        .collect();
    if !faults.is_empty() {
        write!(page, " data-faults=\"{}\"", Escaped(&faults.join(", ")))?;
    }
    let lost = if entry.is_lost { " (lost)" } else { "" };
    write!(
        page,
        "><th scope=\"row\">{}</th><td><button type=\"button\" tabindex=\"-1\"><span class=\"unseen\">{}{lost}: </span>\
         <span class=\"what\">{}</span>",
        seconds(entry.at),
        Escaped(&entry.who),
        Escaped(&entry.text),
    )?;
    if !entry.details.is_empty() {
        write!(page, "<span class=\"more\">{}</span>", Escaped(&entry.details))?;
    }
    page.push_str("</button><i></i></td></tr>\n");
    Ok(())
}
