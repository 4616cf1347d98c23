//! Ownership: what a worker's page claims about a call counts only once Twilio confirms it.

use crate::desk::*;
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason, Registration, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, ConferenceEvent, ConferenceEventKind, Effect, Event, LeaveReason, LookUpAnswer, Outcome,
    ParticipantFlags, PollAnswer, Right, Timer,
};

/// A registration of Ada's leg in conference 1 by this worker's page.
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
        answers_messages: false,
    }
}

/// The page registers. Returns how the registration is answered.
fn registers(desk: &mut Desk, worker: u128, registration: &Registration) -> Right {
    let worker = WorkerSid::numbered(worker);
    desk.handle(Event::Registered { worker: worker.clone(), registration: registration.clone() });
    desk.machine.right(&worker, registration)
}

/// A callback whose address does not name the owner of the reservation.
fn called_back(desk: &mut Desk, sequence: u64, kind: ConferenceEventKind) {
    let event = ConferenceEvent::new(conference(1), Some(TaskSid::numbered(1)), sequence, kind);
    desk.handle(Event::Conference(event));
}

fn joins(desk: &mut Desk, sequence: u64, who: u128) {
    let kind = ConferenceEventKind::Join { leg: leg(who), flags: ParticipantFlags::default() };
    called_back(desk, sequence, kind);
}

fn leaves(desk: &mut Desk, sequence: u64, who: u128) {
    called_back(desk, sequence, ConferenceEventKind::Leave { leg: leg(who), reason: LeaveReason::HungUp });
}

#[test]
fn a_call_remembers_its_last_1000_callbacks_and_ignores_older_ones() {
    let mut desk = Desk::talking();
    let customer_is_there = |desk: &Desk| {
        desk.machine.call(&conference(1)).unwrap().facts.roster.is_reported_joined(&leg(CUSTOMER))
    };
    for sequence in 100..5000 {
        // The agent holds and unholds the customer over and over.
        let flags = ParticipantFlags { hold: sequence % 2 == 0, ..ParticipantFlags::default() };
        let kind = ConferenceEventKind::Modify { leg: leg(CUSTOMER), flags };
        called_back(&mut desk, sequence, kind);
    }
    assert_eq!(desk.machine.call(&conference(1)).unwrap().facts.received.callbacks().len(), 1000);
    leaves(&mut desk, 50, CUSTOMER);
    assert!(customer_is_there(&desk), "a duplicate of a callback long ago");
    leaves(&mut desk, 4999, CUSTOMER);
    assert!(customer_is_there(&desk), "a duplicate of a recent callback");
    leaves(&mut desk, 5000, CUSTOMER);
    assert!(!customer_is_there(&desk), "a new callback");
}

fn find(conference: Option<rejoin_protocol::ConferenceSid>) -> Action {
    Action::ReadReservations { task: TaskSid::numbered(1), conference }
}

#[test]
fn a_registration_counts_once_a_callback_names_the_owner() {
    let mut desk = Desk::new();
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    assert!(
        desk.machine.call(&conference(1)).unwrap().facts.roster.agents.is_empty(),
        "the registration is not confirmed yet"
    );
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Own);
    desk.fire(1, Timer::Owners);
    assert!(desk.take_actions().is_empty(), "no query for the owners");
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace));
}

#[test]
fn owners_are_queried_when_no_callback_arrives() {
    let mut desk = Desk::new();
    for _ in 0..3 {
        assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    }
    desk.fire(1, Timer::Owners);
    assert_eq!(desk.take_actions(), [find(Some(conference(1)))]);
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    desk.finish(find(Some(conference(1))), owners(1).1);
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Own);
    let [look] = &desk.take_actions()[..] else { panic!("expected a poll") };
    let there = [CUSTOMER, ADA_LEG].map(|who| (leg(who), ParticipantFlags::default())).into();
    let seen = PollAnswer { participants: there, ..PollAnswer::default() };
    desk.finish(look.clone(), Outcome::Polled(Box::new(seen)));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted), "the call is recovered");
}

/// The server was down from the beginning of the call to its loss, and the next page delivers the registration of the
/// last one.
#[test]
fn a_lost_call_without_callbacks_is_polled_once_its_owner_is_known() {
    let mut desk = Desk::new();
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    desk.fire(1, Timer::Owners);
    assert_eq!(desk.take_actions(), [find(Some(conference(1)))]);
    desk.finish(find(Some(conference(1))), owners(1).1);
    let look = Action::PollConference {
        conference: conference(1),
        customer: None, // only the page has named one
        queued: None,
        handed_over: None,
    };
    assert_eq!(desk.take_actions(), [look.clone()]);
    let participants = [(leg(CUSTOMER), ParticipantFlags::default())].into();
    let seen = PollAnswer { participants, on_line: Some(true), ..PollAnswer::default() };
    desk.finish(look, Outcome::Polled(Box::new(seen)));
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted), "Ada is lost");
}

#[test]
fn owners_are_queried_once_when_callbacks_do_not_name_them() {
    let mut desk = Desk::new();
    joins(&mut desk, 1, CUSTOMER);
    joins(&mut desk, 2, ADA_LEG);
    for _ in 0..3 {
        assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    }
    assert_eq!(desk.take_actions(), [find(None)]);
    desk.finish(find(None), owners(1).1);
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Own);
}

/// No callback names a second agent, and a page may be gone before it repeats a refused registration.
#[test]
fn a_pending_registration_counts_once_twilio_names_the_owner() {
    for leaves_first in [true, false] {
        let mut desk = Desk::new();
        joins(&mut desk, 1, CUSTOMER);
        joins(&mut desk, 2, ADA_LEG);
        assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
        assert_eq!(desk.take_actions(), [find(None)]);
        desk.restart();
        if leaves_first {
            leaves(&mut desk, 3, ADA_LEG);
        }
        desk.finish(find(None), owners(1).1);
        if !leaves_first {
            leaves(&mut desk, 3, ADA_LEG);
        }
        assert!(desk.has_timer(Timer::Grace), "Ada is lost; left first: {leaves_first}");
    }
}

/// The agent accepts the call, and the page crashes, before Twilio has said whose the reservation is. The agent's next page, or
/// another tab that was there, says hello once.
#[test]
fn a_hello_counts_that_comes_before_the_registration_does() {
    for (older_page_connected, stage) in [(false, Some(Stage::InPlace)), (true, None)] {
        let mut desk = Desk::new();
        assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
        desk.fire(1, Timer::Owners);
        assert_eq!(desk.take_actions(), [find(Some(conference(1)))]);
        desk.hello_with(EPOCH + 1, false, older_page_connected, true);
        desk.restart();
        desk.finish(find(Some(conference(1))), owners(1).1);
        let [look] = &desk.take_actions()[..] else { panic!("expected a poll") };
        desk.finish(look.clone(), poll_of(&[CUSTOMER, ADA_LEG]));
        assert_eq!(desk.stage(), stage, "older page connected: {older_page_connected}");
    }
}

/// Bo's page claims Ada's reservation, and that Bo's own next page has found it.
#[test]
fn a_hello_of_somebody_who_only_claims_the_call_changes_nothing() {
    let mut desk = Desk::new();
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
    let claimed = Registration { reservation: reservation_of(ADA, 1), ..registration(BO, 1) };
    assert_eq!(registers(&mut desk, BO, &claimed), Right::Unknown);
    desk.fire(1, Timer::Owners);
    desk.take_actions();
    desk.hello_of(BO, EPOCH + 1, false, false, true);
    desk.finish(find(Some(conference(1))), owners(1).1);
    let [look] = &desk.take_actions()[..] else { panic!("expected a poll") };
    desk.finish(look.clone(), poll_of(&[CUSTOMER, ADA_LEG]));
    assert_eq!(desk.stage(), None);
    assert_eq!(desk.stage_of(BO), None);
    assert!(desk.take_actions().is_empty());
}

/// The reservation is newer than the query, or Twilio does not answer.
#[test]
fn owners_are_queried_again_for_a_reservation_missing_in_the_answer() {
    let mut desk = Desk::talking();
    desk.join(1, 0x77, false);
    desk.join(1, 0x78, false);
    let bos = Registration { worker_leg: leg(0x77), ..registration(BO, 1) };
    assert_eq!(registers(&mut desk, BO, &bos), Right::Unknown);
    assert_eq!(desk.take_actions(), [find(None)]);
    desk.finish(find(None), Outcome::Failed { reason: "no answer".into() });
    desk.fire(1, Timer::Owners);
    assert_eq!(desk.take_actions(), [find(None)]);

    let cys = Registration { worker_leg: leg(0x78), ..registration(CY, 1) };
    assert_eq!(registers(&mut desk, CY, &cys), Right::Unknown, "while the query is in flight");
    let of_bo = [(reservation_of(BO, 1), WorkerSid::numbered(BO))].into();
    desk.finish(find(None), Outcome::ReservationsRead { owners: of_bo, is_of_task: true });
    desk.fire(1, Timer::Owners);
    assert_eq!(desk.take_actions(), [find(None)], "the answer did not name Cy's reservation");
    desk.finish(find(None), owners(1).1);
    let call = desk.machine.call(&conference(1)).unwrap();
    assert!(
        call.facts.roster.agents.contains_key(&leg(0x77))
            && call.facts.roster.agents.contains_key(&leg(0x78))
    );
    assert!(call.facts.ownership.registrations.is_empty());
}

#[test]
fn a_pending_registration_is_dropped_when_twilio_never_answers() {
    let mut desk = Desk::talking();
    let bos = Registration { worker_leg: leg(0x77), ..registration(BO, 1) };
    registers(&mut desk, BO, &bos);
    let mut asked = 0;
    while !desk.take_actions().is_empty() {
        asked += 1;
        assert!(asked < 100, "the queries never end");
        desk.now = desk.now + Millis::seconds(1);
        desk.finish(find(None), Outcome::Failed { reason: "no answer".into() });
        if desk.has_timer(Timer::Owners) {
            desk.fire(1, Timer::Owners);
        }
    }
    assert!(asked > 10, "{asked} queries");
    assert!(desk.machine.call(&conference(1)).unwrap().facts.ownership.registrations.is_empty());
}

/// Bo claimed Ada's conference for Bo's task before.
#[test]
fn a_registration_made_before_the_task_is_known_counts_later() {
    let mut desk = Desk::new();
    registers(&mut desk, BO, &registration(BO, 2));
    registers(&mut desk, ADA, &registration(ADA, 1));
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    let call = desk.machine.call(&conference(1)).unwrap();
    assert_eq!(call.facts.roster.agents[&leg(ADA_LEG)].worker, WorkerSid::numbered(ADA));
    assert!(call.facts.ownership.registrations.is_empty());
}

#[test]
fn a_failed_owner_query_leaves_no_call_and_may_be_repeated() {
    for outcome in [Outcome::Gone, Outcome::Overtaken] {
        let mut desk = Desk::new();
        registers(&mut desk, ADA, &registration(ADA, 1));
        desk.fire(1, Timer::Owners);
        desk.finish(find(Some(conference(1))), outcome);
        assert!(matches!(desk.effects.last(), Some(Effect::Forget { .. })));
        assert_eq!(desk.machine.call(&conference(1)), None);
        assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Unknown);
        assert!(desk.has_timer(Timer::Owners));
    }
}

/// The page may be gone when Twilio answers again, and nothing else reports the call.
#[test]
fn owners_of_a_call_without_callbacks_are_queried_for_80_s_at_most() {
    for answers in [true, false] {
        let mut desk = Desk::new();
        registers(&mut desk, ADA, &registration(ADA, 1));
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
    let mut adas = registration(ADA, 1);
    assert_eq!(registers(&mut desk, BO, &adas), Right::Foreign, "Ada's leg and Ada's reservation");
    adas.worker_leg = leg(0x77);
    assert_eq!(registers(&mut desk, BO, &adas), Right::Foreign, "a leg of Bo's and Ada's reservation");
    assert_eq!(
        registers(&mut desk, BO, &registration(BO, 1)),
        Right::Foreign,
        "Ada's leg and Bo's reservation"
    );
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 2)), Right::Foreign, "another task");
    assert_eq!(desk.machine.call(&conference(1)).cloned(), before);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_registration_for_a_reservation_unknown_to_twilio_is_refused() {
    let mut desk = Desk::talking();
    let made_up = Registration {
        reservation: ReservationSid::numbered(0xbad),
        worker_leg: leg(0x77),
        ..registration(BO, 1)
    };
    assert_eq!(registers(&mut desk, BO, &made_up), Right::Unknown);
    assert_eq!(desk.finish_all_of(1), [find(None)]);
    let (action, outcome) = owners(1);
    assert_eq!(registers(&mut desk, BO, &made_up), Right::Unknown, "the query brought no owners");
    desk.finish(action, outcome);
    for _ in 0..3 {
        assert_eq!(registers(&mut desk, BO, &made_up), Right::Foreign);
    }
    assert_eq!(
        desk.take_actions(),
        [find(None)],
        "one query for the second attempt, and none for the refused ones"
    );
}

/// Bo has another task, and claims that Ada's conference belongs to it.
#[test]
fn a_conference_is_not_claimed_by_the_first_worker_to_name_it() {
    let mut desk = Desk::new();
    assert_eq!(registers(&mut desk, BO, &registration(BO, 2)), Right::Unknown);
    assert_eq!(
        registers(&mut desk, ADA, &registration(ADA, 1)),
        Right::Unknown,
        "the owner is not known yet"
    );
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    assert_eq!(registers(&mut desk, ADA, &registration(ADA, 1)), Right::Own);
    assert_eq!(registers(&mut desk, BO, &registration(BO, 2)), Right::Foreign);

    let mut desk = Desk::new();
    registers(&mut desk, BO, &registration(BO, 2));
    desk.fire(1, Timer::Owners);
    let asked = Action::ReadReservations { task: TaskSid::numbered(2), conference: Some(conference(1)) };
    assert_eq!(desk.take_actions(), [asked.clone()]);
    let Outcome::ReservationsRead { owners, .. } = owners(2).1 else { unreachable!() };
    desk.finish(asked, Outcome::ReservationsRead { owners, is_of_task: false });
    assert_eq!(desk.machine.call(&conference(1)), None, "the conference is not that of Bo's task");
}

/// The mark comes when only the conference is known. It may be Bo who marks Ada's reservation.
#[test]
fn a_pending_mark_counts_only_if_its_worker_owns_the_reservation() {
    for (marks, stage) in [(ADA, None), (BO, Some(Stage::Interrupted))] {
        let mut desk = Desk::new();
        joins(&mut desk, 1, CUSTOMER);
        joins(&mut desk, 2, ADA_LEG);
        desk.mark_of(marks, reservation_of(ADA, 1), None, GracefulReason::HangUp);
        assert_eq!(desk.take_actions(), [find(None)]);
        desk.restart();
        leaves(&mut desk, 3, ADA_LEG);
        let found = Outcome::TaskLookedUp(Box::new(LookUpAnswer {
            is_accepted: false,
            workflow: WorkflowSid::numbered(1),
            queue: None,
            customer_leg: Some(leg(CUSTOMER)),
            worker_leg: Some(leg(ADA_LEG)),
            reservation: Some(reservation_of(ADA, 1)),
            worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
            attributes: "{}".into(),
        }));
        desk.finish(Action::LookUpTask { task: TaskSid::numbered(1) }, found);
        assert_eq!(desk.stage(), stage);
    }
}

/// A live call that has nothing to do with this one.
const UNRELATED: u128 = 0x57;

/// A poll that shows these legs in the conference.
fn poll_of(legs: &[u128]) -> Outcome {
    let participants = legs.iter().map(|who| (leg(*who), ParticipantFlags::default())).collect();
    Outcome::Polled(Box::new(PollAnswer { participants, on_line: Some(true), ..PollAnswer::default() }))
}

/// The actions that name this leg.
fn actions_about(actions: &[Action], who: u128) -> Vec<&Action> {
    let sid = leg(who);
    let of = |action: &&Action| format!("{action:?}").contains(sid.as_str());
    actions.iter().filter(of).collect()
}

/// Ada's page claims that an unrelated leg is the customer's, and Ada is lost.
#[test]
fn a_customer_leg_that_only_a_page_names_is_never_acted_on() {
    for polled in [true, false] {
        let mut desk = Desk::new();
        desk.join(1, CUSTOMER, false);
        desk.join(1, ADA_LEG, false);
        let lie = Registration { customer_leg: leg(UNRELATED), ..registration(ADA, 1) };
        assert_eq!(registers(&mut desk, ADA, &lie), Right::Own);
        let mut all = vec![];
        if polled {
            desk.fire(1, Timer::LookUp);
            let look = desk.take_actions().remove(0);
            desk.finish(look, poll_of(&[CUSTOMER, ADA_LEG]));
        }
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        let learn = Action::LookUpTask { task: TaskSid::numbered(1) };
        assert!(desk.actions.contains(&learn), "a look-up of the customer: {:?}", desk.actions);
        desk.actions.retain(|action| *action != learn);
        desk.finish(learn, crate::late_events::look_up_answer());
        desk.fire(1, Timer::Grace);
        all.extend(desk.finish_all());
        desk.hello(2, true, false);
        all.extend(desk.finish_all());
        assert!(all.contains(&requeue(Some(ADA))), "the real customer is requeued: {all:?}");
        assert_eq!(actions_about(&all, UNRELATED), [] as [&Action; 0]);
    }
}

/// Others may write the task's attributes, too.
#[test]
fn a_customer_leg_that_only_the_task_names_is_never_acted_on() {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let learn = Action::LookUpTask { task: TaskSid::numbered(1) };
    let Outcome::TaskLookedUp(mut found) = crate::late_events::look_up_answer() else { unreachable!() };
    found.customer_leg = Some(leg(UNRELATED));
    let mut all = desk.take_actions();
    desk.finish(learn, Outcome::TaskLookedUp(found));
    let asked = desk.take_actions();
    assert!(matches!(asked[..], [Action::PollConference { customer: None, .. }]), "{asked:?}");
    desk.finish(asked[0].clone(), poll_of(&[CUSTOMER]));
    all.extend(desk.take_actions());
    assert_eq!(desk.machine.call(&conference(1)).unwrap().facts.roster.customer, None);
    assert_eq!(actions_about(&all, UNRELATED), [] as [&Action; 0]);
}

/// A second registration names an unrelated leg, which would follow the customer.
#[test]
fn a_leg_that_only_a_registration_names_is_no_third_party() {
    for lie in [
        Registration { customer_leg: leg(UNRELATED), ..registration(ADA, 1) },
        Registration { worker_leg: leg(UNRELATED), ..registration(ADA, 1) },
    ] {
        let mut desk = Desk::talking();
        registers(&mut desk, ADA, &lie);
        if desk.has_timer(Timer::LookUp) {
            desk.fire(1, Timer::LookUp);
            let look = desk.take_actions().remove(0);
            desk.finish(look, poll_of(&[CUSTOMER, ADA_LEG]));
        }
        let call = desk.machine.call(&conference(1)).unwrap();
        assert!(
            !call.facts.roster.participants.contains_key(&leg(UNRELATED))
                && call.facts.ownership.registrations.is_empty()
        );
        desk.goes_through_the_queue();
        desk.register(2, ADA, NEXT_LEG, 2);
        assert_eq!(desk.stage(), Some(Stage::Rejoined));
        assert_eq!(actions_about(&desk.actions, UNRELATED), [] as [&Action; 0]);
    }
}

/// Ada handed the customer over to Bo, and registers a leg that does not exist, which would withdraw the mark.
#[test]
fn a_made_up_leg_neither_withdraws_a_mark_nor_covers_a_colleague() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.register(1, BO, 0xb1, 9);
    desk.take_actions();
    let id = Some(DeliveryId { epoch: EPOCH, number: 9 });
    registers(&mut desk, ADA, &Registration { id, worker_leg: leg(0xbad), ..registration(ADA, 1) });
    let marked = &desk.machine.call(&conference(1)).unwrap().facts.marks;
    assert!(marked.is_given(&reservation_of(ADA, 1)), "the mark stands");
    desk.leave(1, 0xb1, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage_of(BO), Some(Stage::Interrupted), "Bo is lost, and Ada does not cover");
}

/// Ada has come back to the customer in conference 2, and hands over to Bo. Before Bo accepts, Bo's page registers conference 2
/// with Ada's leg of conference 1, or with Ada's of conference 2.
#[test]
fn a_leg_of_an_earlier_conference_is_not_one_that_came_and_went() {
    for claimed in [ADA_LEG, NEXT_LEG] {
        let mut desk = Desk::talking();
        desk.goes_through_the_queue();
        desk.register(2, ADA, NEXT_LEG, 2);
        let mark = GracefulMark {
            id: None,
            task: TaskSid::numbered(2),
            reservation: reservation_of(ADA, 2),
            reason: GracefulReason::ColdTransfer,
        };
        desk.handle(Event::Graceful { worker: WorkerSid::numbered(ADA), mark });
        desk.leave(2, NEXT_LEG, LeaveReason::HungUp);
        desk.take_actions();
        desk.restart_all();
        assert_eq!(registers(&mut desk, BO, &registration_of(2, BO, claimed, 9)), Right::Foreign);
        desk.handle(Event::Timer { conference: conference(2), timer: Timer::Owners });
        let call = desk.machine.call(&conference(2)).unwrap();
        assert!(call.facts.ownership.registrations.is_empty(), "nothing is kept of it");
        assert_eq!(call.facts.roster.agents.len(), 1, "Ada alone was on the call");
    }
}

/// A leg that Twilio shows in this conference belongs here, whatever is known of another one.
#[test]
fn a_leg_that_twilio_shows_here_is_registered_although_another_call_names_it() {
    let mut desk = Desk::talking();
    desk.join(2, CUSTOMER, false);
    desk.join(2, ADA_LEG, false);
    assert_eq!(registers(&mut desk, ADA, &registration_of(2, ADA, ADA_LEG, 2)), Right::Own);
}

#[test]
fn the_workflow_of_a_call_is_the_one_that_twilio_names() {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    let lie = Registration { workflow: WorkflowSid::numbered(0x666), ..registration(ADA, 1) };
    assert_eq!(registers(&mut desk, ADA, &lie), Right::Own);
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

/// Callbacks have shown both legs: no query and no wait.
#[test]
fn a_call_whose_legs_callbacks_have_shown_needs_no_query() {
    let mut desk = Desk::talking();
    assert!(desk.timers.is_empty() && desk.take_actions().is_empty());
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace), "a loss is recognised at once");
}
