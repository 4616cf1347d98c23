//! Twilio does not say what happened (case 19): on the twin, which keeps callbacks to itself.

use crate::floor::Floor;
use serde_json::json;

/// A floor whose server asks soon when it hears nothing.
async fn watchful() -> Floor {
    Floor::open_with(|config| {
        config.timings.watch_call_ms = 300;
        config.timings.watch_recovery_ms = 300;
    })
    .await
}

#[tokio::test]
async fn a_lost_agent_is_noticed_although_the_leave_is_never_told() {
    let floor = watchful().await;
    let talk = floor.talk().await;
    floor.faults(json!({"callbacks": [{"event": "participant-leave"}]}));
    floor.lose(&talk);
    floor.noted(&talk.customer, "looked-up").await;
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.back(&talk).await;
    floor.together(&talk.customer, Some(&talk)).await;
    assert_eq!(floor.ended(&talk.customer).await, "rejoined");
    floor.nothing_was_doubled();
}

#[tokio::test]
async fn without_a_single_callback_the_agent_has_the_customer_again() {
    let floor = watchful().await;
    let talk = floor.talk().await;
    floor.faults(json!({"callbacks": [{}]}));
    floor.lose(&talk);
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.back(&talk).await;
    floor.together(&talk.customer, Some(&talk)).await;
    assert_eq!(floor.ended(&talk.customer).await, "rejoined");
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
