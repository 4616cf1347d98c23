//! Many agents are lost at once (case 22).

use crate::crash::Process;
use crate::database::{Database, on_both};
use crate::support::*;
use rejoin_protocol::{CallSid, ConferenceSid, RecoveryId, ReservationSid, TaskSid, WorkerSid};
use rejoin_server::queue::HELD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Number of lost agents beside other tests.
const FEW: u128 = 60;
/// Number of lost agents that counts as a storm.
const STORM: usize = 20;
/// Number that activates the failsafe.
const FAILSAFE: usize = 40;
/// Number of calls for which something is reported at the same time.
const AT_ONCE: usize = 16;
/// Maximum number of concurrent pings.
const PINGS_AT_ONCE: usize = 8;

/// `REJOIN_STORM_CALLS=5000 cargo test -p rejoin-server --test server storm -- --nocapture` runs a large one, and prints
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

/// Runs each of these calls concurrently, as far as there is room.
async fn each_of<F: Future<Output = ()> + Send + 'static>(
    calls: Range<u128>,
    desk: &Desk,
    each: impl Fn(Desk, u128) -> F,
) {
    let mut running = tokio::task::JoinSet::new();
    for n in calls {
        if running.len() == AT_ONCE {
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

/// Waits until this holds for the pace.
pub(crate) async fn wait_until(desk: &Desk, holds: impl Fn(&Value) -> bool) {
    let began = Instant::now();
    loop {
        let status = status(desk).await;
        if holds(&status) {
            return;
        }
        assert!(began.elapsed() < 3 * PATIENCE, "{status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until this number of agents have been pinged, or are about to be.
async fn wait_for_pings(twilio: &Twilio, desk: &Desk, agents: u128) {
    let agents = agents.min(HELD as u128);
    let waiting = |lane: &Value| lane["waiting"]["ping"].as_u64().unwrap_or_default();
    wait_until(desk, |status| {
        let waiting: u64 = status["lanes"].as_array().unwrap().iter().map(waiting).sum();
        let sent = twilio.all().iter().filter(|asked| is_ping(asked)).count();
        u128::from(waiting) + sent as u128 >= agents
    })
    .await;
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

/// A server that counts few losses as a storm, and does not poll.
fn server(twilio: &Twilio, database: &Database, log: &Path) -> Process {
    let calls = u64::try_from(calls()).unwrap();
    let voice = (calls / 10).max(300).to_string();
    let (taskrouter, at_once) = ((calls / 5).max(300).to_string(), PINGS_AT_ONCE.to_string());
    let (storm, failsafe) = (STORM.to_string(), FAILSAFE.to_string());
    let settings = [
        ("REJOIN_VOICE_PER_SECOND", voice.as_str()),
        ("REJOIN_TASKROUTER_PER_SECOND", &taskrouter),
        ("REJOIN_TASKROUTER_AT_ONCE", &at_once),
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
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let process = server(&twilio, database, &log);
    let desk = &process.desk;
    let (all, calls) = (0..calls(), usize::try_from(calls()).unwrap());
    // Enough agents for the failsafe, and some more once it is active.
    let (first, second) = (0..all.end / 4 * 3, all.end / 4 * 3..all.end);
    each_of(all.clone(), desk, |desk, n| async move { talk(&desk, n).await }).await;
    let began = Instant::now();
    // How fast agents are lost and customers told depends on the machine. No customer counts as told before the
    // failsafe is active, so that pings always have to wait for customers.
    twilio.hold_back(|asked, _| tells(asked));
    let failsafe = async {
        wait_until(desk, |status| status["failsafe"] == true).await;
        twilio.let_go();
    };
    tokio::join!(each_of(first.clone(), desk, |desk, n| async move { lose(&desk, n).await }), failsafe);
    wait_for_pings(&twilio, desk, first.end).await;
    each_of(second, desk, |desk, n| async move { lose(&desk, n).await }).await;
    let lost = began.elapsed();
    twilio.wait_for_many(calls, tells).await;
    let told = began.elapsed();
    wait_for_pings(&twilio, desk, all.end).await;

    // Operators are alerted, once.
    assert_eq!(
        (figure(desk, "rejoin_storm").await, figure(desk, "rejoin_failsafe").await),
        ("1".into(), "1".into())
    );
    let alerts = |what: &str| std::fs::read_to_string(&log).unwrap().matches(what).count();
    assert_eq!((alerts("a storm: many agents"), alerts("the failsafe is active")), (1, 1));
    // A storm begins with its twentieth agent; those lost before may have been pinged.
    let early = twilio.all().iter().filter(|asked| is_ping(asked)).count();
    assert!(early <= STORM, "{early} pings before an operator has looked");
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
    let pinged_agents: Vec<String> = of_pings
        .iter()
        .map(|attributes| attributes["rejoinRecoveryId"].as_str().unwrap().to_owned())
        .collect();
    let recovery_of = |n: u128| RecoveryId::of(&agent_of(n)).to_string();
    let wanted = counted(all.clone().map(recovery_of));
    assert_eq!(counted(pinged_agents.clone()), wanted, "each agent is looked for once");
    // Those who have waited longest are first, as far as pings in flight do not overtake each other.
    let lost_first: BTreeSet<String> = first.map(recovery_of).collect();
    let of_first = |agent: &&String| lost_first.contains(*agent);
    let after = pinged_agents.iter().skip_while(of_first).filter(of_first).count();
    assert!(after < PINGS_AT_ONCE, "{after} have waited longer and are pinged later");

    // All agents are back.
    let back = Instant::now();
    each_of(all, desk, |desk, n| async move { come_back(&desk, n).await }).await;
    twilio.wait_for_many(calls, sends).await;
    let sent = back.elapsed();
    let sent_once = counted(twilio.all().iter().filter(|asked| sends(asked)).map(|asked| asked.what.clone()));
    assert_eq!((sent_once.len(), sent_once.values().max()), (calls, Some(&1)), "each is sent once");
    wait_until(desk, |status| status["storm"] == false).await;
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
