//! A customer who is alone goes on hold as soon as the agent's page says goodbye, and hears a soft tone until the announcement
//! is due.

use crate::desk::{ADA, ADA_LEG, CUSTOMER, Desk, conference, hold, leg};
use rejoin_protocol::Millis;
use rejoin_protocol::api::Stage;
use rejoin_recovery::{Action, Announcement, LeaveReason, Outcome, Timer};

const NEXT_LEG: u128 = 0xadb;

fn hold_with_tone(desk: &Desk) -> Action {
    let Action::HoldCustomer { conference, customer, recovery, held, told, .. } = hold(false, false) else {
        unreachable!("that is a hold")
    };
    let words_at = Some(desk.now + Millis(1_500));
    Action::HoldCustomer { conference, customer, recovery, held, told, words_at }
}

fn end_hold() -> Action {
    Action::EndHold { conference: conference(1), customer: leg(CUSTOMER) }
}

fn announcement() -> Action {
    Action::Announce { conference: conference(1), what: Announcement::Interrupted }
}

/// Ada's page has said goodbye, and the request that holds the customer is on its way.
fn away() -> (Desk, Action) {
    let mut desk = Desk::at_once();
    let asked = hold_with_tone(&desk);
    desk.goodbye(ADA, 1);
    assert_eq!(desk.take_actions(), [asked.clone()]);
    (desk, asked)
}

#[test]
fn one_request_holds_the_customer_from_the_goodbye_on() {
    let (mut desk, asked) = away();
    desk.finish(asked, Outcome::Ok);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [], "the document goes on with the words");
}

#[test]
fn a_tone_that_somebody_else_ends_begins_again_and_the_words_are_due_as_before() {
    let (mut desk, asked) = away();
    desk.finish(asked.clone(), Outcome::Ok);
    desk.modify(1, CUSTOMER, false, true);
    desk.now = desk.now + Millis(100);
    desk.modify(1, CUSTOMER, false, false);
    assert_eq!(desk.take_actions(), [asked]);
}

#[test]
fn an_agent_who_is_back_before_the_words_ends_the_tone() {
    let (mut desk, asked) = away();
    desk.finish(asked, Outcome::Ok);
    desk.hello_in_place(2);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.take_actions(), [end_hold()]);
    desk.register(1, ADA, NEXT_LEG, 2);
    assert_eq!(desk.take_actions(), []);
}

#[test]
fn a_page_that_joins_again_when_the_words_are_due_leaves_the_customer_on_hold() {
    let (mut desk, asked) = away();
    desk.finish(asked, Outcome::Ok);
    desk.modify(1, CUSTOMER, false, true);
    desk.hello_in_place(2);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), []);
    desk.join(1, NEXT_LEG, false);
    assert_eq!(desk.take_actions(), [end_hold()]);
}

#[test]
fn a_customer_whose_hold_is_refused_hears_the_announcement_when_it_is_due() {
    for outcome in [Outcome::Failed { reason: "no answer".into() }, Outcome::Overtaken] {
        let (mut desk, asked) = away();
        desk.finish(asked, outcome.clone());
        assert_eq!(desk.take_actions(), [], "{outcome:?}: not before");
        desk.fire(1, Timer::Announce);
        let wanted = if outcome == Outcome::Overtaken { hold(false, false) } else { announcement() };
        assert_eq!(desk.take_actions(), [wanted], "{outcome:?}");
    }
}

#[test]
fn a_leg_that_falls_before_the_words_costs_no_second_hold() {
    let (mut desk, asked) = away();
    desk.finish(asked, Outcome::Ok);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let actions = desk.take_actions();
    let tells = |it: &&Action| matches!(it, Action::HoldCustomer { .. } | Action::Announce { .. });
    assert_eq!(actions.iter().filter(tells).count(), 0, "{actions:?}");
}

#[test]
fn a_customer_whom_the_agent_has_put_on_hold_is_told_when_it_is_due() {
    let mut desk = Desk::at_once();
    desk.modify(1, CUSTOMER, false, true);
    desk.goodbye(ADA, 1);
    assert_eq!(desk.take_actions(), []);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [hold(true, false)]);
}

#[test]
fn a_customer_with_others_on_the_call_is_told_when_it_is_due() {
    let mut desk = Desk::at_once();
    desk.join(1, 0x3d, false);
    desk.goodbye(ADA, 1);
    assert_eq!(desk.take_actions(), []);
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.take_actions(), [announcement()]);
}

/// The page has said goodbye, the leg falls, and the agent is back through the queue this long after the announcement was due.
fn in_the_queue(after_due: i64) -> Desk {
    let (mut desk, asked) = away();
    let due = desk.now + Millis(1_500);
    desk.finish(asked, Outcome::Ok);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.finish_all();
    desk.now = Millis(due.0.saturating_add_signed(after_due));
    desk.hello(2, true, false);
    desk.finish_all();
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
    desk
}

#[test]
fn a_customer_in_the_queue_before_the_words_could_be_heard_hears_them_there() {
    for (after_due, is_first_proof) in
        [(-1_000, true), (0, true), (999, true), (1_000, false), (60_000, false)]
    {
        let desk = in_the_queue(after_due);
        let recovery = desk.machine.call(&conference(1)).and_then(|call| call.recovery.as_ref()).unwrap();
        assert_eq!(recovery.words_at.is_some(), is_first_proof, "{after_due} ms after they were due");
    }
}

#[test]
fn a_customer_who_goes_from_one_agents_turn_to_the_next_is_told_once() {
    let mut desk = in_the_queue(-1_000);
    desk.fire(1, Timer::Rejoin);
    let recovery = desk.machine.call(&conference(1)).and_then(|call| call.recovery.as_ref()).unwrap();
    assert_eq!(recovery.words_at, None, "they were heard in the queue");
}
