//! The whole world at a glance: a strip for each lane, to scale. It is visual only: the table has the same content
//! and more.

use super::{KINDS, Lanes, escaped, fault_text, named, owner};
use crate::plan::Plan;
use crate::timeline::{
    Entry, HEARS_NOTHING, IS_BACK, IS_CUT_OFF, IS_GONE, IS_KILLED, IS_STOPPED, IS_UP, Kind, LOADS, Lane,
    SLEEPS, STARTS, TALKS_TO,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// From this number of lanes on the strips are low and have no text.
const MANY: usize = 20;
/// Width of a letter in per cent of the page width, on a page wide enough for text.
const LETTER: f64 = 0.52;

/// Kinds of bars: the name of each in the page, and its label.
pub(super) const BARS: [(&str, &str); 7] = [
    ("talk", "talks"),
    ("music", "hears music or words"),
    ("silence", "hears nothing"),
    ("loading", "page loads"),
    ("here", "page is there, server is up"),
    ("away", "asleep or without network"),
    ("wrong", "something goes wrong"),
];

/// A state that lasts for a while.
struct Bar {
    from: u64,
    to: u64,
    class: &'static str,
    text: String,
}

pub(super) fn write(page: &mut String, plan: &Plan, timeline: &[Entry], lanes: &Lanes) -> std::fmt::Result {
    let whole = timeline.last().map_or(1, |last| last.at).max(1);
    let many = lanes.0.len() > MANY;
    let class = if many { "overview many" } else { "overview" };
    writeln!(
        page,
        "<div class=\"{class}\" role=\"img\" tabindex=\"0\" aria-label=\"Overview. The table below has the same content.\">"
    )?;
    let step = [1_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000];
    let step = step.into_iter().find(|step| whole / step <= 10).unwrap_or(600_000);
    let scale: Vec<u64> = (0..=whole).step_by(usize::try_from(step).unwrap_or(1)).collect();
    page.push_str("<div class=\"windows\">");
    for at in &scale {
        write!(page, "<i style=\"left:{:.2}%\"></i>", part(*at, whole))?;
    }
    for fault in &plan.faults {
        let bar = Bar { from: fault.from, to: fault.to, class: "window", text: String::new() };
        write_bar(page, &bar, whole)?;
    }
    page.push_str("</div>\n");
    for (number, fault) in plan.faults.iter().enumerate() {
        let name = if number == 0 { "goes wrong" } else { "" };
        write!(page, "<div class=\"strip\"><b>{name}</b><span>")?;
        write_bar(
            page,
            &Bar { from: fault.from, to: fault.to, class: "wrong", text: fault_text(fault) },
            whole,
        )?;
        page.push_str("</span></div>\n");
    }
    for (place, lane) in lanes.0.iter().enumerate() {
        write!(page, "<div class=\"strip\"><b>{}</b><span>", escaped(&Lanes::name(*lane)))?;
        for bar in bars(timeline, *lane, whole) {
            write_bar(page, &bar, whole)?;
        }
        let own = || {
            timeline
                .iter()
                .enumerate()
                .filter(|(_, entry)| lanes.place(entry.from) == Some(place) && entry.kind != Kind::Hears)
        };
        let matters = |entry: &Entry| matches!(entry.kind, Kind::Person | Kind::Fault | Kind::Broken);
        for (number, entry) in own().filter(|(_, entry)| !many || matters(entry)) {
            let (at, kind) = (part(entry.at, whole), named(entry.kind));
            write!(page, "<a class=\"{kind}\" style=\"left:{at:.2}%\" data-row=\"{number}\"></a>")?;
        }
        if !many {
            write_words(page, own().map(|(_, entry)| entry).filter(|entry| matters(entry)), whole)?;
        }
        page.push_str("</span></div>\n");
    }
    page.push_str("<div class=\"strip scale\"><b></b><span>");
    for at in scale {
        write!(page, "<em style=\"left:{:.2}%\">{} s</em>", part(at, whole), at / 1000)?;
    }
    page.push_str("</span></div>\n</div>\n<ul class=\"legend\">");
    for (class, means) in BARS {
        if class != "wrong" || !plan.faults.is_empty() {
            write!(page, "<li><u class=\"{class}\"></u>{means}</li>")?;
        }
    }
    let person = KINDS[0].2;
    writeln!(page, "<li><a class=\"{person}\"></a>a person does something</li></ul>")
}

fn part(at: u64, whole: u64) -> f64 {
    100.0 * at.min(whole) as f64 / whole as f64
}

fn write_bar(page: &mut String, bar: &Bar, whole: u64) -> std::fmt::Result {
    let (left, right) = (part(bar.from, whole), part(bar.to, whole));
    let (class, text, width) = (bar.class, escaped(&bar.text), (right - left).max(0.15));
    // A text that does not fit after its beginning stands before its end.
    let end = if left > 60.0 { " end" } else { "" };
    write!(
        page,
        "<u class=\"{class}{end}\" style=\"left:{left:.2}%;width:{width:.2}%\" title=\"{text}\"><s>{text}</s></u>"
    )
}

/// Writes what people do, as far as there is room. Planned deeds come before calls that are taken and ended.
fn write_words<'a>(
    page: &mut String,
    entries: impl Iterator<Item = &'a Entry>,
    whole: u64,
) -> std::fmt::Result {
    let mut all: Vec<&Entry> = entries.collect();
    all.sort_by_key(|entry| {
        (entry.text.contains("accepts ") || entry.text.starts_with("completes "), entry.at)
    });
    let mut taken: Vec<(f64, f64)> = vec![];
    for entry in all {
        let text = entry.text.split(" WR-").next().unwrap_or_default();
        let length = LETTER * text.chars().count() as f64 + 1.0;
        let left = part(entry.at, whole).min(100.0 - length);
        if left < 0.0 || taken.iter().any(|(from, to)| left < *to && *from < left + length) {
            continue;
        }
        taken.push((left, left + length));
        let text = escaped(text);
        write!(page, "<em class=\"{}\" style=\"left:{left:.2}%\">{text}</em>", named(entry.kind))?;
    }
    Ok(())
}

fn bars(timeline: &[Entry], lane: Lane, whole: u64) -> Vec<Bar> {
    let mut all = match lane {
        Lane::Customer(_) => hearing(timeline, lane, whole),
        Lane::Agent(_) => pages(timeline, lane, whole),
        Lane::Server(_) => servers(timeline, whole),
        Lane::Page(..) | Lane::Twilio | Lane::World => vec![],
    };
    if let Lane::Agent(_) = lane {
        let talks_to_agent = format!("{TALKS_TO}{lane}");
        let customers: std::collections::BTreeSet<Lane> =
            timeline.iter().filter(|entry| entry.kind == Kind::Hears).map(|entry| entry.from).collect();
        for customer in customers {
            let talks = spans(timeline, whole, |entry| {
                if is_end_of(entry, customer) {
                    return Some(None);
                }
                (entry.kind == Kind::Hears && entry.from == customer)
                    .then(|| (entry.text == talks_to_agent).then(|| ("talk", customer.to_string())))
            });
            all.extend(talks);
        }
    }
    all.retain(|bar| bar.from < bar.to);
    all
}

/// Bars that each last from one entry to the next one about the same thing.
fn spans(
    timeline: &[Entry],
    whole: u64,
    mut says: impl FnMut(&Entry) -> Option<Option<(&'static str, String)>>,
) -> Vec<Bar> {
    let mut bars: Vec<Bar> = vec![];
    let mut is: Option<(u64, &'static str, String)> = None;
    for entry in timeline {
        let Some(now) = says(entry) else { continue };
        if is.as_ref().map(|(_, class, text)| (*class, text))
            == now.as_ref().map(|(class, text)| (*class, text))
        {
            continue;
        }
        if let Some((from, class, text)) = is.take() {
            bars.push(Bar { from, to: entry.at, class, text });
        }
        is = now.map(|(class, text)| (entry.at, class, text));
    }
    bars.extend(is.map(|(from, class, text)| Bar { from, to: whole, class, text }));
    bars
}

fn hearing(timeline: &[Entry], lane: Lane, whole: u64) -> Vec<Bar> {
    spans(timeline, whole, |entry| {
        if is_end_of(entry, lane) {
            return Some(None);
        }
        (entry.kind == Kind::Hears && entry.from == lane).then(|| {
            Some(match (entry.text.as_str(), entry.text.strip_prefix(TALKS_TO)) {
                (_, Some(whom)) => ("talk", whom.to_owned()),
                (HEARS_NOTHING, _) => ("silence", "nothing".to_owned()),
                _ => ("music", "music".to_owned()),
            })
        })
    })
}

/// True when this entry ends the customer's call.
fn is_end_of(entry: &Entry, customer: Lane) -> bool {
    entry.to == Some(customer) && entry.kind == Kind::Does
}

/// For each moment the best state among the agent's pages.
fn pages(timeline: &[Entry], lane: Lane, whole: u64) -> Vec<Bar> {
    let mut open: BTreeMap<Lane, (bool, bool)> = BTreeMap::new();
    spans(timeline, whole, |entry| {
        if entry.kind != Kind::Does || owner(entry.from) != lane || entry.from == lane {
            return None;
        }
        let (up, away) = open.get(&entry.from).copied().unwrap_or_default();
        match entry.text.as_str() {
            LOADS => _ = open.insert(entry.from, (false, false)),
            IS_UP => _ = open.insert(entry.from, (true, away)),
            SLEEPS | IS_CUT_OFF => _ = open.insert(entry.from, (up, true)),
            IS_BACK => _ = open.insert(entry.from, (up, false)),
            IS_GONE => _ = open.remove(&entry.from),
            _ => return None,
        }
        let any = |how: (bool, bool)| open.values().any(|page| *page == how);
        Some(if any((true, false)) {
            Some(("here", String::new()))
        } else if any((false, false)) {
            Some(("loading", "loads".to_owned()))
        } else {
            (!open.is_empty()).then(|| ("away", "away".to_owned()))
        })
    })
}

fn servers(timeline: &[Entry], whole: u64) -> Vec<Bar> {
    spans(timeline, whole, |entry| match (entry.from, entry.text.as_str()) {
        (Lane::Server(_), STARTS) => Some(Some(("here", String::new()))),
        (Lane::Server(_), IS_KILLED | IS_STOPPED) => Some(None),
        _ => None,
    })
}
