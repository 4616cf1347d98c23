//! Repeated losses: an agent who is lost again and again (case 8).

use crate::desk::*;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_protocol::{Millis, RecoveryId, TaskSid, WorkerSid};
use rejoin_recovery::{Action, Event, LeaveReason, RequeueCause, Timer};

const BOS_LEG: u128 = 0xb1;

/// Ada refreshes, and is back in place beside the old leg.
fn refreshes_in_place(desk: &mut Desk, times: u64) {
    for i in 0..times {
        let (old, new) = (ADA_LEG + u128::from(i) * 0x100, ADA_LEG + u128::from(i + 1) * 0x100);
        let epoch = EPOCH + i;
        desk.goodbye(ADA, epoch);
        assert_eq!(last(desk).stage, Stage::Interrupted, "refresh {i}");
        desk.now = desk.now + Millis::seconds(2);
        desk.hello_in_place(epoch + 1);
        desk.join(1, new, false);
        desk.register(1, ADA, new, epoch + 1);
        desk.leave(1, old, LeaveReason::HungUp);
        desk.finish_all();
        assert_eq!(last(desk).stage, Stage::Rejoined, "refresh {i}");
        desk.now = desk.now + Millis::seconds(20);
    }
}

fn last(desk: &Desk) -> rejoin_protocol::api::RecoveryView {
    desk.machine.views(desk.now, &WorkerSid::numbered(ADA)).pop().expect("a recovery")
}

/// Ada's view of the call of this task.
fn last_of(desk: &Desk, task: u128) -> rejoin_protocol::api::RecoveryView {
    let views = desk.machine.views(desk.now, &WorkerSid::numbered(ADA));
    views.into_iter().find(|view| view.task == TaskSid::numbered(task)).expect("a recovery of it")
}

fn leg_after(times: u64) -> u128 {
    ADA_LEG + u128::from(times) * 0x100
}

fn requeues_for_any_agent(desk: &Desk) -> bool {
    desk.actions.iter().any(|action| matches!(action, Action::Requeue { target: None, .. }))
}

#[test]
fn the_fourth_loss_within_five_minutes_sends_the_customer_to_any_agent() {
    let mut desk = Desk::talking();
    refreshes_in_place(&mut desk, 3);
    desk.goodbye(ADA, EPOCH + 3);
    assert_eq!(last(&desk).stage, Stage::Interrupted, "a graceful mark may still arrive");
    desk.fire(1, Timer::Ping);
    let remove = Action::RemoveLeg { conference: conference(1), leg: leg(leg_after(3)) };
    let first = desk.finish_all();
    assert_eq!(first[0], remove, "the leg has no page, and there is no wait");
    assert!(!first.iter().any(|action| matches!(action, Action::CreatePing { .. })), "{first:?}");
    assert!(requeues_for_any_agent(&desk), "{:?}", desk.actions);
    let view = last(&desk);
    assert_eq!((view.stage, view.too_often, view.remaining_ms), (Stage::WaitingForOther, true, None));
    assert_eq!(desk.causes(), [RequeueCause::LostTooOften]);
}

#[test]
fn a_page_back_after_the_fourth_loss_does_not_rejoin() {
    let mut desk = Desk::talking();
    refreshes_in_place(&mut desk, 3);
    desk.goodbye(ADA, EPOCH + 3);
    desk.hello_in_place(EPOCH + 4);
    assert_eq!(last(&desk).stage, Stage::Interrupted);
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    assert!(requeues_for_any_agent(&desk));

    // After a crash there is no goodbye.
    let mut desk = Desk::talking();
    refreshes_in_place(&mut desk, 3);
    desk.hello_in_place(EPOCH + 4);
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    assert!(requeues_for_any_agent(&desk));
}

/// Twilio answers a requeue for any agent late. It takes effect while Ada has the customer again and is lost once more.
#[test]
fn a_customer_moved_by_an_earlier_requeue_has_not_left() {
    let lost_again = |sends: bool, later: u64| {
        let mut desk = Desk::talking();
        desk.goes_through_the_queue();
        if sends {
            desk.fire(1, Timer::Rejoin);
            assert_eq!(desk.take_actions(), [requeue(None)]);
        }
        desk.join(2, CUSTOMER, true);
        desk.join(2, NEXT_LEG, false);
        desk.register(2, ADA, NEXT_LEG, 2);
        desk.leave(2, NEXT_LEG, LeaveReason::HungUp);
        desk.now = desk.now + Millis::seconds(later);
        desk.take_actions();
        desk.restart_all();
        desk.leave(2, CUSTOMER, LeaveReason::UpdatedViaApi);
        desk
    };
    let stage = |desk: &Desk| last_of(desk, 2).stage;
    let mut desk = lost_again(true, 19);
    assert_eq!(stage(&desk), Stage::WaitingForOther);
    let complete =
        Action::CompleteReservation { task: TaskSid::numbered(2), reservation: reservation_of(ADA, 2) };
    assert_eq!(desk.take_actions(), [complete], "the reservation of the second loss is completed, too");
    desk.join(3, CUSTOMER, true);
    desk.join(3, BOS_LEG, false);
    desk.register(3, BO, BOS_LEG, 3);
    assert_eq!(stage(&desk), Stage::HandedOver { worker_name: Some("Bo".into()) });
    assert_eq!(stage(&lost_again(true, 21)), Stage::CustomerLeft, "no requeue is in flight for so long");
    assert_eq!(stage(&lost_again(false, 1)), Stage::CustomerLeft, "no requeue was requested");
}

/// The same, with callbacks of the second conference that arrive only after the customer has left it: the server believes that they
/// still wait for Ada, sends them on to any agent, and hears that they do. The second loss begins after that.
#[test]
fn a_customer_moved_by_a_requeue_because_callbacks_were_late_has_not_left() {
    let lost_again = |sent_before: u64| {
        let mut desk = Desk::talking();
        desk.goes_through_the_queue();
        desk.fire(1, Timer::Rejoin);
        desk.finish_all();
        desk.entered_queue();
        assert_eq!(last_of(&desk, 1).stage, Stage::WaitingForOther);
        desk.now = desk.now + Millis::seconds(sent_before);
        desk.join(2, CUSTOMER, true);
        desk.join(2, NEXT_LEG, false);
        desk.register(2, ADA, NEXT_LEG, 2);
        desk.leave(2, NEXT_LEG, LeaveReason::HungUp);
        desk.fire(2, Timer::Grace);
        desk.finish_all();
        desk
    };
    let stage = |desk: &Desk| last_of(desk, 2).stage;
    let mut desk = lost_again(1);
    desk.leave(2, CUSTOMER, LeaveReason::UpdatedViaApi);
    assert_eq!(stage(&desk), Stage::WaitingForOther);

    // The end of the conference is reported first, so that it seems to have ended under the customer.
    let mut desk = lost_again(1);
    desk.end(2);
    assert_eq!(stage(&desk), Stage::Interrupted);
    desk.fire(2, Timer::Ping);
    assert_eq!(stage(&desk), Stage::WaitingForOther, "Twilio has not fetched the action URL");

    let mut desk = lost_again(21);
    desk.leave(2, CUSTOMER, LeaveReason::UpdatedViaApi);
    assert_eq!(stage(&desk), Stage::CustomerLeft, "callbacks are not as late as that");
}

#[test]
fn a_graceful_leave_after_three_losses_is_not_counted_as_a_loss() {
    let mut desk = Desk::talking();
    refreshes_in_place(&mut desk, 3);
    desk.goodbye(ADA, EPOCH + 3);
    desk.graceful(GracefulReason::HangUp);
    assert_eq!(last(&desk).stage, Stage::Graceful);
    assert_eq!(desk.machine.call(&conference(1)).expect("known").inherited.losses.len(), 3);
}

#[test]
fn losses_older_than_five_minutes_are_not_counted() {
    let mut desk = Desk::talking();
    refreshes_in_place(&mut desk, 3);
    desk.now = desk.now + Millis::seconds(300);
    desk.goodbye(ADA, EPOCH + 3);
    desk.hello_in_place(EPOCH + 4);
    assert_eq!((last(&desk).stage, last(&desk).too_often), (Stage::InPlace, false));
}

/// The count follows the customer, and survives restarts.
#[test]
fn losses_are_counted_across_conferences_and_restarts() {
    let mut desk = Desk::talking();
    for n in 1..=4u128 {
        let own = if n == 1 { ADA_LEG } else { NEXT_LEG + n };
        let epoch = u64::try_from(n).expect("small");
        desk.restart_all();
        desk.leave(n, own, LeaveReason::HungUp);
        desk.fire(n, Timer::Grace);
        desk.finish_all_of(n);
        let view = last(&desk);
        assert_eq!(view.id, RecoveryId::of(&leg(own)));
        if n == 4 {
            assert_eq!((view.stage, view.too_often), (Stage::WaitingForOther, true));
            assert!(requeues_for_any_agent(&desk));
            return;
        }
        desk.hello_about(n, epoch + 1);
        desk.finish_all_of(n);
        assert_eq!(last(&desk).stage, Stage::Requeueing, "{n}");
        desk.leave(n, CUSTOMER, LeaveReason::UpdatedViaApi);
        desk.end(n);
        desk.restart_all();
        // The next conference is named after the next task.
        desk.join(n + 1, CUSTOMER, true);
        desk.join(n + 1, NEXT_LEG + n + 1, false);
        desk.register(n + 1, ADA, NEXT_LEG + n + 1, epoch + 1);
        desk.finish_all_of(n);
        let call = desk.machine.call(&conference(n + 1)).expect("known");
        assert_eq!(
            (call.task.clone(), call.inherited.losses.len()),
            (TaskSid::numbered(n + 1), usize::try_from(n).expect("small"))
        );
        desk.now = desk.now + Millis::seconds(10);
    }
}

/// A colleague's leg with the flag ended the conference. The colleague's registration, which could not be delivered before, comes after
/// Ada got the customer back through the queue and is lost again.
#[test]
fn a_colleague_who_is_known_late_has_not_had_the_customer_since() {
    let mut desk = Desk::talking();
    desk.join(1, BOS_LEG, true);
    desk.leave(1, BOS_LEG, LeaveReason::HungUp);
    desk.leave(1, CUSTOMER, LeaveReason::ModeratorEnded);
    desk.leave(1, ADA_LEG, LeaveReason::ModeratorEnded);
    desk.end(1);
    desk.handle(Event::ActionUrlFetched { customer: leg(CUSTOMER) });
    desk.fire(1, Timer::Grace);
    desk.finish_all();
    desk.hello(2, true, false);
    desk.finish_all();
    desk.entered_queue();
    desk.join(2, CUSTOMER, true);
    desk.join(2, NEXT_LEG, false);
    desk.register(2, ADA, NEXT_LEG, 2);
    desk.finish_all();
    assert_eq!(last_of(&desk, 1).stage, Stage::Rejoined);
    desk.now = desk.now + Millis::seconds(5);
    desk.leave(2, NEXT_LEG, LeaveReason::HungUp);
    assert_eq!(last_of(&desk, 2).stage, Stage::Interrupted);
    desk.now = desk.now + Millis::seconds(1);
    desk.register(1, BO, BOS_LEG, 1);
    assert_eq!(last_of(&desk, 2).stage, Stage::Interrupted, "Bo left before");
    assert_eq!(desk.stage_of(BO), Some(Stage::HandedOver { worker_name: Some("Ada".into()) }));
}
