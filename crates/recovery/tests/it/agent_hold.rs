//! The agent's hold: the agent had put the customer on hold before the page went.

use crate::desk::*;
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_recovery::{Action, Event, LeaveReason, Outcome, Timer};

/// A third party's leg.
const THIRD: u128 = 0x77;
const BO_LEG: u128 = 0xb1;

fn free() -> Action {
    Action::ClearCustomerFlags { conference: conference(1), customer: leg(CUSTOMER), unhold: true }
}

fn hold(n: u128) -> Action {
    Action::HoldParticipant { conference: conference(n), leg: leg(CUSTOMER) }
}

/// The agent's holds that were requested, and the ends of ours.
fn holds(desk: &mut Desk) -> Vec<Action> {
    let of_hold = |a: &Action| matches!(a, Action::HoldParticipant { .. } | Action::EndHold { .. });
    desk.take_actions().into_iter().filter(of_hold).collect()
}

/// Ada's page is gone, the leg stands, and the customer is on hold, alone.
fn alone_on_hold() -> Desk {
    let mut desk = Desk::talking();
    desk.modify(1, CUSTOMER, true, true);
    desk.goodbye(ADA, EPOCH);
    desk
}

/// As [`alone_on_hold`], with a third party there: the customer cannot be held for the announcement.
fn on_hold() -> Desk {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.modify(1, CUSTOMER, true, true);
    desk.goodbye(ADA, EPOCH);
    desk
}

/// The customer was taken off hold for the announcement.
fn announced_off_hold() -> Desk {
    let mut desk = on_hold();
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [free()]);
    desk.modify(1, CUSTOMER, false, false);
    desk.take_actions();
    desk
}

fn rejoins(desk: &mut Desk) {
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn an_agent_back_in_place_finds_the_customer_held_before_being_heard() {
    let mut desk = announced_off_hold();
    desk.restart();
    desk.hello_in_place(2);
    assert_eq!(desk.finish_all(), [hold(1)], "before the agent's leg is there");
    desk.modify(1, CUSTOMER, false, true);
    rejoins(&mut desk);
    desk.modify(1, CUSTOMER, false, false);
    assert_eq!(holds(&mut desk), [], "the agent ended the hold, so it stays ended");
}

/// Flex asked for that before the page went, and Twilio did it after our hold.
#[test]
fn an_agents_hold_that_ends_during_ours_is_not_restored() {
    let mut desk = alone_on_hold();
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [crate::desk::hold(true, false)]);
    // Our request ends the agent's hold first: that is not the agent's doing.
    desk.modify(1, CUSTOMER, true, false);
    assert!(desk.take_actions().is_empty());
    desk.modify(1, CUSTOMER, true, true);
    desk.modify(1, CUSTOMER, true, false);
    assert_eq!(desk.finish_all(), [crate::desk::hold(false, false)]);
    desk.modify(1, CUSTOMER, true, true);
    desk.hello_in_place(2);
    rejoins(&mut desk);
    assert_eq!(holds(&mut desk), [end_hold()], "the agent does not expect the customer to be on hold");
}

#[test]
fn a_customer_on_our_hold_stays_held_for_the_agent_who_held_them() {
    let mut desk = alone_on_hold();
    desk.fire(1, Timer::Announce);
    let asked = desk.finish_all();
    assert!(matches!(asked[..], [Action::HoldCustomer { held: true, .. }]), "{asked:?}");
    desk.modify(1, CUSTOMER, false, false);
    desk.modify(1, CUSTOMER, false, true);
    desk.restart();
    desk.hello_in_place(2);
    rejoins(&mut desk);
    assert_eq!(holds(&mut desk), [], "no hold is ended and none begun");
}

#[test]
fn an_agents_hold_is_restored_only_after_our_hold_has_an_outcome() {
    for (outcome, asked) in [
        (Outcome::Ok, vec![]),
        (Outcome::Failed { reason: "busy".into() }, vec![hold(1)]),
        (Outcome::Overtaken, vec![]),
    ] {
        let mut desk = alone_on_hold();
        desk.fire(1, Timer::Announce);
        let ours = desk.take_actions();
        desk.hello_in_place(2);
        rejoins(&mut desk);
        assert_eq!(holds(&mut desk), []);
        desk.finish(ours[0].clone(), outcome.clone());
        assert_eq!(holds(&mut desk), asked, "{outcome:?}");
    }
}

#[test]
fn an_agent_back_before_the_announcement_finds_the_customer_held() {
    for mut desk in [alone_on_hold(), on_hold()] {
        desk.hello_in_place(2);
        desk.fire(1, Timer::Announce);
        rejoins(&mut desk);
        assert_eq!(desk.take_actions(), [], "the customer was never off hold");
    }
}

#[test]
fn a_customer_is_held_again_only_after_the_unhold_succeeded() {
    let mut desk = on_hold();
    desk.fire(1, Timer::Announce);
    desk.hello_in_place(2);
    rejoins(&mut desk);
    assert_eq!(desk.finish_all(), [free()]);
    assert_eq!(holds(&mut desk), [hold(1)]);
}

#[test]
fn a_customer_whom_the_agent_had_not_held_is_not_held_again() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.modify(1, CUSTOMER, true, true);
    desk.hello_in_place(2);
    rejoins(&mut desk);
    let ended = Action::EndHold { conference: conference(1), customer: leg(CUSTOMER) };
    assert_eq!(holds(&mut desk), [ended], "the hold was ours");
}

#[test]
fn a_failed_rejoin_takes_the_customer_off_hold_again() {
    let mut desk = announced_off_hold();
    desk.hello_in_place(2);
    assert_eq!(desk.take_actions(), [hold(1)]);
    desk.fire(1, Timer::Rejoin);
    assert!(!desk.machine.wants(&conference(1), &hold(1)), "the hold is no longer wanted");
    let actions = desk.take_actions();
    assert!(actions.contains(&free()), "{actions:?}");
}

#[test]
fn a_customer_back_through_the_queue_is_held_again_for_the_same_agent() {
    for (agent, held) in [(ADA, vec![hold(2)]), (BO, vec![])] {
        for others in [false, true] {
            let mut desk = Desk::talking();
            if others {
                desk.join(1, THIRD, false);
            }
            desk.modify(1, CUSTOMER, true, true);
            desk.goes_through_the_queue();
            desk.restart();
            desk.register(2, agent, NEXT_LEG, 2);
            assert_eq!(holds(&mut desk), held, "only for the agent who had held the customer");
        }
    }
}

#[test]
fn a_customer_who_talked_to_a_colleague_is_not_held_again() {
    let mut desk = alone_on_hold();
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.finish_all();
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Announce);
    let asked = desk.finish_all();
    assert!(asked.iter().any(|action| matches!(action, Action::HoldCustomer { .. })), "{asked:?}");
    desk.hello_in_place(2);
    rejoins(&mut desk);
    let end = Action::EndHold { conference: conference(1), customer: leg(CUSTOMER) };
    assert_eq!(holds(&mut desk), [end]);
}

/// Back in place, the agent ends the hold that was restored. Later the page is silent for a moment.
#[test]
fn a_hold_that_the_agent_has_ended_is_not_restored_after_a_silence() {
    let mut desk = alone_on_hold();
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.modify(1, CUSTOMER, false, false);
    desk.modify(1, CUSTOMER, false, true);
    desk.hello_in_place(2);
    rejoins(&mut desk);
    desk.modify(1, CUSTOMER, false, false);
    desk.take_actions();
    desk.push_lost(ADA, 2);
    desk.finish(Action::AskPage { conference: conference(1), leg: leg(NEXT_LEG) }, Outcome::Ok);
    desk.take_actions();
    desk.fire(1, Timer::Answer);
    let asked = desk.take_actions();
    assert!(matches!(asked[..], [Action::HoldCustomer { held: false, .. }]), "{asked:?}");
    desk.finish(asked[0].clone(), Outcome::Ok);
    desk.modify(1, CUSTOMER, false, true);
    desk.handle(Event::PushBack { worker: WorkerSid::numbered(ADA), epoch: 2 });
    let ended = Action::EndHold { conference: conference(1), customer: leg(CUSTOMER) };
    assert_eq!(holds(&mut desk), [ended]);
}
