//! Early marks, which arrive before anything else is known of their call.

use crate::desk::*;
use crate::taskrouter_events::task_event;
use proptest::prelude::*;
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason, Stage};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, Config, EarlyMark, Event, LeaveReason, LookUpAnswer, Machine, Outcome, Purpose, TaskEventKind,
    Timer,
};

/// The page's first request is the registration.
fn id(number: u32) -> Option<DeliveryId> {
    Some(DeliveryId { epoch: EPOCH, number })
}

fn look_up_answer() -> Outcome {
    Outcome::TaskLookedUp(Box::new(LookUpAnswer {
        is_accepted: false,
        workflow: WorkflowSid::numbered(1),
        queue: None,
        customer_leg: Some(leg(CUSTOMER)),
        worker_leg: Some(leg(ADA_LEG)),
        reservation: Some(reservation_of(ADA, 1)),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    }))
}

/// What the store of early marks has to change: the reason of a new mark, or `None` for one to be removed.
fn early_changes(machine: &mut Machine) -> Vec<Option<GracefulReason>> {
    machine.take_early().into_iter().map(|(_, early)| early.map(|early| early.mark.reason)).collect()
}

#[test]
fn a_mark_before_the_first_callback_counts() {
    let mut desk = Desk::new();
    desk.mark(ADA, id(2), GracefulReason::HangUp);
    assert_eq!(early_changes(&mut desk.machine), [Some(GracefulReason::HangUp)]);
    desk.join(1, CUSTOMER, false);
    assert_eq!(early_changes(&mut desk.machine), [None], "the mark is no longer stored as early");
    desk.join(1, ADA_LEG, false);
    desk.register_again(ADA, ADA_LEG, EPOCH, id(1));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(!desk.has_timer(Timer::Grace) && desk.has_timer(Timer::LeftAlone));
    assert_eq!(desk.stage(), None, "no agent is lost");
}

#[test]
fn an_early_mark_waits_one_minute_for_its_call() {
    for (seconds, counts) in [(59, true), (60, false)] {
        let mut desk = Desk::new();
        desk.graceful(GracefulReason::HangUp);
        desk.machine.take_early();
        desk.now = desk.now + Millis::seconds(seconds);
        desk.join(1, CUSTOMER, false);
        assert_eq!(early_changes(&mut desk.machine), [None]);
        desk.join(1, ADA_LEG, false);
        desk.register(1, ADA, ADA_LEG, EPOCH);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        assert_eq!(desk.has_timer(Timer::Grace), !counts, "{seconds} s");
    }
}

/// An early mark counts from when it was sent: an agent who stays on the call long after it has stayed.
#[test]
fn an_early_mark_expires_60_seconds_after_it_was_sent() {
    let mut desk = Desk::new();
    desk.graceful(GracefulReason::HangUp);
    desk.now = desk.now + Millis::seconds(40);
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    desk.now = desk.now + Millis::seconds(30);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.has_timer(Timer::Grace));
}

#[test]
fn an_early_complete_mark_does_not_replace_a_transfer_mark() {
    let mut desk = Desk::new();
    desk.graceful(GracefulReason::ColdTransfer);
    desk.graceful(GracefulReason::Complete);
    assert_eq!(early_changes(&mut desk.machine), [Some(GracefulReason::ColdTransfer)]);
}

#[test]
fn only_the_latest_20_early_marks_of_a_worker_are_kept() {
    let mut machine = Machine::new(Config::default(), []);
    for n in 1..=30 {
        let (task, reservation) = (TaskSid::numbered(n), ReservationSid::numbered(n));
        let mark = GracefulMark { id: None, task, reservation, reason: GracefulReason::HangUp };
        let now = Millis(u64::try_from(n).unwrap());
        machine.handle(now, Event::Graceful { worker: WorkerSid::numbered(ADA), mark });
    }
    let kept: Vec<_> =
        machine.take_early().into_iter().filter_map(|(_, early)| early).map(|e| e.mark.task).collect();
    assert_eq!(kept, (11..=30).map(TaskSid::numbered).collect::<Vec<_>>(), "the latest 20");
}

#[test]
fn an_early_mark_for_another_workers_reservation_is_ignored() {
    let mut desk = Desk::new();
    desk.mark_of(BO, reservation_of(ADA, 1), None, GracefulReason::HangUp);
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    desk.register(1, ADA, ADA_LEG, EPOCH);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

/// The events of a call whose agent hangs up. They may arrive in any order.
fn hang_up_events() -> Vec<Event> {
    let mut desk = Desk::new();
    desk.join(1, CUSTOMER, false);
    desk.join(1, ADA_LEG, false);
    desk.register_again(ADA, ADA_LEG, EPOCH, id(1));
    desk.mark(ADA, id(2), GracefulReason::HangUp);
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.handle(task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp));
    desk.events
}

proptest! {
    #[test]
    fn a_marked_hang_up_is_never_a_loss_in_any_order_of_events(
        order in Just((0..hang_up_events().len()).collect::<Vec<_>>()).prop_shuffle(),
        restarts in prop::collection::vec(any::<bool>(), 6),
    ) {
        let events = hang_up_events();
        let mut desk = Desk::new();
        let mut stored = std::collections::BTreeMap::<_, EarlyMark>::new();
        for (event, restarts) in order.iter().map(|n| events[*n].clone()).zip(restarts) {
            desk.now = desk.now + Millis(10);
            desk.handle(event);
            for (key, early) in desk.machine.take_early() {
                stored.remove(&key);
                stored.extend(early.map(|early| (key, early)));
            }
            if restarts {
                desk.restart_all();
                desk.machine = desk.machine.clone().with_early(stored.values().cloned());
            }
            for action in desk.take_actions() {
                let outcome = match &action {
                    Action::LookUpTask { .. } => look_up_answer(),
                    Action::ReadReservations { .. } => owners(1).1,
                    Action::PollConference { .. } => Outcome::Overtaken,
                    _ => return Err(TestCaseError::fail(format!("{action:?} in {order:?}"))),
                };
                desk.finish(action, outcome);
            }
        }
        prop_assert!(stored.is_empty());
        prop_assert!(!desk.has_timer(Timer::Grace) && desk.actions.is_empty());
        prop_assert!(matches!(desk.stage(), None | Some(Stage::Graceful)), "{:?} in {order:?}", desk.stage());
    }
}
