//! What holds whatever happens. The machine itself asserts, in each step, that a conversation has an agent or a deadline.

use crate::facts::event;
use crate::room::*;
use proptest::prelude::*;
use rejoin_conversations::*;
use rejoin_protocol::Millis;

#[derive(Clone, Debug)]
enum Step {
    Event(Box<Event>),
    /// An answer to a pending action, truthful or refused.
    Answer(usize, bool),
    Timer,
    Pass(u64),
    /// The server ends, and another one goes on with what is stored.
    Restart,
    AdaGoes(u64),
    AdaComes(u64),
    BoTakes,
    CustomerWrites,
    TaskEnds,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => event().prop_map(|event| Step::Event(Box::new(event))),
        6 => (0..4usize, prop::bool::weighted(0.8)).prop_map(|(index, ok)| Step::Answer(index, ok)),
        6 => Just(Step::Timer),
        3 => (0..100u64).prop_map(Step::Pass),
        1 => Just(Step::Restart),
        2 => (0..3u64).prop_map(Step::AdaGoes),
        2 => (0..3u64).prop_map(Step::AdaComes),
        1 => Just(Step::BoTakes),
        2 => Just(Step::CustomerWrites),
        1 => Just(Step::TaskEnds),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let off_or = |seconds: u64| prop_oneof![Just(Millis(0)), Just(Millis::seconds(seconds))];
    (any::<bool>(), any::<bool>(), off_or(20), off_or(600), off_or(100), off_or(300)).prop_map(
        |(parks, closes, unanswered, watch, alert, close)| Policy {
            when_unattended: if parks { WhenUnattended::Park } else { WhenUnattended::Route },
            at_deadline: if closes { AtDeadline::Close } else { AtDeadline::Park },
            unanswered,
            watch,
            alert,
            close,
            ..Policy::default()
        },
    )
}

fn restart(room: &mut Room, policy: &Policy) {
    let stored: Vec<String> =
        room.machine.conversations().map(|it| serde_json::to_string(it).unwrap()).collect();
    let conversations: Vec<Conversation> =
        stored.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let desks: Vec<_> = room
        .machine
        .conversations()
        .flat_map(Conversation::keys)
        .filter_map(|key| match key {
            Key::Worker(worker) => Some(worker),
            Key::Conversation(_) | Key::Task(_) => None,
        })
        .filter_map(|worker| {
            let stored = serde_json::to_string(room.machine.desk(&worker)?).unwrap();
            Some((worker, serde_json::from_str::<Desk>(&stored).unwrap()))
        })
        .collect();
    let before: Vec<_> = room.machine.conversations().cloned().collect();
    assert_eq!(conversations, before);
    room.machine = Machine::new(policy.clone(), conversations, desks);
}

fn play(room: &mut Room, policy: &Policy, step: &Step) {
    match step {
        Step::Event(event) => room.handle(event),
        Step::Answer(index, ok) => {
            if let Some(action) = room.pending.get(*index).cloned() {
                let refused = Outcome::Failed { reason: "refused".into() };
                let outcome = if *ok { room.outcome(&action) } else { refused };
                room.finish(action, outcome);
            }
        }
        Step::Timer => {
            room.fire();
        }
        Step::Pass(seconds) => {
            let until = room.now + Millis::seconds(*seconds);
            while room.timers.values().any(|at| *at <= until) {
                room.fire();
            }
            room.now = room.now.max(until);
        }
        Step::Restart => restart(room, policy),
        Step::AdaGoes(page) => {
            room.page(ADA, PAGE + page, PageEvent::Goodbye);
            room.page(ADA, PAGE + page, PageEvent::PushClosed);
        }
        Step::AdaComes(page) => {
            room.page(ADA, PAGE + page, PageEvent::Heard);
            room.page(ADA, PAGE + page, PageEvent::PushOpened);
        }
        Step::BoTakes => {
            if let Some(task) = room.newest_task.clone() {
                let number = u128::from_str_radix(task.digits(), 16).unwrap();
                room.page(BO, PAGE, PageEvent::PushOpened);
                room.joins(agent(BO, number));
            }
        }
        Step::CustomerWrites => room.writes(CUSTOMER),
        Step::TaskEnds => {
            if let Some(task) = room.newest_task.clone() {
                room.tasks.insert(task.clone(), TaskState::Ended);
                room.handle(&Event::Task { conversation: None, task, state: TaskState::Ended });
            }
        }
    }
}

fn check(room: &Room) -> Result<(), TestCaseError> {
    // The customer is told at most once per absence, and each invite is made once.
    let told = room.told();
    let absences = told.iter().filter_map(|what| match what {
        Telling::AgentGone { absence, .. } | Telling::Parked { absence, .. } => Some(absence),
        Telling::Idle { .. } => None,
    });
    let mut absences: Vec<_> = absences.collect();
    let all = absences.len();
    absences.dedup();
    prop_assert_eq!(all, absences.len(), "told twice: {:?}", told);
    let alerts: Vec<_> = told.iter().filter(|what| matches!(what, Telling::Idle { .. })).collect();
    prop_assert!(alerts.windows(2).all(|two| two[0] != two[1]), "alerted twice: {:?}", alerts);
    // At most one action of a slot is in flight.
    for conversation in room.machine.conversations() {
        let slots: Vec<_> = conversation.requests().in_flight().map(|it| it.traits().slot).collect();
        let twice = slots.iter().enumerate().any(|(n, slot)| slots[..n].contains(slot));
        prop_assert!(!twice, "{:?}", slots);
    }
    Ok(())
}

/// One conversation is in the play: tellings of another one are not told apart.
fn is_about_the_first(step: &Step) -> bool {
    match step {
        Step::Event(event) => event.keys().iter().all(|key| match key {
            Key::Conversation(sid) => *sid == conversation(),
            Key::Task(_) | Key::Worker(_) => true,
        }),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn told_once_one_of_a_kind_in_flight_and_never_a_panic(
        policy in policy(), steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut room = Room::chatting_with(policy.clone());
        for step in steps.iter().filter(|step| is_about_the_first(step)) {
            play(&mut room, &policy, step);
            check(&room)?;
        }
    }

    /// Whatever has happened: once Twilio answers again and nothing new happens, each absence ends within its deadline.
    #[test]
    fn each_absence_ends_within_its_deadline(
        policy in policy(), steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut room = Room::chatting_with(policy.clone());
        for step in steps.iter().filter(|step| is_about_the_first(step)) {
            play(&mut room, &policy, step);
        }
        room.pass_to(room.now + policy.deadline + policy.leaving_within + Millis::seconds(900));
        // An absence that began a moment ago, because a parked conversation was woken, has a deadline of its own.
        let sid = conversation();
        if let Some(absence) = room.machine.conversation(&sid).and_then(Conversation::absence) {
            prop_assert!(absence.deadline + Millis::seconds(900) > room.now, "{:?}", room.machine.conversation(&sid));
        }
        check(&room)?;
    }

    /// Twilio tells the truth; webhooks may be missing. The machine never asks two agents at a time, and never takes an agent out
    /// before there is another one.
    #[test]
    fn one_invite_at_a_time_and_nobody_closed_without_another_one(
        policy in policy(), steps in prop::collection::vec((step(), prop::bool::weighted(0.2)), 0..80),
    ) {
        let mut room = Room::chatting_with(policy.clone());
        let honest = |step: &Step| !matches!(step, Step::Event(_));
        for (step, is_lost) in steps.iter().filter(|(step, _)| honest(step)) {
            let before = room.requested.len();
            match step {
                // No webhook arrives.
                Step::BoTakes if *is_lost => {
                    if let Some(task) = room.newest_task.clone() {
                        let number = u128::from_str_radix(task.digits(), 16).unwrap();
                        room.tasks.insert(task, TaskState::Assigned);
                        room.there.push(agent(BO, number));
                    }
                }
                Step::TaskEnds if *is_lost => {
                    if let Some(task) = room.newest_task.clone() {
                        room.tasks.insert(task, TaskState::Ended);
                    }
                }
                step => play(&mut room, &policy, step),
            }
            check(&room)?;
            let waiting = room.tasks.values().filter(|state| **state == TaskState::Waiting).count();
            prop_assert!(waiting <= 1, "{} tasks wait: {:?}", waiting, room.tasks);
            for action in &room.requested[before..] {
                if let Action::CloseParticipant { participant, .. } = action {
                    let others = room.there.iter().filter(|it| it.role == Role::Agent && it.sid != *participant);
                    prop_assert!(others.count() > 0, "{:?} in {:?}", action, room.there);
                }
            }
        }
    }

    /// An agent whose page stays open is never taken for gone.
    #[test]
    fn an_open_page_is_never_taken_for_gone(policy in policy(), steps in prop::collection::vec(step(), 0..60)) {
        let mut room = Room::chatting_with(policy.clone());
        let harmless = |step: &&Step| matches!(step, Step::Answer(..) | Step::Timer | Step::Pass(_) | Step::Restart | Step::CustomerWrites | Step::AdaComes(_));
        for step in steps.iter().filter(harmless) {
            play(&mut room, &policy, step);
        }
        prop_assert!(!room.is_absent());
        prop_assert!(room.notes.iter().all(|note| matches!(note, Note::Refused { .. })), "{:?}", room.notes);
    }
}
