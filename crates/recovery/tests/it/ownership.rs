//! Nobody is believed about a call who has no part in it.

use crate::desk::*;
use crate::transitions::stored::call_of;
use rejoin_protocol::api::{DeliveryId, GracefulReason, Registration, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, ConferenceEvent, ConferenceEventKind, Config, Effect, Event, LeaveReason, Machine, Outcome,
    ParticipantFlags, Registered, Right, Seen, Timer,
};

/// What this worker's page says of Ada's leg in conference 1.
fn registration(worker: u128, task: u128) -> Registration {
    Registration {
        id: None,
        epoch: EPOCH,
        task: TaskSid::numbered(task),
        reservation: reservation_of(worker, task),
        workflow: WorkflowSid::numbered(1),
        queue: None,
        conference: conference(1),
        worker_leg: leg(ADA_LEG),
        customer_leg: leg(CUSTOMER),
        worker_name: "Ada".into(),
    }
}

/// How it is answered.
fn says(desk: &mut Desk, worker: u128, registration: &Registration) -> Right {
    let worker = WorkerSid::numbered(worker);
    desk.handle(Event::Registered { worker: worker.clone(), registration: registration.clone() });
    desk.machine.right(&worker, registration)
}

/// A callback that does not say who has accepted the call.
fn joins(desk: &mut Desk, sequence: u64, who: u128) {
    let kind = ConferenceEventKind::Join { leg: leg(who), flags: ParticipantFlags::default() };
    let task = Some(TaskSid::numbered(1));
    let (label, owner) = (None, None);
    let event = ConferenceEvent { conference: conference(1), task, sequence, label, owner, kind };
    desk.handle(Event::Conference(event));
}

fn leaves(desk: &mut Desk, sequence: u64, who: u128) {
    let kind = ConferenceEventKind::Leave { leg: leg(who), reason: LeaveReason::HungUp };
    let (task, label, owner) = (Some(TaskSid::numbered(1)), None, None);
    desk.handle(Event::Conference(ConferenceEvent {
        conference: conference(1),
        task,
        sequence,
        label,
        owner,
        kind,
    }));
}

#[test]
fn a_call_with_thousands_of_callbacks_remembers_only_the_last_ones() {
    let mut desk = Desk::talking();
    let customer_is_there = |desk: &Desk| {
        desk.machine.call(&conference(1)).unwrap().facts.roster.is_reported_joined(&leg(CUSTOMER))
    };
    for sequence in 100..5000 {
        // The agent puts the customer on hold, and takes them off again, over and over.
        let flags = ParticipantFlags { hold: sequence % 2 == 0, ..ParticipantFlags::default() };
        let kind = ConferenceEventKind::Modify { leg: leg(CUSTOMER), flags };
        let (task, label, owner) = (Some(TaskSid::numbered(1)), None, None);
        desk.handle(Event::Conference(ConferenceEvent {
            conference: conference(1),
            task,
            sequence,
            label,
            owner,
            kind,
        }));
    }
    assert_eq!(desk.machine.call(&conference(1)).unwrap().facts.received.callbacks.len(), 1000);
    leaves(&mut desk, 50, CUSTOMER);
    assert!(customer_is_there(&desk), "a repeated callback of long ago");
    leaves(&mut desk, 4999, CUSTOMER);
    assert!(customer_is_there(&desk), "a repeated one of just now");
    leaves(&mut desk, 5000, CUSTOMER);
    assert!(!customer_is_there(&desk), "a new one");
}

fn find(conference: Option<rejoin_protocol::ConferenceSid>) -> Action {
    Action::FindOwners { task: TaskSid::numbered(1), conference }
}

#[test]
fn a_registration_counts_when_the_callback_says_whose_the_reservation_is() {
    let mut desk = Desk::new();
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    assert!(
        desk.machine.call(&conference(1)).unwrap().facts.roster.agents.is_empty(),
        "nothing is believed yet"
    );
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Own);
    desk.fire(1, Timer::Owners);
    assert!(desk.take_actions().is_empty(), "Twilio was not asked");
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace));
}

#[test]
fn twilio_is_asked_when_no_callback_comes() {
    let mut desk = Desk::new();
    for _ in 0..3 {
        assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    }
    desk.fire(1, Timer::Owners);
    assert_eq!(desk.take_actions(), [find(Some(conference(1)))]);
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    desk.finish(find(Some(conference(1))), owners(1).1);
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Own);
    let [look] = &desk.take_actions()[..] else { panic!("Twilio is asked who is there") };
    let there = [CUSTOMER, ADA_LEG].map(|who| (leg(who), ParticipantFlags::default())).into();
    let seen = Seen { participants: there, ..Seen::default() };
    desk.finish(look.clone(), Outcome::Looked(Box::new(seen)));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted), "and the call is guarded");
}

/// The server was down from the beginning of the call to its loss, and the next page delivers what the last one could not.
#[test]
fn a_call_of_which_no_callback_came_is_looked_at() {
    let mut desk = Desk::new();
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    desk.fire(1, Timer::Owners);
    assert_eq!(desk.take_actions(), [find(Some(conference(1)))]);
    desk.finish(find(Some(conference(1))), owners(1).1);
    let look = Action::Look {
        conference: conference(1),
        customer: None, // nobody but the page has named one
        queued: None,
        handed_over: None,
    };
    assert_eq!(desk.take_actions(), [look.clone()]);
    let participants = [(leg(CUSTOMER), ParticipantFlags::default())].into();
    let seen = Seen { participants, on_line: Some(true), ..Seen::default() };
    desk.finish(look, Outcome::Looked(Box::new(seen)));
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted), "she is missed");
}

#[test]
fn twilio_is_asked_once_when_the_callbacks_do_not_say_it() {
    let mut desk = Desk::new();
    joins(&mut desk, 1, CUSTOMER);
    joins(&mut desk, 2, ADA_LEG);
    for _ in 0..3 {
        assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    }
    assert_eq!(desk.take_actions(), [find(None)]);
    desk.finish(find(None), owners(1).1);
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Own);
}

/// No callback names a second agent, and a page may be gone before it repeats what was refused.
#[test]
fn a_registration_that_was_refused_counts_when_twilio_has_answered() {
    for leaves_first in [true, false] {
        let mut desk = Desk::new();
        joins(&mut desk, 1, CUSTOMER);
        joins(&mut desk, 2, ADA_LEG);
        assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
        assert_eq!(desk.take_actions(), [find(None)]);
        desk.restart();
        if leaves_first {
            leaves(&mut desk, 3, ADA_LEG);
        }
        desk.finish(find(None), owners(1).1);
        if !leaves_first {
            leaves(&mut desk, 3, ADA_LEG);
        }
        assert!(desk.has_timer(Timer::Grace), "she is looked for; left first: {leaves_first}");
    }
}

/// Her reservation is newer than the question, or Twilio does not answer.
#[test]
fn twilio_is_asked_again_for_a_registration_that_the_answer_is_not_about() {
    let mut desk = Desk::talking();
    desk.join(1, 0x77, false);
    desk.join(1, 0x78, false);
    let his = Registration { worker_leg: leg(0x77), ..registration(BO, 1) };
    assert_eq!(says(&mut desk, BO, &his), Right::Unknown);
    assert_eq!(desk.take_actions(), [find(None)]);
    desk.finish(find(None), Outcome::Failed { reason: "no answer".into() });
    desk.fire(1, Timer::Owners);
    assert_eq!(desk.take_actions(), [find(None)]);

    let hers = Registration { worker_leg: leg(0x78), ..registration(CY, 1) };
    assert_eq!(says(&mut desk, CY, &hers), Right::Unknown, "while it is asked");
    let of_bo = [(reservation_of(BO, 1), WorkerSid::numbered(BO))].into();
    desk.finish(find(None), Outcome::Owners { owners: of_bo, is_of_task: true });
    desk.fire(1, Timer::Owners);
    assert_eq!(desk.take_actions(), [find(None)], "of hers nothing was said");
    desk.finish(find(None), owners(1).1);
    let call = desk.machine.call(&conference(1)).unwrap();
    assert!(
        call.facts.roster.agents.contains_key(&leg(0x77))
            && call.facts.roster.agents.contains_key(&leg(0x78))
    );
    assert!(call.facts.ownership.registrations.is_empty());
}

#[test]
fn what_nobody_answers_about_is_not_kept_for_ever() {
    let mut desk = Desk::talking();
    let his = Registration { worker_leg: leg(0x77), ..registration(BO, 1) };
    says(&mut desk, BO, &his);
    let mut asked = 0;
    while !desk.take_actions().is_empty() {
        asked += 1;
        assert!(asked < 100, "it is asked for ever");
        desk.now = desk.now + Millis::seconds(1);
        desk.finish(find(None), Outcome::Failed { reason: "no answer".into() });
        if desk.has_timer(Timer::Owners) {
            desk.fire(1, Timer::Owners);
        }
    }
    assert!(asked > 10, "asked {asked} times");
    assert!(desk.machine.call(&conference(1)).unwrap().facts.ownership.registrations.is_empty());
}

/// Bo has named her conference as his task's before.
#[test]
fn what_was_said_before_it_was_known_whose_the_conference_is_counts() {
    let mut desk = Desk::new();
    says(&mut desk, BO, &registration(BO, 2));
    says(&mut desk, ADA, &registration(ADA, 1));
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    let call = desk.machine.call(&conference(1)).unwrap();
    assert_eq!(call.facts.roster.agents[&leg(ADA_LEG)].worker, WorkerSid::numbered(ADA));
    assert!(call.facts.ownership.registrations.is_empty());
}

#[test]
fn a_lookup_that_fails_leaves_nothing_behind_and_may_be_tried_again() {
    for outcome in [Outcome::Gone, Outcome::Overtaken] {
        let mut desk = Desk::new();
        says(&mut desk, ADA, &registration(ADA, 1));
        desk.fire(1, Timer::Owners);
        desk.finish(find(Some(conference(1))), outcome);
        assert!(matches!(desk.effects.last(), Some(Effect::Forget { .. })));
        assert_eq!(desk.machine.call(&conference(1)), None);
        assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
        assert!(desk.has_timer(Timer::Owners));
    }
}

/// Her page may be gone when Twilio answers again: nobody else tells of the call.
#[test]
fn a_call_of_which_no_callback_came_is_asked_about_again_while_twilio_does_not_answer() {
    for answers in [true, false] {
        let mut desk = Desk::new();
        says(&mut desk, ADA, &registration(ADA, 1));
        desk.fire(1, Timer::Owners);
        let since = desk.now;
        for n in 0.. {
            assert_eq!(desk.take_actions(), [find(Some(conference(1)))]);
            desk.now = desk.now + Millis::seconds(20);
            if answers && n == 2 {
                desk.finish(find(Some(conference(1))), owners(1).1);
                break;
            }
            desk.finish(find(Some(conference(1))), Outcome::Failed { reason: "no answer".into() });
            if desk.machine.call(&conference(1)).is_none() {
                break;
            }
            desk.fire(1, Timer::Owners);
        }
        assert_eq!(desk.machine.call(&conference(1)).is_some(), answers);
        assert!(desk.now - since <= Millis::seconds(80), "not for ever");
    }
}

#[test]
fn a_registration_for_another_workers_reservation_changes_nothing() {
    let mut desk = Desk::talking();
    let before = desk.machine.call(&conference(1)).cloned();
    let mut hers = registration(ADA, 1);
    assert_eq!(says(&mut desk, BO, &hers), Right::Foreign, "her leg and her reservation");
    hers.worker_leg = leg(0x77);
    assert_eq!(says(&mut desk, BO, &hers), Right::Foreign, "a leg of his, and her reservation");
    assert_eq!(says(&mut desk, BO, &registration(BO, 1)), Right::Foreign, "her leg");
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 2)), Right::Foreign, "another task");
    assert_eq!(desk.machine.call(&conference(1)).cloned(), before);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_reservation_that_is_nobodys_counts_for_nothing() {
    let mut desk = Desk::talking();
    let made_up = Registration {
        reservation: ReservationSid::numbered(0xbad),
        worker_leg: leg(0x77),
        ..registration(BO, 1)
    };
    assert_eq!(says(&mut desk, BO, &made_up), Right::Unknown);
    assert_eq!(desk.finish_all_of(1), [find(None)]);
    let (action, outcome) = owners(1);
    assert_eq!(says(&mut desk, BO, &made_up), Right::Unknown, "Twilio has not answered well");
    desk.finish(action, outcome);
    for _ in 0..3 {
        assert_eq!(says(&mut desk, BO, &made_up), Right::Foreign);
    }
    assert_eq!(desk.take_actions(), [find(None)], "and Twilio is not asked about it again");
}

/// Bo has a task of his own, and speaks of Ada's conference.
#[test]
fn a_conference_is_not_taken_by_who_names_it_first() {
    let mut desk = Desk::new();
    assert_eq!(says(&mut desk, BO, &registration(BO, 2)), Right::Unknown);
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown, "nobody knows yet");
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Own);
    assert_eq!(says(&mut desk, BO, &registration(BO, 2)), Right::Foreign);

    let mut desk = Desk::new();
    says(&mut desk, BO, &registration(BO, 2));
    desk.fire(1, Timer::Owners);
    let asked = Action::FindOwners { task: TaskSid::numbered(2), conference: Some(conference(1)) };
    assert_eq!(desk.take_actions(), [asked.clone()]);
    let Outcome::Owners { owners, .. } = owners(2).1 else { unreachable!() };
    desk.finish(asked, Outcome::Owners { owners, is_of_task: false });
    assert_eq!(desk.machine.call(&conference(1)), None, "it is not his task's");
}

/// Her mark comes when only the conference is known, and Bo speaks for her, too.
#[test]
fn a_mark_counts_when_it_is_known_whose_the_reservation_is() {
    for (marks, stage) in [(ADA, None), (BO, Some(Stage::Interrupted))] {
        let mut desk = Desk::new();
        joins(&mut desk, 1, CUSTOMER);
        joins(&mut desk, 2, ADA_LEG);
        desk.mark_of(marks, reservation_of(ADA, 1), None, GracefulReason::HangUp);
        assert_eq!(desk.take_actions(), [find(None)]);
        desk.restart();
        leaves(&mut desk, 3, ADA_LEG);
        let found = Outcome::Learnt(Box::new(Registered {
            workflow: WorkflowSid::numbered(1),
            queue: None,
            customer_leg: Some(leg(CUSTOMER)),
            worker_leg: Some(leg(ADA_LEG)),
            reservation: Some(reservation_of(ADA, 1)),
            worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
            attributes: "{}".into(),
        }));
        desk.finish(Action::Learn { task: TaskSid::numbered(1) }, found);
        assert_eq!(desk.stage(), stage);
    }
}

#[test]
fn calls_of_a_version_that_did_not_ask_go_on() {
    let mut desk = Desk::talking();
    let unknown = ["owners", "claims", "unsettled", "sought", "nobodys", "asking", "proven"];
    let call = call_of("0.1.0", "talking", &unknown);
    desk.machine = Machine::new(Config::default(), [call]);
    assert_eq!(says(&mut desk, ADA, &registration(ADA, 1)), Right::Own, "Ada is on it");
    desk.now = desk.now + Millis::seconds(1);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace));
}

/// Somebody else's live call.
const STRANGER: u128 = 0x57;

/// Who is in the conference, as Twilio says.
fn there(legs: &[u128]) -> Outcome {
    let participants = legs.iter().map(|who| (leg(*who), ParticipantFlags::default())).collect();
    Outcome::Looked(Box::new(Seen { participants, on_line: Some(true), ..Seen::default() }))
}

/// What Twilio is asked for that would reach this leg.
fn reaches(actions: &[Action], who: u128) -> Vec<&Action> {
    let sid = leg(who);
    let of = |action: &&Action| format!("{action:?}").contains(sid.as_str());
    actions.iter().filter(of).collect()
}

/// Ada names a stranger's leg as the customer's, and is lost.
#[test]
fn a_leg_that_twilio_does_not_show_is_nobodys_customer() {
    for polled in [true, false] {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, false);
        desk.join(1, ADA_LEG, false);
        let lie = Registration { customer_leg: leg(STRANGER), ..registration(ADA, 1) };
        assert_eq!(says(&mut desk, ADA, &lie), Right::Own);
        let mut all = vec![];
        if polled {
            desk.fire(1, Timer::Learn);
            let look = desk.take_actions().remove(0);
            desk.finish(look, there(&[CUSTOMER, ADA_LEG]));
        }
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        let learn = Action::Learn { task: TaskSid::numbered(1) };
        assert!(desk.actions.contains(&learn), "Twilio is asked who the customer is: {:?}", desk.actions);
        desk.actions.retain(|action| *action != learn);
        desk.finish(learn, crate::late_events::look_up_answer());
        desk.fire(1, Timer::Grace);
        all.extend(desk.finish_all());
        desk.hello(2, true, false);
        all.extend(desk.finish_all());
        assert!(all.contains(&requeue(Some(ADA))), "the customer goes back: {all:?}");
        assert_eq!(reaches(&all, STRANGER), [] as [&Action; 0]);
    }
}

/// The task's attributes may be written by others, too.
#[test]
fn a_stranger_whom_the_task_names_is_no_customer_either() {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let learn = Action::Learn { task: TaskSid::numbered(1) };
    let Outcome::Learnt(mut found) = crate::late_events::look_up_answer() else { unreachable!() };
    found.customer_leg = Some(leg(STRANGER));
    let mut all = desk.take_actions();
    desk.finish(learn, Outcome::Learnt(found));
    let asked = desk.take_actions();
    assert!(matches!(asked[..], [Action::Look { customer: None, .. }]), "{asked:?}");
    desk.finish(asked[0].clone(), there(&[CUSTOMER]));
    all.extend(desk.take_actions());
    assert_eq!(desk.machine.call(&conference(1)).unwrap().facts.roster.customer, None);
    assert_eq!(reaches(&all, STRANGER), [] as [&Action; 0]);
}

/// A second registration names a stranger, who would follow the customer.
#[test]
fn a_leg_that_twilio_does_not_show_is_no_third_party() {
    for lie in [
        Registration { customer_leg: leg(STRANGER), ..registration(ADA, 1) },
        Registration { worker_leg: leg(STRANGER), ..registration(ADA, 1) },
    ] {
        let mut desk = Desk::talking();
        says(&mut desk, ADA, &lie);
        if desk.has_timer(Timer::Learn) {
            desk.fire(1, Timer::Learn);
            let look = desk.take_actions().remove(0);
            desk.finish(look, there(&[CUSTOMER, ADA_LEG]));
        }
        let call = desk.machine.call(&conference(1)).unwrap();
        assert!(
            !call.facts.roster.participants.contains_key(&leg(STRANGER))
                && call.facts.ownership.registrations.is_empty()
        );
        desk.goes_through_the_queue();
        desk.register(2, ADA, NEXT_LEG, 2);
        assert_eq!(desk.stage(), Some(Stage::Rejoined));
        assert_eq!(reaches(&desk.actions, STRANGER), [] as [&Action; 0]);
    }
}

/// Ada has handed the customer over to Bo, and takes the mark back with a leg that does not exist.
#[test]
fn who_has_left_covers_for_nobody_with_a_leg_that_does_not_exist() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.register(1, BO, 0xb1, 9);
    desk.take_actions();
    let id = Some(DeliveryId { epoch: EPOCH, number: 9 });
    says(&mut desk, ADA, &Registration { id, worker_leg: leg(0xbad), ..registration(ADA, 1) });
    let marked = &desk.machine.call(&conference(1)).unwrap().facts.marks;
    assert!(marked.is_given(&reservation_of(ADA, 1)), "the mark stands");
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted), "Bo is missed at once");
}

#[test]
fn a_requeue_goes_by_the_workflow_that_twilio_names() {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    let lie = Registration { workflow: WorkflowSid::numbered(0x666), ..registration(ADA, 1) };
    assert_eq!(says(&mut desk, ADA, &lie), Right::Own);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.machine.call(&conference(1)).unwrap().facts.origin.workflow, None);
    let read = Outcome::TaskRead {
        attributes: "{}".into(),
        version: None,
        workflow: Some(WorkflowSid::numbered(1)),
    };
    desk.finish(Action::ReadTask { task: TaskSid::numbered(1) }, read);
    let call = desk.machine.call(&conference(1)).unwrap();
    assert_eq!(call.facts.origin.workflow, Some(WorkflowSid::numbered(1)));
}

/// Everybody's callbacks have come: nothing is asked, and nothing waits.
#[test]
fn where_callbacks_have_shown_the_legs_nothing_more_is_asked() {
    let mut desk = Desk::talking();
    assert!(desk.timers.is_empty() && desk.take_actions().is_empty());
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace), "and a loss is one at once");
}
