//! What the machine does in every state with every event. `docs/transitions.md` is drawn from this: the machine is led
//! into each state, told each event, and what it did is written down.

mod cell;
mod events;
mod page;
mod states;
mod why;

use cell::{cell, goes_on};
use events::groups;
use rejoin_recovery::{Action, ConferenceEventKind, Event, TaskEventKind, Timer};
use states::{STATES, code_of};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_table_in_docs_is_what_the_machine_does() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/transitions.md");
    let made = page::page();
    if std::env::var_os("REJOIN_WRITE_DOCS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "docs/transitions.md is out of date: run this test with REJOIN_WRITE_DOCS=1");
}

#[test]
fn each_state_of_the_table_is_the_one_that_it_is_called() {
    for state in &STATES {
        let desk = (state.make)();
        assert_eq!(code_of(desk.machine.call(&crate::desk::conference(1))), state.code, "{}", state.name);
    }
    let codes: BTreeSet<_> = STATES.iter().map(|state| state.code).collect();
    assert_eq!(codes.len(), STATES.len());
}

#[test]
fn what_is_ignored_has_a_reason() {
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
fn in_no_cell_a_recovery_comes_to_a_stop() {
    for row in groups().iter().flat_map(|group| &group.rows) {
        for state in &STATES {
            let (_, desk) = cell(state, row);
            assert!(goes_on(&desk), "{}: {}", state.name, row.name);
        }
    }
}

#[test]
fn every_kind_of_event_is_in_the_table() {
    let mut told = BTreeSet::new();
    for row in groups().iter().flat_map(|group| &group.rows) {
        let (_, desk) = cell(&STATES[2], row);
        told.extend(desk.told.iter().map(kind));
    }
    let timers = Timer::ALL.map(|timer| format!("timer {timer:?}"));
    let all: BTreeSet<String> = KINDS.iter().map(|kind| (*kind).to_owned()).chain(timers).collect();
    assert_eq!(all.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new(), "is not told");
    assert_eq!(told.difference(&all).collect::<Vec<_>>(), Vec::<&String>::new(), "is not listed");
}

/// All that [`kind`] can say, apart from the timers.
const KINDS: [&str; 39] = [
    "start",
    "end",
    "join",
    "leave",
    "modify",
    "announcement-end",
    "registered",
    "graceful",
    "hello",
    "goodbye",
    "entered-queue",
    "left-queue",
    "released",
    "task entered-queue",
    "task canceled",
    "task accepted",
    "task not-taken",
    "task taken-back",
    "task wrap-up",
    "done announce",
    "done free",
    "done hold-customer",
    "done end-hold",
    "done keep",
    "done mark",
    "done ping",
    "done end-ping",
    "done requeue",
    "done complete",
    "done remove",
    "done move",
    "done hold",
    "done coach",
    "done unhold",
    "done end",
    "done look",
    "done give-up",
    "done learn",
    "done check",
];

/// A new kind of event or action does not compile until it is named here, and then has to be in the table.
fn kind(event: &Event) -> String {
    let name = match event {
        Event::Conference(event) => match event.kind {
            ConferenceEventKind::Start => "start",
            ConferenceEventKind::End => "end",
            ConferenceEventKind::Join { .. } => "join",
            ConferenceEventKind::Leave { .. } => "leave",
            ConferenceEventKind::Modify { .. } => "modify",
            ConferenceEventKind::AnnouncementEnd => "announcement-end",
        },
        Event::Registered { .. } => "registered",
        Event::Graceful { .. } => "graceful",
        Event::Hello { .. } => "hello",
        Event::Goodbye { .. } => "goodbye",
        Event::EnteredQueue { .. } => "entered-queue",
        Event::LeftQueue { .. } => "left-queue",
        Event::Released { .. } => "released",
        Event::Task(event) => match event.kind {
            TaskEventKind::EnteredQueue => "task entered-queue",
            TaskEventKind::Canceled { .. } => "task canceled",
            TaskEventKind::Accepted => "task accepted",
            TaskEventKind::NotTaken => "task not-taken",
            TaskEventKind::TakenBack => "task taken-back",
            TaskEventKind::WrapUp => "task wrap-up",
        },
        Event::Done { action, .. } => match action {
            Action::Announce { .. } => "done announce",
            Action::FreeCustomer { .. } => "done free",
            Action::HoldCustomer { .. } => "done hold-customer",
            Action::EndHold { .. } => "done end-hold",
            Action::KeepConference { .. } => "done keep",
            Action::MarkTask { .. } => "done mark",
            Action::CreatePing { .. } => "done ping",
            Action::EndPing { .. } => "done end-ping",
            Action::Requeue { .. } => "done requeue",
            Action::CompleteReservation { .. } => "done complete",
            Action::RemoveLeg { .. } => "done remove",
            Action::MoveParticipant { .. } => "done move",
            Action::HoldParticipant { .. } => "done hold",
            Action::CoachInstead { .. } => "done coach",
            Action::Unhold { .. } => "done unhold",
            Action::EndConference { .. } => "done end",
            Action::Look { .. } => "done look",
            Action::GiveUp { .. } => "done give-up",
            Action::Learn { .. } => "done learn",
            Action::CheckNumber { .. } => "done check",
        },
        Event::Timer { timer, .. } => return format!("timer {timer:?}"),
    };
    name.to_owned()
}
