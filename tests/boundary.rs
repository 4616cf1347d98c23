//! What comes from outside, as JSON: what is understood, and what is not.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

use rejoin_plugin::agent::{Delivery, FromDesktop, Kept, RequestId};
use rejoin_plugin::boundary::{Unfit, Value, heard, stored};
use rejoin_protocol::api::{
    DeliveryId, GracefulMark, GracefulReason, HelloReply, Push, RecoveryView, Registration, Stage,
};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
};
use serde_json::{Value as Json, json};

/// As the wasm shell reads values of JavaScript.
fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Nothing,
        Json::Bool(flag) => Value::Flag(flag),
        Json::Number(number) => number.as_f64().map_or(Value::Nothing, Value::Number),
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(value).collect()),
        Json::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, item)| (name, value(item))).collect())
        }
    }
}

fn read(json: Json) -> Result<FromDesktop, Unfit> {
    FromDesktop::try_from(value(json))
}

fn task() -> Json {
    json!({
        "task": TaskSid::numbered(1), "reservation": ReservationSid::numbered(2), "status": "accepted",
        "voice": true, "liveCall": true, "ownLeg": CallSid::numbered(3), "attributes": {},
    })
}

/// One event of every kind, with all that it must have.
fn events() -> Vec<Json> {
    let reservation = ReservationSid::numbered(2);
    let leg = json!({"kind": "worker", "mine": true, "joined": true});
    vec![
        json!({"started": {
            "worker": WorkerSid::numbered(9), "workerName": "Ada", "phoneRegistered": true, "tasks": [task()],
        }}),
        json!({"taskChanged": task()}),
        json!({"conferenceChanged": {"reservation": reservation, "legs": [leg]}}),
        json!({"beforeAccept": {"request": 1, "task": task()}}),
        json!({"beforeLeave": {"request": 1, "reason": "hang-up"}}),
        json!({"beforeComplete": {"request": 1, "reservation": reservation}}),
        json!({"phoneChanged": {"registered": false}}),
        json!({"exitFlagSettled": {"reservation": reservation}}),
        json!({"acceptFailed": {"reservation": reservation}}),
        json!({"joined": {"reservation": reservation}}),
        json!({"joinFailed": {"reservation": reservation}}),
        json!({"tokenChanged": {}}),
        json!({"reconnected": {}}),
        json!({"signedOut": {}}),
        json!({"pageHide": {}}),
        json!({"dialogButton": {}}),
    ]
}

/// Every object below a value, as JSON pointers.
fn objects(json: &Json, at: &str, found: &mut Vec<String>) {
    match json {
        Json::Object(fields) => {
            found.push(at.to_owned());
            for (name, field) in fields {
                objects(field, &format!("{at}/{name}"), found);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// `ownLeg` apart, all that is in [`events`] is needed.
#[test]
fn what_is_missing_or_wrong_is_named() {
    for event in events() {
        assert!(read(event.clone()).is_ok(), "{event}");
        let mut places = Vec::new();
        objects(&event, "", &mut places);
        for place in places.into_iter().filter(|place| !place.is_empty()) {
            let fields = event.pointer(&place).and_then(Json::as_object).expect("an object");
            for (name, right) in fields.iter().filter(|(name, _)| *name != "ownLeg") {
                for wrong in [json!(null), json!(-1.5), json!(["no"]), json!({"no": "no"})] {
                    if right.is_object() && wrong.is_object() {
                        continue;
                    }
                    let mut event = event.clone();
                    event.pointer_mut(&place).expect("an object")[name] = wrong;
                    let unfit = read(event.clone()).expect_err(name);
                    assert_eq!(unfit.field, name.as_str(), "{event}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_event_is_none() {
    for other in [
        json!(null),
        json!("elected"),
        json!([]),
        json!({}),
        json!({"weather": {}}),
        json!({"elected": null}),
        json!({"elected": {}, "pageHide": {}}),
    ] {
        assert_eq!(read(other.clone()), Err(Unfit { field: "event" }), "{other}");
    }
}

/// Attributes are anybody's, and Flex is of many versions.
#[test]
fn what_may_be_absent_is_absent_when_it_does_not_fit() {
    let odd = json!({"request": 7, "callback": 1, "task": {
        "task": TaskSid::numbered(1), "reservation": ReservationSid::numbered(2), "status": "sleeping", "voice": false,
        "liveCall": false, "muted": "yes", "joinable": 1, "keepable": null, "workflow": "WW1", "contactUri": 5,
        "ownLeg": TaskSid::numbered(1), "attributes": {
            "isReconnect": "yes", "rejoinRecoveryId": 7, "targetWorkerSid": "WK", "disconnectedWorkerSid": [],
            "disconnectedWorkerName": {}, "disconnectedTime": "soon", "customerLeg": true,
        },
    }});
    let bare = json!({"request": 7, "task": {
        "task": TaskSid::numbered(1), "reservation": ReservationSid::numbered(2), "status": "", "voice": false,
        "liveCall": false, "attributes": {},
    }});
    let read = |details: Json| read(json!({"beforeAccept": details})).expect("understood");
    assert_eq!(read(odd), read(bare));
}

#[test]
fn numbers_are_whole_and_small_enough() {
    let read = |request: Json| read(json!({"beforeLeave": {"request": request, "reason": "sign-out"}}));
    for number in [0, 1, u32::MAX] {
        let (request, reason) = (RequestId(number), GracefulReason::SignOut);
        let event = FromDesktop::BeforeLeave { request, reservation: None, reason };
        assert_eq!(read(json!(number)), Ok(event.clone()));
        assert_eq!(read(json!(f64::from(number))), Ok(event));
    }
    for wrong in [json!(-1), json!(0.5), json!(4_294_967_296u64), json!(1e300), json!("1"), json!(true)] {
        assert_eq!(read(wrong.clone()), Err(Unfit { field: "request" }), "{wrong}");
    }
}

fn views() -> Vec<RecoveryView> {
    let stages = [
        Stage::Interrupted,
        Stage::HandedOver { worker_name: None },
        Stage::HandedOver { worker_name: Some("Bo".into()) },
        Stage::Failed { reason: "No.".into() },
    ];
    let view = |stage| RecoveryView {
        id: RecoveryId::numbered(1),
        task: TaskSid::numbered(2),
        reservation: ReservationSid::numbered(3),
        remaining_ms: matches!(stage, Stage::Interrupted).then_some(9_000),
        stage,
    };
    stages.into_iter().map(view).collect()
}

#[test]
fn what_the_server_writes_is_read() {
    for in_place in [false, true] {
        let reply = HelloReply { recoveries: views(), in_place, superseded: !in_place };
        let json = serde_json::to_value(&reply).expect("serialises");
        assert_eq!(heard::hello_reply(value(json)), Ok(reply));
    }
    let views = views().into_iter().map(|recovery| Push::Recovery { recovery });
    for push in views.chain([Push::Ask, Push::Superseded]) {
        let json = serde_json::to_value(&push).expect("serialises");
        assert_eq!(heard::pushed(value(json)), Ok(push));
    }
}

#[test]
fn what_is_kept_is_read_as_it_was_written() {
    let registration = Registration {
        id: None,
        epoch: 1_700_000_000_000,
        task: TaskSid::numbered(1),
        reservation: ReservationSid::numbered(2),
        workflow: WorkflowSid::numbered(3),
        conference: ConferenceSid::numbered(4),
        worker_leg: CallSid::numbered(5),
        customer_leg: CallSid::numbered(6),
        worker_name: String::new(),
    };
    let (task, reservation) = (TaskSid::numbered(1), ReservationSid::numbered(2));
    let mark = GracefulMark { id: None, task, reservation, reason: GracefulReason::ColdTransfer };
    for delivery in [Delivery::Register(registration), Delivery::Graceful(mark)] {
        let id = DeliveryId { epoch: 1_700_000_000_000, number: 7 };
        let kept = Kept { id, worker: WorkerSid::numbered(9), made: Millis(1_700_000_000_001), delivery };
        let json = serde_json::to_value(&kept).expect("serialises");
        assert_eq!(stored::kept(value(json.clone())), Ok(kept));
        let mut at = vec![];
        objects(&json, "", &mut at);
        for object in at {
            let names = json.pointer(&object).and_then(Json::as_object).expect("an object").keys();
            for name in names.filter(|name| *name != "workerName") {
                let mut other = json.clone();
                other.pointer_mut(&object).expect("an object")[name] = json!(["nonsense"]);
                assert!(stored::kept(value(other)).is_err(), "{object}/{name}");
            }
        }
    }
    assert!(stored::kept(Value::Nothing).is_err());
}

#[test]
fn what_a_newer_server_says_is_left_alone() {
    assert!(heard::pushed(value(json!({"push": "weather"}))).is_err());
    let mut json = serde_json::to_value(&views()[0]).expect("serialises");
    json["stage"] = json!({"name": "weather"});
    assert!(heard::pushed(value(json!({"push": "recovery", "recovery": json}))).is_err());
}
