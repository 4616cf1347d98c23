//! Many agents are lost at once (case 22).

use crate::crash::Process;
use crate::database::{Database, on_both};
use crate::support::*;
use rejoin_protocol::{CallSid, ConferenceSid, RecoveryId, ReservationSid, TaskSid, WorkerSid};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Number of lost agents beside other tests; requests to Twilio are rate limited, and the machine has to bear it.
const FEW: u128 = 150;
/// Number of lost agents that counts as a storm.
const STORM: usize = 20;
/// Number that activates the failsafe.
const FAILSAFE: usize = 100;

/// `REJOIN_STORM_CALLS=5000 cargo test -p rejoin-server --test it storm -- --nocapture` runs a large one, and prints
/// how long it took.
fn calls() -> u128 {
    std::env::var("REJOIN_STORM_CALLS").map_or(FEW, |calls| calls.parse().expect("a number"))
}

fn conference_of(n: u128) -> ConferenceSid {
    ConferenceSid::numbered(0x1000 + n)
}
fn task_of(n: u128) -> TaskSid {
    TaskSid::numbered(0x2000 + n)
}
fn customer_of(n: u128) -> CallSid {
    CallSid::numbered(0x3000 + n)
}
fn agent_of(n: u128) -> CallSid {
    CallSid::numbered(0x4000 + n)
}
fn reservation_of(n: u128) -> ReservationSid {
    ReservationSid::numbered(0x5000 + n)
}
fn worker_of(n: u128) -> WorkerSid {
    WorkerSid::numbered(0x6000 + n)
}
/// The token of this call's agent.
fn token_of(n: u128) -> String {
    (0x6000 + n).to_string()
}

async fn callback(desk: &Desk, n: u128, sequence: u64, event: &str, extra: &[(&str, &str)]) {
    let (conference, task, sequence) =
        (conference_of(n).to_string(), task_of(n).to_string(), sequence.to_string());
    let mut params = vec![
        ("StatusCallbackEvent", event),
        ("ConferenceSid", conference.as_str()),
        ("FriendlyName", task.as_str()),
        ("SequenceNumber", sequence.as_str()),
    ];
    params.extend(extra);
    let path = format!("/webhooks/conference?worker={}&reservation={}", worker_of(n), reservation_of(n));
    assert_eq!(desk.signed(&path, &params).await.status(), 204);
}

/// An agent talks to a customer.
async fn talk(desk: &Desk, n: u128) {
    for (sequence, leg) in [(1, customer_of(n)), (2, agent_of(n))] {
        let extra = [
            ("CallSid", leg.as_str()),
            ("EndConferenceOnExit", "false"),
            ("Hold", "false"),
            ("Muted", "false"),
        ];
        callback(desk, n, sequence, "participant-join", &extra).await;
    }
    let registration = json!({
        "epoch": 1, "task": task_of(n), "reservation": reservation_of(n), "workflow": workflow(),
        "conference": conference_of(n), "workerLeg": agent_of(n), "customerLeg": customer_of(n),
        "workerName": "Ada",
    });
    assert_eq!(desk.plugin("/v1/calls", &token_of(n), registration).await.status(), 204);
}

async fn lose(desk: &Desk, n: u128) {
    let leg = agent_of(n);
    let extra = [("CallSid", leg.as_str()), ("ReasonParticipantLeft", "participant_hung_up")];
    callback(desk, n, 3, "participant-leave", &extra).await;
}

/// The agent's next page asks about the call.
async fn come_back(desk: &Desk, n: u128) {
    let holding = json!({"task": task_of(n), "reservation": reservation_of(n), "wrapping": true});
    let hello = json!({"epoch": 2, "holdings": [holding]});
    assert_eq!(desk.plugin("/v1/hello", &token_of(n), hello).await.status(), 200);
}

/// Runs each of them concurrently, as far as there is room.
async fn all<F: Future<Output = ()> + Send + 'static>(each: impl Fn(Desk, u128) -> F, desk: &Desk) {
    let mut running = tokio::task::JoinSet::new();
    for n in 0..calls() {
        if running.len() == 64 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(each(desk.clone(), n));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

/// The current state of the pace.
pub(crate) async fn status(desk: &Desk) -> Value {
    let asked = desk.http.get(format!("{}/operator/storm", desk.address)).bearer_auth(OPERATOR_TOKEN);
    asked.send().await.unwrap().json().await.unwrap()
}

fn counted(requests: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(request).or_default() += 1;
    }
    counts
}

async fn figure(desk: &Desk, name: &str) -> String {
    let text = desk.figures().await;
    let name = format!("{name} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_else(|| panic!("{name}: {text}")).into()
}

/// A server that receives more than it may send on.
fn server(twilio: &Twilio, database: &Database, log: &Path) -> Process {
    let calls = u64::try_from(calls()).unwrap();
    // Fewer than the callbacks, even on a busy machine.
    let voice = (calls / 10).max(40).to_string();
    let (taskrouter, storm, failsafe) =
        ((calls / 5).max(300).to_string(), STORM.to_string(), FAILSAFE.to_string());
    let settings = [
        ("REJOIN_VOICE_PER_SECOND", voice.as_str()),
        ("REJOIN_TASKROUTER_PER_SECOND", &taskrouter),
        ("REJOIN_STORM_AT", &storm),
        ("REJOIN_FAILSAFE_AT", &failsafe),
        ("REJOIN_FAILSAFE_FOR_MS", "600000"),
        ("REJOIN_PING_TTL_MS", "300000"),
        ("REJOIN_REJOIN_WITHIN_MS", "300000"),
        ("REJOIN_WATCH_RECOVERY_MS", "0"),
        ("REJOIN_WATCH_CALL_MS", "0"),
        ("REJOIN_REQUESTS_PER_MINUTE", "1000000"),
        ("REJOIN_LOG", "warn"),
    ];
    let mut arguments = arguments_on(twilio, &database.url);
    let timeout = arguments.iter().position(|argument| argument == "--twilio-timeout-ms").unwrap();
    // On a busy machine an answer may take long, and its request would be repeated.
    "60000".clone_into(&mut arguments[timeout + 1]);
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_rejoin"));
    program.arg("serve").args(arguments).envs(settings);
    Process::spawn(program.stderr(std::fs::File::create(log).unwrap()))
}

fn is_ping(asked: &Asked) -> bool {
    asked.what == "POST Tasks"
}

/// Each customer is alone: the request that tells them keeps them, too.
fn tells(asked: &Asked) -> bool {
    asked.param("HoldUrl").is_some_and(|url| url.contains("/twiml/hold/"))
}

/// True when a customer is sent to the queue.
fn sends(asked: &Asked) -> bool {
    asked.what.starts_with("POST Calls/")
}

on_both!(in_a_storm_every_customer_is_kept_and_told_before_agents_are_looked_for,);

async fn in_a_storm_every_customer_is_kept_and_told_before_agents_are_looked_for(database: &Database) {
    let (calls, twilio) = (usize::try_from(calls()).unwrap(), Twilio::start().await);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let process = server(&twilio, database, &log);
    let desk = &process.desk;
    all(|desk, n| async move { talk(&desk, n).await }, desk).await;
    let began = Instant::now();
    all(|desk, n| async move { lose(&desk, n).await }, desk).await;
    let lost = began.elapsed();
    twilio.wait_for_many(calls, tells).await;
    let told = began.elapsed();

    // Operators are alerted, once.
    assert_eq!(
        (figure(desk, "rejoin_storm").await, figure(desk, "rejoin_failsafe").await),
        ("1".into(), "1".into())
    );
    let alerts = |what: &str| std::fs::read_to_string(&log).unwrap().matches(what).count();
    assert_eq!((alerts("a storm: many agents"), alerts("the failsafe stands")), (1, 1));
    // A storm begins with its twentieth agent, too late for what is in progress by then. In a large one losses may
    // come more slowly than customers are told, and agents are pinged until the failsafe is active.
    let early = twilio.all().iter().filter(|asked| is_ping(asked)).count();
    let begun = if calls as u128 > FEW { FAILSAFE } else { STORM };
    assert!(early <= begun + 16, "{early} pings before an operator has looked");
    let go_on = desk.http.post(format!("{}/operator/storm/go-on", desk.address)).bearer_auth(OPERATOR_TOKEN);
    assert_eq!(go_on.send().await.unwrap().status(), 200);
    let looked = began.elapsed();
    twilio.wait_for_many(calls, is_ping).await;
    let pinged = began.elapsed();
    let asked = twilio.all();
    let told_once = counted(asked.iter().filter(|asked| tells(asked)).map(|asked| asked.what.clone()));
    assert_eq!((told_once.len(), told_once.values().max()), (calls, Some(&1)), "each is told once");
    let of_pings: Vec<Value> = asked
        .iter()
        .filter(|asked| is_ping(asked))
        .map(|asked| serde_json::from_str(asked.param("Attributes").unwrap()).unwrap())
        .collect();
    let named = |attributes: &Value| attributes["rejoinRecoveryId"].as_str().unwrap().to_owned();
    let wanted = counted((0..calls as u128).map(|n| RecoveryId::of(&agent_of(n)).to_string()));
    assert_eq!(counted(of_pings.iter().map(named)), wanted, "each agent is looked for once");
    let lost_at: Vec<u64> =
        of_pings[early..].iter().map(|attributes| attributes["disconnectedTime"].as_u64().unwrap()).collect();
    let overtaken = |at: usize| lost_at[at + 1..].iter().filter(|later| **later < lost_at[at]).count();
    let most = (0..lost_at.len()).map(overtaken).max().unwrap();
    assert!(most <= 32, "{most} have waited longer and come later");

    // All agents are back.
    let back = Instant::now();
    all(|desk, n| async move { come_back(&desk, n).await }, desk).await;
    twilio.wait_for_many(calls, sends).await;
    let sent = back.elapsed();
    let sent_once = counted(twilio.all().iter().filter(|asked| sends(asked)).map(|asked| asked.what.clone()));
    assert_eq!((sent_once.len(), sent_once.values().max()), (calls, Some(&1)), "each is sent once");
    while status(desk).await["storm"] == true {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((alerts("the failsafe is over"), alerts("the storm is over")), (1, 1));
    eprintln!(
        "{}: {calls} agents lost within {lost:?}; the last customer told after {told:?}, {early} pings before; after an \
         operator's word at {looked:?} the last agent pinged at {pinged:?}; all back: the last customer sent after \
         {sent:?}; {} MB",
        if database.is_postgres() { "PostgreSQL" } else { "SQLite" },
        process.memory() / 1_000_000,
    );
}

#[tokio::test]
async fn operators_alone_see_and_end_a_storm() {
    let world = World::start().await;
    for (method, path) in [("GET", "/operator/storm"), ("POST", "/operator/storm/go-on")] {
        for (token, status) in [("ada", 401), (OPERATOR_TOKEN, 200)] {
            let url = format!("{}{path}", world.desk.address);
            let request = world.desk.http.request(method.parse().unwrap(), url).bearer_auth(token);
            assert_eq!(request.send().await.unwrap().status(), status, "{method} {path}");
        }
    }
}
