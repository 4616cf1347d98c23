//! Durations may differ by workflow and by queue.

use crate::desk::*;
use rejoin_protocol::api::Registration;
use rejoin_protocol::{Millis, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, Changes, Config, Event, LeaveReason, Machine, Outcome, Policies, Registered, Timer,
};

fn policies() -> Policies {
    let changes = |seconds| Changes { ping_ttl: Some(Millis::seconds(seconds)), ..Changes::default() };
    Policies {
        allow_list: false,
        lends_activity: false,
        all: Config::default(),
        workflow: [(WorkflowSid::numbered(1), changes(30)), (WorkflowSid::numbered(2), changes(60))].into(),
        queue: [(TaskQueueSid::numbered(1), changes(5))].into(),
    }
}

/// Customer and Ada are in a conference that nobody has registered.
fn unregistered() -> Desk {
    let mut desk = Desk::with(Machine::new(policies(), []));
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk
}

/// How long the agent of a call from this queue is waited for.
fn waits(queue: Option<u128>) -> Millis {
    let mut desk = unregistered();
    desk.register_from(queue.map(TaskQueueSid::numbered));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    waits_after_leave(&mut desk)
}

/// How long Ada is waited for, whose leg has left.
fn waits_after_leave(desk: &mut Desk) -> Millis {
    desk.fire(1, Timer::Grace);
    let actions = desk.finish_all();
    let ping = actions.into_iter().find_map(|action| match action {
        Action::CreatePing { ttl, .. } => Some(ttl),
        _ => None,
    });
    let before = desk.now;
    desk.fire(1, Timer::Ping);
    assert_eq!(Some(desk.now - before), ping);
    desk.now - before
}

#[test]
fn a_call_goes_by_the_durations_of_its_queue_else_of_its_workflow() {
    assert_eq!(waits(None), Millis::seconds(30));
    assert_eq!(waits(Some(1)), Millis::seconds(5));
    assert_eq!(waits(Some(2)), Millis::seconds(30), "of that queue nothing is said");
}

#[test]
fn given_a_page_that_names_another_workflow_the_tasks_own_one_counts() {
    let mut desk = unregistered();
    let named = WorkflowSid::numbered(2);
    let registration = Registration { workflow: named, ..registration_of(1, ADA, ADA_LEG, EPOCH) };
    desk.handle(Event::Registered { worker: WorkerSid::numbered(ADA), registration });
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let workflow = Some(WorkflowSid::numbered(1));
    let read = Outcome::TaskRead { attributes: "{}".into(), version: None, workflow };
    desk.finish(Action::ReadTask { task: TaskSid::numbered(1) }, read);
    assert_eq!(waits_after_leave(&mut desk), Millis::seconds(30));
}

#[test]
fn a_call_that_was_looked_up_goes_by_its_queue_too() {
    let mut desk = unregistered();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let found = Registered {
        workflow: WorkflowSid::numbered(1),
        queue: Some(TaskQueueSid::numbered(1)),
        customer_leg: Some(leg(CUSTOMER)),
        worker_leg: Some(leg(ADA_LEG)),
        reservation: Some(reservation_of(ADA, 1)),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    };
    desk.take_actions();
    desk.finish(Action::Learn { task: TaskSid::numbered(1) }, Outcome::Learnt(Box::new(found)));
    assert_eq!(waits_after_leave(&mut desk), Millis::seconds(5));
}

#[test]
fn what_is_waited_for_stays_as_it_was_set() {
    let mut desk = Desk::holding();
    let left = |desk: &Desk| {
        let view = desk.machine.views(desk.now, &WorkerSid::numbered(ADA)).remove(0);
        view.remaining_ms.expect("awaited")
    };
    assert_eq!(left(&desk), 15_000);
    desk.now = desk.now + Millis::seconds(4);
    // The process starts again, with other durations.
    let calls = [desk.machine.call(&conference(1)).expect("known").clone()];
    desk.machine = Machine::new(policies(), calls);
    assert_eq!(left(&desk), 11_000);
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Ping });
    assert_eq!(desk.take_actions()[0], requeue(None));
}
