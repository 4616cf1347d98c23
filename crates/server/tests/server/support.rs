//! A stub of Twilio that records and counts requests, and a server in front of it.

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rejoin_protocol::{
    AccountSid, CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
    WorkspaceSid,
};
use rejoin_server::surroundings::Surroundings;
use rejoin_server::{Config, Server};
use rejoin_twilio::{signature, webhook};
use rejoin_twin::contract::contract;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) const AUTH_TOKEN: &str = "the auth token";
pub(crate) const OPERATOR_TOKEN: &str = "the operator token, long enough to be one";
/// Twilio reaches the server under this name; signatures include it.
pub(crate) const PUBLIC: &str = "https://rejoin.test";
/// Long enough for a busy machine; the wait ends with its event.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks at a database, which tells nobody when something changes. Without one, a single test that waits kept
/// PostgreSQL and all other tests from the processors for seconds.
pub(crate) async fn look_again() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// What is waited for. A test that waited for ever would take the whole run with it.
pub(crate) async fn in_time<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(2 * PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("it takes too long until {what}"))
}

/// Waits until this holds.
pub(crate) async fn until_so(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            look_again().await;
        }
    };
    in_time(what, waiting).await;
}

/// An address of this machine on which nobody listens, with a port that no outgoing connection gets meanwhile: those are above
/// 32,767 (`net.ipv4.ip_local_port_range`).
pub(crate) fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Other test programs run as well.
        let number = std::process::id().wrapping_mul(64) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from(number % 12_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

pub(crate) fn now() -> Millis {
    Surroundings::system().now()
}
pub(crate) fn conference() -> ConferenceSid {
    ConferenceSid::numbered(1)
}
pub(crate) fn task() -> TaskSid {
    TaskSid::numbered(1)
}
pub(crate) fn customer() -> CallSid {
    CallSid::numbered(0xc)
}
pub(crate) fn ada_leg() -> CallSid {
    CallSid::numbered(0xa)
}
pub(crate) fn ada() -> WorkerSid {
    WorkerSid::numbered(0xada)
}
pub(crate) fn reservation() -> ReservationSid {
    ReservationSid::numbered(1)
}
/// Ada's leg has gone: the form of the callback, not signed.
pub(crate) fn ada_left() -> Vec<(String, String)> {
    [
        ("StatusCallbackEvent", "participant-leave"),
        ("ConferenceSid", conference().as_str()),
        ("FriendlyName", task().as_str()),
        ("SequenceNumber", "3"),
        ("CallSid", ada_leg().as_str()),
        ("ReasonParticipantLeft", "participant_hung_up"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}
pub(crate) fn workflow() -> WorkflowSid {
    WorkflowSid::numbered(1)
}
pub(crate) fn recovery() -> RecoveryId {
    RecoveryId::of(&ada_leg())
}
pub(crate) fn ping() -> TaskSid {
    TaskSid::numbered(0xff)
}

/// A request that Twilio got.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and path after the account or workspace, such as `POST Tasks`.
    pub(crate) what: String,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) type Answer = (u16, Vec<(&'static str, String)>, Value);
type Script = dyn Fn(&Asked, usize) -> Option<Answer> + Send + Sync;
type IsHeldBack = dyn Fn(&Asked, usize) -> bool + Send + Sync;

/// The stub of Twilio.
#[derive(Clone)]
pub(crate) struct Twilio {
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Requests that break Twilio's contract.
    wrong: Arc<Mutex<Vec<String>>>,
    /// Number of requests of each kind.
    times: Arc<Mutex<HashMap<String, usize>>>,
    count: watch::Sender<usize>,
    script: Arc<Mutex<Arc<Script>>>,
    /// Decides which answers are held back until `lets_go`, beside those about tokens that begin with `held-`.
    is_held_back: Arc<Mutex<Arc<IsHeldBack>>>,
    /// True once they are sent.
    lets_go: watch::Sender<bool>,
    pub(crate) base: String,
}

impl Twilio {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twilio = Self {
            asked: Arc::default(),
            wrong: Arc::default(),
            times: Arc::default(),
            count: watch::channel(0).0,
            script: Arc::new(Mutex::new(Arc::new(|_, _| None))),
            is_held_back: Arc::new(Mutex::new(Arc::new(|_, _| false))),
            lets_go: watch::channel(false).0,
            base: format!("http://{}", listener.local_addr().unwrap()),
        };
        let router = Router::new().fallback(answer).with_state(twilio.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        twilio
    }

    /// Overrides answers: given the request and how often the same came before.
    pub(crate) fn script(&self, script: impl Fn(&Asked, usize) -> Option<Answer> + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// Holds answers back: given the request and how often the same came before.
    pub(crate) fn hold_back(&self, is_held_back: impl Fn(&Asked, usize) -> bool + Send + Sync + 'static) {
        *self.is_held_back.lock().unwrap() = Arc::new(is_held_back);
    }

    /// Sends the answers that are held back, and holds none back any more.
    pub(crate) fn let_go(&self) {
        self.lets_go.send_replace(true);
    }

    pub(crate) fn all(&self) -> Vec<Asked> {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "requests break Twilio's contract: {wrong:#?}");
        self.asked.lock().unwrap().clone()
    }

    /// Requests of this kind so far.
    pub(crate) fn asked(&self, what: &str) -> Vec<Asked> {
        self.all().into_iter().filter(|asked| asked.what == what).collect()
    }

    /// Waits until this was requested this many times.
    pub(crate) async fn wait_for(&self, what: &str, times: usize) -> Vec<Asked> {
        let mut count = self.count.subscribe();
        let waiting = async {
            loop {
                let asked = self.asked(what);
                if asked.len() >= times {
                    return asked;
                }
                count.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(asked) => asked,
            Err(_) => panic!("{what} was not asked {times} times, but: {:#?}", self.kinds()),
        }
    }

    /// Waits until this many requests match; each is checked once.
    pub(crate) async fn wait_for_many(&self, times: usize, is_meant: impl Fn(&Asked) -> bool) {
        let mut count = self.count.subscribe();
        let (mut looked_at, mut found) = (0, 0);
        loop {
            {
                let all = self.asked.lock().unwrap();
                found += all[looked_at..].iter().filter(|asked| is_meant(asked)).count();
                looked_at = all.len();
            }
            if found >= times {
                return;
            }
            let more = tokio::time::timeout(PATIENCE, count.changed()).await;
            assert!(more.is_ok(), "{found} of {times}");
        }
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.all().into_iter().map(|asked| asked.what).collect()
    }
}

async fn answer(State(twilio): State<Twilio>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path();
    let account = format!("/api.twilio.com/2010-04-01/Accounts/{}/", AccountSid::numbered(1));
    let workspace = format!("/taskrouter.twilio.com/v1/Workspaces/{}/", WorkspaceSid::numbered(1));
    let iam = format!("/iam.twilio.com/v1/Accounts/{}/", AccountSid::numbered(1));
    let short = [account, workspace, iam].iter().find_map(|prefix| path.strip_prefix(prefix.as_str()));
    let short = short.unwrap_or(path).to_owned();
    let form =
        webhook::form(if body.is_empty() { parts.uri.query().unwrap_or("").as_bytes() } else { &body });
    let wrong = wrong_by_contract(&parts.method, path, if body.starts_with(b"{") { &[] } else { &form });
    twilio.wrong.lock().unwrap().extend(wrong);
    let asked = Asked { what: format!("{} {short}", parts.method), form, headers: parts.headers };
    let authorized = asked.headers.contains_key("authorization");
    let script = Arc::clone(&*twilio.script.lock().unwrap());
    let before = {
        let mut times = twilio.times.lock().unwrap();
        let times = times.entry(asked.what.clone()).or_default();
        *times += 1;
        twilio.asked.lock().unwrap().push(asked.clone());
        *times - 1
    };
    twilio.count.send_modify(|count| *count += 1);
    if !authorized {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let is_held_back = Arc::clone(&*twilio.is_held_back.lock().unwrap());
    if body.starts_with(b"{\"token\":\"held-") || is_held_back(&asked, before) {
        twilio.lets_go.subscribe().wait_for(|lets_go| *lets_go).await.unwrap();
    }
    let answer = script(&asked, before).unwrap_or_else(|| usual(&asked, &body));
    let (status, headers, body) = answer;
    let mut response = (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// What is wrong with a request to this path, which begins with the host.
fn wrong_by_contract(method: &Method, path: &str, form: &[(String, String)]) -> Vec<String> {
    let (host, path_there) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    if *method == Method::HEAD && path_there.is_empty() {
        return vec![]; // readiness only checks whether the host answers
    }
    let Some(operation) = contract().operation(method.as_str(), host, &format!("/{path_there}")) else {
        return vec![format!("{method} {path} is no operation of Twilio's")];
    };
    let form = form.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let wrong = operation.wrong_in_request(form);
    wrong.into_iter().map(|wrong| format!("{method} {path}: {wrong:?}")).collect()
}

pub(crate) fn task_json(sid: &TaskSid, status: &str, attributes: &str) -> Value {
    json!({
        "sid": sid, "assignment_status": status, "attributes": attributes, "workflow_sid": workflow(),
        "priority": 0, "something_new": null,
    })
}

fn usual(asked: &Asked, body: &Bytes) -> Answer {
    let ok = |body| (200, vec![], body);
    match asked.what.as_str() {
        "POST Tokens/validate" => {
            let token: Value = serde_json::from_slice(body).unwrap();
            match token["token"].as_str().unwrap() {
                "ada" => {
                    ok(json!({"valid": true, "worker_sid": ada(), "roles": ["agent"], "identity": "Ada",
                                   "expiration": "2100-01-01T00:00:00.000Z"}))
                }
                "bo" => ok(
                    json!({"valid": true, "worker_sid": WorkerSid::numbered(0xb0), "roles": ["agent"], "identity": "Bo",
                                  "expiration": "2100-01-01T00:00:00.000Z"}),
                ),
                "supervising" => ok(json!({"valid": true, "worker_sid": ada(), "roles": ["supervisor"]})),
                "supervisor" => ok(json!({"valid": true, "roles": ["supervisor"]})),
                number if number.parse::<u128>().is_ok() => {
                    let worker = WorkerSid::numbered(number.parse().unwrap());
                    ok(json!({"valid": true, "worker_sid": worker, "roles": ["agent"],
                              "expiration": "2100-01-01T00:00:00.000Z"}))
                }
                "stale" => ok(json!({"valid": true, "worker_sid": ada(), "roles": [],
                                     "expiration": "2020-01-01T00:00:00.000Z"})),
                "twilio-is-down" => (503, vec![], json!({})),
                _ => ok(json!({"valid": false, "message": "invalid"})),
            }
        }
        "POST Tasks" => (201, vec![], task_json(&ping(), "pending", asked.param("Attributes").unwrap())),
        "GET Tasks" => ok(json!({"tasks": []})),
        // Task, reservation and conference have the same number, and the reservation is Ada's.
        what if what.starts_with("GET Conferences/CF") && !what.contains("/Participants") => {
            let number = what.trim_start_matches("GET Conferences/CF").trim_end_matches(".json");
            ok(json!({"sid": format!("CF{number}"), "friendly_name": format!("WT{number}")}))
        }
        what if what.starts_with("GET Tasks/WT") && what.ends_with("/Reservations") => {
            let number = what.trim_start_matches("GET Tasks/WT").trim_end_matches("/Reservations");
            ok(json!({"reservations": [{
                "sid": format!("WR{number}"), "worker_sid": ada(), "worker_name": "Ada",
                "reservation_status": "wrapping",
            }]}))
        }
        what if what.starts_with("GET Tasks/") => (
            200,
            vec![("etag", "\"7\"".into())],
            task_json(&task(), "assigned", r#"{"name":"Tom","call_sid":"CA1"}"#),
        ),
        _ => ok(json!({})),
    }
}

/// The server's settings, with its database in this folder.
pub(crate) fn arguments(twilio: &Twilio, folder: &Path) -> Vec<String> {
    arguments_on(twilio, &format!("sqlite:{}", folder.join("rejoin.db").display()))
}

/// The server's settings, on this database.
pub(crate) fn arguments_on(twilio: &Twilio, database: &str) -> Vec<String> {
    let pairs = [
        ("--twilio-account-sid", AccountSid::numbered(1).to_string()),
        ("--twilio-auth-token", AUTH_TOKEN.into()),
        ("--twilio-workspace-sid", WorkspaceSid::numbered(1).to_string()),
        ("--twilio-api-base", twilio.base.clone()),
        ("--listen", "127.0.0.1:0".into()),
        ("--public-url", PUBLIC.into()),
        ("--ping-workflow-sid", WorkflowSid::numbered(2).to_string()),
        ("--allowed-origins", "https://flex.twilio.com,http://localhost:4180".into()),
        ("--operator-token", OPERATOR_TOKEN.into()),
        ("--database-url", database.to_owned()),
        ("--grace-ms", "20".into()),
        ("--twilio-timeout-ms", "2000".into()),
    ];
    pairs.into_iter().flat_map(|(key, value)| [key.to_owned(), value]).collect()
}

pub(crate) fn config(twilio: &Twilio, folder: &Path) -> Config {
    use clap::Parser as _;
    let program = std::iter::once("rejoin".to_owned());
    let mut config = Config::try_parse_from(program.chain(arguments(twilio, folder))).expect("good settings");
    // Addresses without overrides are easier to read and to compare; `retries` has those with them.
    config.twiml_overrides.clear();
    config.callback_overrides.clear();
    config
}

/// A server, a stub of Twilio, and a client that acts as Twilio, the plugin or an operator.
pub(crate) struct World {
    pub(crate) twilio: Twilio,
    pub(crate) folder: TempDir,
    pub(crate) server: Option<Server>,
    pub(crate) desk: Desk,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With other settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let twilio = Twilio::start().await;
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&twilio, folder.path());
        change(&mut config);
        let server = Server::start(config).await.expect("starts");
        let desk = Desk::at(format!("http://{}", server.address()));
        Self { twilio, folder, server: Some(server), desk }
    }

    /// Stops the server gracefully and starts it again on the same database.
    pub(crate) async fn restart(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        let server = Server::start(config(&self.twilio, self.folder.path())).await.expect("starts again");
        self.desk = Desk::at(format!("http://{}", server.address()));
        self.server = Some(server);
    }
}

/// A client of a server over HTTP.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) http: reqwest::Client,
    /// For endless responses.
    endless: reqwest::Client,
    pub(crate) address: String,
}

impl Desk {
    pub(crate) fn at(address: String) -> Self {
        Self::over(address, reqwest::Client::builder)
    }

    /// With clients of this kind.
    pub(crate) fn over(address: String, client: impl Fn() -> reqwest::ClientBuilder) -> Self {
        let http = client().timeout(PATIENCE).build().unwrap();
        Self { http, endless: client().build().unwrap(), address }
    }

    /// A request from Twilio, with a valid signature.
    pub(crate) async fn signed(&self, path: &str, params: &[(&str, &str)]) -> reqwest::Response {
        let params: Vec<(String, String)> =
            params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let signature = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}{path}"), &params);
        let request = self.http.post(format!("{}{path}", self.address)).form(&params);
        request.header(signature::HEADER, signature).send().await.unwrap()
    }

    /// A conference status callback.
    pub(crate) async fn callback(&self, sequence: u64, event: &str, extra: &[(&str, &str)]) -> StatusCode {
        let (conference, task, sequence) =
            (conference().to_string(), task().to_string(), sequence.to_string());
        let mut params = vec![
            ("StatusCallbackEvent", event),
            ("ConferenceSid", &conference),
            ("FriendlyName", &task),
            ("SequenceNumber", &sequence),
        ];
        params.extend(extra);
        let path = format!("/webhooks/conference?worker={}&reservation={}", ada(), reservation());
        self.signed(&path, &params).await.status()
    }

    /// A delivery of Event Streams.
    pub(crate) async fn events(&self, events: &Value) -> StatusCode {
        let body = events.to_string();
        let path = format!("/webhooks/events?bodySHA256={}", hash(&body));
        let signature = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}{path}"), &[]);
        self.posted(&path, body, &signature).await
    }

    /// A JSON body with this signature.
    pub(crate) async fn posted(&self, path: &str, body: String, signature: &str) -> StatusCode {
        let request = self.http.post(format!("{}{path}", self.address)).body(body);
        let request = request.header("content-type", "application/json").header(signature::HEADER, signature);
        request.send().await.unwrap().status()
    }

    pub(crate) async fn join(&self, sequence: u64, leg: &CallSid) {
        let extra = [
            ("CallSid", leg.as_str()),
            ("EndConferenceOnExit", "false"),
            ("Hold", "false"),
            ("Muted", "false"),
        ];
        assert_eq!(self.callback(sequence, "participant-join", &extra).await, 204);
    }

    pub(crate) async fn leave(&self, sequence: u64, leg: &CallSid) -> StatusCode {
        let extra = [("CallSid", leg.as_str()), ("ReasonParticipantLeft", "participant_hung_up")];
        self.callback(sequence, "participant-leave", &extra).await
    }

    /// The metrics that operators see.
    pub(crate) async fn figures(&self) -> String {
        let request = self.http.get(format!("{}/metrics", self.address)).bearer_auth(OPERATOR_TOKEN);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// A request from the plugin.
    pub(crate) async fn plugin(&self, path: &str, token: &str, body: Value) -> reqwest::Response {
        let request = self.http.post(format!("{}{path}", self.address)).json(&body);
        request.bearer_auth(token).send().await.unwrap()
    }

    /// Registers a call as a page does: again while its owner is not known.
    pub(crate) async fn registers(&self, token: &str, body: Value) -> StatusCode {
        loop {
            let reply = self.plugin("/v1/calls", token, body.clone()).await;
            if reply.status() != StatusCode::SERVICE_UNAVAILABLE {
                return reply.status();
            }
            let pause = reply.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert_eq!(reply.json::<Value>().await.unwrap()["code"], "call-not-known-yet");
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
    }

    pub(crate) async fn register(&self) {
        self.register_as(false).await;
    }

    /// Registers the call. `answers`: the page answers call messages.
    pub(crate) async fn register_as(&self, answers: bool) {
        let body = json!({
            "epoch": 1, "task": task(), "reservation": reservation(), "workflow": workflow(),
            "conference": conference(), "workerLeg": ada_leg(), "customerLeg": customer(), "workerName": "Ada",
            "answersMessages": answers,
        });
        assert_eq!(self.plugin("/v1/calls", "ada", body).await.status(), 204);
    }

    /// Ada's next page has the call with the same customer: task, reservation and conference are the second ones.
    pub(crate) async fn register_again(&self, leg: &CallSid) {
        let (room, task, reservation) =
            (ConferenceSid::numbered(2), TaskSid::numbered(2), ReservationSid::numbered(2));
        let begun = [
            ("StatusCallbackEvent", "conference-start"),
            ("ConferenceSid", room.as_str()),
            ("FriendlyName", task.as_str()),
            ("SequenceNumber", "0"),
        ];
        let path = format!("/webhooks/conference?worker={}&reservation={reservation}", ada());
        assert_eq!(self.signed(&path, &begun).await.status(), 204);
        for (sequence, leg) in [("101", &customer()), ("102", leg)] {
            let joined = [
                ("StatusCallbackEvent", "participant-join"),
                ("ConferenceSid", room.as_str()),
                ("FriendlyName", task.as_str()),
                ("SequenceNumber", sequence),
                ("CallSid", leg.as_str()),
                ("EndConferenceOnExit", "false"),
                ("Hold", "false"),
                ("Muted", "false"),
            ];
            assert_eq!(self.signed(&path, &joined).await.status(), 204);
        }
        let body = json!({
            "epoch": 2, "task": task, "reservation": reservation,
            "workflow": workflow(), "conference": room, "workerLeg": leg,
            "customerLeg": customer(), "workerName": "Ada",
        });
        assert_eq!(self.plugin("/v1/calls", "ada", body).await.status(), 204);
    }

    pub(crate) async fn hello(&self, epoch: u64) -> Value {
        let holding = json!({"task": task(), "reservation": reservation(), "wrapping": true});
        let body = json!({"epoch": epoch, "holdings": [holding]});
        let reply = self.plugin("/v1/hello", "ada", body).await;
        assert_eq!(reply.status(), 200);
        reply.json().await.unwrap()
    }

    /// Ada is on a call with a customer.
    pub(crate) async fn talking(&self) {
        self.join(1, &customer()).await;
        self.join(2, &ada_leg()).await;
        self.register().await;
    }

    /// The same, by a page that answers call messages.
    pub(crate) async fn answering(&self) {
        self.join(1, &customer()).await;
        self.join(2, &ada_leg()).await;
        self.register_as(true).await;
    }

    /// Then Ada is lost.
    pub(crate) async fn lost(&self) {
        self.talking().await;
        assert_eq!(self.leave(3, &ada_leg()).await, 204);
    }
}

/// The hash of a body, which Twilio signs.
pub(crate) fn hash(body: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lines of server-sent events as they come.
pub(crate) struct Events {
    response: reqwest::Response,
    text: String,
    /// Id of the last event.
    pub(crate) id: Option<String>,
}

impl Events {
    pub(crate) async fn open(desk: &Desk, path: &str, token: &str) -> Self {
        Self::resume(desk, path, token, None).await
    }

    /// Reopens it from an event on.
    pub(crate) async fn resume(desk: &Desk, path: &str, token: &str, since: Option<&str>) -> Self {
        let mut request = desk.endless.get(format!("{}{path}", desk.address)).bearer_auth(token);
        if let Some(since) = since {
            request = request.header("last-event-id", since);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new(), id: None }
    }

    /// The ticket for the page's presence socket.
    pub(crate) fn ticket(&self) -> String {
        self.response.headers()["rejoin-presence"].to_str().unwrap().to_owned()
    }

    /// Waits until this reader's position is known.
    pub(crate) async fn position(&mut self) -> String {
        loop {
            if let Some((head, rest)) = self.text.split_once("\n\n") {
                let id = head.lines().find_map(|line| line.strip_prefix("id: ")).map(str::to_owned);
                self.text = rest.to_owned();
                if let Some(id) = id {
                    return id;
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("no line came");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().expect("it goes on")).unwrap());
        }
    }

    /// The next line of data; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((line, rest)) = self.text.split_once('\n') {
                let data = line.strip_prefix("data: ").map(|data| serde_json::from_str(data).unwrap());
                if let Some(id) = line.strip_prefix("id: ") {
                    self.id = Some(id.to_owned());
                }
                self.text = rest.to_owned();
                if data.is_some() {
                    return data;
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("no line came");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }
}
