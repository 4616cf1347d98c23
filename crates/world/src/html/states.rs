//! The states that last, as far as entries begin and end them: what a customer hears, and how an agent's pages and our server are.

use super::owner;
use crate::timeline::{
    Entry, HEARS_NOTHING, IS_BACK, IS_CUT_OFF, IS_GONE, IS_KILLED, IS_STOPPED, IS_UP, Kind, LOADS, Lane,
    SLEEPS, STARTS, TALKS_TO,
};
use rejoin_timeline::{State, StateKind};
use std::collections::{BTreeMap, BTreeSet};

/// Of a lane, until the end (`whole`).
pub(super) fn of(timeline: &[Entry], lane: Lane, whole: u64) -> Vec<State> {
    let mut all = match lane {
        Lane::Customer(_) => hearing(timeline, lane, whole),
        Lane::Agent(_) => pages(timeline, lane, whole),
        Lane::Server(_) => servers(timeline, whole),
        Lane::Chat(_) | Lane::Page(..) | Lane::Twilio | Lane::World => vec![],
    };
    if let Lane::Agent(_) = lane {
        let talks_to_agent = format!("{TALKS_TO}{lane}");
        let customers: BTreeSet<Lane> =
            timeline.iter().filter(|entry| entry.kind == Kind::Hears).map(|entry| entry.from).collect();
        for customer in customers {
            let talks = spans(timeline, whole, |entry| {
                if is_end_of(entry, customer) {
                    return Some(None);
                }
                (entry.kind == Kind::Hears && entry.from == customer)
                    .then(|| (entry.text == talks_to_agent).then(|| (StateKind::Talk, customer.to_string())))
            });
            all.extend(talks);
        }
    }
    all.retain(|state| state.from < state.to);
    all
}

/// States that each last from one entry to the next one about the same thing.
fn spans(
    timeline: &[Entry],
    whole: u64,
    mut says: impl FnMut(&Entry) -> Option<Option<(StateKind, String)>>,
) -> Vec<State> {
    let mut states: Vec<State> = vec![];
    let mut is: Option<(u64, StateKind, String)> = None;
    for entry in timeline {
        let Some(now) = says(entry) else { continue };
        if is.as_ref().map(|(_, kind, text)| (*kind, text)) == now.as_ref().map(|(kind, text)| (*kind, text))
        {
            continue;
        }
        if let Some((from, kind, text)) = is.take() {
            states.push(State { from, to: entry.at, kind, text });
        }
        is = now.map(|(kind, text)| (entry.at, kind, text));
    }
    states.extend(is.map(|(from, kind, text)| State { from, to: whole, kind, text }));
    states
}

fn hearing(timeline: &[Entry], lane: Lane, whole: u64) -> Vec<State> {
    spans(timeline, whole, |entry| {
        if is_end_of(entry, lane) {
            return Some(None);
        }
        (entry.kind == Kind::Hears && entry.from == lane).then(|| {
            Some(match (entry.text.as_str(), entry.text.strip_prefix(TALKS_TO)) {
                (_, Some(whom)) => (StateKind::Talk, whom.to_owned()),
                (HEARS_NOTHING, _) => (StateKind::Silence, "nothing".to_owned()),
                _ => (StateKind::Music, "music".to_owned()),
            })
        })
    })
}

/// True when this entry ends the customer's call.
fn is_end_of(entry: &Entry, customer: Lane) -> bool {
    entry.to == Some(customer) && entry.kind == Kind::Does
}

/// For each moment the best state among the agent's pages.
fn pages(timeline: &[Entry], lane: Lane, whole: u64) -> Vec<State> {
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
            Some((StateKind::Here, String::new()))
        } else if any((false, false)) {
            Some((StateKind::Loading, "loads".to_owned()))
        } else {
            (!open.is_empty()).then(|| (StateKind::Away, "away".to_owned()))
        })
    })
}

fn servers(timeline: &[Entry], whole: u64) -> Vec<State> {
    spans(timeline, whole, |entry| match (entry.from, entry.text.as_str()) {
        (Lane::Server(_), STARTS) => Some(Some((StateKind::Here, String::new()))),
        (Lane::Server(_), IS_KILLED | IS_STOPPED) => Some(None),
        _ => None,
    })
}
