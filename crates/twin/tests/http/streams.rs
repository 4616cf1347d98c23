//! Event Streams.

use super::{Setup, body};
use rejoin_protocol::WorkerSid;
use reqwest::{Method, StatusCode};

#[tokio::test]
async fn a_sink_gets_subscribed_events_in_batches_until_it_accepts_them() {
    let mut setup = Setup::new().await;
    let post = |path: &str, form: Vec<(&'static str, String)>| {
        let request = setup.request(Method::POST, &format!("events.twilio.com/v1/{path}")).form(&form);
        async move { body(request.send().await.expect("an answer")).await }
    };
    let sink = format!(r#"{{"destination":"{}/stream","method":"POST","batch_events":true}}"#, setup.far);
    let description = || ("Description", "a test".to_owned());
    let email = vec![description(), ("SinkType", "email".to_owned()), ("SinkConfiguration", sink.clone())];
    assert_eq!(post("Sinks", email).await.0, StatusCode::BAD_REQUEST);
    let webhook = vec![description(), ("SinkType", "webhook".to_owned()), ("SinkConfiguration", sink)];
    let (status, sink) = post("Sinks", webhook).await;
    assert_eq!(status, StatusCode::CREATED);
    let sink = sink["sid"].as_str().expect("a SID").to_owned();
    let types = ["task-queue.entered", "reservation.created", "task.canceled"]
        .map(|name| ("Types", format!(r#"{{"type":"com.twilio.taskrouter.{name}","schema_version":1}}"#)));
    let nowhere = format!("DG{:032x}", 99);
    let mut subscription = vec![description(), ("SinkSid", nowhere)];
    subscription.extend(types.clone());
    assert_eq!(post("Subscriptions", subscription).await.0, StatusCode::BAD_REQUEST);
    let mut subscription = vec![description(), ("SinkSid", sink)];
    subscription.extend(types);
    assert_eq!(post("Subscriptions", subscription).await.0, StatusCode::CREATED);

    let worker = WorkerSid::numbered(0xada);
    let form = [
        ("WorkflowSid", "WW00000000000000000000000000000002"),
        ("TaskChannel", "recovery-ping"),
        ("RoutingTarget", worker.as_str()),
        ("Attributes", r#"{"a":"b"}"#),
    ];
    let response = setup.taskrouter(Method::POST, "Tasks").form(&form).send().await.expect("an answer");
    let task = body(response).await.1["sid"].as_str().expect("a SID").to_owned();
    let refused = setup.next("/stream").await;
    let taken = setup.next("/stream").await;
    assert!(refused.signed && taken.signed);
    assert_eq!(refused.json, taken.json, "repeated as it was");
    let events = taken.json.as_array().expect("a batch");
    let kinds: Vec<_> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        kinds,
        ["com.twilio.taskrouter.task-queue.entered", "com.twilio.taskrouter.reservation.created"]
    );
    assert_ne!(events[0]["id"], events[1]["id"]);
    let payload = &events[1]["data"]["payload"];
    assert_eq!(payload["task_channel_unique_name"], "recovery-ping");
    assert_eq!(payload["task_sid"], task.as_str());
    assert_eq!(
        (&payload["task_attributes"], &payload["worker_sid"]),
        (&r#"{"a":"b"}"#.into(), &worker.as_str().into())
    );

    let form = [("AssignmentStatus", "canceled"), ("Reason", "enough")];
    let request = setup.taskrouter(Method::POST, &format!("Tasks/{task}")).form(&form);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    let canceled = setup.next("/stream").await.json;
    assert_eq!(canceled[0]["data"]["payload"]["task_canceled_reason"], "enough");
    assert_eq!(canceled.as_array().map(Vec::len), Some(1), "nobody has subscribed to the reservation's end");
}

#[tokio::test]
async fn without_batches_no_event_waits_for_a_refused_one() {
    let mut setup = Setup::new().await;
    let post = |path: &str, form: Vec<(&'static str, String)>| {
        let request = setup.request(Method::POST, &format!("events.twilio.com/v1/{path}")).form(&form);
        async move { body(request.send().await.expect("an answer")).await }
    };
    let description = || ("Description", "a test".to_owned());
    let sink = format!(r#"{{"destination":"{}/single","method":"POST","batch_events":false}}"#, setup.far);
    let sink = vec![description(), ("SinkType", "webhook".to_owned()), ("SinkConfiguration", sink)];
    let (status, sink) = post("Sinks", sink).await;
    assert_eq!(status, StatusCode::CREATED);
    let mut subscription = vec![description(), ("SinkSid", sink["sid"].as_str().expect("a SID").to_owned())];
    subscription.extend(
        ["task.created", "task-queue.entered"].map(|name| {
            ("Types", format!(r#"{{"type":"com.twilio.taskrouter.{name}","schema_version":1}}"#))
        }),
    );
    assert_eq!(post("Subscriptions", subscription).await.0, StatusCode::CREATED);
    let form = [("WorkflowSid", "WW00000000000000000000000000000002")];
    let made = setup.taskrouter(Method::POST, "Tasks").form(&form).send().await.expect("an answer");
    assert_eq!(made.status(), StatusCode::CREATED);
    // The first delivery is refused; the other event arrives before the retry.
    let mut ids = vec![];
    for _ in 0..3 {
        let events = setup.next("/single").await.json;
        assert_eq!(events.as_array().map(Vec::len), Some(1));
        ids.push(events[0]["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[0], ids[2]);
}
