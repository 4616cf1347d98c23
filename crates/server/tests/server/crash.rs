//! The real program, killed with SIGKILL in the middle of its work.

use crate::database::{Database, on_both};
use crate::support::*;
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::NamedTempFile;

pub(crate) struct Process {
    child: Child,
    pub(crate) desk: Desk,
    /// What it logs, for the report of a test that fails while it runs.
    log: Option<NamedTempFile>,
}

impl Process {
    pub(crate) fn start(twilio: &Twilio, folder: &Path) -> Self {
        Self::on(twilio, &format!("sqlite:{}", folder.join("rejoin.db").display()))
    }

    pub(crate) fn on(twilio: &Twilio, database: &str) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut program = Self::program(twilio, database);
        let mut process = Self::spawn(program.env("REJOIN_LOG", "info").stderr(log.reopen().unwrap()));
        process.log = Some(log);
        process
    }

    /// Starts it with these settings in the environment, and its log in a file.
    pub(crate) fn logging(twilio: &Twilio, folder: &Path, log: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin"));
        command.arg("serve").args(arguments(twilio, folder)).envs(settings.iter().copied());
        Self::spawn(command.env("REJOIN_LOG", "warn").stderr(std::fs::File::create(log).unwrap()))
    }

    /// Starts it with a full log in a file.
    pub(crate) fn telling(twilio: &Twilio, database: &str, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        Self::spawn(Self::program(twilio, database).env("REJOIN_LOG", "info").stderr(log))
    }

    pub(crate) fn program(twilio: &Twilio, database: &str) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_rejoin"));
        program.arg("serve").args(arguments_on(twilio, database));
        program
    }

    pub(crate) fn spawn(program: &mut Command) -> Self {
        let mut child = program.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("its address").to_owned();
        Self { child, desk: Desk::at(format!("http://{address}")), log: None }
    }

    /// Its memory use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Its peak memory use, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to stop gracefully.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it this signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has already ended when it was killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(log) = self.log.as_ref().filter(|_| std::thread::panicking()) {
            eprintln!("log of {}:\n{}", self.desk.address, std::fs::read_to_string(log).unwrap_or_default());
        }
    }
}

on_both!(
    a_ping_that_was_being_created_when_the_server_was_killed_is_not_created_twice,
    a_customer_who_was_sent_to_the_queue_is_not_sent_again_after_a_kill,
    a_customer_who_was_not_sent_is_sent_after_a_kill,
);

async fn a_ping_that_was_being_created_when_the_server_was_killed_is_not_created_twice(database: &Database) {
    let twilio = Twilio::start().await;
    let killed = ping_is_not_answered(&twilio);
    let first = Process::on(&twilio, &database.url);
    first.desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    first.kill();
    killed.store(true, Ordering::SeqCst);
    goes_on(&twilio, &Process::on(&twilio, &database.url)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_of_two_servers_is_killed_the_other_goes_on() {
    let database = Database::postgres().await;
    let twilio = Twilio::start().await;
    let killed = ping_is_not_answered(&twilio);
    let (first, second) = (Process::on(&twilio, &database.url), Process::on(&twilio, &database.url));
    // Each server receives a part of the events.
    first.desk.join(1, &customer()).await;
    second.desk.join(2, &ada_leg()).await;
    second.desk.register().await;
    assert_eq!(first.desk.leave(3, &ada_leg()).await, 204);
    twilio.wait_for("POST Tasks", 1).await;
    first.kill();
    killed.store(true, Ordering::SeqCst);
    goes_on(&twilio, &second).await;
}

/// The ping is created, but the answer to a query for it is held back until the server is killed.
fn ping_is_not_answered(twilio: &Twilio) -> Arc<AtomicBool> {
    let killed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&killed);
    twilio.script(move |asked, _| match asked.what.as_str() {
        "POST Tasks" => Some((503, vec![("retry-after", "1000".into())], json!({}))),
        "GET Tasks" if !seen.load(Ordering::SeqCst) => Some((503, vec![], json!({}))),
        "GET Tasks" => Some((200, vec![], json!({"tasks": [task_json(&ping(), "pending", "")]}))),
        _ => None,
    });
    killed
}

/// Checks the recovery after a kill.
async fn goes_on(twilio: &Twilio, second: &Process) {
    let mut push = Events::open(&second.desk, "/v1/push?epoch=2", "ada").await;
    assert_eq!(push.next().await.unwrap()["recovery"]["stage"]["name"], "interrupted");
    second.desk.hello(2).await;
    twilio.wait_for(&format!("POST Tasks/{}", ping()), 1).await;
    twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    assert_eq!(twilio.asked("POST Tasks").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_the_program_gracefully() {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&twilio, folder.path());
    process.desk.lost().await;
    let mut push = Events::open(&process.desk, "/v1/push?epoch=1", "ada").await;
    assert!(push.next().await.is_some());
    process.terminate();
    while push.next().await.is_some() {}
    assert!(process.ended().success());
    assert!(!folder.path().join("rejoin.db-wal").exists(), "the database was closed");
}

/// The state of conferences, participants and calls before or after a requeue whose answer was lost.
async fn killed_while_requeueing(database: &Database, moved: bool) {
    let twilio = Twilio::start().await;
    let redirect = format!("POST Calls/{}.json", customer());
    let participant = format!("GET Conferences/{}/Participants/{}.json", conference(), customer());
    let call = format!("GET Calls/{}.json", customer());
    let wanted = redirect.clone();
    let killed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&killed);
    twilio.script(move |asked, _| {
        if asked.what == wanted && !seen.load(Ordering::SeqCst) {
            return Some((503, vec![], json!({})));
        }
        if asked.what == participant {
            return Some(match (seen.load(Ordering::SeqCst), moved) {
                (false, _) => (503, vec![], json!({})),
                (true, true) => (404, vec![], json!({"code": 20404})),
                (true, false) => (
                    200,
                    vec![],
                    json!({"call_sid": customer(), "hold": false, "muted": false, "end_conference_on_exit": false}),
                ),
            });
        }
        (asked.what == call).then(|| (200, vec![], json!({"sid": customer(), "status": "in-progress"})))
    });
    let first = Process::on(&twilio, &database.url);
    first.desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    first.desk.hello(2).await;
    twilio.wait_for(&redirect, 1).await;
    first.kill();
    killed.store(true, Ordering::SeqCst);
    let before = twilio.asked(&redirect).len();

    let second = Process::on(&twilio, &database.url);
    if moved {
        // The requeue was looked up, and the customer's arrival in the queue continues it.
        twilio.wait_for(&format!("GET Calls/{}.json", customer()), 1).await;
        let wait = format!("/twiml/wait/{}", recovery());
        assert_eq!(second.desk.signed(&wait, &[("CallSid", customer().as_str())]).await.status(), 200);
        let complete = format!("POST Tasks/{}/Reservations/{}", task(), reservation());
        twilio.wait_for(&complete, 1).await;
        assert_eq!(twilio.asked(&redirect).len(), before, "not sent again");
    } else {
        twilio.wait_for(&redirect, before + 1).await;
    }
}

async fn a_customer_who_was_sent_to_the_queue_is_not_sent_again_after_a_kill(database: &Database) {
    killed_while_requeueing(database, true).await;
}

async fn a_customer_who_was_not_sent_is_sent_after_a_kill(database: &Database) {
    killed_while_requeueing(database, false).await;
}
