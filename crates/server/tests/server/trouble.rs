//! The database is gone: nothing is half done, all senders are told, and the server goes on by itself.

use crate::crash::Process;
use crate::database::Postgres;
use crate::support::*;
use rejoin_protocol::{CallSid, ConferenceSid, TaskSid};
use reqwest::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A callback about another call each time, so that there is something to write.
async fn callback(desk: &Desk, number: u128) -> StatusCode {
    let (conference, task) = (ConferenceSid::numbered(number), TaskSid::numbered(number));
    let leg = CallSid::numbered(number);
    let params = [
        ("StatusCallbackEvent", "participant-join"),
        ("ConferenceSid", conference.as_str()),
        ("FriendlyName", task.as_str()),
        ("SequenceNumber", "1"),
        ("CallSid", leg.as_str()),
        ("EndConferenceOnExit", "false"),
        ("Hold", "false"),
        ("Muted", "false"),
    ];
    desk.signed("/webhooks/conference", &params).await.status()
}

/// Checks the refusals while nothing can be written.
pub(crate) async fn refuses(desk: &Desk) {
    assert_eq!(desk.leave(3, &ada_leg()).await, 503, "Twilio turns to its fallback");
    let body =
        json!({"epoch": 2, "holdings": [{"task": task(), "reservation": reservation(), "wrapping": true}]});
    let reply = desk.plugin("/v1/hello", "ada", body).await;
    assert_eq!((reply.status().as_u16(), reply.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let problem: serde_json::Value = reply.json().await.unwrap();
    assert_eq!(problem["code"], "unavailable");
    // An answer counts for a second.
    let ready = async {
        loop {
            let ready = desk.http.get(format!("{}/health/ready", desk.address)).send().await.unwrap();
            if ready.status() == 503 {
                break ready;
            }
        }
    };
    let ready = tokio::time::timeout(PATIENCE, ready).await.expect("it is not ready any more");
    assert_eq!(ready.json::<serde_json::Value>().await.unwrap()["database"]["ok"], false);
}

/// Retries until something is written again.
pub(crate) async fn until_written(desk: &Desk) {
    until_so("a callback is written", async || callback(desk, 99).await == 204).await;
}

/// Twilio and the plugin repeat what was refused: the call is recovered.
pub(crate) async fn goes_on(desk: &Desk, twilio: &Twilio) {
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    twilio.wait_for("POST Tasks", 1).await;
    desk.hello(2).await;
    twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    assert_eq!(twilio.asked("POST Tasks").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_the_server_refuses_events_until_it_is_back() {
    let mut postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    postgres.create("gone").await;
    let twilio = Twilio::start().await;
    let process = Process::on(&twilio, &postgres.url("gone"));
    let desk = &process.desk;
    desk.talking().await;
    postgres = tokio::task::spawn_blocking(|| {
        postgres.stop();
        postgres
    })
    .await
    .unwrap();
    refuses(desk).await;
    // A caller hears something nevertheless, and is asked to wait.
    let fallback = format!("/twiml/fallback/{}", recovery());
    let reply = desk.signed(&fallback, &[("CallSid", customer().as_str())]).await;
    assert_eq!(reply.status(), 200);
    assert!(reply.text().await.unwrap().contains("<Play>"));
    let _running = tokio::task::spawn_blocking(move || {
        postgres.start_again();
        postgres
    })
    .await
    .unwrap();
    until_written(desk).await;
    goes_on(desk, &twilio).await;
}

/// A requeue takes the customer out of the conference, where an agent may be back. It waits until the database
/// confirms that it is still wanted.
#[tokio::test(flavor = "multi_thread")]
async fn no_customer_is_requeued_until_the_database_confirms_it() {
    let world = World::start().await;
    let (desk, twilio) = (&world.desk, &world.twilio);
    let requeue = format!("POST Calls/{}.json", customer());
    let is_in_order = Arc::new(AtomicBool::new(false));
    let (kind, in_order) = (requeue.clone(), Arc::clone(&is_in_order));
    twilio.script(move |asked, _| {
        let refused = asked.what == kind && !in_order.load(Ordering::Relaxed);
        refused.then(|| (429, vec![], json!({})))
    });
    desk.talking().await;
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    desk.hello(2).await;
    twilio.wait_for(&requeue, 1).await;
    let file = format!("sqlite:{}", world.folder.path().join("rejoin.db").display());
    let beside = sqlx::SqlitePool::connect(&file).await.unwrap();
    sqlx::query("alter table calls rename to calls_elsewhere").execute(&beside).await.unwrap();
    // Nothing signals that a thing does not happen. A request in flight is answered by now, and the delay before its
    // retry is two seconds at most.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = twilio.asked(&requeue).len();
    assert_eq!(desk.leave(4, &customer()).await, 503, "calls cannot be read");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(twilio.asked(&requeue).len(), before, "sent without knowing whether an agent is there");
    is_in_order.store(true, Ordering::Relaxed);
    sqlx::query("alter table calls_elsewhere rename to calls").execute(&beside).await.unwrap();
    twilio.wait_for(&requeue, before + 1).await;
    beside.close().await;
}
