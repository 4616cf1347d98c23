//! Twilio does not report what happened (case 19): on the twin, which drops callbacks.

use crate::floor::Floor;
use crate::support::*;
use rejoin_protocol::CallSid;
use serde_json::{Value, json};

/// A contact centre whose server polls soon when it hears nothing.
async fn watchful() -> Floor {
    Floor::open_with(|config| {
        config.timings.watch_call_ms = 300;
        config.timings.watch_recovery_ms = 300;
    })
    .await
}

/// Ada is lost while these callbacks are lost, and the customer is back with Ada.
async fn untold(faults: Value) -> (Floor, CallSid) {
    let floor = watchful().await;
    let talk = floor.talk().await;
    floor.faults(faults);
    floor.lose(&talk);
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.back(&talk).await;
    floor.together(&talk.customer, Some(&talk)).await;
    assert_eq!(floor.ended(&talk.customer).await, "rejoined");
    floor.nothing_was_doubled();
    (floor, talk.customer)
}

#[tokio::test]
async fn a_lost_agent_is_noticed_although_the_leave_is_never_told() {
    let (floor, customer) = untold(json!({"callbacks": [{"event": "participant-leave"}]})).await;
    floor.noted(&customer, "looked-up").await;
}

#[tokio::test]
async fn without_a_single_callback_the_agent_has_the_customer_again() {
    untold(json!({"callbacks": [{}]})).await;
}

/// Nothing reports that the agent has the customer, and nothing polls: the page has not registered, and the wait for
/// the agent is over.
#[tokio::test]
async fn a_customer_whom_the_agent_has_unreported_is_not_taken_away() {
    let floor = Floor::open_with(|config| {
        config.timings.watch_call_ms = 0;
        config.timings.watch_recovery_ms = 0;
        config.timings.rejoin_within_ms = 1500;
    })
    .await;
    let talk = floor.talk().await;
    floor.lose(&talk);
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.faults(json!({"callbacks": [{}]}));
    floor.back(&talk).await;
    floor.meet(&talk.customer, Some(&talk)).await;
    floor.noted(&talk.customer, "agent-not-back").await;
    assert_eq!(floor.ended(&talk.customer).await, "rejoined");
    assert_eq!(
        floor.done(&format!("POST Calls/{}", talk.customer)).len(),
        1,
        "the customer was redirected once"
    );
    floor.nothing_was_doubled();
}

#[tokio::test]
async fn a_customer_who_hangs_up_untold_ends_the_recovery() {
    let floor = watchful().await;
    let talk = floor.talk().await;
    floor.lose(&talk);
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.faults(json!({"callbacks": [{}]}));
    floor.hangs_up(&talk.customer);
    assert_eq!(floor.ended(&talk.customer).await, "customer-left");
}

#[tokio::test]
async fn a_customer_whose_task_is_canceled_hears_so_instead_of_music_for_ever() {
    let floor = Floor::open_with(|config| {
        config.timings.watch_recovery_ms = 300;
        config.timings.ping_ttl_ms = 1500;
    })
    .await;
    let talk = floor.talk().await;
    floor.ada_goes().await;
    floor.lose(&talk);
    floor.noted(&talk.customer, "queued").await;
    floor.cancel_task_of(&talk.customer).await;
    assert_eq!(floor.ended(&talk.customer).await, "failed");
    let told = floor.done(&format!("POST Calls/{}", talk.customer));
    assert!(told.last().unwrap().said["Url"].as_str().unwrap().contains("/twiml/lost/"), "{told:#?}");
    floor.nothing_was_doubled();
}

#[tokio::test]
async fn an_agent_whose_page_falls_silent_keeps_the_leg_and_the_customer() {
    let twilio = Twilio::start().await;
    let both = |leg: &CallSid| {
        json!({
            "call_sid": leg, "hold": false, "muted": false, "end_conference_on_exit": false,
        })
    };
    let participants = json!({"participants": [both(&customer()), both(&ada_leg())]});
    let look = format!("GET Conferences/{}/Participants.json", conference());
    twilio.script({
        let look = look.clone();
        move |asked, _| (asked.what == look).then(|| (200, vec![], participants.clone()))
    });
    let folder = tempfile::tempdir().unwrap();
    let mut settings = config(&twilio, folder.path());
    settings.timings.watch_call_ms = 100;
    let server = rejoin_server::Server::start(settings).await.unwrap();
    let desk = Desk::at(format!("http://{}", server.address()));
    desk.talking().await;
    let mut page = Events::open(&desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    // Nothing is heard of it any more: no goodbye, no hello, and Twilio is polled again and again.
    drop(page);
    twilio.wait_for(&look, 5).await;
    let changes: Vec<_> = twilio.kinds().into_iter().filter(|what| !what.starts_with("GET ")).collect();
    assert_eq!(changes, ["POST Tokens/validate"], "nothing was done to anybody");
    assert_eq!(desk.hello(1).await["recoveries"], json!([]), "no agent counts as lost");
    server.stop().await;
}

/// The browser is closed, its connections with it, and the callback that reports the end of the leg is lost. The
/// watchdog would notice that after five minutes.
#[tokio::test]
async fn a_page_gone_without_a_goodbye_is_noticed_within_seconds() {
    let twilio = Twilio::start().await;
    let alone = json!({"participants": [{
        "call_sid": customer(), "hold": false, "muted": false, "end_conference_on_exit": false,
    }]});
    let look = format!("GET Conferences/{}/Participants.json", conference());
    twilio.script({
        let look = look.clone();
        move |asked, _| (asked.what == look).then(|| (200, vec![], alone.clone()))
    });
    let folder = tempfile::tempdir().unwrap();
    let server = rejoin_server::Server::start(config(&twilio, folder.path())).await.unwrap();
    let desk = Desk::at(format!("http://{}", server.address()));
    desk.talking().await;
    let mut page = Events::open(&desk, "/v1/push?epoch=1", "ada").await;
    page.position().await;
    let mut another = Events::open(&desk, "/v1/push?epoch=1", "bo").await;
    another.position().await;
    drop((page, another));
    twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(twilio.asked(&look).len(), 1, "one poll, and one look at whether Ada is there");
    server.stop().await;
}
