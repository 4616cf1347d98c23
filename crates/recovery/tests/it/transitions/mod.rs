//! What the machine does in every state with every event. `docs/transitions.md` is drawn from this: the machine is led
//! into each state and handles each event, and what it does is written down.

mod cell;
mod events;
mod page;
mod states;
pub mod stored;
mod why;

use cell::{cell, goes_on};
use events::groups;
use rejoin_recovery::cells::state_of;
use rejoin_recovery::{Action, ConferenceEventKind, Event, TaskEventKind, Timer};
use states::STATES;
use std::collections::BTreeSet;
use std::path::Path;

/// The name of each state, and what leads a call there.
pub fn desks() -> impl Iterator<Item = (&'static str, fn() -> crate::desk::Desk)> {
    STATES.iter().map(|state| (state.name, state.make))
}

#[test]
fn transitions_md_matches_the_machine() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/transitions.md");
    let made = page::page();
    if std::env::var_os("REJOIN_WRITE_DOCS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "docs/transitions.md is out of date: run this test with REJOIN_WRITE_DOCS=1");
}

#[test]
fn each_state_of_the_table_is_classified_as_itself() {
    for state in &STATES {
        let desk = (state.make)();
        assert_eq!(state_of(desk.machine.call(&crate::desk::conference(1))), state.code, "{}", state.name);
    }
    let codes: BTreeSet<_> = STATES.iter().map(|state| state.code).collect();
    assert_eq!(codes.len(), STATES.len());
}

#[test]
fn each_ignored_event_has_a_reason() {
    let mut without = vec![];
    for row in groups().iter().flat_map(|group| &group.rows) {
        for state in &STATES {
            if cell(state, row).0.is_ignored() && why::why(&row.name, state.code).is_none() {
                without.push(format!("{}: {}", row.name, state.name));
            }
        }
    }
    assert!(without.is_empty(), "{without:#?}");
}

#[test]
fn an_open_recovery_goes_on_in_every_cell() {
    for row in groups().iter().flat_map(|group| &group.rows) {
        for state in &STATES {
            let (_, desk) = cell(state, row);
            assert!(goes_on(&desk), "{}: {}", state.name, row.name);
        }
    }
}

#[test]
fn every_kind_of_event_is_in_the_table() {
    let mut handled = BTreeSet::new();
    for row in groups().iter().flat_map(|group| &group.rows) {
        let (_, desk) = cell(&STATES[2], row);
        handled.extend(desk.events.iter().flat_map(|event| [event.kind(), event.name()]));
    }
    let all = [Event::NAMES, ConferenceEventKind::NAMES, TaskEventKind::NAMES, Action::NAMES, Timer::NAMES];
    let missing: Vec<_> = all.concat().into_iter().filter(|name| !handled.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn each_row_of_the_table_is_recognised_from_its_event() {
    let mut unknown = vec![];
    for row in groups().iter().flat_map(|group| &group.rows) {
        let here = STATES.iter().filter(|state| {
            let seen = cell(state, row).1.cells;
            seen.iter().any(|cell| cell.row == Some(&row.name) && cell.state == state.code)
        });
        if here.count() == 0 {
            unknown.push(row.name.clone());
        }
    }
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn each_recognised_event_names_a_row_of_the_table() {
    let groups = groups();
    let rows: Vec<_> = groups.iter().flat_map(|group| &group.rows).collect();
    for (state, row) in STATES.iter().flat_map(|state| rows.iter().map(move |row| (state, row))) {
        for seen in cell(state, row).1.cells.iter().filter_map(|cell| cell.row) {
            assert!(rows.iter().any(|row| row.name == seen), "{seen}");
        }
    }
}
