//! Keys of events and calls: an event has the same effects on the calls that it concerns as on all calls.

use crate::desk::{conference, leg, success};
use crate::taskrouter_events::TASK_EVENTS;
use proptest::prelude::*;
use rejoin_protocol::api::{Goodbye, GracefulMark, GracefulReason, Hello, Holding, Registration};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
};
use rejoin_recovery::{
    Action, Call, ConferenceEvent, ConferenceEventKind, Config, EarlyMark, EarlyMarkKey, Effect, Event, Key,
    LeaveReason, LookUpAnswer, Machine, Outcome, ParticipantFlags, PollAnswer, Purpose, Reconnect,
    ReconnectState, TaskEvent, Timer,
};
use std::collections::{BTreeMap, BTreeSet};

const ALL: [u128; 4] = [1, 2, 3, 4];
/// Two customers in four conferences: each has one to talk in and one to be reconnected in.
const CUSTOMERS: [u128; 2] = [0xc1, 0xc2];
const AGENTS: [u128; 3] = [0xa1, 0xa2, 0xa3];
const WORKERS: [u128; 2] = [0xada, 0xb0];

/// What may happen next: an event, or the outcome of a requested action.
#[derive(Clone, Debug)]
enum Step {
    Event(Box<Event>),
    Finish { which: usize, customer: u128, well: bool },
}

fn task(n: u128) -> TaskSid {
    TaskSid::numbered(n % 3) // one task has two conferences
}

fn workers() -> impl Strategy<Value = WorkerSid> {
    prop::sample::select(&WORKERS[..]).prop_map(WorkerSid::numbered)
}

fn any_leg() -> impl Strategy<Value = CallSid> {
    prop_oneof![prop::sample::select(&CUSTOMERS[..]), prop::sample::select(&AGENTS[..])].prop_map(leg)
}

fn rooms() -> impl Strategy<Value = u128> {
    prop::sample::select(&ALL[..])
}

fn recoveries() -> impl Strategy<Value = (RecoveryId, CallSid)> {
    (prop::sample::select(&AGENTS[..]), prop::sample::select(&CUSTOMERS[..]))
        .prop_map(|(lost, customer)| (RecoveryId::of(&leg(lost)), leg(customer)))
}

fn conference_events() -> impl Strategy<Value = Event> {
    let flags = (any::<bool>(), any::<bool>()).prop_map(|(end_conference_on_exit, hold)| ParticipantFlags {
        end_conference_on_exit,
        hold,
        ..ParticipantFlags::default()
    });
    let reasons = prop::sample::select(vec![LeaveReason::HungUp, LeaveReason::UpdatedViaApi]);
    let kinds = prop_oneof![
        4 => (any_leg(), flags.clone()).prop_map(|(leg, flags)| ConferenceEventKind::Join { leg, flags }),
        3 => (any_leg(), reasons).prop_map(|(leg, reason)| ConferenceEventKind::Leave { leg, reason }),
        1 => (any_leg(), flags).prop_map(|(leg, flags)| ConferenceEventKind::Modify { leg, flags }),
        1 => Just(ConferenceEventKind::End),
        1 => Just(ConferenceEventKind::AnnouncementEnd),
    ];
    (rooms(), 1..200u64, prop::option::of(workers()), kinds).prop_map(|(n, sequence, owner, kind)| {
        let (conference, task) = (conference(n), Some(task(n)));
        let owner = owner.zip(task.as_ref()).map(|(worker, task)| (reservation(&worker, task), worker));
        Event::Conference(ConferenceEvent { owner, ..ConferenceEvent::new(conference, task, sequence, kind) })
    })
}

fn registrations() -> impl Strategy<Value = Event> {
    let legs = (prop::sample::select(&AGENTS[..]), prop::sample::select(&CUSTOMERS[..]));
    (workers(), rooms(), legs, 1..4u64).prop_map(|(worker, n, (worker_leg, customer_leg), epoch)| {
        let registration = Registration {
            id: None,
            epoch,
            task: task(n),
            reservation: reservation(&worker, &task(n)),
            workflow: WorkflowSid::numbered(1),
            queue: None,
            conference: conference(n),
            worker_leg: leg(worker_leg),
            customer_leg: leg(customer_leg),
            worker_name: "Ada".into(),
            answers_messages: false,
        };
        Event::Registered { worker, registration }
    })
}

/// Each worker has one reservation of each task.
fn reservation(worker: &WorkerSid, task: &TaskSid) -> ReservationSid {
    ReservationSid::parse(&format!("WR{}{}", &worker.digits()[16..], &task.digits()[16..])).unwrap()
}

fn hellos() -> impl Strategy<Value = Event> {
    (workers(), prop::option::of(rooms()), 1..6u64, any::<[bool; 3]>()).prop_map(
        |(worker, holding, epoch, [wrapping, can_join, older_page_connected])| {
            let holdings = holding.map(task).map(|task| {
                let reservation = reservation(&worker, &task);
                Holding { task, reservation, wrapping, can_join, other_browser: wrapping != can_join }
            });
            let hello = Hello {
                epoch,
                holdings: holdings.into_iter().collect(),
                unavailable: can_join,
                accepts_ping: false,
            };
            Event::Hello { worker, hello, older_page_connected }
        },
    )
}

fn marks() -> impl Strategy<Value = Event> {
    (workers(), rooms()).prop_map(|(worker, n)| {
        let (task, reason) = (task(n), GracefulReason::HangUp);
        let mark = GracefulMark { id: None, reservation: reservation(&worker, &task), task, reason };
        Event::Graceful { worker, mark }
    })
}

fn goodbyes() -> impl Strategy<Value = Event> {
    (workers(), rooms(), 1..4u64).prop_map(|(worker, n, epoch)| {
        let goodbye = Goodbye { epoch, tasks: vec![task(n)] };
        Event::Goodbye { worker, goodbye }
    })
}

fn lost_channels() -> impl Strategy<Value = Event> {
    (workers(), 0..4u64).prop_map(|(worker, epoch)| Event::PushLost { worker, epoch })
}

fn queue_events() -> impl Strategy<Value = Event> {
    let entered = recoveries().prop_map(|(recovery, customer)| Event::EnteredQueue { recovery, customer });
    let tokens = prop::option::of(prop_oneof![Just("one".to_owned()), Just("two".to_owned())]);
    let left = (recoveries(), any::<bool>(), any::<bool>(), tokens).prop_map(
        |((recovery, customer), bridged, hung_up, token)| Event::LeftQueue {
            recovery,
            customer,
            bridged,
            hung_up,
            token,
        },
    );
    prop_oneof![entered, left]
}

fn task_events() -> impl Strategy<Value = Event> {
    let purposes =
        (recoveries(), prop::option::of(workers()), 0..3).prop_map(|((recovery, _), target, which)| {
            match which {
                0 => Purpose::Other,
                1 => Purpose::Ping { recovery },
                _ => Purpose::Reconnect { recovery, target },
            }
        });
    (rooms(), purposes, workers(), 0..40u8, prop::sample::select(TASK_EVENTS.to_vec())).prop_map(
        |(n, purpose, worker, id, kind)| {
            let (task, id) = (task(n), format!("EV{id}"));
            let reservation = Some(reservation(&worker, &task));
            Event::Task(TaskEvent { id, task, purpose, worker: Some(worker), reservation, kind })
        },
    )
}

/// A call that was restored from a backup. The customer may wait in the queue, or be in the next conference with an agent.
fn restores() -> impl Strategy<Value = Event> {
    let seen = (prop::option::of((workers(), rooms())), any::<bool>(), any::<bool>());
    (rooms(), seen).prop_map(|(n, (taken, waits, on_line))| {
        let reconnects = taken.map(|(worker, into)| {
            let (task, name) = (task(into), "Ada".into());
            let reservation = reservation(&worker, &task);
            let state = match waits {
                true => ReconnectState::Waits,
                false => ReconnectState::Taken { worker, name, reservation },
            };
            Reconnect { task, target: None, state, conference: Some(conference(into)) }
        });
        let reconnects = reconnects.into_iter().collect();
        let seen = PollAnswer { reconnects, on_line: Some(on_line), ..PollAnswer::default() };
        Event::Restored { conference: conference(n), seen: Box::new(seen) }
    })
}

fn timers() -> impl Strategy<Value = Event> {
    (rooms(), prop::sample::select(Timer::ALL.to_vec()))
        .prop_map(|(n, timer)| Event::Timer { conference: conference(n), timer })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = prop_oneof![
        6 => conference_events(),
        4 => registrations(),
        2 => hellos(),
        1 => marks(),
        1 => goodbyes(),
        1 => lost_channels(),
        2 => queue_events(),
        2 => task_events(),
        3 => timers(),
        1 => restores(),
    ];
    let step = prop_oneof![
        5 => event.prop_map(|event| Step::Event(Box::new(event))),
        1 => (0..8usize, prop::sample::select(&CUSTOMERS[..]), any::<bool>())
            .prop_map(|(which, customer, well)| Step::Finish { which, customer, well }),
    ];
    prop::collection::vec(step, 0..80)
}

fn outcome(action: &Action, customer: u128, well: bool) -> Outcome {
    match action {
        _ if !well => Outcome::Gone,
        Action::LookUpTask { .. } => Outcome::TaskLookedUp(Box::new(LookUpAnswer {
            is_accepted: false,
            workflow: WorkflowSid::numbered(1),
            queue: None,
            customer_leg: Some(leg(customer)),
            worker_leg: Some(leg(AGENTS[0])),
            reservation: Some(ReservationSid::numbered(1)),
            worker: Some((WorkerSid::numbered(WORKERS[0]), "Ada".into())),
            attributes: "{}".into(),
        })),
        Action::ReadReservations { task, .. } => {
            let workers = WORKERS.map(WorkerSid::numbered);
            let owners = workers.map(|worker| (reservation(&worker, task), worker)).into();
            Outcome::ReservationsRead { owners, is_of_task: customer == CUSTOMERS[0] }
        }
        _ => success(action),
    }
}

/// The early marks of the workers and tasks of an event, and of the calls' tasks.
fn early(stored: &BTreeMap<EarlyMarkKey, EarlyMark>, event: &Event, calls: &[Call]) -> Vec<EarlyMark> {
    let keys = event.keys();
    let concerns = |early: &&EarlyMark| {
        keys.contains(&Key::Worker(early.worker.clone()))
            || keys.contains(&Key::Task(early.mark.task.clone()))
            || calls.iter().any(|call| call.task == early.mark.task)
    };
    stored.values().filter(concerns).cloned().collect()
}

/// The calls that an event concerns, as a store of several processes would select them.
fn concerned(stored: &BTreeMap<ConferenceSid, Call>, event: &Event) -> Vec<Call> {
    let sharing = |keys: &BTreeSet<Key>| {
        let shares = |call: &&Call| !call.keys().is_disjoint(keys);
        stored.values().filter(shares).cloned().collect::<Vec<_>>()
    };
    let found = sharing(&event.keys());
    let legs = found.iter().flat_map(Call::keys).filter(|key| matches!(key, Key::Leg(_)));
    sharing(&legs.chain(event.keys()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn handling_only_the_concerned_calls_has_the_same_effects(steps in steps()) {
        let mut all = Machine::new(Config::default(), []);
        let mut stored = BTreeMap::<ConferenceSid, Call>::new();
        let mut waiting = BTreeMap::<EarlyMarkKey, EarlyMark>::new();
        let mut pending = vec![];
        let mut now = Millis(1_700_000_000_000);
        for step in steps {
            let event = match step {
                Step::Event(event) => *event,
                Step::Finish { which, .. } if which >= pending.len() => continue,
                Step::Finish { which, customer, well } => {
                    let (conference, action) = pending.remove(which);
                    let outcome = outcome(&action, customer, well);
                    Event::Done { conference, action, outcome }
                }
            };
            now = now + Millis(100);
            let wanted = all.handle(now, event.clone());
            let calls = concerned(&stored, &event);
            let marks = early(&waiting, &event, &calls);
            let mut some = Machine::new(Config::default(), calls).with_early(marks);
            let effects = some.handle(now, event.clone());
            prop_assert_eq!(&effects, &wanted, "{:?}", event);
            for (key, early) in some.take_early() {
                waiting.remove(&key);
                waiting.extend(early.map(|early| (key, early)));
            }
            for call in some.take_dirty() {
                stored.insert(call.conference.clone(), call.clone());
            }
            for effect in effects {
                match effect {
                    Effect::Act { conference, action, .. } => pending.push((conference, action)),
                    Effect::Forget { conference } => {
                        stored.remove(&conference);
                    }
                    Effect::SetTimer { .. } | Effect::ClearTimer { .. } | Effect::Push { .. } | Effect::Note { .. } => {}
                }
            }
            for n in ALL {
                prop_assert_eq!(stored.get(&conference(n)), all.call(&conference(n)), "{:?}", event);
            }
        }
    }
}

#[test]
fn keys_of_different_kinds_are_never_the_same_text() {
    let keys = [
        Key::Conference(conference(1)),
        Key::Task(TaskSid::numbered(1)),
        Key::Leg(leg(1)),
        Key::Worker(WorkerSid::numbered(1)),
        Key::Recovery(RecoveryId::numbered(1)),
    ];
    let texts: BTreeSet<_> = keys.iter().map(Key::as_str).collect();
    assert_eq!(texts.len(), keys.len(), "{texts:?}");
}

/// A look-up names the customer, so that the customer's other calls are concerned as well.
#[test]
fn a_look_up_answer_concerns_the_customer_that_it_names() {
    let found = outcome(&Action::LookUpTask { task: task(1) }, CUSTOMERS[0], true);
    let event = Event::Done {
        conference: conference(2),
        action: Action::LookUpTask { task: task(2) },
        outcome: found,
    };
    assert!(event.keys().contains(&Key::Leg(leg(CUSTOMERS[0]))));
}
