//! Twilio does not answer as it should (case 17): on the twin, which counts its effects.

use crate::floor::Floor;
use serde_json::json;

/// Ada is lost with these faults, Ada's next page loads, and the customer is back with Ada.
async fn rejoined_in_spite_of(faults: serde_json::Value) -> Floor {
    let floor = Floor::open().await;
    let talk = floor.talk().await;
    floor.faults(faults);
    floor.lose(&talk);
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.back(&talk).await;
    floor.together(&talk.customer, Some(&talk)).await;
    assert_eq!(floor.ended(&talk.customer).await, "rejoined");
    floor
}

#[tokio::test]
async fn without_faults_a_recovery_succeeds() {
    let floor = rejoined_in_spite_of(json!({})).await;
    floor.nothing_was_doubled();
    assert_eq!(floor.done("POST Calls/").len(), 1);
}

#[tokio::test]
async fn whatever_twilio_throttles_is_done_later_and_once() {
    for api in ["voice", "taskrouter"] {
        for retry_after in [None, Some(1)] {
            let fault = json!({"api": api, "answer": "throttled", "retryAfter": retry_after, "times": 4});
            let floor = rejoined_in_spite_of(json!({"requests": [fault]})).await;
            floor.nothing_was_doubled();
        }
    }
}

#[tokio::test]
async fn whatever_twilio_breaks_at_is_done_later_and_once() {
    for answer in ["broken", "unavailable", "reset", "silence"] {
        let fault = json!({"method": "POST", "answer": answer, "every": 2, "times": 4});
        let floor = rejoined_in_spite_of(json!({"requests": [fault]})).await;
        floor.nothing_was_doubled();
    }
}

#[tokio::test]
async fn what_was_done_although_the_answer_was_lost_is_not_done_twice() {
    for answer in ["broken", "reset", "silence"] {
        for path in ["Calls/", "Tasks"] {
            let fault =
                json!({"method": "POST", "path": path, "answer": answer, "applied": true, "times": 1});
            let floor = rejoined_in_spite_of(json!({"requests": [fault]})).await;
            floor.nothing_was_doubled();
        }
    }
}

#[tokio::test]
async fn a_customer_is_told_twice_rather_than_not_at_all() {
    let floor = Floor::open().await;
    let talk = floor.talk().await;
    let telling = format!("{}/Participants/{}.json", talk.conference, talk.customer);
    let fault = json!({"method": "POST", "path": telling, "answer": "reset", "applied": true, "times": 1});
    floor.faults(json!({"requests": [fault]}));
    floor.lose(&talk);
    let told = |done: &rejoin_twin::faults::Done| {
        done.said.get("HoldUrl").is_some_and(|url| url.as_str().unwrap().contains("/twiml/hold/"))
    };
    let twice = || floor.twin.done().iter().filter(|done| told(done)).count() == 2;
    floor.until("the customer is told again", |_| twice().then_some(())).await;
}

#[tokio::test]
async fn credentials_that_are_not_taken_for_a_while_cost_no_customer_his_call() {
    let fault = json!({"answer": "unauthorized", "times": 6});
    let floor = rejoined_in_spite_of(json!({"requests": [fault]})).await;
    floor.nothing_was_doubled();
}
