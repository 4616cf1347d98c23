//! One of two servers is suspended (SIGSTOP) wherever it is about to send a request to Twilio, or has just been
//! answered: a machine that is suspended, or has run out of resources. The other one goes on when the lease is over.
//! When the first one continues (SIGCONT), all its jobs belong to the other one, or are done: it sends nothing more,
//! except what was in flight already.

use super::front::{Front, Server};
use super::watched::{Files, start};
use super::{PATIENCE, ROOM, Rung, Steps, nothing_was_doubled, recovers, settings, talks};
use crate::database::Database;
use crate::floor::{Floor, Running, read};
use crate::support::{in_time, look_again};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Two servers on one database. The proxy leads to the first one.
pub(super) struct Two {
    pub(super) first: Child,
    /// Address of the second one.
    pub(super) other: SocketAddr,
    pub(super) front: Server,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stood_still_sends_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let ((steps, before), _) = run(folder.path(), None).await;
    let asks = |step: &&String| step.starts_with("request for ") || step.starts_with("answer to ");
    let looks = |step: &str| step.contains("polling the call");
    let steps: BTreeSet<String> =
        steps[before..].iter().filter(asks).filter(|step| !looks(step)).cloned().collect();
    let mut runs = JoinSet::new();
    for step in steps.clone() {
        let folder = folder.path().to_owned();
        runs.spawn(async move {
            let _permit = ROOM.acquire().await.unwrap();
            (run(&folder, Some(&step)).await.1, step)
        });
    }
    let (mut stood, mut missed) = (vec![], vec![]);
    while let Some(ended) = runs.join_next().await {
        let (stopped, step) = ended.unwrap();
        if stopped { stood.push(step) } else { missed.push(step) }
    }
    eprintln!("stood still at {stood:#?}, did not come to {missed:?}");
    for kind in ["request for sending the customer to the queue #1", "answer to creating the ping #1"] {
        assert!(stood.iter().any(|step| step == kind), "{kind} is not in {stood:#?}");
    }
    assert!(stood.len() * 4 >= steps.len() * 3, "few of {steps:#?}");
}

/// One recovery, with the first server suspended at this step until it is over. True when that happened.
async fn run(folder: &Path, step: Option<&str>) -> (Steps, bool) {
    let database = Database::postgres().await;
    let files = Files::of(folder, step.unwrap_or("first"));
    let other = Files::of(folder, &format!("{} other", step.unwrap_or("first")));
    let list = files.list();
    let steps = ("REJOIN_FAILPOINT_LOG", list.as_os_str());
    let stop = step.map(|step| ("REJOIN_FAILPOINT_STOP", OsStr::new(step)));
    let environment: Vec<_> = stop.into_iter().chain([steps]).collect();
    let of_servers = |arguments| settings(arguments, &database, Rung::SameAgent);
    let (floor, mut two) = Box::pin(open(of_servers, &environment, &files, &other)).await;
    let recovered = Box::pin(async {
        let talk = talks(&floor, Rung::SameAgent).await;
        recovers(&floor, &database, Rung::SameAgent, &files, &talk).await
    });
    let led = async {
        stands_still(&two.first).await;
        two.front.send_replace(Some(two.other));
        std::future::pending::<()>().await;
    };
    let steps = tokio::select! {
        steps = tokio::time::timeout(PATIENCE, recovered) => steps.expect("the recovery ends"),
        () = led => unreachable!(),
    };
    if step.is_none() || !is_stopped(&two.first) {
        nothing_was_doubled(&floor);
        return (steps, false);
    }
    let (sent, steps_then) = (floor.twin.done().len(), files.steps());
    let on_its_way = on_its_way(&steps_then);
    signal(&two.first, "-CONT");
    // It has its lease again, and has given up its jobs.
    let gave_up = ["the job is left to whoever takes it", "another server owns the job"];
    until_logged(&files, &gave_up).await;
    signal(&two.first, "-TERM");
    assert!(two.first.wait().await.unwrap().success());
    let all = floor.twin.done();
    assert!(all.len() <= sent + on_its_way.len(), "{:#?}, stood still at {step:?}", &all[sent..]);
    if on_its_way.is_empty() {
        nothing_was_doubled(&floor);
    }
    (steps, true)
}

/// A contact centre with two servers, the first one with this environment.
pub(super) async fn open(
    settings: impl FnOnce(Vec<String>) -> Vec<String>,
    environment: &[(&str, &OsStr)],
    files: &Files,
    other: &Files,
) -> (Floor, Two) {
    let (sender, two) = oneshot::channel();
    let floor = Floor::start(|arguments| async move {
        let config = read(&arguments);
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let arguments = settings(arguments);
        let (first, at) = start(&arguments, environment.iter().copied(), &files.log()).await;
        let (second, second_at) = start(&arguments, [], &other.log()).await;
        let (at, other) = (at.expect("it starts"), second_at.expect("it starts"));
        let front = Front::Repeats.open(listener);
        front.send_replace(Some(at));
        sender.send(Two { first, other, front }).ok().expect("it is waited for");
        (config, address, Running::Program(second))
    })
    .await;
    (floor, two.await.unwrap())
}

/// Requests that had begun when it was suspended, except the one at which it was: they cannot be called back.
fn on_its_way(steps: &[String]) -> Vec<&str> {
    let Some((_, before)) = steps.split_last() else { return vec![] };
    let begun = before.iter().filter_map(|step| step.strip_prefix("request for "));
    begun.filter(|request| !steps.contains(&format!("answer to {request}"))).collect()
}

/// The kernel's view.
fn is_stopped(program: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", program.id().expect("it runs"))).unwrap();
    // After the name, which is in brackets.
    status.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
}

pub(super) async fn stands_still(program: &Child) {
    let stopped = async {
        while !is_stopped(program) {
            look_again().await;
        }
    };
    in_time("the program stands still", stopped).await;
}

pub(super) fn signal(program: &Child, signal: &str) {
    let id = program.id().expect("it runs").to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

async fn until_logged(files: &Files, lines: &[&str]) {
    let waiting = async {
        loop {
            let log = std::fs::read_to_string(files.log()).unwrap();
            if lines.iter().any(|line| log.contains(line)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{}", std::fs::read_to_string(files.log()).unwrap());
}
