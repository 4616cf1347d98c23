//! The agent had put the customer on hold when the page went.

use crate::desk::*;
use rejoin_protocol::api::Stage;
use rejoin_recovery::{Action, LeaveReason, Timer};

fn free() -> Action {
    Action::FreeCustomer { conference: conference(1), customer: leg(CUSTOMER), unhold: true }
}

fn hold(n: u128) -> Action {
    Action::HoldParticipant { conference: conference(n), leg: leg(CUSTOMER) }
}

fn holds(desk: &mut Desk) -> Vec<Action> {
    desk.take_actions().into_iter().filter(|a| matches!(a, Action::HoldParticipant { .. })).collect()
}

/// Ada's page is gone, her leg stands, and the customer is on hold.
fn away_on_hold() -> Desk {
    let mut desk = Desk::talking();
    desk.modify(1, CUSTOMER, true, true);
    desk.goodbye(ADA, EPOCH);
    desk
}

/// The same, and the customer was taken off hold to be told.
fn told() -> Desk {
    let mut desk = away_on_hold();
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
fn who_is_back_at_once_finds_him_on_hold_as_he_was() {
    let mut desk = away_on_hold();
    desk.hello_in_place(2);
    desk.fire(1, Timer::Announce);
    joins_again(&mut desk);
    assert_eq!(desk.take_actions(), [], "he never was off hold");
}

#[test]
fn he_is_not_put_on_hold_before_he_was_taken_off_it() {
    let mut desk = away_on_hold();
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
    desk.hello_in_place(2);
    joins_again(&mut desk);
    assert_eq!(holds(&mut desk), []);
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
        let mut desk = Desk::talking();
        desk.modify(1, CUSTOMER, true, true);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.fire(1, Timer::Grace);
        assert!(desk.finish_all().contains(&free()));
        desk.hello(2, true, false);
        desk.finish_all();
        desk.entered_queue();
        desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
        desk.finish_all();
        desk.restart();
        desk.register(2, agent, NEXT_LEG, 2);
        assert_eq!(holds(&mut desk), held, "only who had put him on hold");
    }
}
