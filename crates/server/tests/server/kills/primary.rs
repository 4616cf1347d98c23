//! The database's primary is killed with SIGKILL at each durable step of a recovery, while other calls go on at another
//! server, and its standby is promoted: `npm run test:failover`.
//!
//! The server is suspended at the step (SIGSTOP), the primary dies, the server goes on, and the standby is promoted. Each
//! run has a primary and a standby of its own, and ends within [`PATIENCE`].

use super::front::{Front, Server};
use super::stopped::{signal, stands_still};
use super::watched::{Files, start};
use super::{PATIENCE, Rung, doubled, recovers, says, settings, talks, worth};
use crate::database::Database;
use crate::failover::{Pair, url};
use crate::floor::{Floor, Running, Talk, read};
use crate::network::Network;
use crate::support::{AUTH_TOKEN, Desk};
use rejoin_protocol::{CallSid, ConferenceSid, TaskSid};
use rejoin_twilio::signature;
use rejoin_twin::flex::agent::Agent;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// How often servers and call are prepared before a run counts as failed.
const PREPARED: u32 = 3;

/// How the standby follows its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standby {
    /// Commits wait for it.
    Synchronous,
    /// It receives each commit a moment later.
    Asynchronous,
    /// It has received nothing since before the agent was lost.
    Behind,
}

impl Standby {
    const ALL: [Self; 3] = [Self::Synchronous, Self::Asynchronous, Self::Behind];

    fn name(self) -> &'static str {
        match self {
            Self::Synchronous => "synchronous",
            Self::Asynchronous => "asynchronous",
            Self::Behind => "behind",
        }
    }
}

/// What is asked for, by the environment.
struct Asked {
    standbys: Vec<Standby>,
    rungs: Vec<Rung>,
    /// Number of steps of each recovery, spread over all of them; 0: all.
    steps: usize,
    /// Number of concurrent runs.
    lanes: usize,
    /// A file to which each run adds a line of JSON.
    result: PathBuf,
}

impl Asked {
    fn read() -> Self {
        let text = |name: &str| std::env::var(format!("REJOIN_FAILOVER_{name}")).ok();
        let number = |name: &str, usual| text(name).map_or(usual, |text| text.parse().expect("a number"));
        let standby = text("STANDBY");
        let is_asked = |one: &Standby| standby.as_deref().is_none_or(|name| name == one.name());
        let rungs = match text("RUNG").as_deref() {
            None => vec![Rung::SameAgent, Rung::NextAgent],
            Some("same-agent") => vec![Rung::SameAgent],
            Some("next-agent") => vec![Rung::NextAgent],
            Some(other) => panic!("REJOIN_FAILOVER_RUNG: {other}"),
        };
        let asked = Self {
            standbys: Standby::ALL.into_iter().filter(is_asked).collect(),
            rungs,
            steps: number("STEPS", 0),
            lanes: number("LANES", 3),
            result: text("RESULT").expect("REJOIN_FAILOVER_RESULT names a file").into(),
        };
        assert!(!asked.standbys.is_empty(), "REJOIN_FAILOVER_STANDBY: {standby:?}");
        asked
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes an hour: npm run test:failover"]
async fn the_primary_is_killed_at_each_step() {
    let asked = Asked::read();
    let folder = tempfile::tempdir().unwrap();
    for standby in asked.standbys.clone() {
        for rung in asked.rungs.clone() {
            let killing = Killing { standby, rung, folder: folder.path().to_owned() };
            let first = killing.run(None).await;
            assert!(first.failure.is_none(), "without a kill: {}", first.failure.unwrap_or_default());
            let steps: Vec<String> =
                worth(&first.steps).into_keys().filter(|step| is_after_start(step)).collect();
            let steps = spread(steps, asked.steps);
            killing.at_each(steps, &asked).await;
        }
    }
}

/// One of the kills, in `npm test`.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_dies_in_the_middle_of_a_recovery_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let killing =
        Killing { standby: Standby::Synchronous, rung: Rung::SameAgent, folder: folder.path().to_owned() };
    let ran = killing.run(Some("request for sending the customer to the queue #1".into())).await;
    eprintln!("{}", ran.line(&killing, "request for sending the customer to the queue #1"));
    assert_eq!((ran.failure, ran.doubled, ran.lost), (None, vec![], vec![]));
    assert!(ran.goes_on_after.is_some(), "the primary was killed");
}

fn is_after_start(step: &str) -> bool {
    !["migrating", "migrated", "keys made"].iter().any(|name| step.starts_with(name))
}

/// This number of steps, spread over all; 0: all steps.
fn spread(steps: Vec<String>, wanted: usize) -> Vec<String> {
    if wanted == 0 || wanted >= steps.len() {
        return steps;
    }
    (0..wanted).map(|at| steps[at * steps.len() / wanted].clone()).collect()
}

/// What became of one recovery.
#[derive(Default)]
struct Ran {
    /// All steps, and how many of them came before the loss of the agent.
    steps: super::Steps,
    /// From the promotion until the server with the recovery stores again; `None`: the primary was not killed, because the
    /// server did not come to the step.
    goes_on_after: Option<Duration>,
    /// Why the recovery did not end as it should.
    failure: Option<String>,
    /// True when the customer talks to an agent nevertheless: only its end is not known to the server.
    with_agent: bool,
    doubled: Vec<(String, usize)>,
    /// Number of callbacks of other calls that were answered 204 before the primary died.
    acknowledged: usize,
    /// Those of them that the promoted standby does not have.
    lost: Vec<u128>,
}

impl Ran {
    fn line(&self, killing: &Killing, step: &str) -> Value {
        json!({
            "standby": killing.standby.name(), "rung": format!("{:?}", killing.rung), "step": step,
            "killed": self.goes_on_after.is_some(), "goesOnMs": self.goes_on_after.map(|after| after.as_millis()),
            "failure": self.failure, "withAgent": self.with_agent, "doubled": self.doubled,
            "acknowledged": self.acknowledged, "webhooksLost": self.lost.len(),
        })
    }
}

#[derive(Clone)]
struct Killing {
    standby: Standby,
    rung: Rung,
    folder: PathBuf,
}

impl Killing {
    async fn at_each(&self, steps: Vec<String>, asked: &Asked) {
        let room = Arc::new(Semaphore::new(asked.lanes));
        let mut runs = JoinSet::new();
        for step in steps {
            let (room, killing) = (Arc::clone(&room), self.clone());
            runs.spawn(async move {
                let _permit = room.acquire().await.unwrap();
                let ran = killing.run(Some(step.clone())).await;
                killing.line_of(&ran, &step)
            });
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&asked.result).unwrap();
        while let Some(line) = runs.join_next().await {
            let line = line.unwrap();
            writeln!(file, "{line}").unwrap();
            eprintln!(
                "{} standby, killed at {}",
                line["standby"].as_str().unwrap(),
                line["step"].as_str().unwrap()
            );
        }
    }

    /// A run's figures; of a run with a failure the end of the log as well.
    fn line_of(&self, ran: &Ran, step: &str) -> Value {
        let mut line = ran.line(self, step);
        if ran.failure.is_some() || !ran.doubled.is_empty() {
            let log = std::fs::read_to_string(self.files(Some(step)).log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            line["log"] = lines[lines.len().saturating_sub(60)..].into();
        }
        line
    }

    fn files(&self, step: Option<&str>) -> Files {
        let name = format!("{} {:?} {}", self.standby.name(), self.rung, step.unwrap_or("first"));
        Files::of(&self.folder, &name)
    }

    /// One recovery. What goes wrong in it is in the result: a step that hangs does not hold up the others. Servers and call are
    /// prepared again if they could not be, because the machine was too busy: nothing was tested then.
    async fn run(&self, step: Option<String>) -> Ran {
        let mut ran = Ran::default();
        for _ in 0..PREPARED {
            let (killing, step) = (self.clone(), step.clone());
            let began = Arc::new(AtomicBool::new(false));
            let begins = Arc::clone(&began);
            let done = tokio::spawn(async move { Box::pin(killing.recovery(step, &begins)).await }).await;
            ran = done.unwrap_or_else(|error| Ran { failure: Some(error.to_string()), ..Ran::default() });
            if ran.failure.is_none() || began.load(Ordering::Relaxed) {
                break;
            }
        }
        ran
    }

    async fn recovery(&self, step: Option<String>, begins: &AtomicBool) -> Ran {
        let pair = Pair::start().await;
        if self.standby == Standby::Synchronous {
            pair.synchronous().await;
        }
        let name = Network::to(pair.primary.socket()).await;
        let hosts = [Network::to(pair.standby.socket()).await, Network::to(pair.primary.socket()).await];
        let database = Database::at(url([&hosts[0], &hosts[1]]));
        let files = self.files(step.as_deref());
        let (floor, site) = Box::pin(open(&database, self.rung, step.as_deref(), &files)).await;
        let load = Load::start(&site.other, &floor.desk);
        let begun = Instant::now();
        let talk = tokio::time::timeout(PATIENCE, talks(&floor, self.rung)).await;
        let Ok(talk) = talk else {
            return Ran { failure: Some("the customer and the agent do not meet".into()), ..Ran::default() };
        };
        if self.standby == Standby::Behind {
            pair.keeps_up().await;
            pair.stream.swallow();
        }
        begins.store(true, Ordering::Relaxed);
        let mut ran = Ran::default();
        let beside = Database::at(name.url("calls"));
        let recovered = async {
            let recovered = Box::pin(recovers(&floor, &beside, self.rung, &files, &talk));
            tokio::time::timeout(PATIENCE, recovered).await
        };
        let (killed, kill) = (watch::channel(None).0, &pair);
        let led = async {
            stands_still(&site.first).await;
            kill.primary.kill();
            // What was not replicated before the primary died never will be.
            kill.stream.cut();
            let acknowledged = load.acknowledged();
            signal(&site.first, "-CONT");
            kill.standby.promote().await;
            let promoted = Instant::now();
            name.lead_to(kill.standby.socket());
            name.cut();
            let lost = kill.lost(&acknowledged).await;
            let here = Caller::of(&floor.desk.address, &floor.desk);
            while here.joins(9_000_000).await != Some(204) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            killed.send_replace(Some((promoted.elapsed(), acknowledged.len(), lost)));
            // The page connects again, is told to ask, and repeats its hello.
            if self.standby != Standby::Synchronous && files.steps().iter().any(|step| step.contains("hello"))
            {
                says(&floor, Agent::Ada, "/v1/hello", &talk.hello(2)).await;
            }
            std::future::pending::<()>().await;
        };
        let recovered = tokio::select! {
            recovered = recovered => recovered,
            () = led => unreachable!(),
        };
        match recovered {
            Ok(steps) => ran.steps = steps,
            Err(_) => {
                ran.with_agent = is_with_agent(&floor, &talk).await;
                let steps = files.steps();
                let last = steps.last().cloned().unwrap_or_default();
                ran.failure = Some(format!(
                    "the recovery did not end within {:?}; the server's last step: {last}; the stand-in's last lines: {:#?}",
                    begun.elapsed(),
                    floor.twin.log_lines().iter().rev().take(12).collect::<Vec<_>>()
                ));
            }
        }
        if let Some((after, acknowledged, lost)) = killed.borrow().clone() {
            (ran.goes_on_after, ran.acknowledged, ran.lost) = (Some(after), acknowledged, lost);
        }
        ran.doubled = doubled(&floor);
        ran
    }
}

/// True when the customer and somebody else are in a conference.
async fn is_with_agent(floor: &Floor, talk: &Talk) -> bool {
    let state = floor.twin.snapshot().await;
    let conferences = state["conferences"].as_array().cloned().unwrap_or_default();
    conferences.iter().any(|conference| {
        let there = conference["participants"].as_array().cloned().unwrap_or_default();
        let joined: Vec<_> = there.iter().filter(|participant| participant["joined"] == true).collect();
        joined.len() > 1 && joined.iter().any(|participant| participant["callSid"] == talk.customer.as_str())
    })
}

/// Two servers on one database. The proxy leads to the first one, which has the recovery.
struct Site {
    first: Child,
    /// Address of the other one, which has the other calls.
    other: String,
    /// Leads there until it is dropped.
    _front: Server,
}

async fn open(database: &Database, rung: Rung, step: Option<&str>, files: &Files) -> (Floor, Site) {
    let (sender, site) = oneshot::channel();
    let floor = Floor::start(|arguments| async move {
        let config = read(&arguments);
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let arguments = settings(arguments, database, rung);
        let list = files.list();
        let steps = ("REJOIN_FAILPOINT_LOG", list.as_os_str());
        let environment = match step {
            Some(step) => vec![("REJOIN_FAILPOINT_STOP", OsStr::new(step)), steps],
            None => vec![steps],
        };
        let (first, at) = start(&arguments, environment, &files.log()).await;
        let (second, other) = start(&arguments, [], Path::new("/dev/null")).await;
        let front = Front::Repeats.open(listener);
        front.send_replace(Some(at.expect("it starts")));
        let other = format!("http://{}", other.expect("it starts"));
        sender.send(Site { first, other, _front: front }).ok().expect("it is waited for");
        (config, address, Running::Program(second))
    })
    .await;
    (floor, site.await.unwrap())
}

/// Calls back as Twilio does.
#[derive(Clone)]
struct Caller {
    http: reqwest::Client,
    to: String,
    /// The address that Twilio signs.
    public: String,
}

impl Caller {
    fn of(to: &str, desk: &Desk) -> Self {
        Self { http: desk.http.clone(), to: to.to_owned(), public: desk.address.clone() }
    }

    /// A customer joins a conference. `None`: no answer.
    async fn joins(&self, number: u128) -> Option<u16> {
        self.calls_back(number, "participant-join", "1").await
    }

    async fn calls_back(&self, number: u128, event: &str, sequence: &str) -> Option<u16> {
        let params = [
            ("StatusCallbackEvent", event.to_owned()),
            ("ConferenceSid", ConferenceSid::numbered(number).to_string()),
            ("FriendlyName", TaskSid::numbered(number).to_string()),
            ("SequenceNumber", sequence.to_owned()),
            ("CallSid", CallSid::numbered(number).to_string()),
        ];
        let params = params.map(|(name, value)| (name.to_owned(), value));
        let path = "/webhooks/conference";
        let signature = signature::sign(AUTH_TOKEN, &format!("{}{path}", self.public), &params);
        let request = self.http.post(format!("{}{path}", self.to)).form(&params);
        let answer = request.header(signature::HEADER, signature).send().await.ok()?;
        Some(answer.status().as_u16())
    }
}

/// Other calls begin and end, one after the other, all the time.
struct Load {
    acknowledged: watch::Receiver<Vec<u128>>,
    task: JoinHandle<()>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Load {
    /// At the server with this address.
    fn start(to: &str, desk: &Desk) -> Self {
        let caller = Caller::of(to, desk);
        let (sender, acknowledged) = watch::channel(vec![]);
        let task = tokio::spawn(async move {
            for number in 1_000_000.. {
                if caller.joins(number).await == Some(204) {
                    sender.send_modify(|acknowledged| acknowledged.push(number));
                    caller.calls_back(number, "conference-end", "2").await;
                }
                // A call lasts a moment: the machine has other runs.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { acknowledged, task }
    }

    /// The calls whose first callback was answered 204.
    fn acknowledged(&self) -> Vec<u128> {
        self.acknowledged.borrow().clone()
    }
}
