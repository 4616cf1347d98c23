//! The primary dies or turns read-only and its standby takes over; or the database's name leads to a standby for a
//! while.

use crate::database::Postgres;
use crate::half_open::{joins, joins_at_last, listening, server_on, server_within};
use crate::network::Network;
use crate::support::*;
use rejoin_protocol::ConferenceSid;
use std::time::{Duration, Instant};

/// The server's deadline for its database in tests of the time that a switch-over takes.
const DEADLINE: Duration = Duration::from_secs(5);

/// The URL of a database with two hosts, in this order.
pub(crate) fn url(hosts: [&Network; 2]) -> String {
    let [first, second] = hosts.map(Network::port);
    format!(
        "postgres://rejoin@127.0.0.1:{first},127.0.0.1:{second}/calls?sslmode=disable&target_session_attrs=read-write"
    )
}

/// A primary with a standby that streams from it over a network that can be cut.
pub(crate) struct Pair {
    pub(crate) primary: Postgres,
    pub(crate) standby: Postgres,
    pub(crate) stream: Network,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let primary = Postgres::start();
        primary.create("calls").await;
        let stream = Network::to(primary.socket()).await;
        let port = stream.port();
        let (primary, standby) = tokio::task::spawn_blocking(move || {
            let standby = primary.standby(port, "second");
            (primary, standby)
        })
        .await
        .unwrap();
        let begun = Instant::now();
        let streams = "select count(*) from pg_stat_replication where state = 'streaming'";
        while primary.read("calls", streams).await == "0" {
            assert!(begun.elapsed() < PATIENCE, "the standby does not stream");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { primary, standby, stream }
    }

    /// Commits wait for the standby.
    pub(crate) async fn synchronous(&self) {
        self.primary
            .execute(&[
                "alter system set synchronous_standby_names = 'second'".to_owned(),
                "select pg_reload_conf()".to_owned(),
            ])
            .await;
        let begun = Instant::now();
        let synchronous = "select count(*) from pg_stat_replication where sync_state = 'sync'";
        while self.primary.read("calls", synchronous).await == "0" {
            assert!(begun.elapsed() < PATIENCE, "the standby is not waited for");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the standby has caught up with the primary.
    pub(crate) async fn keeps_up(&self) {
        let begun = Instant::now();
        let streamed = "select bool_and(replay_lsn >= pg_current_wal_lsn()) from pg_stat_replication";
        while self.primary.read("calls", streamed).await != "true" {
            assert!(begun.elapsed() < PATIENCE, "the standby does not keep up");
        }
    }

    /// Those of these calls that the new primary does not have.
    pub(crate) async fn lost(&self, acknowledged: &[u128]) -> Vec<u128> {
        let known = self
            .standby
            .read("calls", "coalesce((select string_agg(conference, ' ') from calls where state <> ''), '')")
            .await;
        let is_lost = |number: &&u128| !known.contains(ConferenceSid::numbered(**number).as_str());
        acknowledged.iter().filter(is_lost).copied().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_a_standby_for_a_while_is_followed_back() {
    let pair = Pair::start().await;
    let name = Network::to(pair.primary.socket()).await;
    let world = server_on(&name.url("calls")).await;
    assert_eq!(joins(&world.desk, 100).await, 204);
    name.lead_to(pair.standby.socket());
    name.cut();
    for number in 101..106 {
        assert_eq!(joins(&world.desk, number).await, 503, "a standby takes nothing");
    }
    // Only new connections: those to the standby stay while the server keeps them.
    name.lead_to(pair.primary.socket());
    eprintln!(
        "the name leads to the primary again: stored after {:?}",
        joins_at_last(&world.desk, 106).await
    );
    assert_eq!(joins(&world.desk, 107).await, 204);
}

/// The standby is promoted and the old primary turns read-only. Connections to it stay open, and no webhook is
/// refused.
async fn switches_over(pair: &Pair, desk: &Desk, name: Option<&Network>) {
    assert_eq!(joins(desk, 100).await, 204);
    pair.keeps_up().await;
    pair.standby.promote().await;
    if let Some(name) = name {
        name.lead_to(pair.standby.socket());
    }
    pair.primary
        .execute(&[
            "alter system set default_transaction_read_only = on".to_owned(),
            "select pg_reload_conf()".to_owned(),
        ])
        .await;
    // The old primary's processes read the setting one after the other.
    let begun = Instant::now();
    for number in 101.. {
        let sent = Instant::now();
        assert_eq!(joins(desk, number).await, 204);
        let took = sent.elapsed();
        assert!(took < DEADLINE / 4, "the promoted one is found after {took:?}");
        if pair.lost(&[number]).await.is_empty() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the old primary still takes writes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_primary_that_turns_read_only_webhooks_go_to_the_promoted() {
    let pair = Pair::start().await;
    let [old, promoted] =
        [Network::to(pair.primary.socket()).await, Network::to(pair.standby.socket()).await];
    let world = server_within(&url([&old, &promoted]), DEADLINE).await;
    switches_over(&pair, &world.desk, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_name_that_leads_elsewhere_no_old_connection_is_kept() {
    let pair = Pair::start().await;
    let name = Network::to(pair.primary.socket()).await;
    let world = server_within(&name.url("calls"), DEADLINE).await;
    switches_over(&pair, &world.desk, Some(&name)).await;
    let kept = "select count(*) from pg_stat_activity where datname = 'calls' and pid <> pg_backend_pid()";
    let begun = Instant::now();
    while pair.primary.read("calls", kept).await != "0" {
        assert!(begun.elapsed() < PATIENCE, "connections to the old primary are kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Other servers are heard through the promoted one.
    listening(&pair.standby, "").await;
}

/// The agent was lost just before the primary died, and the standby does not know. Nothing tells the server that but the new
/// timeline: the call is polled, and the agent's page, which may have missed something, connects again and asks.
#[tokio::test(flavor = "multi_thread")]
async fn given_a_promoted_standby_calls_are_polled_and_pages_ask() {
    let pair = Pair::start().await;
    let [old, promoted] =
        [Network::to(pair.primary.socket()).await, Network::to(pair.standby.socket()).await];
    let world = server_within(&url([&old, &promoted]), DEADLINE).await;
    world.desk.talking().await;
    assert_eq!(joins(&world.desk, 100).await, 204);
    let mut page = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    let position = page.position().await;
    pair.keeps_up().await;
    pair.stream.swallow();
    let poll = format!("GET Conferences/{}/Participants.json", conference());
    assert_eq!(world.desk.leave(3, &ada_leg()).await, 204);
    world.twilio.wait_for("POST Tasks", 1).await;
    let polled = world.twilio.asked(&poll).len();
    pair.primary.kill();
    pair.stream.cut();
    pair.standby.promote().await;
    // A call that the standby knows: the number of watched calls is the same, whether the server notices the new timeline before
    // this or by it.
    joins_at_last(&world.desk, 100).await;
    world.twilio.wait_for(&poll, polled + 1).await;
    let kept = pair.standby.read("calls", "select value from meta where name = 'timeline'").await;
    assert_eq!(kept, "00000002");
    // Written a second later at most; both are this server's, and both calls are watched.
    let switches =
        "coalesce((select string_agg(concat_ws(' ', what, cause, count, timed, calls), ', ' order by cause)
                    from switches), '')";
    let begun = Instant::now();
    while pair.standby.read("calls", switches).await != "database host 1 1 0, database timeline 1 1 2" {
        assert!(begun.elapsed() < PATIENCE, "{}", pair.standby.read("calls", switches).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while page.next().await.is_some() {}
    let mut page = Events::resume(&world.desk, "/v1/push?epoch=1", "ada", Some(&position)).await;
    assert_eq!(page.next().await.unwrap()["push"], "ask");
}

/// The old primary was not stopped when the standby was promoted, and it answers sooner.
#[tokio::test(flavor = "multi_thread")]
async fn given_two_servers_that_take_writes_the_promoted_one_is_used() {
    let pair = Pair::start().await;
    let [old, promoted] =
        [Network::to(pair.primary.socket()).await, Network::to(pair.standby.socket()).await];
    pair.standby.promote().await;
    promoted.slow(DEADLINE / 10);
    for (number, hosts) in [(100, [&old, &promoted]), (102, [&promoted, &old])] {
        let world = server_within(&url(hosts), DEADLINE).await;
        assert_eq!(joins(&world.desk, number).await, 204);
        promoted.cut();
        joins_at_last(&world.desk, number + 1).await;
        let tables =
            pair.primary.read("calls", "select count(*) from pg_tables where tablename = 'calls'").await;
        assert_eq!(tables, "0", "the old primary is used");
        assert_eq!(pair.lost(&[number, number + 1]).await, []);
    }
}

/// Callbacks arrive all the time while the primary dies; returns those that were answered 204.
async fn killed_under_load(pair: &Pair, hold_back: bool) -> (Vec<u128>, Duration) {
    let [first, second] =
        [Network::to(pair.primary.socket()).await, Network::to(pair.standby.socket()).await];
    let world = server_on(&url([&second, &first])).await;
    let mut acknowledged = vec![];
    for number in 1000..1100 {
        assert_eq!(joins(&world.desk, number).await, 204);
        acknowledged.push(number);
    }
    if hold_back {
        pair.keeps_up().await;
        pair.stream.swallow();
        for number in 1100..1200 {
            assert_eq!(joins(&world.desk, number).await, 204);
            acknowledged.push(number);
        }
    }
    // Some are in flight when it happens.
    let desk = world.desk.clone();
    let under_way = tokio::spawn(async move {
        let mut acknowledged = vec![];
        for number in 1200..1400 {
            match joins(&desk, number).await {
                204 => acknowledged.push(number),
                _ => break,
            }
        }
        acknowledged
    });
    pair.primary.kill();
    // What was not replicated before the primary died never will be.
    pair.stream.cut();
    acknowledged.extend(under_way.await.unwrap());
    let died = Instant::now();
    pair.standby.promote().await;
    let promoted = died.elapsed();
    let again = joins_at_last(&world.desk, 1500).await;
    eprintln!("promoted after {promoted:?}, stored again {again:?} later");
    assert_eq!(joins(&world.desk, 1501).await, 204);
    (acknowledged, again)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_synchronous_standby_no_acknowledged_webhook_is_lost_with_the_primary() {
    let pair = Pair::start().await;
    pair.synchronous().await;
    let (acknowledged, _) = killed_under_load(&pair, false).await;
    let lost = pair.lost(&acknowledged).await;
    eprintln!("synchronous: {} of {} acknowledged webhooks lost", lost.len(), acknowledged.len());
    assert_eq!(lost, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_asynchronous_standby_what_it_had_not_received_is_lost_with_the_primary() {
    let pair = Pair::start().await;
    let (acknowledged, _) = killed_under_load(&pair, true).await;
    let lost = pair.lost(&acknowledged).await;
    eprintln!("asynchronous: {} of {} acknowledged webhooks lost", lost.len(), acknowledged.len());
    assert!(lost.iter().all(|number| *number >= 1100), "what had been streamed is there: {lost:?}");
    assert!(lost.len() >= 100, "what was held back is lost: {}", lost.len());
}
