//! The database's host vanishes without notice: established and new connections stay open, and nothing comes over
//! them. Or it answers everything except a commit, because the standby that a commit waits for is gone.

use crate::database::Postgres;
use crate::network::Network;
use crate::support::*;
use rejoin_protocol::{CallSid, ConferenceSid, TaskSid};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The server's deadline for its database in these tests.
const DEADLINE: Duration = Duration::from_millis(2500);

pub(crate) async fn server_on(url: &str) -> World {
    server_within(url, DEADLINE).await
}

/// A server with this deadline for its database.
pub(crate) async fn server_within(url: &str, deadline: Duration) -> World {
    let url = url.to_owned();
    World::start_with(|config| {
        config.storage.database_url = url;
        config.storage.database_timeout_ms = u64::try_from(deadline.as_millis()).unwrap();
    })
    .await
}

async fn get(desk: &Desk, path: &str) -> u16 {
    desk.http.get(format!("{}{path}", desk.address)).send().await.unwrap().status().as_u16()
}

/// The first callback of a conference.
async fn callback(desk: &Desk, number: u128, event: &str, extra: &[(&str, &str)]) -> u16 {
    let (room, task) = (ConferenceSid::numbered(number), TaskSid::numbered(number));
    let mut params = vec![
        ("StatusCallbackEvent", event),
        ("ConferenceSid", room.as_str()),
        ("FriendlyName", task.as_str()),
        ("SequenceNumber", "1"),
    ];
    params.extend(extra);
    desk.signed("/webhooks/conference", &params).await.status().as_u16()
}

/// A customer joins a conference.
pub(crate) async fn joins(desk: &Desk, number: u128) -> u16 {
    callback(desk, number, "participant-join", &[("CallSid", CallSid::numbered(number).as_str())]).await
}

/// Reads concurrently until the server has its maximum number of connections. All of them are idle then.
async fn opens_connections(desk: &Desk, postgres: &Postgres) {
    let read =
        || desk.http.get(format!("{}/v1/calls/{}", desk.address, conference())).bearer_auth("ada").send();
    // Eight, and the one that listens.
    let open =
        "select count(*) >= 9 from pg_stat_activity where datname = 'calls' and pid <> pg_backend_pid()";
    let begun = Instant::now();
    while postgres.read("calls", open).await != "true" {
        assert!(begun.elapsed() < PATIENCE, "few connections are opened");
        futures_util::future::join_all((0..20).map(|_| read())).await;
    }
}

/// Starts eight conferences at a time until one cannot be stored. Returns when many are stored.
async fn keeps_busy(desk: &Desk) -> JoinSet<()> {
    let stored = watch::Sender::new(0);
    let mut under_way = JoinSet::new();
    let from = 1_000_000;
    for first in from..from + 8 {
        let (desk, stored) = (desk.clone(), stored.clone());
        under_way.spawn(async move {
            let mut numbers = (first..).step_by(8);
            while callback(&desk, numbers.next().unwrap(), "conference-start", &[]).await == 204 {
                stored.send_modify(|stored| *stored += 1);
            }
        });
    }
    let mut stored = stored.subscribe();
    let many = timeout(PATIENCE, stored.wait_for(|stored| *stored >= 80)).await;
    assert!(many.is_ok(), "conferences are not stored");
    under_way
}

/// A customer joins as soon as the server can store it; returns after how long.
pub(crate) async fn joins_at_last(desk: &Desk, number: u128) -> Duration {
    let begun = Instant::now();
    while joins(desk, number).await != 204 {
        assert!(begun.elapsed() < PATIENCE, "the server does not find its database again");
    }
    begun.elapsed()
}

/// How long the concurrent answers to each of these take.
async fn refused(desk: &Desk, numbers: std::ops::Range<u128>) -> Vec<Duration> {
    let each = numbers.map(|number| async move {
        let begun = Instant::now();
        assert_eq!(joins(desk, number).await, 503);
        begun.elapsed()
    });
    futures_util::future::join_all(each).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vanished_database_host_costs_a_webhook_the_deadline() {
    let postgres = Postgres::start();
    postgres.create("calls").await;
    let network = Network::to(postgres.socket()).await;
    let world = server_on(&network.url("calls")).await;
    let desk = &world.desk;
    desk.talking().await;
    let listened = listening(&postgres, "").await;

    for round in 0_u128..2 {
        // In the first round all connections are idle, in the second a transaction is in progress.
        let under_way = if round == 0 {
            opens_connections(desk, &postgres).await;
            network.swallow();
            JoinSet::new()
        } else {
            let under_way = keeps_busy(desk).await;
            network.swallow_from("COMMIT").await;
            under_way
        };
        let begun = Instant::now();
        let took = refused(desk, 100 + 100 * round..120 + 100 * round);
        let took = timeout(DEADLINE * 3, took).await.expect("webhooks are answered");
        eprintln!(
            "host gone: webhooks answered 503 after {:?} to {:?}",
            took.iter().min(),
            took.iter().max()
        );
        let answered = timeout(DEADLINE * 2, under_way.join_all()).await;
        assert!(answered.is_ok(), "webhooks that were under way are not answered");
        // Connections to that host are dropped: no later webhook waits for an answer over one of them.
        for number in 0..4 {
            let begun = Instant::now();
            assert_eq!(joins(desk, 150 + 100 * round + number).await, 503);
            let took = begun.elapsed();
            eprintln!("host gone: the next webhook answered 503 after {took:?}");
            assert!(took < DEADLINE * 3 / 4, "a later webhook is answered after {took:?}");
        }
        assert_eq!(get(desk, "/health/live").await, 200, "a restart would not help");
        assert_eq!(get(desk, "/openapi.json").await, 200);
        assert_eq!(get(desk, "/health/ready").await, 503);
        // Twilio gets a document whatever the database does.
        assert_eq!(desk.signed("/twiml/comfort", &[]).await.status(), 200);
        eprintln!("host gone for {:?}", begun.elapsed());
        network.start_anew();
        let took = joins_at_last(desk, 199 + 100 * round).await;
        eprintln!("host back: stored after {took:?}");
    }
    // Everything goes on: timers, the queue, the lease.
    while desk.leave(3, &ada_leg()).await != 204 {}
    world.twilio.wait_for("POST Tasks", 1).await;
    let begun = Instant::now();
    while get(desk, "/health/ready").await != 200 {
        assert!(begun.elapsed() < PATIENCE, "not ready again");
    }
    // Other servers are heard over a connection that is alive.
    listening(&postgres, &listened).await;
}

/// The connection over which the server hears others, as soon as it has one that differs from this one.
pub(crate) async fn listening(postgres: &Postgres, but: &str) -> String {
    let query = "coalesce((select max(pid::text) from pg_stat_activity where pid::text <> 'BUT' and
                 query in ('LISTEN \"rejoin\"', 'select ''heartbeat''')), '')";
    let begun = Instant::now();
    loop {
        let pid = postgres.read("calls", &query.replace("BUT", but)).await;
        if !pid.is_empty() {
            return pid;
        }
        assert!(begun.elapsed() < PATIENCE, "other servers are not heard");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_a_missing_standby_does_not_count() {
    let postgres = Postgres::start();
    postgres.create("calls").await;
    let world = server_on(&postgres.url("calls")).await;
    let desk = &world.desk;
    desk.talking().await;
    let names = |names: &str| {
        vec![
            format!("alter system set synchronous_standby_names = '{names}'"),
            "select pg_reload_conf()".to_owned(),
        ]
    };
    postgres.execute(&names("gone")).await;
    // The database's processes notice it one after the other.
    let begun = Instant::now();
    let mut number = 1000;
    while joins(desk, number).await == 204 {
        assert!(begun.elapsed() < PATIENCE, "commits do not wait");
        number += 1;
    }
    // The agent is lost while nothing can be committed.
    let begun = Instant::now();
    assert_eq!(desk.leave(3, &ada_leg()).await, 503);
    eprintln!("standby gone: the webhook answered 503 after {:?}", begun.elapsed());
    for number in 101..106 {
        let begun = Instant::now();
        assert_eq!(joins(desk, number).await, 503);
        eprintln!("standby gone: the webhook answered 503 after {:?}", begun.elapsed());
    }
    assert_eq!(get(desk, "/health/live").await, 200);
    let wait = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    let waiting: u32 = postgres.read("calls", wait).await.parse().unwrap();
    eprintln!("standby gone: {waiting} connections wait for it");
    assert!(waiting <= 8, "{waiting} connections are used up: an operator could not mend it");
    assert!(world.twilio.asked("POST Tasks").is_empty(), "nothing is done that may be forgotten");

    postgres.execute(&names("")).await;
    let back = Instant::now();
    joins_at_last(desk, 199).await;
    eprintln!("standby not waited for any more: stored after {:?}", back.elapsed());
    // Twilio sends it once; a page or a test repeats it. Whether or not the first commit succeeded, it is acted on.
    while desk.leave(3, &ada_leg()).await != 204 {}
    world.twilio.wait_for("POST Tasks", 1).await;
    eprintln!("what was decided is carried out after {:?}", back.elapsed());
    assert_eq!(world.twilio.asked("POST Tasks").len(), 1, "and once");
}
