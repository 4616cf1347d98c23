//! A transfer that Twilio refused without a report.

use crate::support::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The customer is alone, on hold or not, and the task is wrapped up. `log` is TaskRouter's log of it.
async fn handed_over(hold: bool, log: (u16, Value)) -> World {
    let world = World::start_with(|config| config.timings.watch_call_ms = 300).await;
    let shown = move |leg, hold| json!({"call_sid": leg, "hold": hold, "muted": false, "end_conference_on_exit": false});
    // A poll on a busy machine may come before the agent has left.
    let has_left = Arc::new(AtomicBool::new(false));
    let leaves = Arc::clone(&has_left);
    world.twilio.script(move |asked, _| match asked.what.as_str() {
        what if what == format!("GET Conferences/{}/Participants.json", conference()) => {
            let alone = has_left.load(Ordering::Relaxed);
            let mut there = vec![shown(customer(), hold && alone)];
            there.extend((!alone).then(|| shown(ada_leg(), false)));
            Some((200, vec![], json!({"participants": there})))
        }
        what if what == format!("GET Tasks/{}", task()) => {
            Some((200, vec![("etag", "\"7\"".into())], task_json(&task(), "wrapping", "{}")))
        }
        "GET Events" => {
            let asked_for = asked.param("TaskSid") == Some(task().as_str());
            assert!(asked_for && asked.param("Minutes").is_some(), "{asked:?}");
            Some((log.0, vec![], log.1.clone()))
        }
        _ => None,
    });
    world.desk.talking().await;
    let mark = json!({"task": task(), "reservation": reservation(), "reason": "cold-transfer"});
    assert_eq!(world.desk.plugin("/v1/graceful", "ada", mark).await.status(), 204);
    leaves.store(true, Ordering::Relaxed);
    let (leg, reason) = (ada_leg(), "participant_updated_via_api");
    let left = [("CallSid", leg.as_str()), ("ReasonParticipantLeft", reason)];
    assert_eq!(world.desk.callback(3, "participant-leave", &left).await, 204);
    world.twilio.wait_for("GET Events", 1).await;
    world
}

fn event(kind: &str, at: u64, of: &str) -> Value {
    json!({"event_type": kind, "event_date_ms": at, "resource_sid": of, "event_data": {"anything": null}})
}

#[tokio::test]
async fn a_customer_on_hold_is_brought_back_when_the_log_has_no_transfer() {
    let [took, wraps] = [("reservation.accepted", 100), ("reservation.wrapup", 200)]
        .map(|(kind, at)| event(kind, at, reservation().as_str()));
    let world = handed_over(true, (200, json!({"events": [took, wraps]}))).await;
    world.twilio.wait_for("POST Tasks", 1).await;
}

/// The other answers are not lost with it.
#[tokio::test]
async fn an_unavailable_log_changes_nothing() {
    for (status, body) in [(403, json!({"code": 20403})), (404, json!({})), (200, json!({"meta": {}}))] {
        let world = handed_over(false, (status, body)).await;
        world.twilio.wait_for("POST Tasks", 1).await;
    }
}

#[tokio::test]
async fn a_customer_who_waits_for_the_target_in_the_log_is_left_alone() {
    let took = event("reservation.accepted", 100, reservation().as_str());
    let transfer = event("task.transfer-initiated", 190, task().as_str());
    let wraps = event("reservation.wrapup", 200, reservation().as_str());
    let world = handed_over(true, (200, json!({"events": [wraps, transfer, took]}))).await;
    world.twilio.wait_for("GET Events", 3).await;
    assert!(world.twilio.asked("POST Tasks").is_empty(), "{:#?}", world.twilio.kinds());
}
