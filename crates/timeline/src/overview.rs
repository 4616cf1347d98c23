//! Everything at a glance: a strip for each lane, to scale but for long pauses. It is visual only: the table has the same content
//! and more.

use crate::escape::Escaped;
use crate::legend::name;
use crate::scale::Scale;
use crate::{Entry, Kind, StateKind, Timeline};
use std::fmt::{Result, Write as _};

/// From this number of lanes on the strips are low and have no text.
const MANY: usize = 20;
/// Width of a letter in per cent of the page width, on a page wide enough for text.
const LETTER: f64 = 0.52;

/// Kinds of states: the name of each in the page, and its label.
const STATES: [(StateKind, &str, &str); 6] = [
    (StateKind::Talk, "talk", "talks"),
    (StateKind::Music, "music", "hears music or words"),
    (StateKind::Silence, "silence", "hears nothing"),
    (StateKind::Loading, "loading", "page loads"),
    (StateKind::Here, "here", "page is there, server is up"),
    (StateKind::Away, "away", "asleep or without network"),
];

pub(super) fn write(page: &mut String, timeline: &Timeline) -> Result {
    let scale = Scale::of(timeline.entries.iter().map(|entry| entry.at).collect());
    let many = timeline.lanes.len() > MANY;
    let class = if many { "overview many" } else { "overview" };
    write!(
        page,
        "<div class=\"{class}\" role=\"img\" tabindex=\"0\" aria-label=\"Overview. The table below has the same content.\">\n\
         <div class=\"windows\">"
    )?;
    for at in scale.marks() {
        write!(page, "<i data-left=\"{:.2}\"></i>", scale.part(at))?;
    }
    for fault in &timeline.faults {
        write_bar(page, "window", (fault.from, fault.to, ""), &scale)?;
    }
    for pause in scale.cuts() {
        write_bar(page, "cut", (pause.start, pause.end, ""), &scale)?;
    }
    page.push_str("</div>\n");
    for (number, fault) in timeline.faults.iter().enumerate() {
        let name = if number == 0 { "goes wrong" } else { "" };
        write!(page, "<div class=\"strip\"><b>{name}</b><span>")?;
        write_bar(page, "wrong", (fault.from, fault.to, &fault.text), &scale)?;
        page.push_str("</span></div>\n");
    }
    for (place, lane) in timeline.lanes.iter().enumerate() {
        write!(page, "<div class=\"strip\"><b>{}</b><span>", Escaped(&lane.name))?;
        for state in lane.states.iter().filter(|state| state.from < state.to) {
            write_bar(page, named(state.kind), (state.from, state.to, &state.text), &scale)?;
        }
        write_marks(page, (timeline, place), &scale, many)?;
        page.push_str("</span></div>\n");
    }
    page.push_str("<div class=\"strip scale\"><b></b><span>");
    for at in scale.marks() {
        write!(page, "<em data-left=\"{:.2}\">{} s</em>", scale.part(at), at / 1000)?;
    }
    page.push_str("</span></div>\n</div>\n");
    write_legend(page, timeline, &scale)
}

fn named(kind: StateKind) -> &'static str {
    STATES.iter().find(|(of, ..)| *of == kind).map_or("", |(_, name, _)| name)
}

/// `bar`: when it begins, when it ends, and its text.
fn write_bar(page: &mut String, class: &str, bar: (u64, u64, &str), scale: &Scale) -> Result {
    let (from, to, text) = bar;
    let (left, right) = (scale.part(from), scale.part(to));
    let width = (right - left).max(0.15);
    // A text that does not fit after its beginning stands before its end.
    let end = if left > 60.0 { " end" } else { "" };
    let text = Escaped(text);
    write!(
        page,
        "<u class=\"{class}{end}\" data-left=\"{left:.2}\" data-width=\"{width:.2}\" title=\"{text}\"><s>{text}</s></u>"
    )
}

/// Writes a mark for each entry of a lane, and words as far as there is room.
fn write_marks(
    page: &mut String,
    (timeline, place): (&Timeline, usize),
    scale: &Scale,
    many: bool,
) -> Result {
    let own = || {
        let all = timeline.entries.iter().enumerate();
        all.filter(|(_, entry)| entry.from == Some(place) && entry.kind != Kind::Hears)
    };
    for (number, entry) in own().filter(|(_, entry)| !many || entry.words.is_some()) {
        let (at, kind) = (scale.part(entry.at), name(entry.kind));
        let high = if entry.words.is_some() { " high" } else { "" };
        write!(page, "<a class=\"{kind}{high}\" data-left=\"{at:.2}\" data-row=\"{number}\"></a>")?;
    }
    if many {
        return Ok(());
    }
    let mut said: Vec<(&Entry, &str, bool)> = own()
        .filter_map(|(_, entry)| entry.words.as_ref().map(|words| (entry, &*words.text, words.is_minor)))
        .collect();
    said.sort_by_key(|(entry, _, is_minor)| (*is_minor, entry.at));
    let mut taken: Vec<(f64, f64)> = vec![];
    for (entry, text, _) in said {
        let length = LETTER * text.chars().count() as f64 + 1.0;
        let left = scale.part(entry.at).min(100.0 - length);
        if left < 0.0 || taken.iter().any(|(from, to)| left < *to && *from < left + length) {
            continue;
        }
        taken.push((left, left + length));
        write!(page, "<em class=\"{}\" data-left=\"{left:.2}\">{}</em>", name(entry.kind), Escaped(text))?;
    }
    Ok(())
}

/// Writes what the colours mean that are there.
fn write_legend(page: &mut String, timeline: &Timeline, scale: &Scale) -> Result {
    page.push_str("<ul class=\"legend\">");
    let has = |kind| timeline.lanes.iter().flat_map(|lane| &lane.states).any(|state| state.kind == kind);
    for (_, class, means) in STATES.into_iter().filter(|(kind, ..)| has(*kind)) {
        write!(page, "<li><u class=\"{class}\"></u>{means}</li>")?;
    }
    if !timeline.faults.is_empty() {
        page.push_str("<li><u class=\"wrong\"></u>something goes wrong</li>");
    }
    for (kind, means) in [(Kind::Person, "a person does something"), (Kind::Decision, "a decision")] {
        if timeline.entries.iter().any(|entry| entry.kind == kind && entry.words.is_some()) {
            write!(page, "<li><a class=\"{}\"></a>{means}</li>", name(kind))?;
        }
    }
    if !scale.cuts().is_empty() {
        page.push_str("<li><u class=\"cut\"></u>a long pause, not to scale</li>");
    }
    page.push_str("</ul>\n");
    Ok(())
}
