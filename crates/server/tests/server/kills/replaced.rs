//! What an operator does to a server in the middle of a recovery: the database is restored from a backup, or another
//! release takes over.

use super::front::{Front, Server};
use super::watched::{Files, start};
use super::{PATIENCE, Rung, noted, nothing_is_open, nothing_was_doubled, says, settings};
use crate::database::{Database, file, programs};
use crate::floor::{Floor, Running, Talk, read};
use rejoin_protocol::CallSid;
use rejoin_twin::flex::agent::Agent;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// A contact centre whose server is a program that can be replaced.
struct Site {
    floor: Floor,
    arguments: Vec<String>,
    front: Server,
    files: Files,
    program: Child,
}

impl Site {
    async fn open(database: &Database, rung: Rung, folder: &Path, environment: &[(&str, &OsStr)]) -> Self {
        let files = Files::of(folder, "log");
        let (sender, parts) = tokio::sync::oneshot::channel();
        let log = files.log();
        let floor = Floor::start(|arguments| async move {
            let config = read(&arguments);
            let listener = TcpListener::bind(config.listen).await.unwrap();
            let address = listener.local_addr().unwrap();
            let arguments = settings(arguments, database, rung);
            let (program, at) = start(&arguments, environment.iter().copied(), &log).await;
            let front = Front::Repeats.open(listener);
            front.send_replace(at);
            sender.send((arguments, front, program)).expect("it is waited for");
            (config, address, Running::Elsewhere)
        })
        .await;
        let (arguments, front, program) = parts.await.unwrap();
        Self { floor, arguments, front, files, program }
    }

    /// The program's arguments, on this database.
    fn on(&self, database: &Database) -> Vec<String> {
        let at = self.arguments.iter().position(|argument| argument == "--database-url").unwrap();
        let mut arguments = self.arguments.clone();
        arguments[at + 1].clone_from(&database.url);
        arguments
    }

    /// Starts another program on this database, and returns the one before. Requests go to the new one.
    async fn replace(&mut self, database: &Database) -> Child {
        let (program, address) = start(&self.on(database), [], &self.files.log()).await;
        self.front.send_replace(Some(address.expect("it starts")));
        std::mem::replace(&mut self.program, program)
    }

    /// A customer and Ada are on a call, and Ada is lost.
    async fn loses(&self, database: &Database) -> Talk {
        let customer = self.floor.twin.dial_native("+15550100001".into(), 660.0);
        let talk = self.floor.meet(&customer, None).await;
        says(&self.floor, Agent::Ada, "/v1/calls", &talk.registration(1, "Ada")).await;
        self.floor.lose(&talk);
        self.noted(database, &customer, "holding-the-line").await;
        talk
    }

    /// Ada is back, and talks to the customer again.
    async fn comes_back(&self, talk: &Talk) -> Talk {
        self.floor
            .until("the agent is looked for", |state| {
                let ping = |task: &&Value| task["channel"] == "recovery-ping";
                state["tasks"].as_array()?.iter().find(ping).map(|_| ())
            })
            .await;
        says(&self.floor, Agent::Ada, "/v1/hello", &talk.hello(2)).await;
        let after = self.floor.meet(&talk.customer, Some(talk)).await;
        says(&self.floor, Agent::Ada, "/v1/calls", &after.registration(2, "Ada")).await;
        after
    }

    async fn noted(&self, database: &Database, customer: &CallSid, what: &str) -> Value {
        let beside = database.beside().await;
        let note = noted(&beside, customer, what).await;
        beside.close().await;
        note
    }

    async fn nothing_is_open(&self, database: &Database, talk: &Talk) {
        let beside = database.beside().await;
        nothing_is_open(&self.floor, &beside, talk).await;
        beside.close().await;
    }
}

/// `rejoin` with these arguments, which succeeds.
async fn rejoin(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_rejoin")).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// A program of PostgreSQL's, beside the server's programs or in the path.
fn of_postgres(name: &str) -> PathBuf {
    Some(programs().join(name)).filter(|program| program.exists()).unwrap_or_else(|| name.into())
}

/// A backup of a running server's database, as docs/deployment.md says.
async fn backup(database: &Database, folder: &Path) {
    let copy = folder.join("backup");
    let copy = copy.to_str().unwrap();
    if database.is_postgres() {
        let dump = ["--format=custom", "--file", copy, &database.url];
        assert!(Command::new(of_postgres("pg_dump")).args(dump).status().await.unwrap().success());
    } else {
        rejoin(&["backup", copy, "--database-url", &database.url]).await;
    }
}

/// That backup as another database.
async fn restore(site: &Site, database: &Database, folder: &Path) -> Database {
    let copy = folder.join("backup");
    let restored = if database.is_postgres() {
        let restored = Database::postgres().await;
        let restore = [OsStr::new("--dbname"), OsStr::new(&restored.url), copy.as_os_str()];
        assert!(Command::new(of_postgres("pg_restore")).args(restore).status().await.unwrap().success());
        restored
    } else {
        let restored = Database::sqlite();
        std::fs::copy(copy, file(&restored)).unwrap();
        restored
    };
    let arguments = site.on(&restored);
    rejoin(&[&["restored"], &*arguments.iter().map(String::as_str).collect::<Vec<_>>()].concat()).await;
    restored
}

async fn on(postgres: bool) -> Database {
    if postgres { Database::postgres().await } else { Database::sqlite() }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it ends")
}

/// The customer waits when the backup is made and when it is restored.
async fn an_open_recovery_goes_on_after_a_restore(postgres: bool) {
    let (database, folder) = (on(postgres).await, tempfile::tempdir().unwrap());
    let mut site = Site::open(&database, Rung::SameAgent, folder.path(), &[]).await;
    let talk = site.loses(&database).await;
    backup(&database, folder.path()).await;
    site.program.kill().await.unwrap();
    let restored = restore(&site, &database, folder.path()).await;
    site.replace(&restored).await;
    let after = site.comes_back(&talk).await;
    assert_eq!(site.noted(&restored, &talk.customer, "ended").await["outcome"], "rejoined");
    site.nothing_is_open(&restored, &after).await;
    nothing_was_doubled(&site.floor);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_recovery_goes_on_after_a_restore_on_sqlite() {
    in_time(Box::pin(an_open_recovery_goes_on_after_a_restore(false))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_recovery_goes_on_after_a_restore_on_postgres() {
    in_time(Box::pin(an_open_recovery_goes_on_after_a_restore(true))).await;
}

/// The recovery in the backup ended long before it is restored: the customer talks to the agent in another conference.
async fn a_restore_takes_no_customer_out_of_a_call(postgres: bool) {
    let (database, folder) = (on(postgres).await, tempfile::tempdir().unwrap());
    let mut site = Site::open(&database, Rung::NextAgent, folder.path(), &[]).await;
    let talk = site.loses(&database).await;
    backup(&database, folder.path()).await;
    let after = site.comes_back(&talk).await;
    assert_eq!(site.noted(&database, &talk.customer, "ended").await["outcome"], "rejoined");
    site.nothing_is_open(&database, &after).await;
    site.program.kill().await.unwrap();
    let sent = site.floor.done("POST Calls/").len();
    let restored = restore(&site, &database, folder.path()).await;
    site.replace(&restored).await;
    says(&site.floor, Agent::Ada, "/v1/calls", &after.registration(2, "Ada")).await;
    // Longer than `--watch-recovery-ms` and `--ping-ttl-ms` here.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(site.floor.done("POST Calls/").len(), sent, "{:#?}", site.floor.twin.done());
    assert_eq!(site.floor.meet(&talk.customer, Some(&talk)).await.conference, after.conference);
    // From now on the call is protected as before.
    site.floor.lose(&after);
    site.noted(&restored, &talk.customer, "holding-the-line").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_takes_no_customer_out_of_a_call_on_sqlite() {
    in_time(Box::pin(a_restore_takes_no_customer_out_of_a_call(false))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_takes_no_customer_out_of_a_call_on_postgres() {
    in_time(Box::pin(a_restore_takes_no_customer_out_of_a_call(true))).await;
}

/// The customer was sent to the queue after the backup, waits there when it is restored, and keeps their place.
async fn a_customer_in_the_queue_keeps_their_place(postgres: bool) {
    let (database, folder) = (on(postgres).await, tempfile::tempdir().unwrap());
    let mut site = Site::open(&database, Rung::NextAgent, folder.path(), &[]).await;
    let customer = site.floor.twin.dial_native("+15550100001".into(), 660.0);
    let talk = site.floor.meet(&customer, None).await;
    says(&site.floor, Agent::Ada, "/v1/calls", &talk.registration(1, "Ada")).await;
    site.floor.ada_goes().await;
    site.floor.lose(&talk);
    site.noted(&database, &customer, "holding-the-line").await;
    backup(&database, folder.path()).await;
    site.noted(&database, &customer, "queued").await;
    site.program.kill().await.unwrap();
    let sent = site.floor.done("POST Calls/").len();
    let restored = restore(&site, &database, folder.path()).await;
    site.replace(&restored).await;
    site.floor.comes(Agent::Bo).await;
    let after = site.floor.meet(&customer, Some(&talk)).await;
    says(&site.floor, Agent::Bo, "/v1/calls", &after.registration(1, "Bo")).await;
    assert_eq!(site.noted(&restored, &customer, "ended").await["outcome"], "handed-over");
    assert_eq!(site.floor.done("POST Calls/").len(), sent, "{:#?}", site.floor.twin.done());
    site.nothing_is_open(&restored, &after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_in_the_queue_keeps_their_place_after_a_restore_on_sqlite() {
    in_time(Box::pin(a_customer_in_the_queue_keeps_their_place(false))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_in_the_queue_keeps_their_place_after_a_restore_on_postgres() {
    in_time(Box::pin(a_customer_in_the_queue_keeps_their_place(true))).await;
}

/// The first server is of the release before, when `REJOIN_RELEASE_BEFORE` names its program.
fn release_before() -> Vec<(&'static str, std::ffi::OsString)> {
    std::env::var_os("REJOIN_RELEASE_BEFORE")
        .map(|program| (super::watched::PROGRAM, program))
        .into_iter()
        .collect()
}

/// Two releases share the database for a while.
async fn a_rolling_upgrade_loses_nothing() {
    let (database, folder) = (Database::postgres().await, tempfile::tempdir().unwrap());
    let before = release_before();
    let before: Vec<_> = before.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
    let mut site = Site::open(&database, Rung::SameAgent, folder.path(), &before).await;
    let talk = site.loses(&database).await;
    let old = site.replace(&database).await;
    assert!(stops(old).await);
    let after = site.comes_back(&talk).await;
    assert_eq!(site.noted(&database, &talk.customer, "ended").await["outcome"], "rejoined");
    site.nothing_is_open(&database, &after).await;
    nothing_was_doubled(&site.floor);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_in_the_middle_of_a_recovery_loses_nothing() {
    in_time(Box::pin(a_rolling_upgrade_loses_nothing())).await;
}

/// One release ends, and the next one starts on its file.
async fn an_upgrade_on_sqlite_loses_nothing() {
    let (database, folder) = (Database::sqlite(), tempfile::tempdir().unwrap());
    let before = release_before();
    let before: Vec<_> = before.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
    let mut site = Site::open(&database, Rung::SameAgent, folder.path(), &before).await;
    let talk = site.loses(&database).await;
    site.front.send_replace(None);
    terminate(&site.program);
    assert!(site.program.wait().await.unwrap().success());
    site.replace(&database).await;
    let after = site.comes_back(&talk).await;
    assert_eq!(site.noted(&database, &talk.customer, "ended").await["outcome"], "rejoined");
    site.nothing_is_open(&database, &after).await;
    nothing_was_doubled(&site.floor);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_on_sqlite_in_the_middle_of_a_recovery_loses_nothing() {
    in_time(Box::pin(an_upgrade_on_sqlite_loses_nothing())).await;
}

fn terminate(program: &Child) {
    let id = program.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
}

/// True when the program stops in order.
async fn stops(mut program: Child) -> bool {
    terminate(&program);
    program.wait().await.unwrap().success()
}
