//! A contact centre on the twin: customers who call, and Ada, who accepts every call and whose desktop is simulated
//! here.

use crate::kills::Watched;
use crate::support::{AUTH_TOKEN, Desk, OPERATOR_TOKEN};
use rejoin_protocol::{
    AccountSid, CallSid, ConferenceSid, ReservationSid, TaskSid, WorkflowSid, WorkspaceSid,
};
use rejoin_server::{Config, Server};
use rejoin_twin::{
    Twin, TwinConfig, app,
    faults::{Done, Faults},
    flex::agent::Agent,
    model::Event,
    outside::{Manner, Phone},
    shell_now,
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// Whatever is waited for comes within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(100);
/// An answer that has not come within this time does not come.
const AT_ONCE: Duration = Duration::from_secs(1);

pub(crate) struct Floor {
    pub(crate) twin: Twin,
    base: String,
    _server: Running,
    config: Config,
    pub(crate) desk: Desk,
    epoch: Arc<AtomicU64>,
    _folder: TempDir,
}

/// A customer and Ada on a call.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) customer: CallSid,
    pub(crate) ada: CallSid,
    pub(crate) conference: ConferenceSid,
    pub(crate) task: TaskSid,
    pub(crate) reservation: ReservationSid,
}

impl Talk {
    /// The registration by the plugin of the agent's page.
    pub(crate) fn registration(&self, epoch: u64, name: &str) -> Value {
        json!({
            "epoch": epoch, "task": self.task, "reservation": self.reservation,
            "workflow": WorkflowSid::numbered(1), "conference": self.conference, "workerLeg": self.ada,
            "customerLeg": self.customer, "workerName": name,
        })
    }

    /// The hello of the agent's next page.
    pub(crate) fn hello(&self, epoch: u64) -> Value {
        let holding = json!({"task": self.task, "reservation": self.reservation, "wrapping": true});
        json!({"epoch": epoch, "holdings": [holding]})
    }
}

/// The server, until it is dropped.
#[allow(dead_code)] // Held, but not used.
pub(crate) enum Running {
    Here(Server),
    Program(Child),
    Watched(Watched),
    Elsewhere,
}

pub(crate) fn read(arguments: &[String]) -> Config {
    let program = std::iter::once("rejoin".to_owned());
    <Config as clap::Parser>::try_parse_from(program.chain(arguments.iter().cloned())).expect("good settings")
}

fn sid<T>(value: &Value, parse: impl Fn(&str) -> Result<T, rejoin_protocol::InvalidSid>) -> T {
    parse(value.as_str().expect("a SID")).expect("a SID")
}

/// Forwards all connections to the server.
async fn lead(gate: TcpListener, server: SocketAddr) {
    while let Ok((mut from, _)) = gate.accept().await {
        tokio::spawn(async move {
            let mut to = TcpStream::connect(server).await?;
            copy_bidirectional(&mut from, &mut to).await
        });
    }
}

/// Accepts, with retries: the injected faults are meant for the server.
async fn accepted(accept: &RequestBuilder) {
    loop {
        let answer = accept.try_clone().unwrap().send().await;
        let again = answer.map_or(true, |answer| {
            let status = answer.status();
            status.is_server_error() || matches!(status.as_u16(), 401 | 429)
        });
        if !again {
            return;
        }
    }
}

impl Floor {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start(|arguments| async move {
            let config = read(&arguments);
            let mut changed = config;
            change(&mut changed);
            let server = Server::start(changed.clone()).await.expect("starts");
            (changed, server.address(), Running::Here(server))
        })
        .await
    }

    /// With the real program as the server. Its log goes to a file.
    pub(crate) async fn open_program(log: &Path, environment: &[(&str, &str)]) -> Self {
        let log = std::fs::File::create(log).unwrap();
        Self::start(|arguments| async move {
            let config = read(&arguments);
            let mut program = Command::new(env!("CARGO_BIN_EXE_rejoin"));
            program.arg("serve").args(arguments).envs(environment.iter().copied());
            let mut child =
                program.stdout(Stdio::piped()).stderr(log).kill_on_drop(true).spawn().expect("starts");
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let line = lines.next_line().await.unwrap().expect("it listens");
            let address = line.strip_prefix("listening on ").unwrap().parse().unwrap();
            (config, address, Running::Program(child))
        })
        .await
    }

    pub(crate) async fn start<Starting: Future<Output = (Config, SocketAddr, Running)>>(
        server: impl FnOnce(Vec<String>) -> Starting,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let twin = Twin::start(TwinConfig::at(listen, AUTH_TOKEN)).await.unwrap();
        let service = app(&twin);
        tokio::spawn(async move { axum::serve(listener, service).await });
        // The server's requests contain its address, before it knows its port.
        let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let public = format!("http://{}", gate.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let pairs = [
            ("--twilio-account-sid", AccountSid::numbered(1).to_string()),
            ("--twilio-auth-token", AUTH_TOKEN.into()),
            ("--twilio-workspace-sid", WorkspaceSid::numbered(1).to_string()),
            ("--twilio-api-base", format!("http://{listen}/__tw")),
            ("--listen", "127.0.0.1:0".into()),
            ("--public-url", public.clone()),
            ("--ping-workflow-sid", WorkflowSid::numbered(2).to_string()),
            ("--operator-token", OPERATOR_TOKEN.into()),
            ("--database-url", format!("sqlite:{}", folder.path().join("rejoin.db").display())),
            ("--grace-ms", "20".into()),
            ("--twilio-timeout-ms", "1000".into()),
        ];
        let arguments = pairs.into_iter().flat_map(|(key, value)| [key.to_owned(), value]);
        let (config, address, running) = server(arguments.collect()).await;
        tokio::spawn(lead(gate, address));
        let floor = Self {
            twin,
            base: format!("http://{listen}/__tw"),
            desk: Desk::at(public),
            _server: running,
            config,
            epoch: Arc::new(AtomicU64::new(1)),
            _folder: folder,
        };
        floor.comes(Agent::Ada).await;
        floor
    }

    /// Where Twilio's services and the twin's own interface are.
    pub(crate) fn twilio(&self) -> &str {
        &self.base
    }

    /// The server's settings.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn faults(&self, faults: Value) {
        self.twin.set_faults(serde_json::from_value::<Faults>(faults).expect("faults"));
    }

    /// Changes by requests of this kind, such as `POST Calls/`.
    pub(crate) fn done(&self, request: &str) -> Vec<Done> {
        self.twin.done().into_iter().filter(|done| done.request.starts_with(request)).collect()
    }

    /// Waits for a state of the twin.
    pub(crate) async fn until<T>(&self, what: &str, is: impl Fn(&Value) -> Option<T>) -> T {
        match tokio::time::timeout(PATIENCE, self.twin.until(is)).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: {:#?}", self.twin.log_lines()),
        }
    }

    pub(crate) fn token(&self) -> String {
        self.token_of(Agent::Ada)
    }

    pub(crate) fn token_of(&self, agent: Agent) -> String {
        let (account, workspace) = (AccountSid::numbered(1), WorkspaceSid::numbered(1));
        agent.token(AUTH_TOKEN, account, workspace, shell_now())
    }

    /// Ada takes no more calls.
    pub(crate) async fn ada_goes(&self) {
        self.is(Agent::Ada, "Unavailable").await;
    }

    pub(crate) async fn is(&self, agent: Agent, activity: &str) {
        let url = format!("{}/workers/{}/activity", self.base.replace("/__tw", "/__twin"), agent.name());
        let sent = self.desk.http.post(url).json(&json!({"activity": activity})).send().await.unwrap();
        assert!(sent.status().is_success());
    }

    /// The customer hangs up.
    pub(crate) fn hangs_up(&self, customer: &CallSid) {
        self.twin.tell(Event::HungUp { call: customer.clone() });
    }

    /// Cancels the task of a customer who waits in the queue.
    pub(crate) async fn cancel_task_of(&self, customer: &CallSid) {
        let task = self
            .until("the customer waits", |state| {
                let of = |call: &&Value| call["sid"] == customer.as_str() && call["doing"] == "queued";
                let call = state["calls"].as_array()?.iter().find(of)?;
                Some(sid(&call["task"], TaskSid::parse))
            })
            .await;
        let workspace = WorkspaceSid::numbered(1);
        let url = format!("{}/taskrouter.twilio.com/v1/Workspaces/{workspace}/Tasks/{task}", self.base);
        let form = [("AssignmentStatus", "canceled"), ("Reason", "nobody")];
        let request = self.desk.http.post(url).basic_auth(AccountSid::numbered(1), Some(AUTH_TOKEN));
        assert!(request.form(&form).send().await.unwrap().status().is_success());
    }

    /// Lets the conference end with the agent's leg.
    pub(crate) async fn ends_with(&self, talk: &Talk) {
        let (account, conference, leg) = (AccountSid::numbered(1), &talk.conference, &talk.ada);
        let path = format!("2010-04-01/Accounts/{account}/Conferences/{conference}/Participants/{leg}.json");
        let request = self.desk.http.post(format!("{}/api.twilio.com/{path}", self.base));
        let request = request.basic_auth(account, Some(AUTH_TOKEN)).form(&[("EndConferenceOnExit", "true")]);
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// The agent accepts every offered call, at a desk phone, with the plugin's callback on the conference.
    pub(crate) async fn comes(&self, agent: Agent) {
        let mut offered = self.twin.listen_worker(agent.worker());
        self.is(agent, "Available").await;
        let (twin, callback) = (self.twin.clone(), self.config.public("/webhooks/conference"));
        let (http, base) = (self.desk.http.clone(), self.base.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while let Some((event, reservation)) = offered.recv().await {
                if event != "reservation.created"
                    || reservation["task"]["task_channel_unique_name"] != "voice"
                {
                    continue;
                }
                number += 1;
                let phone = format!("+15550{}{number:04}", if agent == Agent::Ada { 20 } else { 21 });
                twin.set_phone(
                    phone.clone(),
                    Phone { answers: Manner::Rings, hz: 880.0, ..Phone::default() },
                );
                let (workspace, task) =
                    (WorkspaceSid::numbered(1), reservation["task_sid"].as_str().unwrap());
                let sid = reservation["sid"].as_str().unwrap();
                let url = format!(
                    "{base}/taskrouter.twilio.com/v1/Workspaces/{workspace}/Workers/{}/Reservations/{sid}",
                    agent.worker()
                );
                // As the plugin does.
                let callback = format!("{callback}?worker={}&reservation={sid}", agent.worker());
                let form = [
                    ("Instruction", "conference"),
                    ("To", phone.as_str()),
                    ("ConferenceStatusCallback", callback.as_str()),
                    ("ConferenceStatusCallbackEvent", "start,end,join,leave,modify,hold,announcement"),
                ];
                let accept = http.post(url).basic_auth(AccountSid::numbered(1), Some(AUTH_TOKEN)).form(&form);
                accepted(&accept.timeout(AT_ONCE)).await;
                // A call that was canceled meanwhile does not ring.
                if let Some(call) = twin.called(&phone) {
                    twin.log(format!("{} answers {task}", agent.name()));
                    twin.pick_up(call);
                }
            }
        });
    }

    /// A customer calls, Ada answers, and Ada's plugin registers the call.
    pub(crate) async fn talk(&self) -> Talk {
        let customer = self.twin.dial_native("+15550100001".into(), 660.0);
        self.together(&customer, None).await
    }

    /// Waits until the customer talks to Ada in another conference; then Ada's plugin registers the call.
    pub(crate) async fn together(&self, customer: &CallSid, before: Option<&Talk>) -> Talk {
        let talk = self.meet(customer, before).await;
        let registration = talk.registration(self.epoch.load(Ordering::Relaxed), "Ada");
        assert_eq!(self.desk.registers(&self.token(), registration).await, 204);
        talk
    }

    /// Waits until the customer talks to an agent in another conference.
    pub(crate) async fn meet(&self, customer: &CallSid, before: Option<&Talk>) -> Talk {
        self.until("customer and agent talk", |state| {
            let conferences = state["conferences"].as_array()?;
            conferences.iter().find_map(|conference| {
                if before.is_some_and(|before| conference["sid"] == before.conference.as_str()) {
                    return None;
                }
                let joined = |participant: &&Value| participant["joined"] == true;
                let mut there = conference["participants"].as_array()?.iter().filter(joined);
                there.clone().find(|participant| participant["callSid"] == customer.as_str())?;
                let agent = there.find(|participant| participant["callSid"] != customer.as_str())?;
                let task = &conference["friendlyName"];
                let accepted = |reservation: &&Value| {
                    reservation["task"] == *task && reservation["status"] == "accepted"
                };
                let reservation = state["reservations"].as_array()?.iter().find(accepted)?;
                Some(Talk {
                    customer: customer.clone(),
                    ada: sid(&agent["callSid"], CallSid::parse),
                    conference: sid(&conference["sid"], ConferenceSid::parse),
                    task: sid(task, TaskSid::parse),
                    reservation: sid(&reservation["sid"], ReservationSid::parse),
                })
            })
        })
        .await
    }

    /// Ada's browser is gone, and Twilio has noticed.
    pub(crate) fn lose(&self, talk: &Talk) {
        self.twin.tell(Event::HungUp { call: talk.ada.clone() });
    }

    /// Ada's next page loads, and finds the call's reservation wrapping.
    pub(crate) async fn back(&self, talk: &Talk) {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = self.desk.plugin("/v1/hello", &self.token(), talk.hello(epoch)).await;
        assert_eq!(answer.status(), 200);
    }

    /// The same, in an activity that takes no tasks.
    pub(crate) async fn back_on_a_break(&self, talk: &Talk) {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let mut hello = talk.hello(epoch);
        hello["unavailable"] = json!(true);
        assert_eq!(self.desk.plugin("/v1/hello", &self.token(), hello).await.status(), 200);
    }

    /// Waits until the last recovery of this customer has ended, and returns its outcome.
    pub(crate) async fn ended(&self, customer: &CallSid) -> String {
        let path = format!("/operator/timeline/{customer}");
        let mut timeline = crate::support::Events::open(&self.desk, &path, OPERATOR_TOKEN).await;
        loop {
            let line = timeline.next().await.expect("a line");
            if line["note"]["what"] == "ended" {
                return line["note"]["outcome"].as_str().expect("an outcome").to_owned();
            }
        }
    }

    /// Waits for a note of the timeline.
    pub(crate) async fn noted(&self, customer: &CallSid, what: &str) -> Value {
        let path = format!("/operator/timeline/{customer}");
        let mut timeline = crate::support::Events::open(&self.desk, &path, OPERATOR_TOKEN).await;
        loop {
            let line = timeline.next().await.expect("a line");
            if line["note"]["what"] == what {
                return line["note"].clone();
            }
        }
    }

    /// Checks that every action that may be done once was done at most once.
    pub(crate) fn nothing_was_doubled(&self) {
        assert_eq!(self.doubled(), [], "{:#?}", self.twin.done());
    }

    /// Actions that were done too often, and how often.
    pub(crate) fn doubled(&self) -> Vec<(String, usize)> {
        let mut seen = std::collections::BTreeMap::<String, usize>::new();
        for done in self.twin.done() {
            let say = |name: &str| done.said.get(name).and_then(Value::as_str).unwrap_or_default();
            let key = match done.request.split('/').next().unwrap_or_default() {
                "POST Tasks" if done.request == "POST Tasks" => format!("ping {}", say("rejoinRecoveryId")),
                "POST Calls" => format!("{} to {}{}", done.request, say("Url"), say("Twiml")),
                "POST Conferences" if say("AnnounceUrl").contains("/twiml/announce/") => {
                    format!("{} announces {}", done.request, say("AnnounceUrl"))
                }
                "POST Tasks"
                    if done.request.contains("/Reservations/") && say("ReservationStatus") == "completed" =>
                {
                    format!("{} completed", done.request)
                }
                _ => continue,
            };
            *seen.entry(key).or_default() += 1;
        }
        seen.into_iter().filter(|(_, times)| *times > 1).collect()
    }
}
