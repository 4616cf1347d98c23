//! The monitor with real end points and targets: some refuse, some are silent, some answer with errors, and all come back.

mod kept;
mod mail;
mod peers;
mod states;

use crate::support::{AUTH_TOKEN, PATIENCE};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use rejoin_server::{FallbackServer, FallbackSettings, Monitor, MonitorSettings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// PagerDuty's integration key in these tests.
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What a stand-in does with a request.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer(u16),
    /// 503, with a server's answer.
    Unready,
    /// Keeps the connection open and says nothing.
    Nothing,
}

/// A stand-in for an end point or a target: does as it is told, and records what it gets.
#[derive(Clone, Debug)]
struct Stub {
    address: SocketAddr,
    does: Arc<Mutex<Does>>,
    requests: watch::Sender<usize>,
    bodies: mpsc::UnboundedSender<Value>,
}

impl Stub {
    async fn start(does: Does) -> (Self, mpsc::UnboundedReceiver<Value>) {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), does)
    }

    fn on(listener: TcpListener, does: Does) -> (Self, mpsc::UnboundedReceiver<Value>) {
        let (bodies, received) = mpsc::unbounded_channel();
        let address = listener.local_addr().unwrap();
        let does = Arc::new(Mutex::new(does));
        let stub = Self { address, does, requests: watch::Sender::new(0), bodies };
        let router = Router::new().fallback(answer).with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (stub, received)
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn set(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// Returns when it has been asked this number of times more.
    async fn asked(&self, more: usize) {
        let mut requests = self.requests.subscribe();
        let wanted = *requests.borrow() + more;
        timeout(PATIENCE, requests.wait_for(|count| *count >= wanted)).await.unwrap().unwrap();
    }
}

async fn answer(State(stub): State<Stub>, request: Request) -> (StatusCode, String) {
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let does = *stub.does.lock().unwrap();
    if let Ok(body) = serde_json::from_slice(&body) {
        let _ = stub.bodies.send(body);
    }
    stub.requests.send_modify(|count| *count += 1);
    match does {
        Does::Answer(status) => (StatusCode::from_u16(status).unwrap(), String::new()),
        Does::Unready => {
            let body = json!({"clock": {"ok": false, "trouble": "x"}, "database": {"ok": true}});
            (StatusCode::SERVICE_UNAVAILABLE, body.to_string())
        }
        Does::Nothing => std::future::pending().await,
    }
}

/// An address at which nobody listens.
async fn refused() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn settings(options: &[(&str, &str)]) -> MonitorSettings {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        settings: MonitorSettings,
    }
    let fast = [("monitor-every-ms", "100"), ("monitor-timeout-ms", "1500")];
    let fast = fast.iter().filter(|(name, _)| options.iter().all(|(other, _)| other != name));
    let options = fast.chain(options).map(|(name, value)| format!("--{name}={value}"));
    let arguments = std::iter::once("x".to_owned()).chain(options);
    <Only as clap::Parser>::try_parse_from(arguments).unwrap().settings
}

async fn next(received: &mut mpsc::UnboundedReceiver<Value>) -> Value {
    timeout(PATIENCE, received.recv()).await.expect("an alert comes").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_point_that_fails_is_alerted_about_once_and_resolved() {
    let (server, _) = Stub::start(Does::Answer(200)).await;
    let (twilio, _) = Stub::start(Does::Nothing).await;
    let fallback = refused().await;
    let (silent, mut half_open) = Stub::start(Does::Nothing).await;
    let (slack, mut texts) = Stub::start(Does::Answer(500)).await;
    let (pagerduty, mut events) = Stub::start(Does::Answer(202)).await;
    let fallback_url = format!("http://{fallback}");
    let monitor = Monitor::start(&settings(&[
        ("public-url", &server.url()),
        ("fallback-url", &fallback_url),
        ("twilio-api-base", &twilio.url()),
        ("alert-webhook-url", &silent.url()),
        ("alert-slack-url", &slack.url()),
        ("alert-pagerduty-key", KEY),
        ("alert-pagerduty-url", &pagerduty.url()),
    ]))
    .await
    .unwrap();
    let what = |event: &Value| {
        let key = event["dedup_key"].as_str().unwrap().to_owned();
        (key, event["event_action"].as_str().unwrap().to_owned(), event["payload"]["summary"].clone())
    };
    let names = [
        format!("rejoin fallback {fallback_url}"),
        format!("rejoin twilio {}/api.twilio.com", twilio.url()),
        format!("rejoin server {}", server.url()),
    ];
    let trigger = |name: &String, why: &str| {
        let summary = format!("{}: {why}", name.trim_start_matches("rejoin "));
        (name.clone(), "trigger".to_owned(), json!(summary))
    };
    let resolve = |name: &String| (name.clone(), "resolve".to_owned(), Value::Null);

    // A silent end point holds up no other, nor a target that does not answer.
    assert_eq!(what(&next(&mut events).await), trigger(&names[0], "no connection"));
    assert_eq!(what(&next(&mut events).await), trigger(&names[1], "timed out"));
    assert_eq!(next(&mut half_open).await["event"], "trigger", "it has got the first");

    // A target that fails gets the same alert again until it takes it, and then the next.
    let first = json!({"text": format!("Alert: fallback {fallback_url}: no connection")});
    assert_eq!(next(&mut texts).await, first);
    slack.set(Does::Answer(200));
    let second = json!({"text": format!("Alert: twilio {}/api.twilio.com: timed out", twilio.url())});
    let mut again = 0;
    loop {
        let text = next(&mut texts).await;
        if text != first {
            assert_eq!(text, second);
            break;
        }
        again += 1;
    }
    assert!(again > 0, "the alert that failed is sent again");

    // Of an end point with an open alert nobody hears again, whatever it answers, until it works.
    server.set(Does::Answer(500));
    assert_eq!(what(&next(&mut events).await), trigger(&names[2], "answered 500"));
    server.set(Does::Unready);
    server.asked(4).await;
    server.set(Does::Answer(200));
    assert_eq!(what(&next(&mut events).await), resolve(&names[2]));
    // Any answer of Twilio's counts but an error of its own.
    twilio.set(Does::Answer(404));
    assert_eq!(what(&next(&mut events).await), resolve(&names[1]));
    let (back, _) = Stub::on(TcpListener::bind(fallback).await.unwrap(), Does::Answer(200));
    assert_eq!(what(&next(&mut events).await), resolve(&names[0]));

    // From now on all is well.
    for stub in [&server, &back, &twilio] {
        stub.asked(3).await;
    }
    assert!(events.try_recv().is_err(), "nobody is told of nothing");
    monitor.stop().await;
}

/// The JSON in the document, in order.
fn documented() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitor.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_have_the_form_that_the_document_shows() {
    let (server, _) = Stub::start(Does::Unready).await;
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(204)).await;
    let (slack, mut texts) = Stub::start(Does::Answer(200)).await;
    let (pagerduty, mut events) = Stub::start(Does::Answer(202)).await;
    let monitor = Monitor::start(&settings(&[
        ("monitor-servers", &server.url()),
        ("twilio-api-base", &twilio.url()),
        ("alert-webhook-url", &webhook.url()),
        ("alert-slack-url", &slack.url()),
        ("alert-pagerduty-key", KEY),
        ("alert-pagerduty-url", &pagerduty.url()),
    ]))
    .await
    .unwrap();
    let triggers = [next(&mut alerts).await, next(&mut texts).await, next(&mut events).await];
    server.set(Does::Answer(200));
    let resolves = [next(&mut alerts).await, next(&mut texts).await, next(&mut events).await];
    monitor.stop().await;

    let documented = documented();
    assert_eq!(documented.len(), 6, "a trigger and a resolve for each kind of target");
    for (index, (received, shown)) in triggers.iter().chain(&resolves).zip(&documented).enumerate() {
        let text = received.to_string().replace(&server.url(), "https://rejoin.example.com");
        let mut received: Value = serde_json::from_str(&text).unwrap();
        if received["at_ms"].as_u64().is_some_and(|at| at > 1_700_000_000_000) {
            received["at_ms"] = shown["at_ms"].clone();
        }
        assert_eq!(&received, shown, "docs/monitor.md, block {index}: received\n{received:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_a_target_refuses_holds_up_no_later_one() {
    let (server, _) = Stub::start(Does::Answer(500)).await;
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(400)).await;
    let options = [
        ("public-url", server.url()),
        ("twilio-api-base", twilio.url()),
        ("alert-webhook-url", webhook.url()),
    ];
    let options: Vec<_> = options.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let monitor = Monitor::start(&settings(&options)).await.unwrap();
    assert_eq!(next(&mut alerts).await["event"], "trigger");
    server.set(Does::Answer(200));
    assert_eq!(next(&mut alerts).await["event"], "resolve", "the trigger is not sent again");
    monitor.stop().await;
}

/// On `/health/ready` a proxy answers 403; `/health/live` is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_readiness_is_not_public_is_asked_whether_it_is_live() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (live, mut asked) = mpsc::unbounded_channel();
    let status = Arc::new(Mutex::new(200));
    let says = Arc::clone(&status);
    let router =
        Router::new().route("/health/ready", axum::routing::get(|| async { StatusCode::FORBIDDEN })).route(
            "/health/live",
            axum::routing::get(async move || {
                let status = *says.lock().unwrap();
                let _ = live.send(status);
                StatusCode::from_u16(status).unwrap()
            }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(200)).await;
    let url = format!("http://{address}");
    let options =
        [("public-url", url), ("twilio-api-base", twilio.url()), ("alert-webhook-url", webhook.url())];
    let options: Vec<_> = options.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let monitor = Monitor::start(&settings(&options)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(timeout(PATIENCE, asked.recv()).await.unwrap(), Some(200));
    }
    assert!(alerts.try_recv().is_err());
    *status.lock().unwrap() = 503;
    let summary = next(&mut alerts).await["summary"].clone();
    assert_eq!(summary, json!(format!("server http://{address}: answered 503")));
    monitor.stop().await;
}

/// A self-signed certificate for this machine that ends after this number of days.
fn certificate(key: &rcgen::KeyPair, days: u64) -> String {
    let until =
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(days * 24 * 60 * 60);
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "127.0.0.1");
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + until;
    params.self_signed(key).unwrap().pem()
}

/// A program of its own, because the certificates that it trusts stand in its environment.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_about_to_expire_is_alerted_about_until_it_is_renewed() {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        settings: FallbackSettings,
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = rcgen::KeyPair::generate().unwrap();
    let (old, new) = (certificate(&key, 5), certificate(&key, 90));
    for (name, text) in [("key", key.serialize_pem()), ("certificate", old.clone()), ("all", old + &new)] {
        std::fs::write(path(name), text).unwrap();
    }
    let options = [
        ("listen", "127.0.0.1:0"),
        ("public-url", "https://rejoin.test"),
        ("fallback-url", "https://fallback.test"),
        ("twilio-auth-token", AUTH_TOKEN),
        ("tls-certificate", &path("certificate")),
        ("tls-key", &path("key")),
    ];
    let options = options.iter().map(|(name, value)| format!("--{name}={value}"));
    let arguments = std::iter::once("x".to_owned()).chain(options);
    let settings = <Only as clap::Parser>::try_parse_from(arguments).unwrap().settings;
    let fallback = FallbackServer::start(settings).await.unwrap();
    let (server, _) = Stub::start(Does::Answer(200)).await;
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(200)).await;
    let url = format!("https://{}", fallback.address());
    let _monitor = tokio::process::Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .arg("monitor")
        .env_clear()
        .envs([
            ("REJOIN_PUBLIC_URL", server.url()),
            ("REJOIN_FALLBACK_URL", url.clone()),
            ("TWILIO_API_BASE", twilio.url()),
            ("REJOIN_MONITOR_EVERY_MS", "100".to_owned()),
            ("REJOIN_ALERT_WEBHOOK_URL", webhook.url()),
            ("SSL_CERT_FILE", path("all")),
        ])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(path("log")).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let alert = next(&mut alerts).await;
    let wanted = [
        format!("certificate {url}: it expires in 4 days"),
        format!("certificate {url}: it expires in 5 days"),
    ];
    assert!(wanted.iter().any(|wanted| alert["summary"] == **wanted), "{alert}");
    // As renewal programs do; the file is a new one by its time.
    std::fs::write(path("new"), new).unwrap();
    std::fs::rename(path("new"), path("certificate")).unwrap();
    let resolved = next(&mut alerts).await;
    assert_eq!(
        resolved["summary"],
        format!("certificate {url}: works again"),
        "the fallback itself works: {resolved}"
    );
    // Days after its end are only asked about.
    let log = std::fs::read_to_string(path("log")).unwrap();
    assert_eq!(log.matches("ERROR").count(), 1, "the alert alone: {log}");
    fallback.stop().await;
}

fn run(environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin"));
    command.arg("monitor").env_clear().envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn settings_that_cannot_be_used_are_refused_without_their_values() {
    let url = ("REJOIN_PUBLIC_URL", "https://rejoin.example.com");
    let webhook = ("REJOIN_ALERT_WEBHOOK_URL", "https://alerts.example.com/hidden");
    for (environment, wanted) in [
        (vec![url], "REJOIN_ALERT_WEBHOOK_URL cannot be used: not set"),
        (vec![url, ("REJOIN_ALERT_WEBHOOK_URL", "")], "REJOIN_ALERT_WEBHOOK_URL cannot be used: not set"),
        (vec![webhook], "REJOIN_MONITOR_SERVERS cannot be used: not set"),
        (vec![url, ("REJOIN_ALERT_WEBHOOK_URL", "ftp://hidden")], "REJOIN_ALERT_WEBHOOK_URL cannot be used"),
        (vec![url, ("REJOIN_ALERT_SLACK_URL", "hidden")], "REJOIN_ALERT_SLACK_URL cannot be used"),
        (
            vec![url, ("REJOIN_ALERT_SMTP_URL", "smtp://a:hidden@b.test")],
            "REJOIN_ALERT_SMTP_URL cannot be used",
        ),
        (
            vec![url, ("REJOIN_ALERT_SMTP_URL", "smtp://b.test")],
            "REJOIN_ALERT_MAIL_FROM cannot be used: not set",
        ),
        (vec![webhook, ("REJOIN_PUBLIC_URL", "https://a:hidden@b.test")], "REJOIN_PUBLIC_URL cannot be used"),
        (vec![webhook, ("REJOIN_MONITOR_SERVERS", "hidden")], "REJOIN_MONITOR_SERVERS cannot be used"),
        (vec![url, webhook, ("REJOIN_FALLBACK_URL", "hidden")], "REJOIN_FALLBACK_URL cannot be used"),
        (vec![url, webhook, ("TWILIO_API_BASE", "hidden")], "TWILIO_API_BASE cannot be used"),
        (vec![url, webhook, ("REJOIN_MONITOR_EVERY_MS", "1")], "--monitor-every-ms"),
    ] {
        let output = run(&environment);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{environment:?}");
        assert!(said.contains(wanted), "{wanted} is not in {said}");
        assert!(!said.contains("hidden"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_says_what_it_does_without_secrets_and_ends_with_zero() {
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (pagerduty, _) = Stub::start(Does::Answer(500)).await;
    let nobody = refused().await;
    let secret = "xoxsecret";
    let environment = BTreeMap::from([
        ("REJOIN_PUBLIC_URL", format!("http://{nobody}")),
        ("TWILIO_API_BASE", twilio.url()),
        ("REJOIN_MONITOR_EVERY_MS", "100".to_owned()),
        ("REJOIN_ALERT_SLACK_URL", format!("http://{nobody}/services/{secret}")),
        ("REJOIN_ALERT_PAGERDUTY_KEY", KEY.to_owned()),
        ("REJOIN_ALERT_PAGERDUTY_URL", pagerduty.url()),
        ("REJOIN_LOG", "debug".to_owned()),
        ("REJOIN_MONITOR_LISTEN", "127.0.0.1:0".to_owned()),
    ]);
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .arg("monitor")
        .env_clear()
        .envs(environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    let mut log = String::new();
    let wanted = [
        &format!("alert: server http://{nobody}: no connection"),
        "to=\"slack\" why=\"no connection\" failures=1",
        "to=\"pagerduty\" why=\"answered 500\" failures=1",
    ];
    while !wanted.iter().all(|wanted| log.contains(*wanted)) {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap_or_else(|_| panic!("{wanted:?}: {log}"));
        log += &(line.unwrap().unwrap_or_else(|| panic!("it has ended: {log}")) + "\n");
    }
    let mut lines_out = BufReader::new(program.stdout.take().unwrap()).lines();
    let said = timeout(PATIENCE, lines_out.next_line()).await.unwrap().unwrap().unwrap();
    let own = said.strip_prefix("monitoring; /health/live and /metrics on ").unwrap().to_owned();
    assert_eq!(reqwest::get(format!("http://{own}/health/live")).await.unwrap().status(), 200);
    let metrics = reqwest::get(format!("http://{own}/metrics")).await.unwrap().text().await.unwrap();
    for wanted in [
        format!("rejoin_monitor_alert_open{{kind=\"server\",url=\"http://{nobody}\"}} 1"),
        format!("rejoin_monitor_alert_open{{kind=\"twilio\",url=\"{}/api.twilio.com\"}} 0", twilio.url()),
        "rejoin_monitor_alerts_total{to=\"pagerduty\",result=\"delivered\"} 0".to_owned(),
        "rejoin_monitor_alerts_total{to=\"slack\",result=\"failed\"} ".to_owned(),
    ] {
        assert!(metrics.contains(&wanted), "{wanted} is not in {metrics}");
    }
    assert!(!metrics.contains("result=\"failed\"} 0"), "each attempt that failed is counted: {metrics}");
    log += &metrics;
    let id = program.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        log += &(line + "\n");
    }
    assert_eq!(timeout(PATIENCE, program.wait()).await.unwrap().unwrap().code(), Some(0), "{log}");
    assert!(log.contains("to=\"slack\" waiting=1"), "what is lost is counted: {log}");
    for secret in [secret, KEY, "/services"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
