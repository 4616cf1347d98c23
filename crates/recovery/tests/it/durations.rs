//! Durations, which may differ by workflow and by queue.

use crate::desk::*;
use rejoin_protocol::api::Registration;
use rejoin_protocol::{Millis, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::{
    Action, Changes, Config, Event, LeaveReason, LookUpAnswer, Machine, Outcome, Policies, Timer,
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

/// The customer and Ada are in a conference that no page has registered.
fn unregistered() -> Desk {
    let mut desk = Desk::with(Machine::new(policies(), []));
    desk.join(1, CUSTOMER, true);
    desk.join(1, ADA_LEG, false);
    desk
}

/// How long the agent of a call from this queue is awaited.
fn waits(queue: Option<u128>) -> Millis {
    let mut desk = unregistered();
    desk.register_from(queue.map(TaskQueueSid::numbered));
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    waits_after_leave(&mut desk)
}

/// How long Ada, whose leg has left, is awaited.
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
fn durations_come_from_the_queue_or_else_from_the_workflow() {
    assert_eq!(waits(None), Millis::seconds(30));
    assert_eq!(waits(Some(1)), Millis::seconds(5));
    assert_eq!(waits(Some(2)), Millis::seconds(30), "no settings for this queue");
}

#[test]
fn durations_come_from_the_tasks_workflow_not_the_one_a_page_names() {
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
fn durations_of_a_looked_up_call_come_from_its_queue() {
    let mut desk = unregistered();
    desk.leave(1, ADA_LEG, LeaveReason::HungUp);
    let found = LookUpAnswer {
        is_accepted: false,
        workflow: WorkflowSid::numbered(1),
        queue: Some(TaskQueueSid::numbered(1)),
        customer_leg: Some(leg(CUSTOMER)),
        worker_leg: Some(leg(ADA_LEG)),
        reservation: Some(reservation_of(ADA, 1)),
        worker: Some((WorkerSid::numbered(ADA), "Ada".into())),
        attributes: "{}".into(),
    };
    desk.take_actions();
    desk.finish(Action::LookUpTask { task: TaskSid::numbered(1) }, Outcome::TaskLookedUp(Box::new(found)));
    assert_eq!(waits_after_leave(&mut desk), Millis::seconds(5));
}

#[test]
fn a_wait_that_has_begun_keeps_its_length_after_a_restart() {
    let mut desk = Desk::holding();
    let remaining = |desk: &Desk| {
        let view = desk.machine.views(desk.now, &WorkerSid::numbered(ADA)).remove(0);
        view.remaining_ms.expect("awaited")
    };
    assert_eq!(remaining(&desk), 15_000);
    desk.now = desk.now + Millis::seconds(4);
    // The process restarts with other durations.
    let calls = [desk.machine.call(&conference(1)).expect("known").clone()];
    desk.machine = Machine::new(policies(), calls);
    assert_eq!(remaining(&desk), 11_000);
    desk.handle(Event::Timer { conference: conference(1), timer: Timer::Ping });
    assert_eq!(desk.take_actions()[0], requeue(None));
}
