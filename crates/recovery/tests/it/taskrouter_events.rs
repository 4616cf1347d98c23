//! TaskRouter events: in any order, more than once, and sometimes without callbacks.

use crate::desk::*;
use proptest::prelude::*;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_protocol::{Millis, TaskSid, WorkerSid};
use rejoin_recovery::{Action, Event, LeaveReason, Purpose, TaskEvent, TaskEventKind, Timer};

pub const PING: u128 = 0x91;
const RECONNECT: u128 = 0x92;

pub fn ping() -> Purpose {
    Purpose::Ping { recovery: recovery() }
}

fn reconnect(target: Option<u128>) -> Purpose {
    Purpose::Reconnect { recovery: recovery(), target: target.map(WorkerSid::numbered) }
}

/// Everything that can happen to a task.
pub const TASK_EVENTS: [TaskEventKind; 7] = [
    TaskEventKind::EnteredQueue,
    TaskEventKind::Canceled { hung_up: false },
    TaskEventKind::Canceled { hung_up: true },
    TaskEventKind::Accepted,
    TaskEventKind::NotTaken,
    TaskEventKind::TakenBack,
    TaskEventKind::WrapUp,
];

/// A TaskRouter event. Its id is unique to task, worker and kind.
pub fn task_event(task: u128, purpose: Purpose, worker: u128, kind: TaskEventKind) -> Event {
    Event::Task(TaskEvent {
        id: format!("EV{task}{worker}{kind:?}"),
        task: TaskSid::numbered(task),
        purpose,
        worker: Some(WorkerSid::numbered(worker)),
        reservation: Some(reservation_of(worker, task)),
        kind,
    })
}

/// The customer is in the queue for Ada, as a TaskRouter event reported.
fn queued() -> Desk {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.handle(task_event(RECONNECT, reconnect(Some(ADA)), ADA, TaskEventKind::EnteredQueue));
    desk
}

#[test]
fn an_accepted_ping_proves_the_agent_reachable() {
    let mut desk = Desk::holding();
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Accepted));
    assert_eq!(desk.finish_all(), [requeue(Some(ADA)), complete_ping()]);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Accepted));
    desk.hello(2, true, false);
    assert!(desk.take_actions().is_empty(), "proved once");
}

#[test]
fn a_ping_accepted_before_the_preparations_waits_for_them() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    let asked = desk.take_actions();
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Accepted));
    assert!(desk.take_actions().is_empty(), "the customer's leg is not free yet");
    for action in asked {
        let outcome = success(&action);
        desk.finish(action, outcome);
    }
    let actions = desk.take_actions();
    assert_eq!(actions.first(), Some(&requeue(Some(ADA))));
    assert!(actions.contains(&complete_ping()), "{actions:?}");
}

#[test]
fn an_acceptance_by_another_worker_or_of_another_task_is_ignored() {
    let mut desk = Desk::holding();
    desk.handle(task_event(PING, ping(), BO, TaskEventKind::Accepted));
    let other = Purpose::Ping { recovery: rejoin_protocol::RecoveryId::numbered(7) };
    desk.handle(task_event(PING, other, ADA, TaskEventKind::Accepted));
    desk.handle(task_event(PING, Purpose::Other, ADA, TaskEventKind::Accepted));
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_ping_that_is_not_taken_ends_the_wait_at_once() {
    for kind in
        [TaskEventKind::NotTaken, TaskEventKind::TakenBack, TaskEventKind::Canceled { hung_up: false }]
    {
        let mut desk = Desk::holding();
        desk.handle(task_event(PING, ping(), ADA, kind));
        assert_eq!(desk.finish_all(), [requeue(None), end_ping()], "{kind:?}");
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
        desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Accepted));
        assert!(desk.take_actions().is_empty(), "an acceptance after the end of the ping is late");
    }
}

#[test]
fn a_ping_that_ends_after_the_agent_is_back_changes_nothing() {
    let mut desk = Desk::talking();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    desk.fire(1, Timer::Grace);
    desk.take_actions();
    desk.hello(2, true, false);
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::TakenBack));
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Canceled { hung_up: false }));
    assert!(desk.take_actions().is_empty());
    desk.fire(1, Timer::Ping);
    assert_eq!(desk.take_actions(), [requeue(Some(ADA))]);
}

#[test]
fn a_task_event_reports_the_queue_entry_without_a_wait_audio_fetch() {
    let mut desk = queued();
    assert_eq!(desk.finish_all(), [complete_old()]);
    assert_eq!(desk.stage(), Some(Stage::Queued));
    desk.entered_queue();
    assert!(desk.take_actions().is_empty(), "the wait audio fetch reports the same entry");
}

#[test]
fn a_reconnect_task_that_the_agent_does_not_take_goes_to_any_agent() {
    for kind in [TaskEventKind::NotTaken, TaskEventKind::Canceled { hung_up: false }] {
        let mut desk = queued();
        desk.finish_all();
        desk.handle(task_event(RECONNECT, reconnect(Some(ADA)), ADA, kind));
        assert_eq!(desk.finish_all(), [requeue(None)], "{kind:?}");
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
        // The requeue has canceled the task, which is reported as well.
        desk.handle(task_event(
            RECONNECT,
            reconnect(Some(ADA)),
            BO,
            TaskEventKind::Canceled { hung_up: false },
        ));
        desk.handle(task_event(RECONNECT, reconnect(Some(ADA)), BO, TaskEventKind::NotTaken));
        desk.handle(task_event(RECONNECT, reconnect(Some(ADA)), BO, TaskEventKind::EnteredQueue));
        assert!(desk.take_actions().is_empty());
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
    }
}

#[test]
fn a_task_for_any_agent_that_one_worker_does_not_take_changes_nothing() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.handle(task_event(RECONNECT, reconnect(None), BO, TaskEventKind::NotTaken));
    desk.handle(task_event(RECONNECT, reconnect(None), BO, TaskEventKind::Canceled { hung_up: false }));
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
}

#[test]
fn a_customer_who_hangs_up_in_the_queue_ends_the_recovery() {
    let mut desk = queued();
    desk.finish_all();
    desk.handle(task_event(RECONNECT, reconnect(Some(ADA)), ADA, TaskEventKind::Canceled { hung_up: true }));
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    assert!(!desk.has_timer(Timer::Rejoin));
}

#[test]
fn an_unreported_leave_is_inferred_from_taskrouters_wrap_up() {
    let mut desk = Desk::talking();
    desk.handle(task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp));
    assert!(desk.take_actions().is_empty(), "the leave callback may only be late");
    desk.fire(1, Timer::Leave);
    let asked = desk.finish_all();
    assert!(asked.iter().any(|action| matches!(action, Action::CreatePing { .. })), "{asked:?}");
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn a_wrap_up_after_a_mark_or_of_an_unknown_reservation_is_no_loss() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.handle(task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp));
    assert!(!desk.has_timer(Timer::Leave));
    let mut desk = Desk::talking();
    desk.handle(task_event(1, Purpose::Other, BO, TaskEventKind::WrapUp));
    assert!(!desk.has_timer(Timer::Leave), "no agent of this call has the reservation");
}

#[test]
fn duplicate_task_events_are_ignored_and_remembered_ids_bounded() {
    let mut desk = Desk::talking();
    let event = task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp);
    desk.handle(event.clone());
    desk.fire(1, Timer::Leave);
    desk.restart();
    desk.take_actions();
    desk.handle(event);
    assert!(!desk.has_timer(Timer::Leave));
    for number in 0..1000 {
        let Event::Task(mut event) = task_event(1, Purpose::Other, BO, TaskEventKind::Accepted) else {
            unreachable!()
        };
        event.id = format!("EV{number}");
        desk.handle(Event::Task(event));
    }
    assert_eq!(desk.machine.call(&conference(1)).unwrap().facts.received.task_events().len(), 200);
}

proptest! {
    /// A whole recovery whose events arrive in any order, and one twice: the same stage and the same requests.
    #[test]
    fn the_order_of_taskrouters_events_does_not_matter(
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
        twice in 0..6usize,
    ) {
        let story = |order: &[usize]| {
            let mut desk = Desk::holding();
            desk.now = desk.now + Millis(500);
            desk.hello(2, true, false);
            let mut asked = desk.finish_all();
            let all = [
                task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp),
                task_event(PING, ping(), ADA, TaskEventKind::Accepted),
                task_event(PING, ping(), ADA, TaskEventKind::Canceled { hung_up: false }),
                task_event(PING, ping(), ADA, TaskEventKind::TakenBack),
                task_event(RECONNECT, reconnect(Some(ADA)), ADA, TaskEventKind::EnteredQueue),
                task_event(RECONNECT, reconnect(Some(ADA)), ADA, TaskEventKind::Accepted),
            ];
            for which in order {
                desk.handle(all[*which].clone());
                asked.extend(desk.finish_all());
            }
            (desk.stage(), asked)
        };
        let mut order = order;
        order.push(twice);
        prop_assert_eq!(story(&order), story(&[0, 1, 2, 3, 4, 5]));
    }
}

/// The old leg hangs up while the agent rejoins in place: the reservation wraps up although the agent is on the call.
#[test]
fn an_agent_back_in_place_is_not_lost_when_the_reservation_wraps_up() {
    for new_leg in [0x1, NEXT_LEG] {
        let mut desk = Desk::away();
        desk.hello_in_place(2);
        desk.leave(1, ADA_LEG, LeaveReason::HungUp);
        desk.join(1, new_leg, false);
        desk.register(1, ADA, new_leg, 2);
        assert_eq!(desk.stage(), Some(Stage::Rejoined));
        desk.handle(task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp));
        assert!(!desk.has_timer(Timer::Leave), "{new_leg}");
        assert!(desk.take_actions().is_empty(), "{new_leg}");
    }
}
