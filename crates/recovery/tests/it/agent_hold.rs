//! The agent had put the customer on hold when the page went.

use crate::desk::*;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_recovery::{Action, LeaveReason, Outcome, Timer};

/// A third party's leg.
const THIRD: u128 = 0x77;
const BO_LEG: u128 = 0xb1;

fn free() -> Action {
    Action::FreeCustomer { conference: conference(1), customer: leg(CUSTOMER), unhold: true }
}

fn hold(n: u128) -> Action {
    Action::HoldParticipant { conference: conference(n), leg: leg(CUSTOMER) }
}

/// Holds that were asked for, and ended.
fn holds(desk: &mut Desk) -> Vec<Action> {
    let of_hold = |a: &Action| matches!(a, Action::HoldParticipant { .. } | Action::EndHold { .. });
    desk.take_actions().into_iter().filter(of_hold).collect()
}

/// Ada's page is gone, her leg stands, and the customer is on hold, alone.
fn alone_on_hold() -> Desk {
    let mut desk = Desk::talking();
    desk.modify(1, CUSTOMER, true, true);
    desk.goodbye(ADA, EPOCH);
    desk
}

/// The same, with somebody else there: the customer cannot be told on hold.
fn on_hold() -> Desk {
    let mut desk = Desk::talking();
    desk.join(1, THIRD, false);
    desk.modify(1, CUSTOMER, true, true);
    desk.goodbye(ADA, EPOCH);
    desk
}

/// He was taken off hold to be told.
fn told() -> Desk {
    let mut desk = on_hold();
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.finish_all(), [free()]);
    desk.modify(1, CUSTOMER, false, false);
    desk.take_actions();
    desk
}

fn joins_again(desk: &mut Desk) {
    desk.join(1, NEXT_LEG, false);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn who_is_back_in_place_finds_the_customer_on_hold_before_she_is_heard() {
    let mut desk = told();
    desk.restart();
    desk.hello_in_place(2);
    assert_eq!(desk.finish_all(), [hold(1)], "before her leg is there");
    desk.modify(1, CUSTOMER, false, true);
    joins_again(&mut desk);
    desk.modify(1, CUSTOMER, false, false);
    assert_eq!(holds(&mut desk), [], "she took him off hold, and so it stays");
}

#[test]
fn one_who_was_told_on_hold_stays_on_hold_for_her() {
    let mut desk = alone_on_hold();
    desk.fire(1, Timer::Announce);
    let told = desk.finish_all();
    assert!(matches!(told[..], [Action::HoldCustomer { held: true, .. }]), "{told:?}");
    desk.modify(1, CUSTOMER, false, false);
    desk.modify(1, CUSTOMER, false, true);
    desk.restart();
    desk.hello_in_place(2);
    joins_again(&mut desk);
    assert_eq!(holds(&mut desk), [], "nothing is ended, and nothing begun");
}

#[test]
fn nothing_is_asked_for_before_our_own_hold_is_on() {
    for (outcome, asked) in [
        (Outcome::Ok, vec![]),
        (Outcome::Failed { reason: "busy".into() }, vec![hold(1)]),
        (Outcome::Overtaken, vec![]),
    ] {
        let mut desk = alone_on_hold();
        desk.fire(1, Timer::Announce);
        let ours = desk.take_actions();
        desk.hello_in_place(2);
        joins_again(&mut desk);
        assert_eq!(holds(&mut desk), []);
        desk.finish(ours[0].clone(), outcome.clone());
        assert_eq!(holds(&mut desk), asked, "{outcome:?}");
    }
}

#[test]
fn who_is_back_at_once_finds_him_on_hold_as_he_was() {
    for mut desk in [alone_on_hold(), on_hold()] {
        desk.hello_in_place(2);
        desk.fire(1, Timer::Announce);
        joins_again(&mut desk);
        assert_eq!(desk.take_actions(), [], "he never was off hold");
    }
}

#[test]
fn he_is_not_put_on_hold_before_he_was_taken_off_it() {
    let mut desk = on_hold();
    desk.fire(1, Timer::Announce);
    desk.hello_in_place(2);
    joins_again(&mut desk);
    assert_eq!(desk.finish_all(), [free()]);
    assert_eq!(holds(&mut desk), [hold(1)]);
}

#[test]
fn one_who_was_not_on_hold_is_not_put_on_hold() {
    let mut desk = Desk::away();
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.modify(1, CUSTOMER, true, true);
    desk.hello_in_place(2);
    joins_again(&mut desk);
    let ended = Action::EndHold { conference: conference(1), customer: leg(CUSTOMER) };
    assert_eq!(holds(&mut desk), [ended], "that hold was ours");
}

#[test]
fn when_joining_again_fails_he_is_off_hold_again() {
    let mut desk = told();
    desk.hello_in_place(2);
    assert_eq!(desk.take_actions(), [hold(1)]);
    desk.fire(1, Timer::Rejoin);
    assert!(!desk.machine.wants(&conference(1), &hold(1)), "if it is not done yet, it is not done any more");
    let actions = desk.take_actions();
    assert!(actions.contains(&free()), "{actions:?}");
}

#[test]
fn who_is_back_through_the_queue_has_him_on_hold_again() {
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
            assert_eq!(holds(&mut desk), held, "only who had put him on hold");
        }
    }
}

#[test]
fn who_has_heard_a_colleague_meanwhile_is_not_on_hold_for_her_any_more() {
    let mut desk = alone_on_hold();
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.join(1, BO_LEG, false);
    desk.register(1, BO, BO_LEG, EPOCH);
    desk.finish_all();
    desk.graceful_of(BO, GracefulReason::HangUp);
    desk.leave(1, BO_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Announce);
    let told = desk.finish_all();
    assert!(told.iter().any(|action| matches!(action, Action::HoldCustomer { .. })), "{told:?}");
    desk.hello_in_place(2);
    joins_again(&mut desk);
    let end = Action::EndHold { conference: conference(1), customer: leg(CUSTOMER) };
    assert_eq!(holds(&mut desk), [end]);
}
