//! Requests that break Twilio's contract, and the server's requests, which do not.

use super::{Setup, TOKEN, body, queried};
use rejoin_protocol::{
    AccountSid, ActivitySid, CallSid, ConferenceSid, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
    WorkspaceSid,
};
use rejoin_twilio::{Client, Error, NewTask, ParticipantChange, Settings, TaskEnd};
use reqwest::{Method, StatusCode};
use std::time::Duration;

/// The server's client.
pub(super) fn client(setup: &Setup) -> Client {
    let settings = Settings {
        account: AccountSid::numbered(1),
        auth_token: TOKEN.into(),
        workspace: WorkspaceSid::numbered(1),
        base: format!("{}/__tw", setup.base),
        connect_timeout: Duration::from_secs(10),
        total_timeout: Duration::from_secs(20),
    };
    Client::new(settings).expect("a client")
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

const WORKFLOW: &str = "WW00000000000000000000000000000002";

#[tokio::test]
async fn wrong_requests_are_refused_and_change_nothing() {
    let setup = Setup::new().await;
    let call = setup.twin.dial_native("+15550002222".into(), 660.0);
    let calls = format!("Calls/{call}");
    let messages = format!("{calls}/UserDefinedMessages");
    let subscriptions = format!("{calls}/UserDefinedMessageSubscriptions");
    let room = format!("Conferences/{}", ConferenceSid::numbered(1));
    let leg = format!("{room}/Participants/{call}");
    let participants = format!("{room}/Participants");
    let get = Method::GET;
    let post = Method::POST;
    let url = "http://127.0.0.1:1/";
    // Method, path, parameters, code.
    let voice: [(&Method, &str, Pairs<'_>, u64); 36] = [
        (&post, &messages, &[], 20001),
        (&post, &messages, &[("Content", "no JSON")], 20001),
        (&post, &messages, &[("Content", "{}")], 21220),
        (&post, &subscriptions, &[], 20001),
        (&post, &subscriptions, &[("Callback", "nowhere")], 21205),
        (&post, &subscriptions, &[("Callback", url), ("Method", "PATCH")], 20001),
        (&post, &subscriptions, &[("Callback", url)], 21220),
        (&post, &calls, &[("Url", "nowhere")], 21205),
        (&post, &calls, &[("Url", "ftp://example.com/")], 21205),
        (&post, &calls, &[("Url", url), ("FallbackUrl", "/relative")], 21205),
        (&post, &calls, &[("Url", url), ("Method", "PATCH")], 20001),
        (&post, &calls, &[("Url", url), ("FallbackMethod", "HEAD")], 20001),
        (&post, &calls, &[("Status", "in-progress")], 20001),
        (&post, &calls, &[("Twiml", "hang up")], 12100),
        (&post, &calls, &[("Twiml", "<Response><Say></Response>")], 12100),
        (&post, &calls, &[("Twiml", "<Answer/>")], 12100),
        (&post, &calls, &[("TimeLimit", "60")], 20001),
        (&post, &calls, &[("status", "completed")], 20001),
        (&post, &calls, &[], 20001),
        (&get, "Calls", &[("Status", "gone")], 20001),
        (&get, "Calls", &[("StartTime<", "yesterday")], 20001),
        (&get, "Calls", &[("ParentCallSid", "CA1")], 20001),
        (&get, "Calls", &[("PageSize", "0")], 20001),
        (&get, "Calls", &[("PageSize", "1001")], 20001),
        (&get, "Calls", &[("Page", "1")], 20001),
        (&get, "Calls", &[("PageToken", "x")], 20001),
        (&get, "Conferences", &[("Status", "over")], 20001),
        (&post, &room, &[("Status", "in-progress")], 20001),
        (&post, &room, &[("AnnounceUrl", "say this")], 21205),
        (&post, &leg, &[("Hold", "yes")], 20001),
        (&post, &leg, &[("HoldUrl", "music.wav"), ("Hold", "true")], 21205),
        (&post, &leg, &[("CallSidToCoach", "CF00000000000000000000000000000001")], 20001),
        (&post, &participants, &[("To", "+15550003333")], 21213),
        (&post, &participants, &[("From", "+15550003333")], 21201),
        (&post, &participants, &[("From", "+1"), ("To", "+2"), ("Timeout", "1")], 20001),
        (&post, &participants, &[("From", "+1"), ("To", "+2"), ("MachineDetection", "Enable")], 20001),
    ];
    for (method, path, form, code) in voice {
        let request = setup.voice(method.clone(), path);
        let request = if *method == get { queried(request, form) } else { request.form(form) };
        let (status, refusal) = body(request.send().await.expect("an answer")).await;
        assert_eq!((status, &refusal["code"]), (StatusCode::BAD_REQUEST, &code.into()), "{path} {form:?}");
    }

    let worker = format!("Workers/{}", WorkerSid::numbered(0xada));
    let task = format!("Tasks/{}", TaskSid::numbered(1));
    let reservation = format!("{task}/Reservations/{}", ReservationSid::numbered(1));
    let workflow = ("WorkflowSid", WORKFLOW);
    let taskrouter: [(&Method, &str, Pairs<'_>); 24] = [
        (&post, "Tasks", &[workflow, ("Timeout", "0")]),
        (&post, "Tasks", &[workflow, ("Timeout", "1209601")]),
        (&post, "Tasks", &[workflow, ("Priority", "-1")]),
        (&post, "Tasks", &[workflow, ("Attributes", "{")]),
        (&post, "Tasks", &[workflow, ("RoutingTarget", "WA00000000000000000000000000000001")]),
        (&post, "Tasks", &[workflow, ("RoutingTarget", "WQ00000000000000000000000000000099")]),
        (&post, "Tasks", &[workflow, ("IgnoreCapacity", "perhaps")]),
        (&post, "Tasks", &[("WorkflowSid", "Recovery Ping")]),
        (&post, &task, &[("AssignmentStatus", "over")]),
        (&post, &task, &[("VirtualStartTime", "2026-01-01T00:00:00Z")]),
        (&get, "Tasks", &[("Priority", "high")]),
        (&get, "Tasks", &[("Ordering", "Colour:asc")]),
        (&get, "Tasks", &[("EvaluateTaskAttributes", "a ==")]),
        (&get, "Tasks", &[("Attributes", "{}")]),
        (&get, &format!("{task}/Reservations"), &[("ReservationStatus", "open")]),
        (&post, &reservation, &[("ReservationStatus", "wrapup")]),
        (&post, &reservation, &[("Instruction", "conference"), ("EndConferenceOnExit", "no")]),
        (&post, &worker, &[("ActivitySid", "Available")]),
        (&post, &worker, &[("Attributes", "[1,")]),
        (&post, &worker, &[("FriendlyName", "eve")]),
        (&get, "Workers", &[("ActivitySid", "WK1")]),
        (&get, "Workers", &[("TaskQueueName", "Everyone")]),
        (&get, "Events", &[("StartDate", "2026-01-01")]),
        (&get, "Events", &[("Minutes", "0")]),
    ];
    // Without a task there is nothing to order.
    let first = [workflow, ("Attributes", "{}"), ("TaskChannel", "voice")];
    let made = setup.taskrouter(Method::POST, "Tasks").form(&first).send().await.expect("an answer");
    assert_eq!(made.status(), StatusCode::CREATED);
    for (method, path, form) in taskrouter {
        let request = setup.taskrouter(method.clone(), path);
        let request = if *method == get { queried(request, form) } else { request.form(form) };
        let (status, refusal) = body(request.send().await.expect("an answer")).await;
        assert_eq!((status, &refusal["code"]), (StatusCode::BAD_REQUEST, &20001.into()), "{path} {form:?}");
    }
    let tasks = queried(setup.taskrouter(Method::GET, "Tasks"), &[workflow]).send().await.expect("an answer");
    assert_eq!(body(tasks).await.1["tasks"].as_array().map(Vec::len), Some(1));
    assert!(setup.twin.is_live(&call));

    // The query of a POST is not read.
    let path = format!("{calls}.json?Status=completed");
    let account = AccountSid::numbered(1);
    let path = format!("api.twilio.com/2010-04-01/Accounts/{account}/{path}");
    let answer = setup.request(Method::POST, &path).form(&[("Status", "completed")]).send().await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::BAD_REQUEST);
    for (kind, form) in [
        ("Sinks", vec![("SinkType", "webhook"), ("SinkConfiguration", r#"{"destination":"http://x/"}"#)]),
        (
            "Sinks",
            vec![
                ("Description", "a"),
                ("SinkType", "webhook"),
                ("SinkConfiguration", r#"{"destination":"x"}"#),
            ],
        ),
        ("Sinks", vec![("Description", "a"), ("SinkType", "carrier pigeon"), ("SinkConfiguration", "{}")]),
        ("Subscriptions", vec![("Description", "a"), ("SinkSid", "DG1"), ("Types", "{}")]),
    ] {
        let request = setup.request(Method::POST, &format!("events.twilio.com/v1/{kind}")).form(&form);
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::BAD_REQUEST, "{form:?}");
    }
}

#[tokio::test]
async fn requests_that_twilio_accepts_are_accepted() {
    let mut setup = Setup::new().await;
    let call = setup.twin.dial_native("+15550002222".into(), 660.0);
    setup.redirect(&call, "/labelled", &[]).await;
    let join = setup.next("/events").await;
    let room = format!("Conferences/{}/Participants", join.params["ConferenceSid"]);
    // Labels in paths.
    for (name, wanted) in [("the%20customer", StatusCode::OK), ("nobody", StatusCode::NOT_FOUND)] {
        let answer = setup.voice(Method::GET, &format!("{room}/{name}")).send().await.expect("an answer");
        assert_eq!(answer.status(), wanted, "{name}");
    }
    let held = setup.voice(Method::POST, &format!("{room}/the%20customer")).form(&[("Hold", "true")]);
    let (status, participant) = body(held.send().await.expect("an answer")).await;
    assert_eq!((status, &participant["call_sid"]), (StatusCode::OK, &call.as_str().into()));

    // Numbers for flags, and queues and workflows as targets.
    let queue = "WQ00000000000000000000000000000003";
    for (target, queued) in [(queue, queue), (WORKFLOW, "WQ00000000000000000000000000000002")] {
        let form = [
            ("WorkflowSid", "WW00000000000000000000000000000001"),
            ("RoutingTarget", target),
            ("IgnoreCapacity", "1"),
        ];
        let made = setup.taskrouter(Method::POST, "Tasks").form(&form).send().await.expect("an answer");
        let (status, task) = body(made).await;
        assert_eq!((status, &task["task_queue_sid"]), (StatusCode::CREATED, &queued.into()), "{target}");
        assert_eq!(task["ignore_capacity"], true);
        let path = format!("Tasks/{}/Reservations", task["sid"].as_str().expect("a SID"));
        let nobody = [("WorkerSid", "WK00000000000000000000000000000099")];
        let list = queried(setup.taskrouter(Method::GET, &path), &nobody).send().await.expect("an answer");
        let (status, list) = body(list).await;
        assert_eq!((status, list["reservations"].as_array().map(Vec::len)), (StatusCode::OK, Some(0)));
    }

    // A worker has an ETag.
    let path = format!("Workers/{}", WorkerSid::numbered(0xada));
    let worker = setup.taskrouter(Method::GET, &path).send().await.expect("an answer");
    let etag = worker.headers()["etag"].to_str().expect("text").trim_matches('"').to_owned();
    let change = |etag: &str| {
        let request = setup.taskrouter(Method::POST, &path).header("If-Match", etag);
        request.form(&[("Attributes", "{}")]).send()
    };
    assert_eq!(change("99").await.expect("an answer").status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(change(&etag).await.expect("an answer").status(), StatusCode::OK);
    assert_eq!(change(&etag).await.expect("an answer").status(), StatusCode::PRECONDITION_FAILED);
}

/// Between the look at a worker's version and the change nobody else changes the worker.
#[tokio::test(flavor = "multi_thread")]
async fn of_changes_to_one_version_of_a_worker_one_is_made() {
    let setup = Setup::new().await;
    let path = format!("Workers/{}", WorkerSid::numbered(0xada));
    for _ in 0..20 {
        let worker = setup.taskrouter(Method::GET, &path).send().await.expect("an answer");
        let etag = worker.headers()["etag"].to_str().expect("text").trim_matches('"').to_owned();
        let mut changes = tokio::task::JoinSet::new();
        for number in 0..8 {
            let change = setup.taskrouter(Method::POST, &path).header("If-Match", &etag);
            let attributes = format!(r#"{{"number":{number}}}"#);
            changes.spawn(change.form(&[("Attributes", attributes)]).send());
        }
        let answers = changes.join_all().await;
        let made = answers.iter().filter(|answer| answer.as_ref().expect("an answer").status().is_success());
        assert_eq!(made.count(), 1);
    }
}

#[tokio::test]
async fn requests_of_the_server_satisfy_the_contract() {
    let mut setup = Setup::new().await;
    let client = client(&setup);
    let call = setup.twin.dial_native("+15550002222".into(), 660.0);
    let room = format!("{}/room", setup.far);
    client.redirect_call(&call, &room, Some(&room)).await.expect("redirected");
    let join = setup.next("/events").await;
    let conference = ConferenceSid::parse(&join.params["ConferenceSid"]).expect("a SID");
    client.fetch_call(&call).await.expect("a call");
    client.fetch_conference(&conference).await.expect("a conference");
    client.fetch_participant(&conference, &call).await.expect("a participant");
    assert_eq!(client.list_participants(&conference).await.expect("a list").len(), 1);
    for change in [
        ParticipantChange { hold: Some(true), ..ParticipantChange::default() },
        ParticipantChange { hold: Some(false), end_conference_on_exit: Some(false) },
    ] {
        client.update_participant(&conference, &call, change).await.expect("changed");
    }
    let say = format!("{}/say", setup.far);
    client.announce(&conference, &say).await.expect("announced");
    client.hold_with(&conference, &call, &say).await.expect("on hold");
    let coached = client.coach(&conference, &call, &CallSid::numbered(9)).await;
    assert!(!matches!(coached, Err(Error::Refused { code: 20001, .. })) || coached.is_ok(), "{coached:?}");

    // The contract is fine with them: the twin knows no Voice SDK client in this call.
    let refused = Err(Error::Refused { status: 400, code: 21220 });
    assert_eq!(client.send_call_message(&call, "{}", "1").await, refused);
    assert_eq!(client.subscribe_to_call_messages(&call, &say, "2").await, refused);

    let (workflow, worker) = (WorkflowSid::numbered(2), WorkerSid::numbered(0xada));
    let task = client
        .create_task(&NewTask {
            workflow: &workflow,
            channel: "recovery-ping",
            worker: &worker,
            priority: 1000,
            timeout_seconds: 15,
            attributes: r#"{"a":1}"#,
        })
        .await
        .expect("a task");
    let found = client.fetch_task(&task.sid).await.expect("a task");
    client.update_task_attributes(&task.sid, "{}", found.etag.as_deref()).await.expect("changed");
    assert_eq!(client.list_tasks("a == 1", Some(&workflow)).await.expect("a list"), []);
    assert_eq!(client.list_reservations(&task.sid).await.expect("a list").len(), 1);
    assert!(client.list_events(&task.sid).await.expect("a list").len() > 2);
    let gone = client.complete_reservation(&task.sid, &ReservationSid::numbered(99)).await;
    assert_eq!(gone, Err(Error::Gone));
    client.end_task(&task.sid, TaskEnd::Canceled, "over").await.expect("ended");
    let read = client.fetch_worker(&worker).await.expect("a worker").etag;
    assert!(read.is_some());
    client.set_activity(&worker, &ActivitySid::numbered(1), read.as_deref()).await.expect("changed");
    let late = client.set_activity(&worker, &ActivitySid::numbered(2), read.as_deref()).await;
    assert_eq!(late, Err(Error::Conflict), "it has changed since it was read");
    assert!(client.list_activities().await.expect("a list").len() > 2);
    assert!(!client.validate_token(&"no token".into()).await.expect("an answer").valid);

    client
        .redirect_call_inline(&call, "<Response><Pause length=\"60\"/></Response>")
        .await
        .expect("redirected");
    client.redirect_call(&call, &room, None).await.expect("redirected");
    let join = setup.next("/events").await;
    let join = if join.params["StatusCallbackEvent"] == "participant-join" {
        join
    } else {
        setup.next("/events").await
    };
    let conference = ConferenceSid::parse(&join.params["ConferenceSid"]).expect("a SID");
    client.end_conference(&conference).await.expect("ended");
    let gone = client.remove_participant(&conference, &call).await;
    assert_eq!(gone, Err(Error::Gone));
}
