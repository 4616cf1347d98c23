//! A supervisor coaches an agent who is back on another leg.

use crate::jobs::wait_until_closed;
use crate::support::*;
use rejoin_protocol::CallSid;
use serde_json::json;

fn coach() -> CallSid {
    CallSid::numbered(0x5e)
}

fn next_leg() -> CallSid {
    CallSid::numbered(0xb)
}

/// Ada refreshes and is back in place while a supervisor coaches this leg, as Twilio reports.
async fn refreshed(coached: CallSid) -> World {
    let world = World::start().await;
    let fetch = format!("GET Conferences/{}/Participants/{}.json", conference(), coach());
    world.twilio.script(move |asked, _| {
        let participant = json!({
            "call_sid": coach(), "hold": false, "muted": false, "end_conference_on_exit": false, "coaching": true,
            "call_sid_to_coach": coached,
        });
        (asked.what == fetch).then(|| (200, vec![], participant))
    });
    world.desk.talking().await;
    world.desk.join(3, &coach()).await;
    let supervisor = coach().to_string();
    let coaches = [("CallSid", supervisor.as_str()), ("Muted", "false"), ("Coaching", "true")];
    assert_eq!(world.desk.callback(4, "participant-modify", &coaches).await, 204);
    let holding = json!({"task": task(), "reservation": reservation(), "wrapping": false, "canJoin": true});
    let hello = json!({"epoch": 2, "holdings": [holding]});
    assert_eq!(world.desk.plugin("/v1/hello", "ada", hello).await.status(), 200);
    world.desk.join(5, &next_leg()).await;
    let registration = json!({
        "epoch": 2, "task": task(), "reservation": reservation(), "workflow": "WW00000000000000000000000000000001",
        "conference": conference(), "workerLeg": next_leg(), "customerLeg": customer(), "workerName": "Ada",
    });
    assert_eq!(world.desk.plugin("/v1/calls", "ada", registration).await.status(), 204);
    world
}

fn change() -> String {
    format!("POST Conferences/{}/Participants/{}.json", conference(), coach())
}

#[tokio::test]
async fn a_coach_is_heard_by_the_agents_new_leg() {
    let world = refreshed(ada_leg()).await;
    let changed = world.twilio.wait_for(&change(), 1).await;
    assert_eq!(changed[0].param("Coaching"), Some("true"));
    assert_eq!(changed[0].param("CallSidToCoach"), Some(next_leg().as_str()));
    assert_eq!(changed[0].param("Muted"), None, "a self-muted coach stays muted");
}

#[tokio::test]
async fn who_coaches_somebody_else_by_now_goes_on_with_that() {
    let world = refreshed(CallSid::numbered(0x77)).await;
    wait_until_closed(&world, "CoachInstead").await;
    assert!(world.twilio.asked(&change()).is_empty());
}
