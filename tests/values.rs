//! Values between JavaScript and Rust, in a real browser.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

use js_sys::JSON;
use rejoin_plugin::agent::{ConferenceOptions, Dialog, FromDesktop, Notice, RequestId, ToDesktop};
use rejoin_plugin::shell::js::{Unfit, read, write};
use rejoin_protocol::api::{
    GracefulMark, GracefulReason, Hello, HelloReply, Holding, Problem, RecoveryView, Registration, Stage,
};
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn js(text: &str) -> JsValue {
    JSON::parse(text).expect("JSON")
}

fn json(value: &impl Serialize) -> String {
    JSON::stringify(&write(value).expect("writes")).expect("JSON").into()
}

/// What is written is read as it was.
fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_eq!(read::<T>(write(value).expect("writes")).as_ref(), Ok(value));
}

fn view(stage: Stage, remaining_ms: Option<u64>) -> RecoveryView {
    let (id, task, reservation) =
        (RecoveryId::numbered(1), TaskSid::numbered(2), ReservationSid::numbered(3));
    RecoveryView { id, task, reservation, stage, remaining_ms }
}

#[wasm_bindgen_test]
fn everything_of_the_protocol_goes_there_and_back() {
    let (task, reservation) = (TaskSid::numbered(1), ReservationSid::numbered(2));
    for wrapping in [true, false] {
        let holding =
            Holding { task: task.clone(), reservation: reservation.clone(), wrapping, can_join: !wrapping };
        there_and_back(&Hello { epoch: 1_800_000_000_000, holdings: vec![holding.clone(), holding] });
    }
    there_and_back(&Registration {
        epoch: 0,
        task: task.clone(),
        reservation: reservation.clone(),
        workflow: WorkflowSid::numbered(3),
        conference: ConferenceSid::numbered(4),
        worker_leg: CallSid::numbered(5),
        customer_leg: CallSid::numbered(6),
        worker_name: "Ädä \u{1f600} \"".into(),
    });
    for reason in [GracefulReason::HangUp, GracefulReason::ColdTransfer, GracefulReason::Complete] {
        there_and_back(&GracefulMark { task: task.clone(), reservation: reservation.clone(), reason });
    }
    there_and_back(&Problem { code: "x".into(), status: 404, detail: String::new() });
    there_and_back(&Some(Millis(5)));
    there_and_back(&None::<Millis>);
}

#[wasm_bindgen_test]
fn a_reply_of_the_server_is_read_with_and_without_what_may_be_absent() {
    let sid = |prefix: &str, number: u128| format!("\"{prefix}{number:032x}\"");
    let (id, task, reservation) = (sid("RJ", 1), sid("WT", 2), sid("WR", 3));
    let text = format!(
        r#"{{"new": {{"is": "ignored"}}, "recoveries": [
            {{"stage": {{"name": "interrupted"}}, "id": {id}, "task": {task}, "reservation": {reservation}, "remainingMs": 14000}},
            {{"id": {id}, "task": {task}, "reservation": {reservation}, "stage": {{"workerName": "Bo", "name": "handedOver"}}}}
        ]}}"#
    );
    let recoveries = vec![
        view(Stage::Interrupted, Some(14_000)),
        view(Stage::HandedOver { worker_name: Some("Bo".into()) }, None),
    ];
    assert_eq!(read(js(&text)), Ok(HelloReply { recoveries, in_place: false }));
    let text = r#"{"recoveries": [], "inPlace": true}"#;
    assert_eq!(read(js(text)), Ok(HelloReply { recoveries: vec![], in_place: true }));
}

#[wasm_bindgen_test]
fn an_event_is_read_by_its_name() {
    let event = |text: &str| read::<FromDesktop>(js(text));
    assert_eq!(
        event(r#"{"phoneChanged": {"registered": true}}"#),
        Ok(FromDesktop::PhoneChanged { registered: true })
    );
    assert_eq!(event(r#"{"dialogButton": {}}"#), Ok(FromDesktop::DialogButton {}));
    let leave = FromDesktop::BeforeLeave {
        request: RequestId(7),
        reservation: None,
        reason: GracefulReason::SignOut,
    };
    assert_eq!(event(r#"{"beforeLeave": {"request": 7, "reason": "sign-out"}}"#), Ok(leave.clone()));
    assert_eq!(
        event(r#"{"beforeLeave": {"request": 7, "reason": "sign-out", "reservation": null}}"#),
        Ok(leave)
    );

    let conference = format!(
        r#"{{"conferenceChanged": {{"reservation": "WR{:032}", "conference": "rubbish", "legs": [
            {{"call": "CA{:032}", "kind": "agent", "mine": true, "joined": true, "sequence": -1}}]}}}}"#,
        1, 2
    );
    let Ok(FromDesktop::ConferenceChanged(facts)) = event(&conference) else { panic!("{conference}") };
    assert_eq!(facts.conference, None);
    assert_eq!((facts.legs[0].mine, facts.legs[0].sequence), (true, None));
}

#[wasm_bindgen_test]
fn what_does_not_fit_is_refused_with_the_name_of_its_field() {
    let event = |text: &str| read::<FromDesktop>(js(text)).map_err(|Unfit { field }| field);
    for (text, field) in [
        ("null", ""),
        ("1", ""),
        ("[]", ""),
        ("{}", ""),
        (r#""weather""#, ""),
        (r#"{"weather": {}}"#, ""),
        (r#"{"phoneChanged": 1}"#, ""),
        (r#"{"phoneChanged": {"registered": "yes"}}"#, "registered"),
        (r#"{"joined": {}}"#, "reservation"),
        (r#"{"joined": {"reservation": 5}}"#, "reservation"),
        (r#"{"joined": {"reservation": "WT00000000000000000000000000000001"}}"#, "reservation"),
        (r#"{"beforeLeave": {"request": 1.5, "reason": "hang-up"}}"#, "request"),
        (r#"{"beforeLeave": {"request": -1, "reason": "hang-up"}}"#, "request"),
        (r#"{"beforeLeave": {"request": 4294967296, "reason": "hang-up"}}"#, "request"),
        (r#"{"beforeLeave": {"request": 1, "reason": "boredom"}}"#, "reason"),
    ] {
        assert_eq!(event(text), Err(field), "{text}");
    }
    assert_eq!(read::<Vec<bool>>(js(r#"{"length": 1}"#)), Err(Unfit { field: "" }));
    assert_eq!(Unfit { field: "task" }.to_string(), "a value that does not fit in: task");
}

#[wasm_bindgen_test]
fn an_effect_is_written_as_the_shim_reads_it() {
    let reservation = ReservationSid::numbered(1);
    assert_eq!(
        json(&ToDesktop::Accept { reservation: reservation.clone() }),
        format!(r#"{{"accept":{{"reservation":"{reservation}"}}}}"#)
    );
    assert_eq!(json(&ToDesktop::HideDialog {}), r#"{"hideDialog":{}}"#);
    let until = Millis(1_800_000_000_000);
    assert_eq!(
        json(&ToDesktop::ShowDialog { dialog: Dialog::Interrupted { until: Some(until) } }),
        r#"{"showDialog":{"dialog":{"kind":"interrupted","until":1800000000000}}}"#
    );
    let notice = Notice::TakeOver { name: None, seconds: 3 };
    assert_eq!(
        json(&ToDesktop::Notify { reservation: reservation.clone(), notice }),
        format!(
            r#"{{"notify":{{"reservation":"{reservation}","notice":{{"kind":"takeOver","name":null,"seconds":3}}}}}}"#
        )
    );
    let options = ConferenceOptions {
        conference_status_callback: "https://x/y".into(),
        conference_status_callback_method: "POST",
        conference_status_callback_event: "join",
        end_conference_on_exit: false,
    };
    assert_eq!(
        json(&ToDesktop::AttachConferenceOptions { request: RequestId(2), options }),
        concat!(
            r#"{"attachConferenceOptions":{"request":2,"options":{"conferenceStatusCallback":"https://x/y","#,
            r#""conferenceStatusCallbackMethod":"POST","conferenceStatusCallbackEvent":"join","endConferenceOnExit":false}}}"#
        )
    );
    assert_eq!(json(&WorkerSid::numbered(1)), format!("\"{}\"", WorkerSid::numbered(1)));
}
