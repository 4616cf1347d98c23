//! Servers that watch each other: one of them alerts, and the others know that it has.

use super::*;
use crate::database::Database;
use crate::support::{Twilio, arguments_on};
use rejoin_server::{Config, Server};

/// A server on this database that watches `peer`.
async fn server(twilio: &Twilio, database: &Database, peer: &str, webhook: &str) -> Server {
    let mut arguments = vec!["rejoin".to_owned()];
    arguments.extend(arguments_on(twilio, &database.url));
    arguments.extend([
        format!("--monitor-peers={peer}"),
        format!("--alert-webhook-url={webhook}"),
        "--monitor-every-ms=100".to_owned(),
        "--monitor-timeout-ms=1500".to_owned(),
    ]);
    Server::start(<Config as clap::Parser>::try_parse_from(arguments).unwrap()).await.unwrap()
}

fn what(alert: &Value) -> (Value, Value) {
    (alert["event"].clone(), alert["summary"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_the_servers_that_watch_each_other_alerts() {
    let (twilio, database) = (Twilio::start().await, Database::postgres().await);
    let (peer, _) = Stub::start(Does::Answer(500)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(200)).await;
    let (failed, works) = (
        (json!("trigger"), json!(format!("server {}: answered 500", peer.url()))),
        (json!("resolve"), json!(format!("server {}: works again", peer.url()))),
    );
    let one = server(&twilio, &database, &peer.url(), &webhook.url()).await;
    let two = server(&twilio, &database, &peer.url(), &webhook.url()).await;
    assert_eq!(what(&next(&mut alerts).await), failed);
    // Both have seen it fail more than twice.
    peer.asked(12).await;
    peer.set(Does::Answer(200));
    assert_eq!(what(&next(&mut alerts).await), works);
    peer.asked(12).await;
    assert!(alerts.try_recv().is_err(), "one trigger and one resolve");

    // The server that has the alert is stopped, and the other one has it then; whether the first one's has arrived is not
    // known.
    peer.set(Does::Answer(500));
    assert_eq!(what(&next(&mut alerts).await), failed);
    one.stop().await;
    peer.asked(6).await;
    two.stop().await;
    while let Ok(again) = alerts.try_recv() {
        assert_eq!(what(&again), failed);
    }
    // A server that is started later resolves what they left.
    peer.set(Does::Answer(200));
    let three = server(&twilio, &database, &peer.url(), &webhook.url()).await;
    assert_eq!(what(&next(&mut alerts).await), works);
    peer.asked(3).await;
    three.stop().await;
    assert!(alerts.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_whose_database_is_away_alert_all_the_same() {
    let (twilio, database) = (Twilio::start().await, Database::postgres().await);
    let (peer, _) = Stub::start(Does::Answer(200)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(200)).await;
    let server = server(&twilio, &database, &peer.url(), &webhook.url()).await;
    peer.asked(2).await;
    // It refuses what says who has an alert.
    database.refuse("meta").await;
    peer.set(Does::Answer(500));
    assert_eq!(next(&mut alerts).await["event"], "trigger");
    database.accept("meta").await;
    peer.set(Does::Answer(200));
    assert_eq!(next(&mut alerts).await["event"], "resolve");
    server.stop().await;
    assert!(alerts.try_recv().is_err());
}

#[tokio::test]
async fn peers_without_anybody_to_alert_are_refused() {
    let (twilio, database) = (Twilio::start().await, Database::sqlite());
    let mut arguments = vec!["rejoin".to_owned()];
    arguments.extend(arguments_on(&twilio, &database.url));
    arguments.push("--monitor-peers=https://b.test".to_owned());
    let refused = Server::start(<Config as clap::Parser>::try_parse_from(arguments).unwrap()).await;
    let why = refused.expect_err("nobody hears of it").to_string();
    assert!(why.starts_with("REJOIN_ALERT_WEBHOOK_URL cannot be used: not set"), "{why}");
}
