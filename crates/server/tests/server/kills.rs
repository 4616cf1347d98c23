//! Killed at every durable step of a recovery (case 18): at each step the program kills itself with SIGKILL; a first
//! run without a kill finds the steps. It is restarted at once, and the recovery goes on.

mod chat_servers;
mod chat_steps;
mod front;
mod primary;
mod replaced;
mod stopped;
mod watched;

pub(crate) use watched::Watched;

use crate::database::Database;
use crate::floor::{Floor, Running, Talk, read};
use front::Front;
use rejoin_protocol::CallSid;
use rejoin_twin::flex::agent::Agent;
use serde_json::Value;
use sqlx::{AnyPool, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use watched::{Again, Files};

/// Room for concurrent runs of all tests together. Most of the time they wait, but each starts a program or two, and two
/// processors have enough to do with these: with 24, beside the other tests, answers took seconds, so that requests timed out and
/// a recovery lasted longer than two minutes.
static ROOM: Semaphore = Semaphore::const_new(16);
/// A run that takes longer does not end.
const PATIENCE: Duration = Duration::from_secs(240);

/// How the customer comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    /// To the lost agent (R2).
    SameAgent,
    /// To another agent (R3).
    NextAgent,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_on_sqlite_the_same_agent_gets_the_customer_back() {
    killed_at_each_step(false, Rung::SameAgent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_on_sqlite_the_next_agent_gets_the_customer() {
    killed_at_each_step(false, Rung::NextAgent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_on_postgres_the_same_agent_gets_the_customer_back() {
    killed_at_each_step(true, Rung::SameAgent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_on_postgres_the_next_agent_gets_the_customer() {
    killed_at_each_step(true, Rung::NextAgent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_on_sqlite_loses_no_customer_on_the_way_to_the_queue() {
    killed_on_the_way(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_on_postgres_loses_no_customer_on_the_way_to_the_queue() {
    killed_on_the_way(true).await;
}

/// Without anything in front of the server that would wait for it or retry a request: what Twilio requests at the
/// wrong moment it does not get.
async fn killed_on_the_way(postgres: bool) {
    let folder = tempfile::tempdir().unwrap();
    let killing =
        Killing { postgres, rung: Rung::SameAgent, front: Front::None, folder: folder.path().to_owned() };
    let ((steps, _), _) = killing.run(None).await;
    let sent = steps.iter().position(|step| step.starts_with("request for sending the customer")).unwrap();
    let way = |step: &&String| {
        let sends =
            ["request for sending the customer", "answer to sending the customer", "asked for twiml/"];
        sends.iter().any(|kind| step.starts_with(kind))
    };
    let way: Vec<String> = steps[sent..].iter().filter(way).cloned().collect();
    let wanted = way.len();
    let (again, missed) = killing.at_each(way).await;
    eprintln!("killed without a proxy at {again:?}");
    assert_eq!((again.len(), missed), (wanted, vec![]));
}

async fn killed_at_each_step(postgres: bool, rung: Rung) {
    let folder = tempfile::tempdir().unwrap();
    let killing = Killing { postgres, rung, front: Front::Repeats, folder: folder.path().to_owned() };
    let (steps, _) = killing.run(None).await;
    let steps = worth(&steps);
    let (mut again, missed) = killing.at_each(steps.keys().cloned().collect()).await;
    // If events were committed together that came one by one before, or the reverse, steps have other names.
    let numbers = missed.iter().filter_map(|step| Some(format!("#{}", steps.get(step)?))).collect();
    let (later, left) = killing.at_each(numbers).await;
    let reached: BTreeSet<&str> = again.iter().map(|(step, _)| place(step)).collect();
    let wanted: BTreeSet<&str> = steps.keys().map(|step| place(step)).collect();
    assert_eq!(reached, wanted, "each kind of step was the last one");
    again.extend(later);
    again.sort_by_key(|(_, ready)| *ready);
    eprintln!(
        "{} {rung:?}: killed at {} of {} steps, {} of them by number; ready again after {:?} (median), {:?} (longest); \
         over before {left:?}; steps: {:#?}",
        if postgres { "PostgreSQL" } else { "SQLite" },
        again.len(),
        steps.len(),
        missed.len() - left.len(),
        again.get(again.len() / 2).map(|(_, ready)| ready),
        again.last().map(|(_, ready)| ready),
        steps.keys(),
    );
}

/// The kind of a step.
fn place(step: &str) -> &str {
    step.split(' ').next().unwrap_or_default()
}

#[derive(Clone)]
struct Killing {
    postgres: bool,
    rung: Rung,
    front: Front,
    folder: PathBuf,
}

impl Killing {
    async fn at_each(&self, steps: Vec<String>) -> (Vec<(String, Duration)>, Vec<String>) {
        let killing = self.clone();
        let run = move |step| {
            let killing = killing.clone();
            async move { killing.run(Some(step)).await.1 }
        };
        at_each(&self.folder, steps, run).await
    }

    /// One recovery from the loss to the end, killed at this step. Returns its steps without a kill, or the time
    /// until the program was ready again.
    async fn run(&self, step: Option<String>) -> (Steps, Option<Duration>) {
        let database = if self.postgres { Database::postgres().await } else { Database::sqlite() };
        let files = Files::of(&self.folder, step.as_deref().unwrap_or("first"));
        let of_server = |arguments| settings(arguments, &database, self.rung);
        let (floor, again) = Box::pin(open(of_server, self.front, step, &files)).await;
        let recovered = Box::pin(async {
            let talk = talks(&floor, self.rung).await;
            recovers(&floor, &database, self.rung, &files, &talk).await
        });
        let steps = match tokio::time::timeout(PATIENCE, recovered).await {
            Ok(steps) => steps,
            Err(_) => panic!("the recovery does not end: {}", stands(&floor, &database).await),
        };
        nothing_was_doubled(&floor);
        let again = *again.borrow();
        (steps, again)
    }
}

/// One run for each of the steps. Returns those at which it was killed, with the time until the program was ready
/// again, and those that it did not reach.
async fn at_each<Ran: Future<Output = Option<Duration>> + Send + 'static>(
    folder: &Path,
    steps: Vec<String>,
    run: impl Fn(String) -> Ran,
) -> (Vec<(String, Duration)>, Vec<String>) {
    let mut runs = JoinSet::new();
    for step in steps {
        let (files, ran) = (Files::of(folder, &step), run(step.clone()));
        runs.spawn(async move {
            let _permit = ROOM.acquire().await.unwrap();
            (step, tokio::spawn(ran).await, files)
        });
    }
    let (mut again, mut missed, mut failed) = (vec![], vec![], vec![]);
    while let Some(ended) = runs.join_next().await {
        match ended.unwrap() {
            (step, Ok(Some(ready)), _) => again.push((step, ready)),
            (step, Ok(None), _) => missed.push(step),
            (step, Err(error), files) => {
                let log = std::fs::read_to_string(files.log()).unwrap_or_default();
                eprintln!("{log}killed at {step}: {error}");
                failed.push(step);
            }
        }
    }
    assert_eq!(failed, Vec::<String>::new());
    (again, missed)
}

/// The steps of the recovery, and those of the start, each with its number among all. Of repeated steps the first is
/// enough.
fn worth((steps, before): &Steps) -> BTreeMap<String, usize> {
    let repeated = |step: &str| step.contains("watch") || step.contains("polling the call");
    let start = |step: &str| ["migrating", "migrated", "keys"].contains(&place(step));
    let numbered = steps.iter().enumerate().map(|(at, step)| (step.clone(), at + 1));
    // Documents for Twilio change nothing; a kill there is tested without a proxy.
    let changes = |step: &str| !step.starts_with("asked for ");
    numbered
        .filter(|(step, _)| changes(step))
        .filter(|(step, number)| start(step) || number > before && (!repeated(step) || step.ends_with(" #1")))
        .collect()
}

/// All steps of a run, and how many of them came before the loss.
type Steps = (Vec<String>, usize);

/// A contact centre whose server is the program.
async fn open(
    settings: impl FnOnce(Vec<String>) -> Vec<String>,
    front: Front,
    step: Option<String>,
    files: &Files,
) -> (Floor, Again) {
    let (sender, again) = tokio::sync::oneshot::channel();
    let floor = Floor::start(|arguments| async move {
        let config = read(&arguments);
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let arguments = settings(arguments);
        let server = front.open(listener);
        let mut there = server.subscribe();
        let (watched, again) = Watched::start(arguments, step, files, server);
        there.wait_for(Option::is_some).await.expect("it starts");
        sender.send(again).expect("it is waited for");
        (config, address, Running::Watched(watched))
    })
    .await;
    (floor, again.await.unwrap())
}

/// The arguments of the program.
fn settings(arguments: Vec<String>, database: &Database, rung: Rung) -> Vec<String> {
    // The same agent comes in any case: even if the whole machine stood still for a while, nobody else is to be looked for.
    let ttl = if rung == Rung::SameAgent { "60000" } else { "2500" };
    // A callback that finds no server is not repeated: the server has to poll.
    let polls = [("--watch-call-ms", "1500"), ("--watch-recovery-ms", "1500")];
    let waits = [("--ping-ttl-ms", ttl), ("--rejoin-within-ms", "60000")];
    with(arguments, database, &[polls, waits].concat())
}

/// The arguments on this database, with these set.
fn with(mut arguments: Vec<String>, database: &Database, more: &[(&str, &str)]) -> Vec<String> {
    let always = [("--listen", "127.0.0.1:0"), ("--database-url", &*database.url)];
    for (name, value) in always.iter().chain(more) {
        match arguments.iter().position(|known| known == name) {
            Some(at) => (*value).clone_into(&mut arguments[at + 1]),
            None => arguments.extend([(*name).to_owned(), (*value).to_owned()]),
        }
    }
    arguments
}

/// A customer calls, and talks to Ada.
async fn talks(floor: &Floor, rung: Rung) -> Talk {
    let customer = floor.twin.dial_native("+15550100001".into(), 660.0);
    let talk = floor.meet(&customer, None).await;
    says(floor, Agent::Ada, "/v1/calls", &talk.registration(1, "Ada")).await;
    if rung == Rung::NextAgent {
        floor.ada_goes().await;
    }
    talk
}

/// From the loss of the agent to the end of the recovery.
async fn recovers(floor: &Floor, database: &Database, rung: Rung, files: &Files, talk: &Talk) -> Steps {
    let customer = talk.customer.clone();
    let before = files.steps().len();
    let beside = database.beside().await;
    floor.lose(talk);
    noted(&beside, &customer, "holding-the-line").await;
    let (agent, epoch, outcome) = match rung {
        Rung::SameAgent => {
            floor
                .until("the agent is looked for", |state| {
                    let ping = |task: &&Value| task["channel"] == "recovery-ping";
                    state["tasks"].as_array()?.iter().find(ping).map(|_| ())
                })
                .await;
            says(floor, Agent::Ada, "/v1/hello", &talk.hello(2)).await;
            (Agent::Ada, 2, "rejoined")
        }
        Rung::NextAgent => {
            floor.comes(Agent::Bo).await;
            (Agent::Bo, 1, "handed-over")
        }
    };
    let after = floor.meet(&customer, Some(talk)).await;
    says(floor, agent, "/v1/calls", &after.registration(epoch, agent.full_name())).await;
    assert_eq!(noted(&beside, &customer, "ended").await["outcome"], outcome, "{:#?}", floor.twin.log_lines());
    nothing_is_open(floor, &beside, &after).await;
    beside.close().await;
    (files.steps(), before)
}

/// What was done too often, and how often. An announcement is repeated without a look-up: a customer who hears it twice is
/// better off than one who does not.
fn doubled(floor: &Floor) -> Vec<(String, usize)> {
    let is_too_often = |(what, times): &(String, usize)| !what.contains(" announces ") || *times > 2;
    floor.doubled().into_iter().filter(is_too_often).collect()
}

fn nothing_was_doubled(floor: &Floor) {
    assert_eq!(doubled(floor), [], "{:#?}", floor.twin.done());
}

/// How it stands: the notes of all calls, and what Twilio has seen.
async fn stands(floor: &Floor, database: &Database) -> String {
    let beside = database.beside().await;
    let notes = sqlx::query("select note from notes order by id").fetch_all(&beside).await;
    beside.close().await;
    let notes = notes.map(|rows| rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>());
    format!("{notes:#?}\n{:#?}", floor.twin.log_lines())
}

/// Sends it as a page does: again and again, until it is accepted.
async fn says(floor: &Floor, agent: Agent, path: &str, body: &Value) {
    let url = format!("{}{path}", floor.desk.address);
    let token = floor.token_of(agent);
    let mut refused = None;
    loop {
        let sent = floor.desk.http.post(&url).bearer_auth(&token).json(body).send().await;
        match sent.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => return,
            Ok(status) if refused != Some(status) => {
                eprintln!("{path} of {} is refused: {status}", floor.desk.address);
                refused = Some(status);
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a note about the customer is durable.
async fn noted(beside: &AnyPool, customer: &CallSid, what: &str) -> Value {
    loop {
        let notes =
            sqlx::query("select note from notes where customer = $1 order by id").bind(customer.as_str());
        // A database whose primary has just died has no answer for a while.
        let notes = notes.fetch_all(beside).await.unwrap_or_default();
        let notes = notes.iter().map(|row| serde_json::from_str::<Value>(row.get(0)).unwrap());
        let mut notes: Vec<_> = notes.filter(|note| note["what"] == what).collect();
        assert!(notes.len() < 2 || what != "ended", "a recovery ends once: {notes:?}");
        if let Some(note) = notes.pop() {
            return note;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until nothing is left to do: the customer is on the line, and this call is all there is.
async fn nothing_is_open(floor: &Floor, beside: &AnyPool, talk: &Talk) {
    floor
        .until("no task but the customer's is open", |state| {
            let over = |task: &&Value| matches!(task["status"].as_str(), Some("completed" | "canceled"));
            let tasks = state["tasks"].as_array()?;
            let open: Vec<_> = tasks.iter().filter(|task| !over(task)).collect();
            (open.len() == 1 && open[0]["sid"] == talk.task.as_str()).then_some(())
        })
        .await;
    loop {
        // Other customers' calls may go on.
        let open = "select count(*) from jobs where closed = 0
                    and conference in (select conference from notes where customer = $1)";
        let open = sqlx::query(open).bind(talk.customer.as_str()).fetch_one(beside).await;
        if open.is_ok_and(|open| open.get::<i64, _>(0) == 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
