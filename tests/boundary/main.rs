//! Input from outside, as JSON: what is understood, and what is not.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

mod conversations;
mod outside;

use outside::{events, json_of, places, play, value};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rejoin_plugin::agent::{Delivery, FromDesktop, Kept, RequestId, ToDesktop};
use rejoin_plugin::boundary::{Unfit, Value, from_server, outgoing, stored};
use rejoin_protocol::api::{
    Beacon, ConversationClaim, Conversations, DeliveryId, Failure, Goodbye, GracefulMark, GracefulReason,
    Hello, HelloReply, Holding, Push, RecoveryView, Registration, Stage,
};
use rejoin_protocol::{
    CallSid, ConferenceSid, ConversationSid, InteractionChannelSid, InteractionSid, Millis, RecoveryId,
    ReservationSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid,
};
use serde_json::{Value as Json, json};

fn read(json: Json) -> Result<FromDesktop, Unfit> {
    FromDesktop::try_from(value(json))
}

/// Optional fields of [`events`].
const OPTIONAL: [&str; 8] =
    ["attributes", "call", "conference", "joinable", "keepable", "ownLeg", "queue", "workflow"];

#[test]
fn a_missing_or_wrong_field_is_named_in_the_error() {
    for event in events(2) {
        assert!(read(event.clone()).is_ok(), "{event}");
        let mut all = Vec::new();
        places(&event, "", &mut all);
        for place in all {
            let name = place.rsplit('/').next().unwrap_or_default();
            // An item of a list stands for the list's name.
            if place.matches('/').count() < 2 || OPTIONAL.contains(&name) || name.parse::<u32>().is_ok() {
                continue;
            }
            for wrong in [json!(null), json!(-1.5), json!(["no"]), json!({"no": "no"})] {
                let mut event = event.clone();
                let right = event.pointer_mut(&place).expect("a value");
                if right.is_object() && wrong.is_object() {
                    continue;
                }
                *right = wrong;
                let unfit = read(event.clone()).expect_err(name);
                assert_eq!(unfit.field, name, "{event}");
            }
        }
    }
}

#[test]
fn a_value_that_is_not_an_event_is_refused() {
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

/// TaskRouter names the customer's leg in the task's attributes, and so does the beginning of the call.
#[test]
fn the_customers_leg_is_taskrouters_else_that_of_the_calls_beginning() {
    let leg = |attributes: Json| {
        let task = json!({
            "task": TaskSid::numbered(1), "reservation": ReservationSid::numbered(2), "status": "accepted",
            "voice": true, "liveCall": true, "attributes": attributes,
        });
        let Ok(FromDesktop::TaskChanged(facts)) = read(json!({"taskChanged": task})) else {
            panic!("not understood")
        };
        facts.attributes.customer_leg
    };
    let (named, first) = (CallSid::numbered(1), CallSid::numbered(2));
    let conference = |customer: Json| json!({"participants": {"customer": customer}});
    let both = json!({"conference": conference(json!(named)), "call_sid": first});
    assert_eq!(leg(both), Some(named));
    assert_eq!(leg(json!({"call_sid": first})), Some(first.clone()));
    assert_eq!(leg(json!({"conference": conference(json!(7)), "call_sid": first})), Some(first));
    assert_eq!(leg(json!({"conference": "CF"})), None);
}

/// Anybody may write attributes, and Flex has many versions.
#[test]
fn optional_fields_that_do_not_fit_count_as_absent() {
    let odd = json!({"request": 7, "callback": 1, "task": {
        "task": TaskSid::numbered(1), "reservation": ReservationSid::numbered(2), "status": "sleeping", "voice": false,
        "liveCall": false, "muted": "yes", "joinable": 1, "keepable": null, "workflow": "WW1", "queue": 2, "contactUri": 5,
        "ownLeg": TaskSid::numbered(1), "attributes": {
            "isReconnect": "yes", "rejoinRecoveryId": 7, "targetWorkerSid": "WK", "disconnectedWorkerSid": [],
            "disconnectedWorkerName": {}, "disconnectedTime": "soon", "call_sid": true,
        },
    }});
    let bare = json!({"request": 7, "task": {
        "task": TaskSid::numbered(1), "reservation": ReservationSid::numbered(2), "status": "", "voice": false,
        "liveCall": false, "attributes": {},
    }});
    let read = |details: Json| read(json!({"beforeAccept": details})).expect("understood");
    assert_eq!(read(odd), read(bare));
}

/// The account's other programs send call messages, too.
#[test]
fn a_question_is_a_text_of_64_characters_at_most() {
    let leg = CallSid::numbered(1);
    let read = |question: Json| read(json!({"asked": {"leg": leg, "question": question}}));
    for question in [String::new(), "q".into(), "ü".repeat(64)] {
        let asked = FromDesktop::Asked { leg: leg.clone(), question: question.clone() };
        assert_eq!(read(json!(question)), Ok(asked));
    }
    for wrong in [json!("x".repeat(65)), json!(null), json!(7), json!({"a": "b"}), json!(["q"])] {
        assert_eq!(read(wrong.clone()), Err(Unfit { field: "question" }), "{wrong}");
    }
}

#[test]
fn an_answer_is_a_call_message_with_the_value_of_the_question() {
    let answer = ToDesktop::AnswerMessage { leg: CallSid::numbered(1), question: "q1".into() };
    let told = outgoing::effect(&answer).map(json_of);
    let message = json!({"content": {"rejoinAnswers": "q1"}, "messageType": "user-defined-message"});
    assert_eq!(told, Some(json!({"answerMessage": {"leg": CallSid::numbered(1), "message": message}})));
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
        Stage::Failed { reason: Failure::NotRequeued },
    ];
    let view = |stage| RecoveryView {
        id: RecoveryId::numbered(1),
        task: TaskSid::numbered(2),
        reservation: ReservationSid::numbered(3),
        remaining_ms: matches!(stage, Stage::Interrupted).then_some(9_000),
        too_often: false,
        stage,
    };
    stages.into_iter().map(view).collect()
}

#[test]
fn messages_of_the_server_are_parsed() {
    for in_place in [false, true] {
        let reply = HelloReply { recoveries: views(), in_place, superseded: !in_place, console: in_place };
        let json = serde_json::to_value(&reply).expect("serialises");
        assert_eq!(from_server::hello_reply(value(json)), Ok(reply));
    }
    let views = views().into_iter().map(|recovery| Push::Recovery { recovery });
    for push in views.chain([Push::Ask, Push::Superseded, Push::Move]) {
        let json = serde_json::to_value(&push).expect("serialises");
        assert_eq!(from_server::pushed(value(json)), Ok(push));
    }
}

#[test]
fn unknown_messages_of_a_newer_server_are_refused() {
    assert!(from_server::pushed(value(json!({"push": "weather"}))).is_err());
    let mut json = serde_json::to_value(&views()[0]).expect("serialises");
    json["stage"] = json!({"name": "weather"});
    assert!(from_server::pushed(value(json!({"push": "recovery", "recovery": json}))).is_err());
}

/// The wire format, see `crates/protocol/tests/wire.rs`.
fn wire(format: &str, name: &str) -> Json {
    let path = format!("{}/crates/protocol/tests/wire/{format}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

#[test]
fn this_plugin_and_the_previous_server_understand_each_other() {
    let hello: Hello = serde_json::from_value(wire("1", "hello")).expect("a hello");
    assert_eq!(json_of(outgoing::hello(&hello)), wire("1", "hello"));
    let call: Registration = serde_json::from_value(wire("1", "registration")).expect("a registration");
    assert_eq!(json_of(outgoing::registration(&call)), wire("1", "registration"));
    let mark: GracefulMark = serde_json::from_value(wire("1", "graceful")).expect("a mark");
    assert_eq!(json_of(outgoing::mark(&mark)), wire("1", "graceful"));
    let beacon: Beacon = serde_json::from_value(wire("1", "beacon")).expect("a beacon");
    assert_eq!(json_of(outgoing::beacon(&beacon)), wire("1", "beacon"));
    let reply: HelloReply = serde_json::from_value(wire("1", "hello-reply")).expect("an answer");
    assert_eq!(from_server::hello_reply(value(wire("1", "hello-reply"))), Ok(reply));
    for push in wire("1", "pushes").as_array().expect("a list") {
        let read: Push = serde_json::from_value(push.clone()).expect("a push");
        assert_eq!(from_server::pushed(value(push.clone())), Ok(read));
    }
}

#[test]
fn an_unknown_recovery_state_does_not_affect_the_others() {
    let reply = from_server::hello_reply(value(wire("newer", "hello-reply"))).expect("an answer");
    assert!(reply.in_place);
    let stages: Vec<_> = reply.recoveries.into_iter().map(|view| view.stage).collect();
    assert_eq!(stages, [Stage::Queued]);
    let pushes = wire("newer", "pushes");
    let understood = |push: &&Json| from_server::pushed(value((*push).clone())).is_ok();
    assert_eq!(pushes.as_array().expect("a list").iter().filter(understood).count(), 1);
}

#[test]
fn kept_requests_survive_a_round_trip() {
    let registration = Registration {
        id: None,
        epoch: 1_700_000_000_000,
        task: TaskSid::numbered(1),
        reservation: ReservationSid::numbered(2),
        workflow: WorkflowSid::numbered(3),
        queue: None,
        conference: ConferenceSid::numbered(4),
        worker_leg: CallSid::numbered(5),
        customer_leg: CallSid::numbered(6),
        worker_name: String::new(),
        answers_messages: false,
    };
    let (task, reservation) = (TaskSid::numbered(1), ReservationSid::numbered(2));
    let mark = GracefulMark { id: None, task, reservation, reason: GracefulReason::ColdTransfer };
    for delivery in [Delivery::Register(registration), Delivery::Graceful(mark)] {
        let id = DeliveryId { epoch: 1_700_000_000_000, number: 7 };
        let kept = Kept { id, worker: WorkerSid::numbered(9), made: Millis(1_700_000_000_001), delivery };
        let json = json_of(outgoing::kept(&kept));
        assert_eq!(stored::kept(value(json.clone())), Ok(kept));
        let mut all = Vec::new();
        places(&json, "", &mut all);
        for place in all.into_iter().filter(|place| !place.ends_with("workerName")) {
            let mut other = json.clone();
            *other.pointer_mut(&place).expect("a value") = json!(["nonsense"]);
            assert!(stored::kept(value(other)).is_err(), "{place}");
        }
    }
    assert!(stored::kept(Value::Nothing).is_err());
}

#[test]
fn the_next_page_does_not_say_that_an_earlier_one_answers_messages() {
    let call = wire("1", "registration");
    let registration: Registration = serde_json::from_value(call).expect("a registration");
    let kept = |answers_messages: bool| Kept {
        id: DeliveryId { epoch: 1, number: 7 },
        worker: WorkerSid::numbered(9),
        made: Millis(1),
        delivery: Delivery::Register(Registration {
            id: None,
            worker_name: String::new(),
            answers_messages,
            ..registration.clone()
        }),
    };
    for answers in [false, true] {
        assert_eq!(stored::kept(outgoing::kept(&kept(answers))), Ok(kept(false)));
    }
}

/// The server parses with serde what the plugin serialises by hand.
#[test]
fn the_server_parses_what_the_plugin_sends() {
    let (task, reservation) = (TaskSid::numbered(1), ReservationSid::numbered(2));
    let id = Some(DeliveryId { epoch: 1_700_000_000_000, number: 7 });
    let holding = |can_join: bool| Holding {
        task: task.clone(),
        reservation: reservation.clone(),
        wrapping: !can_join,
        can_join,
        other_browser: !can_join,
    };
    for unavailable in [false, true] {
        let holdings = vec![holding(true), holding(false)];
        let hello = Hello { epoch: 1_700_000_000_000, holdings, unavailable, accepts_ping: unavailable };
        assert_eq!(json_of(outgoing::hello(&hello)), json!(hello));
    }
    for (id, queue, answers_messages) in [(None, None, false), (id, Some(TaskQueueSid::numbered(8)), true)] {
        let registration = Registration {
            id,
            epoch: 1,
            task: task.clone(),
            reservation: reservation.clone(),
            workflow: WorkflowSid::numbered(3),
            queue,
            conference: ConferenceSid::numbered(4),
            worker_leg: CallSid::numbered(5),
            customer_leg: CallSid::numbered(6),
            worker_name: "Ada".into(),
            answers_messages,
        };
        assert_eq!(json_of(outgoing::registration(&registration)), json!(registration));
    }
    let mark = |reason| GracefulMark { id, task: task.clone(), reservation: reservation.clone(), reason };
    let marks: Vec<_> = GracefulReason::ALL.into_iter().map(mark).collect();
    for mark in &marks {
        assert_eq!(json_of(outgoing::mark(mark)), json!(mark));
    }
    let goodbye = Some(Goodbye { epoch: 1, tasks: vec![task] });
    let beacon = Beacon { token: "secret".into(), marks, goodbye, gone: None };
    assert_eq!(json_of(outgoing::beacon(&beacon)), json!(beacon));
    let claim = ConversationClaim {
        conversation: ConversationSid::numbered(1),
        interaction: InteractionSid::numbered(2),
        channel: InteractionChannelSid::numbered(3),
    };
    for conversations in [vec![], vec![claim]] {
        let claims = Conversations { epoch: 7, conversations, leaving: vec![] };
        assert_eq!(json_of(outgoing::claim(&claims)), json!(claims));
    }
    let gone = Beacon { token: "secret".into(), marks: vec![], goodbye: None, gone: Some(7) };
    let read: Result<Beacon, _> = serde_json::from_value(json_of(outgoing::beacon(&gone)));
    assert!(read.is_ok_and(|read| read == gone));
    let bare = Beacon { token: "secret".into(), marks: vec![], goodbye: None, gone: None };
    let read: Result<Beacon, _> = serde_json::from_value(json_of(outgoing::beacon(&bare)));
    assert!(read.is_ok_and(|read| read == bare));
}

/// One input of each kind that the fuzz target has found.
#[test]
fn inputs_found_by_fuzzing_are_answered_too() {
    let found = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/found/boundary");
    let mut files: Vec<_> =
        std::fs::read_dir(found).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let bytes = std::fs::read(&file).expect("bytes");
        assert!(std::panic::catch_unwind(|| play(&bytes)).is_ok(), "{}", file.display());
    }
}

proptest! {
    // The same stories in every run: the fuzz target searches for new ones.
    #![proptest_config(ProptestConfig { cases: 1000, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_every_question_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        play(&bytes);
    }
}
