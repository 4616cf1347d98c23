//! Calls that are placed by REST, keys that are pressed, and what an administrator's script sets up for them.

use super::world::{World, ada};
use crate::facts::Facts;
use crate::model::{
    ConferenceInstruction, Effect, Event, LineSetup, Model, NewCall, Request, SetUp, demo_account,
};
use rejoin_protocol::{AccountSid, ActivitySid, CallSid, Millis, TaskQueueSid, WorkerSid, WorkflowSid};
use serde_json::{Value, json};

const OWN: &str = "+15550001111";
const LINE: &str = "+15550003333";
const PHONE: &str = "+15550002222";
const WAITS: &str = "http://line/waits";

fn world() -> World {
    let mut world = World::new();
    let account = demo_account(AccountSid::numbered(1), "http://twin/demo/voice".into());
    let lines = vec![LineSetup { number: LINE.into(), voice_url: WAITS.into() }];
    world.model =
        Model::new(Facts::default(), crate::model::Account { lines, ..account }, 0x1000).expect("a model");
    world.document(WAITS, r#"<Pause length="600"/>"#);
    world
}

fn call(to: &str, twiml: &str) -> Request {
    let twiml = Some(format!("<Response>{twiml}</Response>"));
    Request::CreateCall(NewCall { to: to.into(), from: OWN.into(), twiml, ..NewCall::default() })
}

/// Places the call, which is answered.
fn answered(world: &mut World, to: &str, twiml: &str) -> CallSid {
    let reply = world.ask(call(to, twiml)).expect("a call");
    assert_eq!((reply.status, &reply.body["status"]), (201, &json!("ringing")));
    let call = CallSid::parse(reply.body["sid"].as_str().expect("a SID")).expect("a SID");
    world.tell(Event::Answered { call: call.clone() });
    call
}

fn status(world: &mut World, call: &CallSid) -> String {
    let reply = world.ask(Request::FetchCall(call.clone())).expect("the call");
    reply.body["status"].as_str().expect("a status").to_owned()
}

/// The call at the account's other number.
fn other_end(world: &mut World) -> CallSid {
    let reply = world.ask(Request::ListCalls { status: Some("in-progress".into()) }).expect("the calls");
    let all = reply.body["calls"].as_array().expect("a list");
    let inbound: Vec<_> = all.iter().filter(|call| call["direction"] == "inbound").collect();
    let [one] = inbound.as_slice() else { panic!("{all:?}") };
    assert_eq!((&one["from"], &one["to"]), (&json!(OWN), &json!(LINE)));
    CallSid::parse(one["sid"].as_str().expect("a SID")).expect("a SID")
}

fn end(world: &mut World, call: &CallSid) {
    let request = Request::UpdateCall {
        call: call.clone(),
        url: None,
        method: None,
        fallback_url: None,
        fallback_method: None,
        twiml: None,
        status: Some("completed".into()),
    };
    world.ask(request).expect("it ends");
}

#[test]
fn a_call_to_an_own_number_has_two_ends_that_end_together() {
    let mut world = world();
    for ends_first in [true, false] {
        let placed = answered(&mut world, LINE, r#"<Pause length="600"/>"#);
        let other = other_end(&mut world);
        end(&mut world, if ends_first { &placed } else { &other });
        assert_eq!(status(&mut world, &placed), "completed");
        assert_eq!(status(&mut world, &other), "completed");
    }
}

#[test]
fn a_placed_call_that_is_not_answered_ends_and_one_that_is_has_a_time_limit() {
    let mut world = world();
    let reply = world.ask(call(LINE, "<Hangup/>")).expect("a call");
    let sid = CallSid::parse(reply.body["sid"].as_str().expect("a SID")).expect("a SID");
    world.pass(Millis::seconds(61));
    assert_eq!(status(&mut world, &sid), "no-answer");
    let request = NewCall {
        to: PHONE.into(),
        from: LINE.into(),
        url: Some(WAITS.into()),
        time_limit: Some(90),
        ..NewCall::default()
    };
    let reply = world.ask(Request::CreateCall(request)).expect("a call");
    let sid = CallSid::parse(reply.body["sid"].as_str().expect("a SID")).expect("a SID");
    world.tell(Event::Answered { call: sid.clone() });
    world.pass(Millis::seconds(89));
    assert_eq!(status(&mut world, &sid), "in-progress");
    world.pass(Millis::seconds(1));
    assert_eq!(status(&mut world, &sid), "completed");
}

#[test]
fn a_call_with_wrong_numbers_or_without_a_document_is_refused() {
    let mut world = world();
    let with = |change: fn(&mut NewCall)| {
        let mut new = NewCall {
            to: PHONE.into(),
            from: OWN.into(),
            twiml: Some("<Response/>".into()),
            ..NewCall::default()
        };
        change(&mut new);
        Request::CreateCall(new)
    };
    for (request, code) in [
        (with(|new| new.to = "nobody".into()), 21211),
        (with(|new| new.from = PHONE.into()), 21210),
        (with(|new| new.twiml = None), 21205),
        (with(|new| new.twiml = Some("x".repeat(4001))), 20001),
    ] {
        assert_eq!(world.ask(request).expect_err("refused").code, code);
    }
    assert!(!world.done.iter().any(|effect| matches!(effect, Effect::Dial { .. })), "nothing rings");
}

fn fetched(world: &World, url: &str) -> Option<Option<String>> {
    world.done.iter().rev().find_map(|effect| match effect {
        Effect::FetchTwiml { url: of, params, .. } if of == url => {
            Some(params.iter().find(|(key, _)| key == "Digits").map(|(_, digits)| digits.clone()))
        }
        _ => None,
    })
}

#[test]
fn a_gather_takes_keys_during_its_prompt_and_after_it_until_it_has_them_all() {
    let gather =
        r#"<Gather numDigits="2" timeout="5" action="http://server/keys"><Say>Press</Say></Gather><Hangup/>"#;
    let mut world = world();
    world.document("http://server/keys", r#"<Pause length="60"/>"#);
    let sid = answered(&mut world, PHONE, gather);
    world.tell(Event::Pressed { call: sid.clone(), keys: "1".into() });
    assert_eq!(fetched(&world, "http://server/keys"), None);
    world.pass(Millis::seconds(4));
    world.tell(Event::Pressed { call: sid.clone(), keys: "7".into() });
    assert_eq!(fetched(&world, "http://server/keys"), Some(Some("17".into())));
    assert_eq!(status(&mut world, &sid), "in-progress");
}

#[test]
fn without_a_key_the_document_goes_on_unless_the_action_is_wanted_then_too() {
    for (attributes, wanted) in [("", None), (r#" actionOnEmptyResult="true""#, Some(Some(String::new())))] {
        let mut world = world();
        world.document("http://server/keys", "<Hangup/>");
        let gather =
            format!(r#"<Gather timeout="5" action="http://server/keys"{attributes}></Gather><Hangup/>"#);
        let sid = answered(&mut world, PHONE, &gather);
        world.pass(Millis::seconds(5));
        assert_eq!(fetched(&world, "http://server/keys"), wanted);
        assert_eq!(status(&mut world, &sid), "completed");
    }
    // A finishing key ends the input, and is not part of it.
    let mut world = world();
    let sid = answered(&mut world, PHONE, r#"<Gather action="http://server/keys"/><Hangup/>"#);
    world.tell(Event::Pressed { call: sid, keys: "12#".into() });
    assert_eq!(fetched(&world, "http://server/keys"), Some(Some("12".into())));
}

fn create(world: &mut World, request: SetUp) -> Value {
    let reply = world.ask(Request::SetUp(request)).expect("it is created");
    assert_eq!(reply.status, 201);
    reply.body
}

#[test]
fn a_queue_offers_its_tasks_to_its_workers_alone() {
    let mut world = world();
    world.available(&ada());
    let worker = SetUp::CreateWorker {
        name: "test".into(),
        activity: Some(ActivitySid::numbered(1)),
        attributes: Some(r#"{"test":"x1"}"#.into()),
    };
    let worker = create(&mut world, worker);
    let worker = WorkerSid::parse(worker["sid"].as_str().expect("a SID")).expect("a SID");
    let queue = SetUp::CreateTaskQueue { name: "test".into(), target_workers: Some("test == \"x1\"".into()) };
    let queue = create(&mut world, queue)["sid"].as_str().expect("a SID").to_owned();
    let configuration = json!({"task_routing": {"filters": [], "default_filter": {"queue": queue}}});
    let workflow = SetUp::CreateWorkflow { name: "test".into(), configuration: configuration.to_string() };
    let workflow = create(&mut world, workflow)["sid"].as_str().expect("a SID").to_owned();
    let enqueue = format!(r#"<Enqueue workflowSid="{workflow}" waitUrl="http://server/wait"/>"#);
    let customer = answered(&mut world, LINE, &enqueue);
    let (reservation, _) = world.reservation_of(&worker);
    // Its agent is at a number of the account, too.
    let instruction = ConferenceInstruction {
        to: Some(LINE.into()),
        from: Some(OWN.into()),
        ..ConferenceInstruction::default()
    };
    let accept = Request::UpdateReservation { reservation, status: None, instruction: Some(instruction) };
    world.ask(accept).expect("the instruction is taken");
    let busy = world.ask(Request::DeleteWorker(worker.clone())).expect_err("it has a reservation");
    assert_eq!(busy.status, 400);
    end(&mut world, &customer);
    world.ask(Request::DeleteWorker(worker.clone())).expect("nothing is left");
    assert_eq!(world.ask(Request::DeleteWorker(worker)).expect_err("it is gone").status, 404);
    let workflow = WorkflowSid::parse(&workflow).expect("a SID");
    let _ = world.ask(Request::SetUp(SetUp::DeleteWorkflow(workflow)));
    let wrong = SetUp::CreateTaskQueue { name: "other".into(), target_workers: Some("test ==".into()) };
    assert_eq!(world.ask(Request::SetUp(wrong)).expect_err("no expression").status, 400);
    let unknown = SetUp::DeleteTaskQueue(TaskQueueSid::numbered(99));
    assert_eq!(world.ask(Request::SetUp(unknown)).expect_err("no such queue").status, 404);
}

#[test]
fn a_worker_without_capacity_on_a_channel_is_offered_nothing_there() {
    let mut world = world();
    world.available(&ada());
    let reply = world.ask(Request::ListWorkerChannels(ada())).expect("the channels");
    let voice = reply.body["channels"][0].clone();
    let request = |channel: &str, capacity| Request::UpdateWorkerChannel {
        worker: ada(),
        channel: channel.to_owned(),
        capacity: Some(capacity),
    };
    let sid = voice["sid"].as_str().expect("a SID");
    let reply = world.ask(request(sid, 0)).expect("it is changed");
    assert_eq!((&reply.body["configured_capacity"], &reply.body["sid"]), (&json!(0), &json!(sid)));
    world.dial();
    let none = Request::ListReservations { task: None, worker: Some(ada()), status: None };
    assert_eq!(world.ask(none).expect("a list").body["reservations"], json!([]));
    assert_eq!(world.ask(request("WC1", 0)).expect_err("unknown").status, 404);
}
