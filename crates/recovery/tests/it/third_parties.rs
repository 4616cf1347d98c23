//! Third parties from outside, and customers whom the agent calls.

use super::desk::*;
use rejoin_protocol::TaskSid;
use rejoin_protocol::api::GracefulReason;
use rejoin_recovery::{
    Action, ConferenceEventKind, LeaveReason, LookUpAnswer, Machine, Outcome, ParticipantFlags, Timer,
};

/// A third party's leg.
const THIRD: u128 = 0x77;

fn follows(who: u128) -> Action {
    Action::MoveParticipant {
        leg: leg(who),
        into: TaskSid::numbered(2),
        muted: false,
        end_on_exit: false,
        label: None,
        came_late: false,
    }
}

/// A leg that joined after the loss may be the agent's own.
fn follows_late(who: u128) -> Action {
    match follows(who) {
        Action::MoveParticipant { leg, into, muted, end_on_exit, label, .. } => {
            Action::MoveParticipant { leg, into, muted, end_on_exit, label, came_late: true }
        }
        other => other,
    }
}

fn hold(who: u128) -> Action {
    Action::HoldParticipant { conference: conference(2), leg: leg(who) }
}

/// The agent was lost, and has the customer again in another conference. The actions that follow are still to be taken.
fn reconnected(desk: &mut Desk) {
    desk.goes_through_the_queue();
    desk.register(2, ADA, NEXT_LEG, 2);
}

#[test]
fn third_parties_follow_with_label_and_flags() {
    let mut desk = Desk::talking();
    let flags = ParticipantFlags { muted: true, end_conference_on_exit: true, ..ParticipantFlags::default() };
    desk.labelled_callback(1, Some("lawyer"), ConferenceEventKind::Join { leg: leg(THIRD), flags });
    desk.restart();
    reconnected(&mut desk);
    let followed = Action::MoveParticipant {
        leg: leg(THIRD),
        into: TaskSid::numbered(2),
        muted: true,
        end_on_exit: true,
        label: Some("lawyer".into()),
        came_late: false,
    };
    assert_eq!(desk.take_actions(), [followed]);
    desk.join(2, THIRD, true);
    assert_eq!(desk.take_actions(), [], "not held, as it was not held before");
}

/// While a mark may still come, it is not known whether the agent comes back at all.
#[test]
fn the_exit_flag_of_an_unidentified_leg_stays_during_the_grace_period() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.take_actions();
    desk.join(1, THIRD, true);
    let is_kept = |action: &Action| matches!(action, Action::ClearExitFlag { .. });
    assert!(desk.has_timer(Timer::Grace) && !desk.take_actions().iter().any(is_kept));
}

/// The leg may be the agent's, unregistered, with the exit flag that Flex has set.
#[test]
fn an_unidentified_late_leg_follows_without_its_exit_flag() {
    let mut desk = Desk::talking();
    desk.goes_through_the_queue();
    desk.join(1, THIRD, true);
    desk.register(2, ADA, NEXT_LEG, 2);
    assert_eq!(desk.take_actions(), [follows_late(THIRD)]);
}

/// The agent's page asked for the leg and was gone before it could register. Flex sets the exit flag on it.
#[test]
fn the_leg_of_a_page_that_went_while_it_joined_is_not_taken_for_a_third_party() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.goodbye(ADA, 2);
    desk.join(1, THIRD, true);
    desk.hello(3, false, false);
    desk.finish_all();
    desk.leave(1, ADA_LEG, LeaveReason::UpdatedViaApi);
    desk.finish_all();
    desk.entered_queue();
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.finish_all();
    desk.register(2, ADA, NEXT_LEG, 3);
    assert_eq!(
        desk.take_actions(),
        [follows_late(THIRD)],
        "not if it is a browser's leg, and without its flag"
    );
}

#[test]
fn a_held_third_party_is_held_again_in_the_next_conference() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.modify(1, THIRD, false, true);
    reconnected(&mut desk);
    assert_eq!(desk.take_actions(), [follows(THIRD)]);
    desk.restart();
    desk.join(2, THIRD, false);
    assert_eq!(desk.take_actions(), [hold(THIRD)]);
    desk.modify(2, THIRD, false, true);
    desk.modify(2, THIRD, false, false);
    assert_eq!(desk.take_actions(), [], "the agent took it off hold");
}

#[test]
fn a_third_party_who_answers_late_follows_once() {
    let mut desk = Desk::talking();
    reconnected(&mut desk);
    assert_eq!(desk.take_actions(), []);
    desk.join(1, THIRD, false);
    assert_eq!(desk.take_actions(), [follows_late(THIRD)]);
    desk.modify(1, THIRD, false, false);
    assert_eq!(desk.take_actions(), [], "it follows once");
}

#[test]
fn a_call_left_to_a_third_party_is_ended_once_the_third_party_leaves() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.graceful(GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!((desk.take_actions(), desk.stage()), (vec![], None), "customer and third party talk");
    desk.leave(1, THIRD, LeaveReason::HungUp);
    desk.fire(1, Timer::LeftAlone);
    assert_eq!(
        desk.take_actions(),
        [Action::EndConference { conference: conference(1) }],
        "the customer is alone"
    );
}

#[test]
fn a_third_party_who_was_there_before_does_not_delay_the_requeue() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.goodbye(ADA, EPOCH);
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

#[test]
fn a_new_leg_beside_a_third_party_gets_time_to_register() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.goodbye(ADA, EPOCH);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(!desk.has_timer(Timer::Grace), "the new leg may be the agent's");
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(rejoin_protocol::api::Stage::Rejoined));
    assert_eq!(desk.take_actions(), [], "no leg is moved");
}

// --- a call that the agent places: the customer joins last ---

fn learn() -> Action {
    Action::LookUpTask { task: TaskSid::numbered(1) }
}

fn look_up_answer(customer: bool) -> Outcome {
    let known = LookUpAnswer {
        is_accepted: false,
        workflow: rejoin_protocol::WorkflowSid::numbered(1),
        queue: None,
        customer_leg: customer.then(|| leg(CUSTOMER)),
        worker_leg: customer.then(|| leg(ADA_LEG)),
        reservation: customer.then(|| rejoin_protocol::ReservationSid::numbered(1)),
        worker: customer.then(|| (rejoin_protocol::WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    };
    Outcome::TaskLookedUp(Box::new(known))
}

#[test]
fn a_customer_who_answers_late_triggers_another_look_up() {
    let mut desk = Desk::new();
    desk.join(1, ADA_LEG, false);
    desk.fire(1, Timer::LookUp);
    assert_eq!(desk.take_actions(), [learn()]);
    desk.finish(learn(), look_up_answer(false));
    let again = desk.timers[&(conference(1), Timer::LookUp)];
    // The customer answers, and the page that placed the call is gone.
    desk.join(1, CUSTOMER, true);
    assert!(desk.timers[&(conference(1), Timer::LookUp)] < again, "sooner than without the join");
    desk.fire(1, Timer::LookUp);
    assert_eq!(desk.take_actions(), [learn()]);
    desk.finish(learn(), look_up_answer(true));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace), "the agent was lost");
}

#[test]
fn an_agents_leave_before_the_customer_is_known_is_looked_up_at_once() {
    let mut desk = Desk::new();
    desk.join(1, ADA_LEG, false);
    desk.fire(1, Timer::LookUp);
    desk.take_actions();
    desk.finish(learn(), look_up_answer(false));
    desk.join(1, CUSTOMER, true);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.take_actions(), [learn()]);
    desk.finish(learn(), look_up_answer(true));
    assert!(desk.has_timer(Timer::Grace), "the agent was lost");
}

#[test]
fn an_outbound_call_that_nobody_answers_is_over() {
    let mut desk = Desk::with(Machine::new(rejoin_recovery::Config::default(), []));
    desk.join(1, ADA_LEG, false);
    desk.fire(1, Timer::LookUp);
    desk.take_actions();
    desk.finish(learn(), look_up_answer(false));
    desk.leave(1, ADA_LEG, LeaveReason::ConferenceEndedViaApi);
    desk.end(1);
    // The reason of the end is reported after the end: until then the agent may have been lost.
    assert_eq!(desk.take_actions(), [learn()]);
    desk.finish(learn(), look_up_answer(false));
    assert_eq!((desk.take_actions(), desk.stage()), (vec![], None));
    assert!(!desk.has_timer(Timer::LookUp));
}
