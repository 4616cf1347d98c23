//! Routing: which worker is offered which task.

use super::world::{World, ada, bo, everyone, queue_document, queue_with};
use crate::{
    facts::Facts,
    model::{Event, NewTask, Request},
};
use rejoin_protocol::{Millis, TaskSid, WorkflowSid};
use serde_json::json;

fn update(task: &TaskSid, if_match: Option<&str>, attributes: Option<&str>, status: Option<&str>) -> Request {
    Request::UpdateTask {
        task: task.clone(),
        if_match: if_match.map(str::to_owned),
        attributes: attributes.map(str::to_owned),
        assignment_status: status.map(str::to_owned),
        reason: None,
        priority: None,
    }
}

#[test]
fn no_worker_is_offered_more_than_the_capacity() {
    let mut world = World::new();
    world.available(&ada());
    let first = world.dial();
    let second = world.dial();
    let (first_task, second_task) = (world.task_of(&first), world.task_of(&second));
    assert_eq!((world.task_status(&first_task), world.task_status(&second_task)), ("reserved", "pending"));
    let (reservation, _) = world.reservation_of(&ada());
    let agent = world.accept(&reservation, true);
    world.tell(Event::Answered { call: agent.clone() });
    world.tell(Event::HungUp { call: agent });
    // A wrapping reservation takes capacity, too.
    assert_eq!((world.reservation(&reservation), world.task_status(&second_task)), ("wrapping", "pending"));
    world.reservation_status(&reservation, "completed").expect("completed");
    assert_eq!(world.task_status(&second_task), "reserved");
    assert_eq!(world.reservation_of(&ada()).1, second_task);
}

#[test]
fn priority_comes_before_age() {
    let mut world = World::new();
    world.dial();
    world.pass(Millis::seconds(5));
    world.document("http://twin/demo/voice", &queue_with("", "priority=\"5\"", ""));
    let urgent = world.dial();
    world.pass(Millis::seconds(5));
    let urgent_too = world.dial();
    world.available(&ada());
    assert_eq!(world.reservation_of(&ada()).1, world.task_of(&urgent));
    world.available(&bo());
    assert_eq!(world.reservation_of(&bo()).1, world.task_of(&urgent_too));
}

#[test]
fn a_reconnect_task_waits_for_its_agent_and_then_for_any() {
    let mut world = World::new();
    world.available(&bo());
    let known = format!(r#","isReconnect":true,"targetWorkerSid":"{}""#, ada());
    world.document("http://twin/demo/voice", &queue_document(&known));
    let call = world.dial();
    let task = world.task_of(&call);
    assert_eq!((world.task_status(&task), world.model.tasks[&task].priority), ("pending", 1001));
    world.pass(Millis::seconds(10));
    world.available(&ada());
    assert_eq!(world.reservation_of(&ada()).1, task);
    // Ada rejects it: until the step is over, the task is for Ada only.
    let (reservation, _) = world.reservation_of(&ada());
    world.reservation_status(&reservation, "rejected").expect("rejected");
    assert_eq!(world.find_reservation(&ada()), None);
    world.pass(Millis::seconds(19));
    assert_eq!(world.task_status(&task), "pending");
    world.pass(Millis::seconds(2));
    assert_eq!(world.task_status(&task), "reserved");
    assert_eq!(world.find_reservation(&bo()).map(|(_, task)| task), Some(task));
}

#[test]
fn the_requeued_customer_comes_back_to_the_same_agent() {
    let (mut world, talk) = World::talk(false);
    world.available(&bo());
    world.tell(Event::HungUp { call: talk.agent.clone() });
    let known = format!(r#","isReconnect":true,"targetWorkerSid":"{}""#, ada());
    world.document("http://server/requeue", &queue_document(&known));
    world.redirect(&talk.customer, "http://server/requeue", None).expect("redirected");
    let task = world.task_of(&talk.customer);
    // The old reservation still takes Ada's capacity.
    assert_eq!(world.task_status(&task), "pending");
    world.reservation_status(&talk.reservation, "completed").expect("completed");
    let (reservation, offered) = world.reservation_of(&ada());
    assert_eq!(offered, task);
    let agent = world.accept(&reservation, false);
    world.tell(Event::Answered { call: agent.clone() });
    let conference = world.conference(&task);
    assert_ne!(conference, talk.conference);
    assert_eq!(world.live(&conference), [talk.customer, agent]);
}

#[test]
fn a_ping_reaches_its_worker_whatever_the_state() {
    let (mut world, talk) = World::talk(false);
    world.activity(&ada(), 0);
    let ping = world.ping(&ada(), 15);
    let (reservation, task) = world.reservation_of(&ada());
    assert_eq!(task, ping);
    world.reservation_status(&reservation, "accepted").expect("accepted");
    assert_eq!(world.task_status(&ping), "assigned");
    // No TTL after that.
    world.pass(Millis::seconds(20));
    world.ask(update(&ping, None, None, Some("completed"))).expect("completed");
    assert_eq!((world.task_status(&ping), world.reservation(&reservation)), ("completed", "completed"));
    assert_eq!(world.reservation(&talk.reservation), "accepted");
}

#[test]
fn a_ping_that_nobody_answers_is_over_after_its_ttl() {
    let mut world = World::new();
    let ping = world.ping(&ada(), 15);
    let (reservation, _) = world.reservation_of(&ada());
    world.pass(Millis(14_999));
    assert_eq!(world.task_status(&ping), "reserved");
    world.clear();
    world.pass(Millis(1));
    assert_eq!((world.task_status(&ping), world.reservation(&reservation)), ("canceled", "canceled"));
    assert_eq!(world.model.tasks[&ping].reason.as_deref(), Some("Task TTL Exceeded"));
    assert_eq!(world.told(&ada()), ["reservation.canceled"]);
    // And is deleted later.
    world.pass(Millis::seconds(300));
    assert_eq!(world.ask(Request::FetchTask(ping)).expect_err("deleted").code, 20404);
}

#[test]
fn the_ttl_does_not_count_while_the_phone_rings() {
    for answers in [false, true] {
        let mut world = World::new();
        world.document("http://twin/demo/voice", &queue_with("", "timeout=\"10\"", ""));
        world.available(&ada());
        world.dial();
        let (reservation, task) = world.reservation_of(&ada());
        let agent = world.accept(&reservation, true);
        world.pass(Millis::seconds(11));
        assert_eq!(world.task_status(&task), "reserved");
        if answers {
            world.tell(Event::Answered { call: agent });
            assert_eq!(world.task_status(&task), "assigned");
        } else {
            world.tell(Event::NotAnswered { call: agent });
            assert_eq!(world.task_status(&task), "canceled");
        }
    }
}

#[test]
fn a_reservation_times_out_and_the_worker_is_offline() {
    let mut world = World::new();
    world.available(&ada());
    world.dial();
    let (reservation, task) = world.reservation_of(&ada());
    world.clear();
    world.pass(Millis::seconds(120));
    assert_eq!((world.reservation(&reservation), world.task_status(&task)), ("timeout", "pending"));
    assert_eq!(world.told(&ada()), ["worker.activity.update", "reservation.timeout"]);
}

#[test]
fn a_worker_without_a_desktop_goes_offline() {
    let mut world = World::new();
    world.tell(Event::Presence { worker: ada(), open: true });
    world.available(&ada());
    world.tell(Event::Presence { worker: ada(), open: false });
    world.pass(Millis::seconds(29));
    // Back in time.
    world.tell(Event::Presence { worker: ada(), open: true });
    world.pass(Millis::seconds(60));
    world.tell(Event::Presence { worker: ada(), open: false });
    world.pass(Millis::seconds(29));
    let available = |world: &mut World| {
        world.ask(Request::FetchWorker(ada())).expect("a worker").body["available"] == true
    };
    assert!(available(&mut world));
    world.pass(Millis::seconds(1));
    assert!(!available(&mut world));
}

#[test]
fn steps_of_a_workflow_add_up_and_end() {
    let workflow = json!({"task_routing": {"filters": [{"expression": "name == 'x'", "targets": [
        {"queue": everyone(), "expression": "full_name == task.name", "timeout": 10},
        {"expression": "full_name == 'Nobody'", "timeout": 10, "priority": 3}
    ]}]}});
    let mut world = World::with(Facts::default(), Some(workflow));
    world.available(&ada());
    let call = world.dial();
    let task = world.task_of(&call);
    world.pass(Millis::seconds(10));
    assert_eq!((world.task_status(&task), world.model.tasks[&task].priority), ("pending", 3));
    world.pass(Millis::seconds(10));
    assert_eq!(world.task_status(&task), "canceled");
    // The call itself stays.
    assert_eq!(world.call_status(&call), "in-progress");
}

#[test]
fn a_step_is_skipped_when_no_worker_can_have_the_task() {
    let workflow = json!({"task_routing": {"filters": [{"expression": "1==1", "targets": [
        {"queue": everyone(), "known_worker_sid": "task.nobody", "skip_if": "1==1"},
        {"queue": everyone()}
    ]}]}});
    let mut world = World::with(Facts::default(), Some(workflow));
    world.available(&bo());
    let call = world.dial();
    assert_eq!(world.reservation_of(&bo()).1, world.task_of(&call));
}

#[test]
fn an_update_needs_the_right_version() {
    let mut world = World::new();
    let call = world.dial();
    let task = world.task_of(&call);
    let etag = world.ask(Request::FetchTask(task.clone())).expect("a task").etag.expect("an ETag");
    let now = etag.to_string();
    let error = world.ask(update(&task, Some("77"), Some("{}"), None)).expect_err("refused");
    assert_eq!(error.status, 412);
    let reply = world.ask(update(&task, Some(&now), Some(r#"{"a":1}"#), None)).expect("updated");
    assert_eq!((reply.etag, &reply.body["attributes"]), (Some(etag + 1), &json!(r#"{"a":1}"#)));
    let delete = Request::DeleteTask { task, if_match: Some(now) };
    assert_eq!(world.ask(delete).expect_err("refused").status, 412);
}

#[test]
fn the_quotes_of_an_etag_are_accepted_only_if_that_is_assumed() {
    for assumed in [false, true] {
        let facts = Facts { if_match_in_quotes: assumed, ..Facts::default() };
        let mut world = World::with(facts, None);
        let call = world.dial();
        let task = world.task_of(&call);
        let etag = world.ask(Request::FetchTask(task.clone())).expect("a task").etag.expect("an ETag");
        let quoted = format!("\"{etag}\"");
        assert_eq!(world.ask(update(&task, Some(&quoted), Some("{}"), None)).is_ok(), assumed);
    }
}

#[test]
fn attributes_have_a_limit_and_a_form() {
    let mut world = World::new();
    let create = |attributes: String| {
        Request::CreateTask(NewTask {
            attributes,
            workflow: Some(WorkflowSid::numbered(1)),
            ..NewTask::default()
        })
    };
    let of_length = |length: usize| format!("{{\"a\":\"{}\"}}", "é".repeat(length - 8));
    assert!(world.ask(create(of_length(4096))).is_ok());
    for attributes in [of_length(4097), "[]".into(), "nonsense".into()] {
        let error = world.ask(create(attributes)).expect_err("refused");
        assert_eq!((error.status, error.code), (400, 20001));
    }
}

#[test]
fn states_change_in_order_only() {
    let (mut world, talk) = World::talk(false);
    for (status, allowed) in [
        ("pending", false),
        ("canceled", false),
        ("wrapping", true),
        ("wrapping", false),
        ("completed", true),
    ] {
        let result = world.ask(update(&talk.task, None, None, Some(status)));
        assert_eq!(result.is_ok(), allowed, "{status}");
    }
    assert_eq!(world.reservation(&talk.reservation), "completed");
    let error = world.reservation_status(&talk.reservation, "accepted").expect_err("too late");
    assert_eq!(error.code, 40136);
}

#[test]
fn an_unavailable_activity_needs_the_pending_rejected() {
    let mut world = World::new();
    world.available(&ada());
    world.dial();
    let (reservation, task) = world.reservation_of(&ada());
    let mut request = Request::UpdateWorker {
        worker: ada(),
        activity: Some(rejoin_protocol::ActivitySid::numbered(2)),
        attributes: None,
        reject_pending: false,
    };
    assert!(world.ask(request.clone()).is_err());
    if let Request::UpdateWorker { reject_pending, .. } = &mut request {
        *reject_pending = true;
    }
    // Also when the phone rings already.
    let agent = world.accept(&reservation, true);
    world.ask(request).expect("rejected");
    assert_eq!((world.reservation(&reservation), world.task_status(&task)), ("rejected", "pending"));
    assert!(world.dropped(&agent));
    world.tell(Event::Answered { call: agent });
    assert_eq!(world.reservation(&reservation), "rejected");
}

#[test]
fn lists_can_be_filtered() {
    let mut world = World::new();
    world.dial();
    let ping = world.ping(&ada(), 15);
    let list = |status: Option<&str>, expression: Option<&str>| Request::ListTasks {
        assignment_status: status.map(str::to_owned),
        workflow: None,
        expression: expression.map(str::to_owned),
    };
    let count = |world: &mut World, request| {
        world.ask(request).expect("a list").body["tasks"].as_array().map(Vec::len)
    };
    assert_eq!(count(&mut world, list(None, None)), Some(2));
    assert_eq!(count(&mut world, list(Some("pending,assigned"), None)), Some(1));
    assert_eq!(count(&mut world, list(None, Some("name == 'x'"))), Some(1));
    assert!(world.ask(list(None, Some("=="))).is_err());
    let reservations =
        Request::ListReservations { task: Some(ping), worker: Some(ada()), status: Some("pending".into()) };
    let reply = world.ask(reservations).expect("a list");
    assert!(reply.body["reservations"].is_array());
    assert_eq!(reply.bridge["contents"][0]["task"]["priority"], 1000);
}
