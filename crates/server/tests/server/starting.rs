//! A server starts while its database is away: a host restarts both, a primary has failed, a network is not up yet.

use crate::database::Postgres;
use crate::network::Network;
use crate::support::*;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{sleep, timeout};

const WAITS: &str = "this server has not started yet: it waits for its database";

/// The program, from its start on.
struct Starting {
    program: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
    _twilio: Twilio,
}

impl Starting {
    async fn on(database: &str, settings: &[(&str, &str)]) -> Self {
        let twilio = Twilio::start().await;
        // An address that is free.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut arguments = arguments_on(&twilio, database);
        let listen = arguments.iter().position(|it| it == "--listen").unwrap();
        arguments[listen + 1] = address.to_string();
        let mut program = Command::new(env!("CARGO_BIN_EXE_rejoin"))
            .arg("serve")
            .args(arguments)
            .env("REJOIN_LOG", "info")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(program.stderr.take().unwrap()).lines();
        Self { program, log, address, _twilio: twilio }
    }

    /// Reads its log up to a line with this text, and returns what it has read.
    async fn says(&mut self, text: &str) -> String {
        let mut log = String::new();
        loop {
            let line = timeout(PATIENCE, self.log.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{text}: {log}")).unwrap();
            log += &(line.unwrap_or_else(|| panic!("it has ended without {text}: {log}")) + "\n");
            if log.contains(text) {
                return log;
            }
        }
    }

    /// It waits for this reason, and nobody waits for its answers. On a busy machine another one may come before: a database that
    /// answers may take longer than the server waits for it.
    async fn waits_because(&mut self, why: &str) {
        let log = self.says(why).await;
        assert!(log.contains(WAITS), "{log}");
        assert!(TcpStream::connect(self.address).await.is_err(), "it listens and does not answer");
    }

    /// It takes calls. Returns what it has said meanwhile. Twilio repeats a callback that gets 503: on a busy machine the database may
    /// take longer than the server waits for it.
    async fn runs(mut self) -> String {
        let log = self.says("listening").await;
        let desk = Desk::at(format!("http://{}", self.address));
        let customer = customer();
        let join = async || {
            let extra = [("CallSid", customer.as_str()), ("EndConferenceOnExit", "false")];
            desk.callback(1, "participant-join", &extra).await
        };
        let taken = async {
            loop {
                match join().await.as_u16() {
                    204 => break,
                    503 => look_again().await,
                    other => panic!("{other}"),
                }
            }
        };
        timeout(PATIENCE, taken).await.unwrap_or_else(|_| panic!("it takes no call: {log}"));
        log
    }

    /// How it has ended, and all that it has said since.
    async fn ends(mut self) -> (ExitStatus, String) {
        let mut log = String::new();
        while let Some(line) = timeout(PATIENCE, self.log.next_line()).await.expect("it ends").unwrap() {
            log += &(line + "\n");
        }
        (self.program.wait().await.unwrap(), log)
    }

    fn terminate(&self) {
        let id = self.program.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap();
        assert!(sent.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_database_that_is_not_up_yet() {
    let mut postgres = Postgres::start();
    postgres.create("calls").await;
    postgres.stop();
    let mut starting = Starting::on(&postgres.url("calls"), &[]).await;
    starting.waits_because("the database cannot be reached").await;
    postgres.start_again();
    starting.runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_database_whose_host_does_not_answer() {
    let postgres = Postgres::start();
    postgres.create("calls").await;
    let network = Network::to(postgres.socket()).await;
    network.swallow();
    let mut starting = Starting::on(&network.url("calls"), &[("REJOIN_DATABASE_TIMEOUT_MS", "1000")]).await;
    starting.waits_because("no answer within 400 ms").await;
    network.carry();
    starting.runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_database_that_falls_silent_in_the_middle_of_the_migration() {
    let postgres = Postgres::start();
    for (name, text) in [("calls", "_sqlx_migrations"), ("others", "where name = 'keys' for update")] {
        postgres.create(name).await;
        let network = Network::to(postgres.socket()).await;
        let mut starting = Starting::on(&network.url(name), &[("REJOIN_DATABASE_TIMEOUT_MS", "1000")]).await;
        network.swallow_from(text).await;
        starting.waits_because("did not answer within 1000 ms").await;
        network.carry();
        starting.runs().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_database_that_is_cut_off_in_the_middle_of_the_migration() {
    let postgres = Postgres::start();
    for (name, text) in [("calls", "_sqlx_migrations"), ("others", "create table calls")] {
        postgres.create(name).await;
        let network = Network::to(postgres.socket()).await;
        let mut starting = Starting::on(&network.url(name), &[]).await;
        network.swallow_from(text).await;
        network.cut();
        starting.waits_because("could not be migrated").await;
        network.carry();
        starting.runs().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_restarted_in_the_middle_of_the_migration_is_migrated() {
    let mut postgres = Postgres::start();
    postgres.create("calls").await;
    let network = Network::to(postgres.socket()).await;
    let mut starting = Starting::on(&network.url("calls"), &[("REJOIN_DATABASE_TIMEOUT_MS", "1000")]).await;
    network.swallow_from("_sqlx_migrations").await;
    postgres.stop();
    postgres.start_again();
    // Nothing tells the server that its connection has ended.
    network.start_anew();
    starting.waits_because("did not answer within 1000 ms").await;
    starting.runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_migration_that_takes_long() {
    let postgres = Postgres::start();
    postgres.create("calls").await;
    let mut other = PgConnection::connect(&postgres.url("calls")).await.unwrap();
    // Until this transaction ends, nobody else creates a table of that name.
    other.execute("begin; create table _sqlx_migrations (a int)").await.unwrap();
    let starting = Starting::on(&postgres.url("calls"), &[("REJOIN_DATABASE_TIMEOUT_MS", "1000")]).await;
    let held_up = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'
                   and clock_timestamp() - query_start > interval '4 s'";
    let begun = Instant::now();
    while postgres.read("calls", held_up).await == "0" {
        assert!(begun.elapsed() < PATIENCE, "nothing is held up");
        sleep(Duration::from_millis(50)).await;
    }
    other.execute("rollback").await.unwrap();
    let log = starting.runs().await;
    assert!(!log.contains(WAITS), "it has begun again: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_database_that_accepts_no_writes_yet() {
    let postgres = Postgres::start();
    postgres.create("calls").await;
    let read_only = |is: &str| {
        let set = format!("alter database calls set default_transaction_read_only = {is}");
        let postgres = &postgres;
        async move { postgres.execute(&[set]).await }
    };
    read_only("on").await;
    let mut starting = Starting::on(&postgres.url("calls"), &[]).await;
    starting.waits_because("read-only").await;
    read_only("off").await;
    starting.runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_waits_for_its_database_stops_when_it_is_told_to() {
    let mut postgres = Postgres::start();
    postgres.create("calls").await;
    postgres.stop();
    let mut starting = Starting::on(&postgres.url("calls"), &[]).await;
    starting.waits_because("the database cannot be reached").await;
    starting.terminate();
    let (status, log) = starting.ends().await;
    assert!(status.success() && log.is_empty(), "{status}: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_wait_for_longer_than_it_may() {
    let mut postgres = Postgres::start();
    postgres.create("calls").await;
    postgres.stop();
    for (within, waits) in [("0", false), ("1500", true)] {
        let starting = Starting::on(&postgres.url("calls"), &[("REJOIN_DATABASE_WAIT_MS", within)]).await;
        let (status, log) = starting.ends().await;
        assert!(
            !status.success() && log.contains("rejoin: the database cannot be reached"),
            "{status}: {log}"
        );
        assert_eq!(log.contains(WAITS), waits, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_wait_for_a_database_that_refuses_it() {
    let postgres = Postgres::start();
    let starting = Starting::on(&postgres.url("nowhere"), &[]).await;
    let (status, log) = starting.ends().await;
    assert!(!status.success() && log.contains("the database refuses this server"), "{status}: {log}");
    assert!(!log.contains(WAITS), "{log}");
}
