//! Any sequence of events: nothing panics, and the invariants hold.

use super::world::{World, ada, bo, queue_document};
use crate::model::{
    ConferenceInstruction, Effect, Event, Model, NewParticipant, NewTask, ParticipantChange, PlayId, Request,
    state::{ConferenceStatus, Doing, Joining},
};
use proptest::prelude::*;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, ReservationSid, TaskSid, TransferSid, WorkflowSid};
use std::collections::BTreeMap;

/// What happens next; numbers pick one of the existing resources.
#[derive(Clone, Copy, Debug)]
enum Step {
    Dial,
    PlaceCall(bool),
    AddFromOutside(usize, bool),
    Busy(usize),
    HangUp(usize),
    Answer(usize),
    NoAnswer(usize),
    Silent(usize, bool),
    Played(usize),
    Presence(bool, bool),
    Pass(u64),
    Activity(bool, u8),
    Reservation(usize, u8),
    Accept(usize, bool, bool),
    JoinCall(usize),
    Transfer(usize, bool, bool),
    CancelTransfer(usize),
    Supervise(usize),
    CloseChannel(usize),
    Task(usize, u8),
    Ping(bool),
    Redirect(usize, u8),
    CallStatus(usize, bool),
    Change(usize, usize, Option<bool>, Option<bool>, Option<bool>, bool),
    Kick(usize, usize),
    EndConference(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let flag = any::<bool>();
    let maybe = proptest::option::of(any::<bool>());
    let n = 0..8usize;
    prop_oneof![
        2 => Just(Step::Dial),
        2 => flag.prop_map(Step::PlaceCall),
        2 => (n.clone(), flag).prop_map(|(n, f)| Step::AddFromOutside(n, f)),
        1 => n.clone().prop_map(Step::Busy),
        2 => n.clone().prop_map(Step::HangUp),
        4 => n.clone().prop_map(Step::Answer),
        1 => n.clone().prop_map(Step::NoAnswer),
        1 => (n.clone(), flag).prop_map(|(n, f)| Step::Silent(n, f)),
        2 => n.clone().prop_map(Step::Played),
        1 => (flag, flag).prop_map(|(a, b)| Step::Presence(a, b)),
        3 => (0..40_000u64).prop_map(Step::Pass),
        3 => (flag, 0..3u8).prop_map(|(a, b)| Step::Activity(a, b)),
        2 => (n.clone(), 0..4u8).prop_map(|(n, s)| Step::Reservation(n, s)),
        5 => (n.clone(), flag, flag).prop_map(|(n, a, b)| Step::Accept(n, a, b)),
        1 => n.clone().prop_map(Step::JoinCall),
        3 => (n.clone(), flag, flag).prop_map(|(n, f, g)| Step::Transfer(n, f, g)),
        1 => n.clone().prop_map(Step::CancelTransfer),
        1 => n.clone().prop_map(Step::Supervise),
        1 => n.clone().prop_map(Step::CloseChannel),
        1 => (n.clone(), 0..4u8).prop_map(|(n, s)| Step::Task(n, s)),
        1 => flag.prop_map(Step::Ping),
        2 => (n.clone(), 0..5u8).prop_map(|(n, d)| Step::Redirect(n, d)),
        1 => (n.clone(), flag).prop_map(|(n, f)| Step::CallStatus(n, f)),
        2 => (n.clone(), n.clone(), maybe.clone(), maybe.clone(), maybe, flag)
            .prop_map(|(a, b, c, d, e, f)| Step::Change(a, b, c, d, e, f)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::Kick(a, b)),
        1 => (n, flag).prop_map(|(n, f)| Step::EndConference(n, f)),
    ]
}

/// The newest come first, so that small numbers hit what is going on.
fn pick<K: Clone, V>(all: &BTreeMap<K, V>, number: usize) -> Option<K> {
    all.keys().rev().nth(number).cloned()
}

fn call(model: &Model, number: usize) -> CallSid {
    pick(&model.calls, number).unwrap_or_else(|| CallSid::numbered(1))
}

fn conference(model: &Model, number: usize) -> ConferenceSid {
    pick(&model.conferences, number).unwrap_or_else(|| ConferenceSid::numbered(1))
}

fn reservation(model: &Model, number: usize) -> ReservationSid {
    pick(&model.reservations, number).unwrap_or_else(|| ReservationSid::numbered(1))
}

fn task(model: &Model, number: usize) -> TaskSid {
    pick(&model.tasks, number).unwrap_or_else(|| TaskSid::numbered(1))
}

fn run(world: &mut World, step: Step) {
    let model = &world.model;
    let who = |first: bool| if first { ada() } else { bo() };
    let request = match step {
        Step::Dial => {
            world.dial();
            return;
        }
        Step::PlaceCall(first) => Request::CreateTask(NewTask {
            attributes: r#"{"direction":"outbound","outbound_to":"+15550003333","from":"+15550001111"}"#
                .into(),
            workflow: Some(WorkflowSid::numbered(1)),
            channel: Some("voice".into()),
            routing_target: Some(who(first)),
            ..NewTask::default()
        }),
        Step::AddFromOutside(n, by_flex) if by_flex => Request::AddExternalParticipant {
            task: task(model, n),
            from: String::new(),
            to: "+15550003333".into(),
        },
        Step::AddFromOutside(n, _) => Request::CreateParticipant {
            conference: conference(model, n).to_string(),
            new: NewParticipant {
                from: String::new(),
                to: "+15550003333".into(),
                label: None,
                timeout: None,
                muted: false,
                start_conference_on_enter: true,
                end_conference_on_exit: n > 4,
                status_callback: None,
                status_callback_method: None,
                status_callback_event: None,
            },
        },
        Step::Busy(n) => return world.tell(Event::Busy { call: call(model, n) }),
        Step::HangUp(n) => return world.tell(Event::HungUp { call: call(model, n) }),
        Step::Answer(n) => return world.tell(Event::Answered { call: call(model, n) }),
        Step::NoAnswer(n) => return world.tell(Event::NotAnswered { call: call(model, n) }),
        Step::Silent(n, silent) => return world.tell(Event::MediaSilent { call: call(model, n), silent }),
        Step::Played(n) => {
            let play = pick(&model.plays.playing, n).unwrap_or(PlayId(0));
            return world.tell(Event::Played { play });
        }
        Step::Presence(first, open) => return world.tell(Event::Presence { worker: who(first), open }),
        Step::Pass(time) => return world.pass(Millis(time)),
        Step::Activity(first, number) => return world.activity(&who(first), u128::from(number)),
        Step::Ping(first) => {
            world.ping(&who(first), 15);
            return;
        }
        Step::Reservation(n, status) => Request::UpdateReservation {
            reservation: reservation(model, n),
            status: Some(["accepted", "rejected", "wrapping", "completed"][usize::from(status)].into()),
            instruction: None,
        },
        Step::Accept(n, exit, customer_exit) => Request::UpdateReservation {
            reservation: reservation(model, n),
            status: None,
            instruction: Some(ConferenceInstruction {
                end_conference_on_exit: exit,
                end_conference_on_customer_exit: customer_exit,
                ..ConferenceInstruction::default()
            }),
        },
        Step::JoinCall(n) => {
            let reservation = reservation(model, n);
            Request::AddAgentParticipant {
                task: model
                    .reservations
                    .get(&reservation)
                    .map_or_else(|| TaskSid::numbered(1), |state| state.task.clone()),
                reservation,
                to: "client:ada_40example_2Ecom".into(),
                from: String::new(),
            }
        }
        Step::Transfer(n, to, cold) => {
            let reservation = reservation(model, n);
            let worker = model.reservations.get(&reservation).map_or_else(ada, |state| state.worker.clone());
            let mode = Some(if cold { "COLD" } else { "WARM" }.into());
            Request::Transfer { worker, reservation, to: who(to).to_string(), mode, attributes: None }
        }
        Step::CancelTransfer(n) => {
            let transfer = pick(&model.transfers, n).unwrap_or_else(|| TransferSid::numbered(1));
            let worker = model.transfers.get(&transfer).map_or_else(ada, |state| state.worker.clone());
            Request::UpdateTransfer { worker, transfer, status: "canceled".into() }
        }
        Step::Supervise(n) => Request::Supervise {
            reservation: reservation(model, n),
            supervisor: bo(),
            to: "client:bo_40example_2Ecom".into(),
        },
        Step::CloseChannel(n) => Request::CloseChannel(task(model, n)),
        Step::Task(n, status) => Request::UpdateTask {
            task: task(model, n),
            if_match: None,
            attributes: None,
            assignment_status: Some(
                ["completed", "canceled", "wrapping", "pending"][usize::from(status)].into(),
            ),
            reason: None,
            priority: Some(u32::from(status)),
        },
        Step::Redirect(n, document) => Request::UpdateCall {
            call: call(model, n),
            url: Some(format!("http://server/{document}")),
            method: None,
            fallback_url: (document == 4).then(|| "http://server/0".into()),
            fallback_method: None,
            twiml: None,
            status: None,
        },
        Step::CallStatus(n, completed) => Request::UpdateCall {
            call: call(model, n),
            url: None,
            method: None,
            fallback_url: None,
            fallback_method: None,
            twiml: None,
            status: Some(if completed { "completed" } else { "canceled" }.into()),
        },
        Step::Change(at, n, hold, muted, end_conference_on_exit, announce) => Request::UpdateParticipant {
            conference: conference(model, at),
            call: call(model, n),
            change: ParticipantChange {
                hold,
                muted,
                end_conference_on_exit,
                announce_url: announce.then(|| "http://server/1".into()),
                ..ParticipantChange::default()
            },
        },
        Step::Kick(at, n) => Request::RemoveParticipant(conference(model, at), call(model, n)),
        Step::EndConference(at, end) => Request::UpdateConference {
            conference: conference(model, at),
            status: end.then(|| "completed".into()),
            announce_url: (!end).then(|| "http://server/1".into()),
            announce_method: None,
        },
    };
    // Refusals are fine.
    let _ = world.ask(request);
}

fn check(model: &Model) {
    for (sid, call) in &model.calls {
        let places = model.conferences.iter().filter(|(_, c)| c.live().any(|p| p.call == *sid));
        let places: Vec<_> = places.map(|(conference, _)| conference).collect();
        assert!(places.len() <= 1, "{sid} is in {places:?}");
        assert_eq!(places.first().copied(), model.conference_of(sid), "{sid}");
        assert!(call.ended.is_none() || places.is_empty(), "{sid} has ended and is in a conference");
        if let Doing::Ringing(Joining::Dialled(dialled)) = &call.doing {
            let conference = &model.conferences[&dialled.conference];
            assert_ne!(conference.status, ConferenceStatus::Completed, "{sid} rings for nobody");
            let waits =
                |sid: &ReservationSid| model.reservations.get(sid).is_some_and(|r| r.ringing.is_some());
            assert!(dialled.reservation.as_ref().is_none_or(waits), "{sid} rings for no reservation");
        }
    }
    for conference in model.conferences.values() {
        let over = conference.status == ConferenceStatus::Completed;
        assert_eq!(over, conference.live().next().is_none(), "{conference:?}");
    }
    for (worker, state) in &model.workers {
        for (channel, capacity) in state.capacity.iter().enumerate() {
            let used = model.reservations.values().filter(|reservation| {
                reservation.worker == *worker
                    && reservation.status.is_active()
                    && model
                        .tasks
                        .get(&reservation.task)
                        .is_some_and(|task| task.channel == channel && !task.ignore_capacity)
            });
            assert!(used.count() <= usize::try_from(*capacity).expect("small"), "{worker} has too much");
        }
    }
    for reservation in model.reservations.values() {
        let task = &model.tasks[&reservation.task];
        assert!(!reservation.status.is_active() || !task.status.is_final(), "{reservation:?} {task:?}");
    }
}

/// The media side agrees with the model.
fn check_media(world: &World) {
    let mut places: BTreeMap<CallSid, Option<ConferenceSid>> = BTreeMap::new();
    for effect in &world.done {
        match effect {
            Effect::Place { call, conference } => {
                places.insert(call.clone(), conference.clone());
            }
            Effect::Drop { call } => {
                places.remove(call);
            }
            _ => {}
        }
    }
    for (call, place) in places {
        if world.model.calls[&call].ended.is_none() {
            assert_eq!(place.as_ref(), world.model.conference_of(&call), "{call}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn invariants_hold(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        world.document("http://server/0", &queue_document(""));
        world.document("http://server/1", "<Say>One</Say><Pause/>");
        world.document("http://server/2", "<Dial><Conference endConferenceOnExit=\"true\">room</Conference></Dial><Say>x</Say>");
        world.document("http://server/3", "<Leave/>");
        world.broken("http://server/4");
        world.available(&ada());
        for step in steps {
            run(&mut world, step);
            check(&world.model);
        }
        check_media(&world);
    }
}
