//! Who else is on the call: third parties from outside.

use super::desk::*;
use rejoin_protocol::TaskSid;
use rejoin_protocol::api::GracefulReason;
use rejoin_recovery::{
    Action, ConferenceEventKind, LeaveReason, Machine, Outcome, ParticipantFlags, Registered, Timer,
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

/// Somebody who came when the agent was lost, and may be herself.
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

/// The agent was lost, and has the customer again in another conference. What follows from that is still to be taken.
fn reunited(desk: &mut Desk) {
    desk.goes_through_the_queue();
    desk.register(2, ADA, NEXT_LEG, 2);
}

#[test]
fn third_parties_follow_with_label_and_flags() {
    let mut desk = Desk::talking();
    let flags = ParticipantFlags { muted: true, end_conference_on_exit: true, ..ParticipantFlags::default() };
    desk.labelled_callback(1, Some("lawyer"), ConferenceEventKind::Join { leg: leg(THIRD), flags });
    desk.restart();
    reunited(&mut desk);
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
    assert_eq!(desk.take_actions(), [], "was not on hold, and is not");
}

/// A leg of the agent's that nobody has registered, and on which Flex has set the flag.
#[test]
fn the_conference_does_not_end_with_a_stranger_who_follows() {
    let mut desk = Desk::talking();
    desk.goes_through_the_queue();
    desk.join(1, THIRD, true);
    desk.register(2, ADA, NEXT_LEG, 2);
    assert_eq!(desk.take_actions(), [follows_late(THIRD)]);
}

#[test]
fn a_third_party_on_hold_is_on_hold_again() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.modify(1, THIRD, false, true);
    reunited(&mut desk);
    assert_eq!(desk.take_actions(), [follows(THIRD)]);
    desk.restart();
    desk.join(2, THIRD, false);
    assert_eq!(desk.take_actions(), [hold(THIRD)]);
    desk.modify(2, THIRD, false, true);
    desk.modify(2, THIRD, false, false);
    assert_eq!(desk.take_actions(), [], "the agent took it off hold");
}

#[test]
fn a_third_party_who_answers_late_follows_too() {
    let mut desk = Desk::talking();
    reunited(&mut desk);
    assert_eq!(desk.take_actions(), []);
    desk.join(1, THIRD, false);
    assert_eq!(desk.take_actions(), [follows_late(THIRD)]);
    desk.modify(1, THIRD, false, false);
    assert_eq!(desk.take_actions(), [], "once");
}

#[test]
fn leaving_customer_and_third_party_to_each_other_is_no_loss() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.graceful(GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!((desk.take_actions(), desk.stage()), (vec![], None), "they talk");
    desk.leave(1, THIRD, LeaveReason::HungUp);
    desk.fire(1, Timer::Orphan);
    assert_eq!(
        desk.take_actions(),
        [Action::EndConference { conference: conference(1) }],
        "nobody is left for him"
    );
}

#[test]
fn a_third_party_is_no_reason_to_wait_for_the_agents_new_leg() {
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
fn an_agent_whose_new_leg_is_there_already_is_waited_for_beside_a_third_party() {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.goodbye(ADA, EPOCH);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(!desk.has_timer(Timer::Grace), "it may be hers");
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(rejoin_protocol::api::Stage::Rejoined));
    assert_eq!(desk.take_actions(), [], "nobody is moved");
}

// --- a call that the agent places: the customer comes last ---

fn learn() -> Action {
    Action::Learn { task: TaskSid::numbered(1) }
}

fn found(customer: bool) -> Outcome {
    let known = Registered {
        workflow: rejoin_protocol::WorkflowSid::numbered(1),
        queue: None,
        customer_leg: customer.then(|| leg(CUSTOMER)),
        worker_leg: customer.then(|| leg(ADA_LEG)),
        reservation: customer.then(|| rejoin_protocol::ReservationSid::numbered(1)),
        worker: customer.then(|| (rejoin_protocol::WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    };
    Outcome::Learnt(Box::new(known))
}

#[test]
fn a_customer_who_answers_late_is_looked_up_when_he_does() {
    let mut desk = Desk::new();
    desk.join(1, ADA_LEG, false);
    desk.fire(1, Timer::Learn);
    assert_eq!(desk.take_actions(), [learn()]);
    desk.finish(learn(), found(false));
    let again = desk.timers[&(conference(1), Timer::Learn)];
    // He answers, and the page that called him is gone.
    desk.join(1, CUSTOMER, true);
    assert!(desk.timers[&(conference(1), Timer::Learn)] < again, "sooner than it would have been");
    desk.fire(1, Timer::Learn);
    assert_eq!(desk.take_actions(), [learn()]);
    desk.finish(learn(), found(true));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace), "the agent was lost");
}

#[test]
fn an_agent_whose_leg_falls_before_the_customer_is_known_is_looked_up_at_once() {
    let mut desk = Desk::new();
    desk.join(1, ADA_LEG, false);
    desk.fire(1, Timer::Learn);
    desk.take_actions();
    desk.finish(learn(), found(false));
    desk.join(1, CUSTOMER, true);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(desk.take_actions(), [learn()]);
    desk.finish(learn(), found(true));
    assert!(desk.has_timer(Timer::Grace), "the agent was lost");
}

#[test]
fn a_call_that_never_began_is_over() {
    let mut desk = Desk::with(Machine::new(rejoin_recovery::Config::default(), []));
    desk.join(1, ADA_LEG, false);
    desk.fire(1, Timer::Learn);
    desk.take_actions();
    desk.finish(learn(), found(false));
    desk.leave(1, ADA_LEG, LeaveReason::ConferenceEndedViaApi);
    desk.end(1);
    // Why it ended is told after it did: until then the agent may have been lost.
    assert_eq!(desk.take_actions(), [learn()]);
    desk.finish(learn(), found(false));
    assert_eq!((desk.take_actions(), desk.stage()), (vec![], None));
    assert!(!desk.has_timer(Timer::Learn));
}
