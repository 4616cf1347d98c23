//! What TaskRouter says of the tasks: in any order, more than once, and sometimes alone.

use crate::desk::*;
use crate::transitions::stored::call_of;
use proptest::prelude::*;
use rejoin_protocol::api::{GracefulReason, Stage};
use rejoin_protocol::{Millis, TaskSid, WorkerSid};
use rejoin_recovery::{
    Action, Config, Event, LeaveReason, Machine, Purpose, TaskEvent, TaskEventKind, Timer,
};

const PING: u128 = 0x91;
const RECONNECT: u128 = 0x92;

fn ping() -> Purpose {
    Purpose::Ping { recovery: recovery() }
}

fn reconnect(target: Option<u128>) -> Purpose {
    Purpose::Reconnect { recovery: recovery(), target: target.map(WorkerSid::numbered) }
}

/// All that can become of a task.
pub const TASK_EVENTS: [TaskEventKind; 7] = [
    TaskEventKind::EnteredQueue,
    TaskEventKind::Canceled { hung_up: false },
    TaskEventKind::Canceled { hung_up: true },
    TaskEventKind::Accepted,
    TaskEventKind::NotTaken,
    TaskEventKind::TakenBack,
    TaskEventKind::WrapUp,
];

/// Each kind of event of one task comes once: its id is made of both.
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

/// The customer is in the queue, for Ada.
fn queued() -> Desk {
    let mut desk = Desk::holding();
    desk.hello(2, true, false);
    desk.finish_all();
    desk.leave(1, CUSTOMER, LeaveReason::UpdatedViaApi);
    desk.handle(task_event(RECONNECT, reconnect(Some(ADA)), ADA, TaskEventKind::EnteredQueue));
    desk
}

#[test]
fn a_ping_that_is_accepted_proves_the_agent_reachable() {
    let mut desk = Desk::holding();
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Accepted));
    assert_eq!(desk.finish_all(), [requeue(Some(ADA)), complete_ping()]);
    assert_eq!(desk.stage(), Some(Stage::Requeueing));
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Accepted));
    desk.hello(2, true, false);
    assert!(desk.take_actions().is_empty(), "once is enough");
}

#[test]
fn an_acceptance_may_overtake_everything_that_comes_first() {
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
fn another_workers_acceptance_proves_nothing() {
    let mut desk = Desk::holding();
    desk.handle(task_event(PING, ping(), BO, TaskEventKind::Accepted));
    let other = Purpose::Ping { recovery: rejoin_protocol::RecoveryId::numbered(7) };
    desk.handle(task_event(PING, other, ADA, TaskEventKind::Accepted));
    desk.handle(task_event(PING, Purpose::Other, ADA, TaskEventKind::Accepted));
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
}

#[test]
fn a_ping_that_nobody_takes_ends_the_waiting_at_once() {
    for kind in
        [TaskEventKind::NotTaken, TaskEventKind::TakenBack, TaskEventKind::Canceled { hung_up: false }]
    {
        let mut desk = Desk::holding();
        desk.handle(task_event(PING, ping(), ADA, kind));
        assert_eq!(desk.finish_all(), [requeue(None), end_ping()], "{kind:?}");
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
        desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Accepted));
        assert!(desk.take_actions().is_empty(), "accepted after canceled: too late");
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
fn the_queue_is_entered_though_nobody_asked_for_its_music() {
    let mut desk = queued();
    assert_eq!(desk.finish_all(), [complete_old()]);
    assert_eq!(desk.stage(), Some(Stage::Queued));
    desk.entered_queue();
    assert!(desk.take_actions().is_empty(), "the same, told twice");
}

#[test]
fn an_agent_who_does_not_take_the_customer_back_is_not_waited_for() {
    for kind in [TaskEventKind::NotTaken, TaskEventKind::Canceled { hung_up: false }] {
        let mut desk = queued();
        desk.finish_all();
        desk.handle(task_event(RECONNECT, reconnect(Some(ADA)), ADA, kind));
        assert_eq!(desk.finish_all(), [requeue(None)], "{kind:?}");
        assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
        // Sending him on has canceled the task, which is told, too.
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
fn whoever_does_not_take_a_call_that_anybody_may_take_changes_nothing() {
    let mut desk = Desk::holding();
    desk.fire(1, Timer::Ping);
    desk.finish_all();
    desk.handle(task_event(RECONNECT, reconnect(None), BO, TaskEventKind::NotTaken));
    desk.handle(task_event(RECONNECT, reconnect(None), BO, TaskEventKind::Canceled { hung_up: false }));
    assert!(desk.take_actions().is_empty());
    assert_eq!(desk.stage(), Some(Stage::WaitingForOther));
}

#[test]
fn a_customer_who_hangs_up_in_the_queue_ends_it() {
    let mut desk = queued();
    desk.finish_all();
    desk.handle(task_event(RECONNECT, reconnect(Some(ADA)), ADA, TaskEventKind::Canceled { hung_up: true }));
    assert_eq!(desk.stage(), Some(Stage::CustomerLeft));
    assert!(!desk.has_timer(Timer::Rejoin));
}

#[test]
fn a_leave_that_never_came_is_taken_from_taskrouters_word() {
    let mut desk = Desk::talking();
    desk.handle(task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp));
    assert!(desk.take_actions().is_empty(), "it may only be late");
    desk.fire(1, Timer::Leave);
    let asked = desk.finish_all();
    assert!(asked.iter().any(|action| matches!(action, Action::CreatePing { .. })), "{asked:?}");
    assert_eq!(desk.stage(), Some(Stage::Interrupted));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    assert!(desk.take_actions().is_empty());
}

#[test]
fn wrapping_up_on_purpose_is_no_loss() {
    let mut desk = Desk::talking();
    desk.graceful(GracefulReason::HangUp);
    desk.handle(task_event(1, Purpose::Other, ADA, TaskEventKind::WrapUp));
    assert!(!desk.has_timer(Timer::Leave));
    let mut desk = Desk::talking();
    desk.handle(task_event(1, Purpose::Other, BO, TaskEventKind::WrapUp));
    assert!(!desk.has_timer(Timer::Leave), "a reservation that nobody here has");
}

#[test]
fn what_was_told_is_kept_and_bounded() {
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
    assert_eq!(desk.machine.call(&conference(1)).unwrap().facts.received.task_events.len(), 200);
}

/// A call that was stored before there were such events.
#[test]
fn an_older_call_is_readable() {
    let call = call_of("0.1.0", "holding", &["told"]);
    let mut desk = Desk::with(Machine::new(Config::default(), [call]));
    desk.handle(task_event(PING, ping(), ADA, TaskEventKind::Accepted));
    assert_eq!(desk.take_actions(), [requeue(Some(ADA)), complete_ping()]);
}

proptest! {
    /// A whole recovery whose events come in any order, and some twice: the same stage, the same requests, each once.
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

/// The old leg falls while she joins in place: her reservation wraps up, and she is on the call all the same.
#[test]
fn who_is_back_in_place_is_not_lost_when_her_reservation_wraps_up() {
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
