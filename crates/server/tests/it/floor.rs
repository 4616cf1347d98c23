//! A contact centre on the twin: customers who call, and Ada, who takes every call and whose desktop is played here.

use crate::support::{AUTH_TOKEN, Desk, OPERATOR_TOKEN};
use rejoin_protocol::{
    AccountSid, CallSid, ConferenceSid, ReservationSid, TaskSid, WorkflowSid, WorkspaceSid,
};
use rejoin_server::{Config, Server};
use rejoin_twin::{
    Twin, TwinConfig, app,
    facts::Facts,
    faults::{Done, Faults},
    flex::agent::Agent,
    model::Event,
    outside::{Manner, Phone},
    shell_now,
};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Whatever is waited for comes within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(40);

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

/// The server, until it is dropped.
#[allow(dead_code)] // They are held, and not used.
enum Running {
    Here(Server),
    Program(Child),
}

fn read(arguments: &[String]) -> Config {
    let program = std::iter::once("rejoin".to_owned());
    <Config as clap::Parser>::try_parse_from(program.chain(arguments.iter().cloned())).expect("good settings")
}

fn sid<T>(value: &Value, parse: impl Fn(&str) -> Result<T, rejoin_protocol::InvalidSid>) -> T {
    parse(value.as_str().expect("a SID")).expect("a SID")
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
            (changed, Running::Here(server))
        })
        .await
    }

    /// With the program itself as the server. Its log goes to a file.
    pub(crate) async fn open_program(log: &Path, environment: &[(&str, &str)]) -> Self {
        let log = std::fs::File::create(log).unwrap();
        Self::start(|arguments| async move {
            let config = read(&arguments);
            let mut program = Command::new(env!("CARGO_BIN_EXE_rejoin"));
            program.arg("serve").args(arguments).envs(environment.iter().copied());
            let mut child =
                program.stdout(Stdio::piped()).stderr(log).kill_on_drop(true).spawn().expect("starts");
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            assert!(lines.next_line().await.unwrap().unwrap().starts_with("listening on"));
            (config, Running::Program(child))
        })
        .await
    }

    async fn start<Starting: Future<Output = (Config, Running)>>(
        server: impl FnOnce(Vec<String>) -> Starting,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let twin = Twin::start(TwinConfig {
            listen,
            public_url: format!("http://{listen}"),
            server_url: None,
            auth_token: AUTH_TOKEN.into(),
            operator_token: None,
            flex_host: None,
            plugin: None,
            extra_plugins: vec![],
            latency: Duration::ZERO,
            account: AccountSid::numbered(1),
            facts: Facts::default(),
            first_number: 0,
        })
        .await
        .unwrap();
        let service = app(&twin);
        tokio::spawn(async move { axum::serve(listener, service).await });
        // Twilio has to know where the server will be before it is there.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pairs = [
            ("--twilio-account-sid", AccountSid::numbered(1).to_string()),
            ("--twilio-auth-token", AUTH_TOKEN.into()),
            ("--twilio-workspace-sid", WorkspaceSid::numbered(1).to_string()),
            ("--twilio-api-base", format!("http://{listen}/__tw")),
            ("--listen", free.to_string()),
            ("--public-url", format!("http://{free}")),
            ("--ping-workflow-sid", WorkflowSid::numbered(2).to_string()),
            ("--operator-token", OPERATOR_TOKEN.into()),
            ("--database-url", format!("sqlite:{}", folder.path().join("rejoin.db").display())),
            ("--grace-ms", "20".into()),
            ("--twilio-timeout-ms", "1000".into()),
        ];
        let arguments = pairs.into_iter().flat_map(|(key, value)| [key.to_owned(), value]);
        let (config, running) = server(arguments.collect()).await;
        let floor = Self {
            twin,
            base: format!("http://{listen}/__tw"),
            desk: Desk::at(format!("http://{free}")),
            _server: running,
            config,
            epoch: Arc::new(AtomicU64::new(1)),
            _folder: folder,
        };
        floor.ada_comes().await;
        floor
    }

    pub(crate) fn faults(&self, faults: Value) {
        self.twin.set_faults(serde_json::from_value::<Faults>(faults).expect("faults"));
    }

    /// What was changed by requests of this kind, such as `POST Calls/`.
    pub(crate) fn done(&self, request: &str) -> Vec<Done> {
        self.twin.done().into_iter().filter(|done| done.request.starts_with(request)).collect()
    }

    /// Waits until the twin is so.
    pub(crate) async fn until<T>(&self, what: &str, is: impl Fn(&Value) -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = is(&self.twin.snapshot().await) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: {:#?}", self.twin.log_lines()),
        }
    }

    pub(crate) fn token(&self) -> String {
        let (account, workspace) = (AccountSid::numbered(1), WorkspaceSid::numbered(1));
        Agent::Ada.token(AUTH_TOKEN, account, workspace, shell_now())
    }

    /// She takes no more calls.
    pub(crate) async fn ada_goes(&self) {
        self.ada_is("Unavailable").await;
    }

    async fn ada_is(&self, activity: &str) {
        let url = format!("{}/workers/ada/activity", self.base.replace("/__tw", "/__twin"));
        let sent = self.desk.http.post(url).json(&json!({"activity": activity})).send().await.unwrap();
        assert!(sent.status().is_success());
    }

    /// The customer hangs up.
    pub(crate) fn hangs_up(&self, customer: &CallSid) {
        self.twin.tell(Event::HungUp { call: customer.clone() });
    }

    /// Somebody cancels the task of a customer who waits in the queue.
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

    /// Ada takes every call that is offered, at a desk phone, with the plugin's callback on the conference.
    async fn ada_comes(&self) {
        let mut offered = self.twin.listen_worker(Agent::Ada.worker());
        self.ada_is("Available").await;
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
                let phone = format!("+1555020{number:04}");
                twin.set_phone(phone.clone(), Phone { answers: Manner::Rings, hz: 880.0 });
                let (workspace, task) =
                    (WorkspaceSid::numbered(1), reservation["task_sid"].as_str().unwrap());
                let sid = reservation["sid"].as_str().unwrap();
                let url = format!(
                    "{base}/taskrouter.twilio.com/v1/Workspaces/{workspace}/Workers/{}/Reservations/{sid}",
                    Agent::Ada.worker()
                );
                let form = [
                    ("Instruction", "conference"),
                    ("To", phone.as_str()),
                    ("ConferenceStatusCallback", callback.as_str()),
                    ("ConferenceStatusCallbackEvent", "start,end,join,leave,modify,hold,announcement"),
                ];
                let accept = http.post(url).basic_auth(AccountSid::numbered(1), Some(AUTH_TOKEN)).form(&form);
                // A call that was taken back meanwhile is not accepted.
                if accept.send().await.is_ok_and(|answer| answer.status().is_success())
                    && let Some(call) = twin.called(&phone)
                {
                    twin.log(format!("ada answers {task}"));
                    twin.pick_up(call);
                }
            }
        });
    }

    /// A customer calls, Ada answers, and her plugin says so.
    pub(crate) async fn talk(&self) -> Talk {
        let customer = self.twin.dial_native("+15550100001".into(), 660.0);
        self.together(&customer, None).await
    }

    /// Waits until the customer talks to Ada, elsewhere than before; then her plugin registers the call.
    pub(crate) async fn together(&self, customer: &CallSid, before: Option<&Talk>) -> Talk {
        let talk = self
            .until("customer and Ada talk", |state| {
                let conferences = state["conferences"].as_array()?;
                conferences.iter().find_map(|conference| {
                    if before.is_some_and(|before| conference["sid"] == before.conference.as_str()) {
                        return None;
                    }
                    let joined = |participant: &&Value| participant["joined"] == true;
                    let mut there = conference["participants"].as_array()?.iter().filter(joined);
                    there.clone().find(|participant| participant["callSid"] == customer.as_str())?;
                    let ada = there.find(|participant| participant["callSid"] != customer.as_str())?;
                    let task = &conference["friendlyName"];
                    let accepted = |reservation: &&Value| {
                        reservation["task"] == *task && reservation["status"] == "accepted"
                    };
                    let reservation = state["reservations"].as_array()?.iter().find(accepted)?;
                    Some(Talk {
                        customer: customer.clone(),
                        ada: sid(&ada["callSid"], CallSid::parse),
                        conference: sid(&conference["sid"], ConferenceSid::parse),
                        task: sid(task, TaskSid::parse),
                        reservation: sid(&reservation["sid"], ReservationSid::parse),
                    })
                })
            })
            .await;
        let registration = json!({
            "epoch": self.epoch.load(Ordering::Relaxed), "task": talk.task, "reservation": talk.reservation,
            "workflow": WorkflowSid::numbered(1), "conference": talk.conference, "workerLeg": talk.ada,
            "customerLeg": talk.customer, "workerName": "Ada",
        });
        let answer = self.desk.plugin("/v1/calls", &self.token(), registration).await;
        assert_eq!(answer.status(), 204);
        talk
    }

    /// Her browser is gone, and Twilio has noticed.
    pub(crate) fn lose(&self, talk: &Talk) {
        self.twin.tell(Event::HungUp { call: talk.ada.clone() });
    }

    /// Her next page is up, and finds the call's reservation wrapping.
    pub(crate) async fn back(&self, talk: &Talk) {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let holding = json!({"task": talk.task, "reservation": talk.reservation, "wrapping": true});
        let hello = json!({"epoch": epoch, "holdings": [holding]});
        let answer = self.desk.plugin("/v1/hello", &self.token(), hello).await;
        assert_eq!(answer.status(), 200);
    }

    /// Waits until the last recovery of this customer has ended, and says how.
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

    /// Waits until something that was noted.
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

    /// Everything that may be done once was done at most once.
    pub(crate) fn nothing_was_doubled(&self) {
        let mut seen = std::collections::BTreeMap::<String, usize>::new();
        for done in self.twin.done() {
            let say = |name: &str| done.said.get(name).and_then(Value::as_str).unwrap_or_default();
            let key = match done.request.split('/').next().unwrap_or_default() {
                "POST Tasks" if done.request == "POST Tasks" => format!("ping {}", say("rejoinRecoveryId")),
                "POST Calls" => format!("{} to {}", done.request, say("Url")),
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
        let doubled: Vec<_> = seen.into_iter().filter(|(_, times)| *times > 1).collect();
        assert_eq!(doubled, [], "{:#?}", self.twin.done());
    }
}
