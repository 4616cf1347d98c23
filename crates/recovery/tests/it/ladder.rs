//! Every way down the ladder: in place, to the same agent, to the next one. See "Down the ladder" in `docs/recovery.md`.

use crate::desk::*;
use rejoin_protocol::Millis;
use rejoin_protocol::api::{Failure, Stage};
use rejoin_recovery::{Action, LeaveReason, Outcome, Timer};

fn requeues(actions: &[Action]) -> Vec<&Action> {
    actions.iter().filter(|action| matches!(action, Action::Requeue { .. })).collect()
}

fn due(desk: &Desk, timer: Timer) -> Millis {
    desk.timers[&(conference(1), timer)]
}

#[test]
fn a_leg_that_falls_late_is_a_rung_further_down_within_the_same_wait() {
    let mut desk = Desk::away();
    let lost_at = desk.now;
    desk.fire(1, Timer::Announce);
    desk.finish_all();
    desk.now = lost_at + Millis::seconds(13);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert_eq!(due(&desk, Timer::Ping), lost_at + Millis::seconds(15), "the wait began when she was lost");
    let asked = desk.finish_all();
    assert!(!asked.contains(&hold(false, false)), "he was told: {asked:?}");
    desk.fire(1, Timer::Ping);
    assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
}

#[test]
fn a_leg_that_falls_while_she_joins_again_takes_nothing_of_her_time() {
    let mut desk = Desk::away();
    desk.hello_in_place(2);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    assert_eq!(desk.stage(), Some(Stage::Requeueing), "she is there, and gets him through the queue");
    assert_eq!(due(&desk, Timer::Rejoin), desk.now + Millis::seconds(20));
}

#[test]
fn a_hello_after_the_customer_was_sent_to_any_agent_does_not_send_him_anew() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
    let until = due(&desk, Timer::Rejoin);
    desk.hello(2, true, false);
    assert!(desk.finish_all().is_empty());
    assert_eq!((desk.stage(), due(&desk, Timer::Rejoin)), (Some(Stage::WaitingForOther), until));
    // She may be the one who takes him.
    desk.entered_queue();
    desk.join(2, CUSTOMER, true);
    desk.register(2, ADA, NEXT_LEG, 2);
    assert_eq!(desk.stage(), Some(Stage::Rejoined));
}

#[test]
fn a_goodbye_without_a_reload_goes_down_all_rungs_within_one_wait() {
    let mut desk = Desk::away();
    let lost_at = desk.now;
    desk.fire(1, Timer::Announce);
    assert_eq!(desk.now, lost_at + Millis(1500));
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.now, lost_at + Millis::seconds(15));
    assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
    desk.entered_queue();
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now, lost_at + Millis::seconds(15 + 600), "no wait is without an end");
    assert_eq!(desk.stage(), Some(Stage::Failed { reason: Failure::NobodyTookIt }));
}

#[test]
fn an_end_of_the_wait_and_a_hello_in_the_same_instant_send_the_customer_one_way() {
    for hello_first in [true, false] {
        let mut desk = Desk::holding();
        desk.now = due(&desk, Timer::Ping);
        if hello_first {
            desk.hello(2, true, false);
            assert_eq!(requeues(&desk.finish_all()), [&requeue(Some(ADA))]);
            assert!(!desk.has_timer(Timer::Ping), "it does not go off any more");
        } else {
            desk.fire(1, Timer::Ping);
            desk.hello(2, true, false);
            assert_eq!(requeues(&desk.finish_all()), [&requeue(None)]);
        }
    }
    // In place the two are not far from each other, either.
    for hello_first in [true, false] {
        let mut desk = Desk::away();
        desk.now = due(&desk, Timer::Ping);
        if hello_first {
            desk.hello_in_place(2);
            assert!(desk.finish_all().is_empty());
            assert_eq!(desk.stage(), Some(Stage::InPlace));
            desk.fire(1, Timer::Rejoin);
        } else {
            desk.fire(1, Timer::Ping);
            desk.hello_in_place(2);
        }
        let asked = desk.finish_all();
        assert_eq!(desk.stage(), Some(Stage::Requeueing), "{asked:?}");
        assert!(requeues(&[asked, desk.finish_all()].concat()).len() <= 1);
    }
}

#[test]
fn joining_again_that_fails_at_the_end_of_the_wait_leaves_time_for_the_next_rung() {
    let mut desk = Desk::away();
    let lost_at = desk.now;
    desk.now = lost_at + Millis::seconds(12);
    desk.hello_in_place(2);
    desk.fire(1, Timer::Rejoin);
    assert_eq!(desk.now, lost_at + Millis::seconds(15), "the first rung ends with the wait");
    desk.finish_all();
    desk.finish_all();
    assert_eq!(desk.stage(), Some(Stage::Requeueing), "she is there");
}

#[test]
fn a_queue_that_never_keeps_the_customer_is_not_tried_without_end() {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    let goes_again = |desk: &Desk| desk.machine.call(&conference(1)).unwrap().goes_to_queue_again();
    for _ in 0..10 {
        desk.entered_queue();
        assert!(goes_again(&desk));
        desk.left_queue();
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
    }
    assert!(!goes_again(&desk), "the document says that it did not work");
    desk.left_queue();
    assert_eq!(desk.stage(), Some(Stage::Failed { reason: Failure::NotRequeued }));
    // Who has an agent as far as we know is not given up, whatever the queue says.
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.entered_queue();
    desk.join(2, CUSTOMER, true);
    desk.register(2, BO, NEXT_LEG, 2);
    assert!(goes_again(&desk));
}

#[test]
fn a_customer_whose_recovery_has_failed_is_not_sent_to_the_queue_again() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish(requeue(None), Outcome::Failed { reason: "refused".into() });
    assert!(matches!(desk.stage(), Some(Stage::Failed { .. })));
    assert!(!desk.machine.call(&conference(1)).unwrap().goes_to_queue_again());
}
