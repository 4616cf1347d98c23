//! `rejoin doctor` as an administrator runs it: on an account that `rejoin provision` has set up, with a server that runs, and with
//! faults that are planted one at a time.

use crate::administrator::{application, guide};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use rejoin_protocol::{AccountSid, ActivitySid, WorkflowSid, WorkspaceSid};
use rejoin_twilio::{Client, Settings};
use rejoin_twin::console::{StudioFlow, WebhookConfiguration};
use rejoin_twin::facts::Facts;
use rejoin_twin::model::LineSetup;
use rejoin_twin::{Twin, TwinConfig, app};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Bounded, with room for a busy machine.
const BOUNDED: Duration = Duration::from_secs(120);

/// What is different on the way to Twilio.
#[derive(Clone, Debug, Default)]
struct Fault {
    /// Seconds by which Twilio's clock is ahead.
    ahead: i64,
    /// Every queue has only some workers.
    narrow: bool,
    /// Requests with this in their path are not answered.
    silent: Option<&'static str>,
    /// Number of requests that get HTTP status 429 before one is answered as usual.
    throttled: u32,
}

/// What is between the program and Twilio.
#[derive(Clone, Default)]
struct Way {
    fault: Arc<Mutex<Fault>>,
    /// Method and path of each request.
    requests: Arc<Mutex<Vec<String>>>,
}

async fn pass(State(way): State<Way>, request: Request, next: Next) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let fault = {
        let mut fault = way.fault.lock().unwrap();
        let now = fault.clone();
        fault.throttled = fault.throttled.saturating_sub(1);
        now
    };
    way.requests.lock().unwrap().push(what.clone());
    if fault.silent.is_some_and(|part| what.contains(part)) {
        return std::future::pending().await;
    }
    if fault.throttled > 0 {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response();
    }
    let mut answer = next.run(request).await;
    if fault.ahead != 0 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let date = http_date(now.checked_add_signed(fault.ahead).unwrap());
        answer.headers_mut().insert(header::DATE, HeaderValue::try_from(date).unwrap());
    }
    if fault.narrow && what.ends_with("/TaskQueues") {
        let (parts, body) = answer.into_parts();
        let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        return Response::from_parts(parts, Body::from(body.replace("1==1", "1==2")));
    }
    answer
}

/// As in HTTP's `Date`. Only times of the same day as the twin's are needed, and whatever the weekday.
fn http_date(seconds: u64) -> String {
    let days = seconds / 86_400;
    // https://howardhinnant.github.io/date_algorithms.html
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let names = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let year = era * 400 + year_of_era + u64::from(month >= 10);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("Thu, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", names[month as usize])
}

/// An account, an administrator's folder, and the server.
pub(crate) struct World {
    pub(crate) twin: Twin,
    way: Way,
    base: String,
    pub(crate) folder: TempDir,
    /// The server's public address.
    pub(crate) url: String,
    /// The address that it listens on.
    pub(crate) listen: String,
    server: Option<Child>,
}

impl World {
    /// A bare account; the server will be reached with this scheme.
    pub(crate) async fn bare(scheme: &str) -> Self {
        Self::with_lines(scheme, vec![], Facts::default()).await
    }

    /// The same with further numbers, at a Twilio that behaves as these facts say.
    pub(crate) async fn with_lines(scheme: &str, lines: Vec<LineSetup>, facts: Facts) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let twin = Twin::start(TwinConfig {
            bare: true,
            first_number: 0x1000,
            lines,
            facts,
            ..TwinConfig::at(listen, TOKEN)
        })
        .await
        .unwrap();
        let way = Way::default();
        let service = app(&twin).layer(axum::middleware::from_fn_with_state(way.clone(), pass));
        tokio::spawn(async move { axum::serve(listener, service).await });
        let listens = free();
        let url = format!("{scheme}://{listens}");
        let folder = tempfile::tempdir().unwrap();
        let base = format!("http://{listen}/__tw");
        Self { twin, way, base, folder, url, listen: listens, server: None }
    }

    /// An account that is set up, and a server that runs.
    async fn healthy() -> Self {
        let mut world = Self::bare("http").await;
        world.provision(&[]);
        world.serve(&[]);
        world
    }

    /// By the commands of an administrator.
    pub(crate) fn provision(&self, more: &[&str]) {
        std::fs::write(self.folder.path().join("plugin.js"), "built").unwrap();
        let deployed = self.rejoin(&["deploy", "--yes", "--bundle", "plugin.js"], &[]);
        assert!(deployed.status.success(), "{deployed:?}");
        let arguments = [&["provision", "--yes", "--workflow", "Assign to Anyone"], more].concat();
        let made = self.rejoin(&arguments, &[]);
        assert!(made.status.success(), "{made:?}");
    }

    pub(crate) fn command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("TWILIO_ACCOUNT_SID", AccountSid::numbered(1).as_str())
            .env("TWILIO_AUTH_TOKEN", TOKEN)
            .env("TWILIO_API_BASE", &self.base)
            .env("REJOIN_PUBLIC_URL", &self.url)
            .envs(settings.iter().copied());
        command
    }

    fn rejoin(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        self.command(arguments, settings).output().unwrap()
    }

    pub(crate) fn serve(&mut self, settings: &[(&str, &str)]) {
        let listen = self.listen.clone();
        let mut command = self.command(&["serve", "--config", "rejoin.toml"], settings);
        let mut server = command
            .env("REJOIN_LISTEN", listen)
            .env("REJOIN_LOG", "off")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(server.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on"), "{line}");
        // More may be printed.
        server.stdout = Some(stdout.into_inner());
        self.server = Some(server);
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    fn doctor(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let arguments = [&["doctor", "--config", "rejoin.toml"], arguments].concat();
        self.rejoin(&arguments, settings)
    }

    /// The result of each check.
    fn checks(&self, settings: &[(&str, &str)]) -> BTreeMap<String, Value> {
        let output = self.doctor(&["--json"], settings);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let all = all.as_array().unwrap();
        let checks: BTreeMap<_, _> =
            all.iter().map(|it| (it["check"].as_str().unwrap().to_owned(), it.clone())).collect();
        assert_eq!(checks.len(), all.len(), "each check is named once");
        let failed = all.iter().any(|it| it["result"] == "failed");
        assert_eq!(output.status.code(), Some(i32::from(failed)), "{all:?}");
        checks
    }

    /// What is not ok now and was in `before`, as `result check`.
    fn news(&self, before: &BTreeMap<String, Value>, settings: &[(&str, &str)]) -> Vec<String> {
        let now = self.checks(settings);
        let is_new = |(check, it): &(&String, &Value)| {
            it["result"] != "ok" && before.get(*check).is_none_or(|old| old["result"] != it["result"])
        };
        let shown = |(check, it): (&String, &Value)| {
            assert!(it["means"].is_string() && it["do"].is_string(), "{it}");
            format!("{} {check}", it["result"].as_str().unwrap())
        };
        now.iter().filter(is_new).map(shown).collect()
    }

    fn set(&self, fault: Fault) {
        *self.way.fault.lock().unwrap() = fault;
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(Settings {
            account: AccountSid::numbered(1),
            auth_token: TOKEN.into(),
            workspace: WorkspaceSid::numbered(1),
            base: self.base.clone(),
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(20),
        })
        .unwrap()
    }

    fn flow(&self, next: Option<&str>, url: &str) {
        let definition = json!({"states": [
            {"name": "Trigger", "type": "trigger", "transitions": [], "properties": {}},
            {"name": "to_flex", "type": "send-to-flex",
             "transitions": [{"event": "callComplete", "next": next}, {"event": "failedToEnqueue"}],
             "properties": {"workflow": WorkflowSid::numbered(1), "channel": "TC00000000000000000000000000000001"}},
            {"name": "ended", "type": "add-twiml-redirect", "transitions": [],
             "properties": {"method": "POST", "url": url}},
        ]});
        let flow = StudioFlow { name: "Calls".into(), published: true, definition };
        self.twin.console(|console| console.flows = vec![flow]);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An address of this machine that nobody listens on.
pub(crate) fn free() -> String {
    crate::support::free().to_string()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_set_up_has_no_failure_and_nothing_is_written() {
    let world = World::healthy().await;
    let before = world.way.requests.lock().unwrap().len();
    let output = world.doctor(&[], &[]);
    let text = said(&output).replace(&world.url, "https://rejoin.example.com");
    assert!(output.status.success(), "{text}");
    assert!(guide("doctor.md").contains(&text), "docs/doctor.md is to show this:\n{text}");
    assert!(!text.contains("failed  ") && !text.contains(TOKEN) && !text.contains("+1555"), "{text}");

    let requests = world.way.requests.lock().unwrap()[before..].to_vec();
    let writes: Vec<_> = requests.iter().filter(|what| !what.starts_with("GET ")).collect();
    // The server asks whether Twilio answers.
    let harmless = |what: &&String| what.ends_with("/Tokens/validate") || what.starts_with("HEAD ");
    assert!(writes.iter().all(harmless), "{writes:?}");
    assert!(requests.len() > 15, "{requests:?}");

    let strict = world.doctor(&["--strict"], &[]);
    assert_eq!(strict.status.code(), Some(1), "there are warnings");
}

/// Each fault is found with one line that was not there without it.
#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_account_is_found_with_one_line() {
    let world = World::healthy().await;
    let healthy = world.checks(&[]);
    let workflow = WorkflowSid::numbered(1);
    let check = format!("workflow-{workflow}");
    let client = world.client();
    let configuration = client.fetch_workflow(&workflow).await.unwrap().configuration;
    let none: Vec<String> = vec![];

    let mut without: Value = serde_json::from_str(&configuration).unwrap();
    let ours = without["task_routing"]["filters"][0].take();
    without["task_routing"]["filters"] = json!([]);
    client.configure_workflow(&workflow, &without.to_string()).await.unwrap();
    assert_eq!(world.news(&healthy, &[]), [format!("warning {check}")], "the filter removed");

    let vip =
        json!({"expression": "vip == true", "targets": [{"queue": "WQ00000000000000000000000000000001"}]});
    without["task_routing"]["filters"] = json!([vip, ours]);
    client.configure_workflow(&workflow, &without.to_string()).await.unwrap();
    assert_eq!(world.news(&healthy, &[]), [format!("failed {check}")], "the filter not first");
    client.configure_workflow(&workflow, &configuration).await.unwrap();
    assert_eq!(world.news(&healthy, &[]), none, "as before");

    world.set(Fault { narrow: true, ..Fault::default() });
    assert_eq!(world.news(&healthy, &[]), ["failed ping-queue"]);
    world.set(Fault { ahead: -60, ..Fault::default() });
    assert_eq!(world.news(&healthy, &[]), ["failed clock"]);
    world.set(Fault { ahead: 10, ..Fault::default() });
    assert_eq!(world.news(&healthy, &[]), ["warning clock"]);
    world.set(Fault::default());

    let attributes = client.flex_configuration().await.unwrap()["ui_attributes"].clone();
    let mut foreign = attributes.clone();
    foreign["custom_data"]["rejoin"]["server"] = "https://another.example.com".into();
    client.set_ui_attributes(&foreign).await.unwrap();
    assert_eq!(world.news(&healthy, &[]), ["failed flex-server"]);
    let mut features = attributes.clone();
    features["custom_data"]["features"] =
        json!({"conference": {"enabled": true}, "hang_up_by": {"enabled": true}});
    client.set_ui_attributes(&features).await.unwrap();
    assert_eq!(world.news(&healthy, &[]), ["warning other-features"]);
    client.set_ui_attributes(&attributes).await.unwrap();

    let setting = json!({"id": "webhooks_setting_1", "signature": {"key": "k", "algorithm": "HMAC_SHA256"}});
    let rule = |prefix: &str| json!({"id": "webhooks_rule_1", "matchType": "PREFIX_MATCH", "prefix": prefix, "settings": ["webhooks_setting_1"]});
    let plant = |rule: Value| {
        let configuration = WebhookConfiguration { rules: vec![rule], settings: vec![setting.clone()] };
        world.twin.console(|console| console.webhooks = Some(configuration));
    };
    plant(rule(&world.url));
    assert_eq!(world.news(&healthy, &[]), ["failed webhook-rules"]);
    plant(rule("https://another.example.com/"));
    assert_eq!(world.news(&healthy, &[]), none);

    world.flow(None, "https://another.example.com");
    assert_eq!(world.news(&healthy, &[]), ["warning flows"]);
    world.flow(Some("ended"), &format!("{}/twiml/ended", world.url));
    assert_eq!(world.news(&healthy, &[]), none);

    world.twin.console(|console| console.voice_fallback_url = Some("https://example.com/sorry".into()));
    assert_eq!(world.checks(&[])["numbers"]["result"], "ok");

    world.twin.console(|console| console.account_status = "suspended".into());
    assert_eq!(world.news(&healthy, &[]), ["failed account"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_setting_is_found_with_one_line() {
    let mut world = World::healthy().await;
    let healthy = world.checks(&[]);
    let (unavailable, nowhere) = (ActivitySid::numbered(2), ActivitySid::numbered(99));
    for (name, value, wanted) in [
        ("REJOIN_RECONNECTING_ACTIVITY_SID", unavailable.as_str(), "failed reconnecting-activity"),
        ("REJOIN_RECONNECTING_ACTIVITY_SID", nowhere.as_str(), "failed reconnecting-activity"),
        ("REJOIN_PING_WORKFLOW_SID", WorkflowSid::numbered(99).as_str(), "failed ping-workflow"),
        ("REJOIN_OUTBOUND_WORKFLOW_SID", WorkflowSid::numbered(99).as_str(), "failed outbound-workflow"),
        ("TWILIO_WORKSPACE_SID", WorkspaceSid::numbered(9).as_str(), "failed workspace"),
        ("TWILIO_AUTH_TOKEN", "ffffffffffffffffffffffffffffffff", "failed account"),
        ("DATABASE_URL", "sqlite:/nowhere/rejoin.db", "failed database"),
        ("DATABASE_URL", &format!("postgres://rejoin@{}/rejoin", free()), "failed database"),
    ] {
        let mut news = world.news(&healthy, &[(name, value)]);
        // With another workflow for pings, the real one counts as one for calls, without a filter.
        news.retain(|it| !it.starts_with("warning workflow-"));
        assert_eq!(news, [wanted], "{name}");
    }
    world.stop();
    assert_eq!(world.news(&healthy, &[]), ["failed server"], "nothing answers");
    let operators = free();
    let settings = [
        ("REJOIN_OPERATOR_LISTEN", operators.as_str()),
        ("REJOIN_OPERATOR_TOKEN", "0123456789abcdef0123456789abcdef"),
    ];
    world.serve(&settings);
    assert_eq!(world.news(&healthy, &settings), Vec::<String>::new(), "an address of the operators' own");
    assert_eq!(world.news(&healthy, &[]), ["warning server-ready"], "without knowing it");
    world.stop();
    world.serve(&[("TWILIO_AUTH_TOKEN", "ffffffffffffffffffffffffffffffff")]);
    assert_eq!(world.news(&healthy, &[]), ["failed signatures"], "a server with another token");
}

/// Accepts connections, and says nothing.
fn half_open(address: &str) -> TcpListener {
    TcpListener::bind(address).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_found_within_bounds() {
    let mut world = World::healthy().await;
    let healthy = world.checks(&[]);
    let silent = half_open("127.0.0.1:0");
    let soon = ("REJOIN_TWILIO_TIMEOUT_MS", "1000");
    let begun = Instant::now();
    for base in [format!("http://{}", free()), format!("http://{}", silent.local_addr().unwrap())] {
        assert_eq!(world.news(&healthy, &[soon, ("TWILIO_API_BASE", &base)]), ["failed account"], "{base}");
    }
    world.set(Fault { silent: Some("taskrouter.twilio.com"), ..Fault::default() });
    assert_eq!(world.news(&healthy, &[soon]), ["failed rights-taskrouter"], "one part of it");
    world.set(Fault { silent: Some("studio.twilio.com"), ..Fault::default() });
    assert_eq!(world.news(&healthy, &[soon]), ["warning rights-studio"]);
    world.set(Fault::default());
    let database = format!("postgres://rejoin@{}/rejoin", silent.local_addr().unwrap());
    assert_eq!(world.news(&healthy, &[("DATABASE_URL", &database)]), ["failed database"]);
    world.stop();
    let server = half_open(world.url.trim_start_matches("http://"));
    assert_eq!(world.news(&healthy, &[]), ["failed server"]);
    drop((silent, server));
    assert!(begun.elapsed() < BOUNDED, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_twilio_wants_later_is_repeated_within_bounds() {
    let world = World::healthy().await;
    let healthy = world.checks(&[]);
    let begun = Instant::now();
    world.set(Fault { throttled: 3, ..Fault::default() });
    let news = world.news(&healthy, &[]);
    assert!(news.is_empty(), "{news:?}");
    assert!(begun.elapsed() >= Duration::from_secs(2), "it was waited for");
    world.set(Fault { throttled: u32::MAX, ..Fault::default() });
    assert!(world.news(&healthy, &[]).contains(&"failed account".to_owned()));
    assert!(begun.elapsed() < BOUNDED, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_counts_when_it_leads_here_and_gets_all_types() {
    let mut world = World::bare("http").await;
    world.provision(&["--no-event-streams"]);
    world.serve(&[]);
    let judged = |wanted: &str| {
        let found = world.checks(&[])["event-streams"].clone();
        assert_eq!(found["result"], wanted, "{found}");
        found["found"].as_str().unwrap().to_owned()
    };
    assert!(judged("warning").contains("no sink leads to this server"));
    let http = reqwest::Client::new();
    let post = |path: &str, form: Vec<(&'static str, String)>| {
        let request = http.post(format!("{}/events.twilio.com/v1/{path}", world.base));
        let request = request.basic_auth(AccountSid::numbered(1), Some(TOKEN)).form(&form);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let description = || ("Description", "by hand".to_owned());
    let sink = json!({"destination": format!("{}/webhooks/events", world.url), "method": "POST", "batch_events": true});
    let sink = vec![description(), ("SinkType", "webhook".into()), ("SinkConfiguration", sink.to_string())];
    let sink = post("Sinks", sink).await["sid"].as_str().unwrap().to_owned();
    let one = json!({"type": "com.twilio.taskrouter.reservation.accepted", "schema_version": 1}).to_string();
    post("Subscriptions", vec![description(), ("SinkSid", sink), ("Types", one)]).await;
    assert!(judged("warning").contains("does not get com.twilio.taskrouter.reservation.rejected"));
    world.provision(&[]);
    assert!(judged("ok").contains("schema version 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_of_conversations_counts_when_chats_are_watched() {
    let world = World::healthy().await;
    assert!(!world.checks(&[]).contains_key("conversations"));
    let judged = || world.checks(&[("REJOIN_CONVERSATIONS", "on")])["conversations"].clone();
    let nowhere = judged();
    assert_eq!(nowhere["result"], "warning", "{nowhere}");
    world.provision(&["--conversations"]);
    let here = judged();
    assert_eq!(here["result"], "ok", "{here}");
}

/// `rejoin fallback`, which ends with this value.
struct Fallback(Child);

impl Drop for Fallback {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_is_to_answer_and_to_have_the_numbers() {
    let world = World::healthy().await;
    let healthy = world.checks(&[]);
    assert!(!healthy.contains_key("fallback"), "without REJOIN_FALLBACK_URL there is nothing to check");
    let listen = free();
    let url = format!("http://{listen}");
    let settings = [("REJOIN_FALLBACK_URL", url.as_str())];
    assert_eq!(world.news(&healthy, &settings), ["failed fallback"], "nobody listens");

    // Twilio's Functions have no `/health/live`: there the audio answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let functions = format!("http://{}", listener.local_addr().unwrap());
    let audio = axum::Router::new().route("/audio/comfort.wav", axum::routing::get(|| async { "RIFF" }));
    tokio::spawn(async move { axum::serve(listener, audio).await });
    let checked_at = |url: String| world.checks(&[("REJOIN_FALLBACK_URL", &url)])["fallback"].clone();
    assert_eq!(checked_at(functions.clone())["result"], "ok");
    let other = checked_at(format!("{functions}/elsewhere"));
    assert!(other["found"].as_str().unwrap().contains("HTTP status 404"), "{other}");

    let mut command = world.command(&["fallback", "--config", "rejoin.toml"], &settings);
    command.env("REJOIN_LISTEN", &listen).env("REJOIN_LOG", "off").stdout(Stdio::piped());
    let mut fallback = Fallback(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(fallback.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on"), "{line}");
    let checks = world.checks(&settings);
    assert_eq!(
        (&checks["fallback"]["result"], &checks["numbers"]["result"]),
        (&json!("ok"), &json!("warning"))
    );
    assert!(checks["numbers"]["found"].as_str().unwrap().contains("1 without any (PN"), "{checks:?}");

    world.provision(&["--fallback-url", &url, "--number", "+15550001111"]);
    let text = said(&world.doctor(&[], &settings)).replace(&url, "https://fallback.example.com");
    for check in ["numbers", "fallback"] {
        let line = text.lines().find(|line| line.starts_with(&format!("ok       {check}: ")));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(guide("doctor.md").contains(&format!("{line}\n")), "docs/doctor.md is to show this:\n{line}");
    }

    let theirs = ("https://other.example.com/sorry".to_owned(), "POST".to_owned());
    world.twin.console(|console| {
        console.fallbacks.insert("PN00000000000000000000000000000001".to_owned(), theirs);
    });
    let checks = world.checks(&settings);
    assert!(checks["numbers"]["found"].as_str().unwrap().contains("1 with another"), "{checks:?}");

    // The number's own address does not count any more.
    application(&world.twin);
    let checks = world.checks(&settings);
    assert!(checks["numbers"]["found"].as_str().unwrap().contains("1 without any (AP"), "{checks:?}");
    world.provision(&["--fallback-url", &url, "--number", "+15550001111"]);
    let found = world.checks(&settings)["numbers"].clone();
    assert_eq!(found["result"], "ok", "{found}");
    assert!(found["found"].as_str().unwrap().starts_with("1 application for calls, each with"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_prints_what_has_changed() {
    let world = World::healthy().await;
    let mut command = world.command(&["doctor", "--config", "rejoin.toml", "--json", "--watch", "1"], &[]);
    let mut watching = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let last = lines.find(|it| it["check"] == "database").unwrap();
    assert_eq!(last["result"], "ok");
    world.twin.console(|console| console.voice_fallback_url = Some("https://example.com/sorry".into()));
    let next = lines.next().unwrap();
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert_eq!(
        (&next["check"], &next["result"]),
        (&json!("numbers"), &json!("ok")),
        "nothing else has changed"
    );
}

/// The server speaks TLS itself, with this certificate for that name.
fn certificate(folder: &Path, name: &str, until: (i32, u8, u8)) -> [(&'static str, String); 2] {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    let key = rcgen::KeyPair::generate().unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("certificate.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    [("REJOIN_TLS_CERTIFICATE", path("certificate.pem")), ("REJOIN_TLS_KEY", path("key.pem"))]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_when_it_is_trusted_for_this_name_and_not_expired() {
    let mut world = World::bare("https").await;
    world.provision(&[]);
    for (name, until, is_trusted, wanted) in [
        ("127.0.0.1", (4000, 1, 1), true, "ok"),
        ("127.0.0.1", (4000, 1, 1), false, "failed not trusted"),
        ("elsewhere.example.com", (4000, 1, 1), true, "failed another name"),
        ("127.0.0.1", (2020, 1, 1), true, "failed expired"),
    ] {
        let files = certificate(world.folder.path(), name, until);
        let files: Vec<_> = files.iter().map(|(key, value)| (*key, value.as_str())).collect();
        world.serve(&files);
        let other = world.folder.path().join("other");
        std::fs::create_dir_all(&other).unwrap();
        let _ = certificate(&other, "another.example.com", (4000, 1, 1));
        let trusted = if is_trusted {
            files[0].1.to_owned()
        } else {
            other.join("certificate.pem").to_str().unwrap().to_owned()
        };
        let checks = world.checks(&[("SSL_CERT_FILE", &trusted)]);
        let (result, why) = wanted.split_once(' ').unwrap_or((wanted, ""));
        let found = &checks["certificate"];
        assert_eq!(found["result"], result, "{name} {until:?}: {found}");
        assert!(found["found"].as_str().unwrap().contains(why), "{name} {until:?}: {found}");
        let others = checks.values().filter(|it| it["result"] == "failed" && it["check"] != "certificate");
        assert_eq!(others.count(), 0, "one line: {checks:?}");
        world.stop();
    }
}

/// A supervisor that has read the first line, or none, and closes its end of the pipe.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_output_nobody_reads_goes_on() {
    let world = World::bare("http").await;
    world.provision(&[]);
    let mut command = world.command(&["serve", "--config", "rejoin.toml"], &[("REJOIN_LOG", "off")]);
    let listen = world.url.split_once("://").unwrap().1;
    command.env("REJOIN_LISTEN", listen).env("REJOIN_OPERATOR_LISTEN", "127.0.0.1:0");
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(server.stdout.take());
    let live = async {
        let address = format!("{}/health/live", world.url);
        while reqwest::get(&address).await.is_err() {
            assert_eq!(server.try_wait().unwrap(), None, "it has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUNDED, live).await.unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
}
