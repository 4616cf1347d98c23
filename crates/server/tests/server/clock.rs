//! A server whose clock differs from the database's, and an engine that is stuck.

use crate::database::Database;
use crate::support::*;
use axum::body::{Body, to_bytes};
use clap::Parser as _;
use http::Request;
use rejoin_protocol::Millis;
use rejoin_recovery::{Event, Machine};
use rejoin_server::clock::Skew;
use rejoin_server::store::Store;
use rejoin_server::surroundings::Surroundings;
use rejoin_server::{Config, Running, Server};
use rejoin_twilio::{Sending, Transport, Unanswered};
use serde_json::Value;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Twilio without any answers.
#[derive(Debug)]
struct Silence;

impl Transport for Silence {
    fn send(&self, _: Request<axum::body::Bytes>) -> Sending<'_> {
        Box::pin(async { Err(Unanswered::TimedOut) })
    }
}

/// A server without a network, on this database and with this clock.
async fn running(database: &Database, surroundings: Surroundings) -> (Running, Store) {
    let twilio = Twilio::start().await;
    let arguments = std::iter::once("rejoin".to_owned()).chain(arguments_on(&twilio, &database.url));
    let config = Config::try_parse_from(arguments).unwrap();
    let store = Store::open_in(&database.url, Duration::from_secs(1), surroundings).await.unwrap();
    (Server::in_world(config, store.clone(), Arc::new(Silence)).unwrap(), store)
}

async fn get(server: &Running, path: &str) -> (u16, String) {
    let request = Request::get(path).header("authorization", format!("Bearer {OPERATOR_TOKEN}"));
    let answer = server.call(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_skew_is_measured_and_more_than_a_second_is_not_ready() {
    let database = Database::postgres().await;
    // How far the server's clock is ahead, and the consequences: the database's is behind by as much.
    for (ahead, alarms, ready) in [(0, false, true), (700, true, true), (-1800, true, false)] {
        let begin = Millis(now().0.checked_add_signed(ahead).unwrap());
        let (server, store) = running(&database, Surroundings::seeded(begin, 1, None)).await;
        store.renew().await.unwrap();
        let skew = store.skew().unwrap();
        assert!((skew.0 + ahead).abs() < 100, "{ahead}: {skew:?}");
        assert_eq!(skew.alarms(), alarms, "{ahead}: operators are told");
        let (_, body) = get(&server, "/health/ready").await;
        let clock = &serde_json::from_str::<Value>(&body).unwrap()["clock"];
        assert_eq!(clock["ok"], ready, "{ahead}: {clock}");
        if !ready {
            assert!(clock["trouble"].as_str().unwrap().contains("NTP"), "{clock}");
            assert_eq!(get(&server, "/health/ready").await.0, 503);
        }
        assert_eq!(get(&server, "/health/live").await.0, 200);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_uses_its_servers_clock() {
    let database = Database::sqlite();
    let (server, store) = running(&database, Surroundings::seeded(now(), 1, None)).await;
    store.renew().await.unwrap();
    assert_eq!(store.skew(), None::<Skew>);
    let (_, ready) = get(&server, "/health/ready").await;
    assert!(ready.contains(r#""clock":{"ok":true}"#), "{ready}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_engine_is_not_live_and_keeps_no_webhook_waiting() {
    let database = Database::sqlite();
    // The machine does not return from its next event, until this is dropped.
    let (lets_go, sticks) = mpsc::channel::<()>();
    let sticks = Mutex::new(Some(sticks));
    let surroundings = Surroundings::seeded(now(), 1, None).listened_to(Arc::new(
        move |_: &Machine, _: &Event, _: &Machine| {
            if let Some(sticks) = sticks.lock().unwrap().take() {
                let _ = sticks.recv();
            }
        },
    ));
    let (server, _store) = running(&database, surroundings).await;
    assert_eq!(get(&server, "/health/live").await.0, 200);
    let begun = Instant::now();
    let [first, second] = [1, 2].map(|number| callback(&server, number));
    let (first, second) = tokio::join!(first, second);
    eprintln!("stuck: webhooks answered {first} and {second} after {:?}", begun.elapsed());
    assert_eq!((first, second), (503, 503));
    while get(&server, "/health/live").await.0 != 503 {
        assert!(begun.elapsed() < PATIENCE, "the stuck server is noticed in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("stuck: not live after {:?}", begun.elapsed());
    drop(lets_go);
    while get(&server, "/health/live").await.0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "it goes round again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(callback(&server, 3).await, 204);
    server.stop().await;
}

/// A customer joins.
async fn callback(server: &Running, sequence: u64) -> u16 {
    let params = [
        ("StatusCallbackEvent", "participant-join".to_owned()),
        ("ConferenceSid", conference().to_string()),
        ("FriendlyName", task().to_string()),
        ("SequenceNumber", sequence.to_string()),
        ("CallSid", customer().to_string()),
    ];
    let params: Vec<(String, String)> =
        params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let path = "/webhooks/conference";
    let signature = rejoin_twilio::signature::sign(AUTH_TOKEN, &format!("{PUBLIC}{path}"), &params);
    let body = params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header(rejoin_twilio::signature::HEADER, signature);
    server.call(request.body(Body::from(body)).unwrap()).await.unwrap().status().as_u16()
}
