//! Event Streams: batches of TaskRouter's and conferences' events.

use crate::support::*;
use rejoin_protocol::{TaskSid, WorkerSid, WorkspaceSid};
use rejoin_twilio::signature;
use serde_json::{Value, json};

fn reconnect_task() -> TaskSid {
    TaskSid::numbered(0xfe)
}

/// An event as Twilio sends it; each kind of event of one task comes once.
fn event(kind: &str, task: &TaskSid, attributes: &Value) -> Value {
    json!({
        "specversion": "1.0", "type": format!("com.twilio.taskrouter.{kind}"),
        "source": format!("/v1/Workspaces/{}/Tasks/{task}", WorkspaceSid::numbered(1)),
        "id": format!("EV{kind}{}", task.digits().trim_start_matches('0')), "time": "2026-11-20T05:00:00.000Z",
        "data": {"level": "INFO", "payload_type": "taskrouter-events", "payload": {
            "eventtype": kind, "workspace_sid": WorkspaceSid::numbered(1), "task_sid": task,
            "task_attributes": attributes.to_string(), "worker_sid": ada(), "reservation_sid": reservation(),
        }},
    })
}

fn of_ping(kind: &str) -> Value {
    event(kind, &ping(), &json!({"name": "Recovery Ping", "rejoinRecoveryId": recovery()}))
}

fn of_reconnect(kind: &str) -> Value {
    let attributes = json!({"rejoinRecoveryId": recovery(), "isReconnect": true, "targetWorkerSid": ada()});
    event(kind, &reconnect_task(), &attributes)
}

fn calls() -> String {
    format!("POST Calls/{}.json", customer())
}

/// Events of the rest of the account, and malformed ones.
fn noise() -> Vec<Value> {
    let mut broken = of_ping("reservation.accepted");
    broken["data"]["payload"]["task_sid"] = json!("nonsense");
    vec![
        event("worker.activity.update", &TaskSid::numbered(7), &json!({})),
        event("reservation.accepted", &TaskSid::numbered(8), &json!({"name": "somebody else"})),
        json!({"type": "com.twilio.eventstreams.test-event", "id": "1", "data": {"test_id": "1"}}),
        json!({"type": "com.twilio.something.new", "id": "2"}),
        broken,
        json!(null),
        json!([[[]]]),
    ]
}

/// Read by an older page's request, which has no effect.
async fn stage(desk: &Desk) -> Value {
    desk.hello(0).await["recoveries"][0]["stage"]["name"].clone()
}

#[tokio::test]
async fn each_event_of_a_batch_is_handled_and_not_only_the_first() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let batch: Vec<_> = noise().into_iter().chain([of_ping("reservation.accepted")]).chain(noise()).collect();
    assert_eq!(desk.events(&json!(batch)).await, 204);
    // There was no hello: the accepted ping alone proves that the agent is there.
    let asked = world.twilio.wait_for(&calls(), 1).await;
    assert!(asked[0].param("Twiml").unwrap().contains(&format!("{PUBLIC}/twiml/wait/{}", recovery())));
    assert_eq!(stage(desk).await, "requeueing");

    let mut hung_up = of_reconnect("task.canceled");
    hung_up["data"]["payload"]["task_canceled_reason"] = json!("hangup");
    let batch: Vec<_> =
        [of_reconnect("task-queue.entered")].into_iter().chain(noise()).chain([hung_up]).collect();
    assert_eq!(desk.events(&json!(batch)).await, 204);
    let complete = format!("POST Tasks/{}/Reservations/{}", task(), reservation());
    world.twilio.wait_for(&complete, 1).await;
    assert_eq!(stage(desk).await, "customerLeft", "the first and the last one");
}

/// Twilio refuses to cancel a task that was accepted.
#[tokio::test]
async fn an_accepted_ping_is_ended_by_one_request() {
    let world = World::start().await;
    let end = format!("POST Tasks/{}", ping());
    let ends = end.clone();
    world.twilio.script(move |asked, _| {
        let cancels = asked.what == ends && asked.param("AssignmentStatus") == Some("canceled");
        cancels.then(|| (400, vec![], json!({"code": 20001, "status": 400})))
    });
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(world.desk.events(&json!([of_ping("reservation.accepted")])).await, 204);
    let asked = world.twilio.wait_for(&end, 1).await;
    let ends: Vec<_> = asked.iter().map(|asked| asked.param("AssignmentStatus")).collect();
    assert_eq!(ends, [Some("completed")]);
}

#[tokio::test]
async fn events_that_are_not_needed_are_counted() {
    let world = World::start().await;
    let desk = &world.desk;
    // Other tests count in the same process.
    let counted = async |result: &str| -> u64 {
        let text = desk.figures().await;
        let name = format!("rejoin_stream_events_total{{result=\"{result}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |value| value.parse().unwrap())
    };
    let before = (counted("ignored").await, counted("malformed").await);
    assert_eq!(desk.events(&json!(noise())).await, 204);
    let after = (counted("ignored").await, counted("malformed").await);
    assert!(after.0 >= before.0 + 4 && after.1 >= before.1 + 3, "{before:?} {after:?}");
}

#[tokio::test]
async fn a_batch_that_comes_again_and_at_once_counts_once() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let accepted = of_ping("reservation.accepted");
    let batch = json!([accepted, accepted]);
    let all = futures_util::future::join_all((0..8).map(|_| desk.events(&batch))).await;
    assert!(all.iter().all(|status| *status == 204), "{all:?}");
    world.twilio.wait_for(&calls(), 1).await;
    // Accepted, and canceled after another answer: neither begins anything new.
    let late = json!([of_ping("task.canceled"), of_ping("reservation.canceled"), accepted]);
    assert_eq!(desk.events(&late).await, 204);
    assert_eq!(stage(desk).await, "requeueing");
    assert_eq!(world.twilio.asked(&calls()).len(), 1);
    assert_eq!(world.twilio.asked("POST Tasks").len(), 1);
}

#[tokio::test]
async fn a_ping_that_nobody_took_ends_the_waiting_and_its_late_acceptance_changes_nothing() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(desk.events(&of_ping("reservation.rejected")).await, 204, "one alone, without a list");
    world.twilio.wait_for(&calls(), 1).await;
    assert_eq!(stage(desk).await, "waitingForOther");
    assert_eq!(desk.events(&json!([of_ping("reservation.accepted")])).await, 204);
    assert_eq!(stage(desk).await, "waitingForOther");
    assert_eq!(world.twilio.asked(&calls()).len(), 1);
}

#[tokio::test]
async fn a_leave_whose_callback_is_lost_is_told_by_the_stream() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    let now = format!("{}T00:00:00Z", "2099-01-01");
    let leave = |time: &str| {
        json!([{
            "type": "com.twilio.voice.status-callback.conference.participant.updated", "id": "EVleave",
            "time": time, "data": {"request": {"method": "POST", "parameters": {
                "StatusCallbackEvent": "participant-leave", "ConferenceSid": conference(),
                "FriendlyName": task(), "SequenceNumber": "3", "CallSid": ada_leg(),
                "ReasonParticipantLeft": "participant_hung_up",
            }}},
        }])
    };
    assert_eq!(desk.events(&leave("2020-01-01T00:00:00Z")).await, 204, "too old to help anybody");
    assert_eq!(desk.hello(1).await["recoveries"], json!([]));
    assert_eq!(desk.events(&leave(&now)).await, 204);
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(desk.leave(3, &ada_leg()).await, 204, "it comes after all");
    assert_eq!(stage(desk).await, "interrupted");
    assert_eq!(world.twilio.asked("POST Tasks").len(), 1);
}

#[tokio::test]
async fn a_batch_that_is_not_ours_changes_nothing() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let body = json!([of_ping("reservation.accepted")]).to_string();
    let path = format!("/webhooks/events?bodySHA256={}", hash(&body));
    let url = format!("{PUBLIC}{path}");
    let right = signature::sign(AUTH_TOKEN, &url, &[]);
    let of_others = signature::sign("another token", &url, &[]);
    let bare = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}/webhooks/events"), &[]);
    for (path, body, signature, status) in [
        (path.as_str(), body.clone(), "", 403),
        (&path, body.clone(), &of_others, 403),
        (&path, body.replace("accepted", "rejected"), &right, 403),
        ("/webhooks/events", body.clone(), &bare, 403),
        ("/webhooks/events", body.clone(), &right, 403),
        (&path, format!("{body} "), &right, 403),
        (&path, "x".repeat(1 << 21), &right, 413),
    ] {
        assert_eq!(desk.posted(path, body, signature).await, status, "{path}");
    }
    let broken = |body: &str| {
        let path = format!("/webhooks/events?bodySHA256={}", hash(body));
        let signature = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}{path}"), &[]);
        let (desk, body) = (desk.clone(), body.to_owned());
        async move { desk.posted(&path, body, &signature).await }
    };
    for body in ["", "[{", "7", &"[".repeat(50_000), &format!("[{}", "{\"a\":".repeat(10_000)), "\u{0}"] {
        assert_eq!(broken(body).await, 400, "{body:.20}");
    }
    let mut foreign = of_ping("reservation.accepted");
    foreign["data"]["payload"]["workspace_sid"] = json!(WorkspaceSid::numbered(2));
    let mut other = of_ping("reservation.accepted");
    other["data"]["payload"]["worker_sid"] = json!(WorkerSid::numbered(2));
    other["id"] = json!("EVother");
    assert_eq!(desk.events(&json!([foreign, other])).await, 204);
    assert_eq!(stage(desk).await, "interrupted");
    assert!(world.twilio.asked(&calls()).is_empty());

    assert_eq!(desk.posted(&path, body, &right).await, 204, "and now the right one");
    world.twilio.wait_for(&calls(), 1).await;
}

#[tokio::test]
async fn a_batch_is_accepted_only_when_it_is_durable() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    stage(desk).await;
    let url = format!("sqlite:{}", world.folder.path().join("rejoin.db").display());
    let store = sqlx::SqlitePool::connect(&url).await.unwrap();
    let refuse = "create trigger refuse before update on calls begin select raise(abort, 'full'); end";
    for sql in
        [refuse, "create trigger refuse_new before insert on calls begin select raise(abort, 'full'); end"]
    {
        sqlx::query(sql).execute(&store).await.unwrap();
    }
    let batch = json!([of_ping("reservation.accepted")]);
    assert_eq!(desk.events(&batch).await, 503, "Twilio sends it again");
    for sql in ["drop trigger refuse", "drop trigger refuse_new"] {
        sqlx::query(sql).execute(&store).await.unwrap();
    }
    while desk.events(&batch).await != 204 {}
    world.twilio.wait_for(&calls(), 1).await;
    assert_eq!(world.twilio.asked(&calls()).len(), 1);
}
