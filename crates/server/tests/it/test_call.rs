//! `rejoin doctor --staging` and `--live` as an administrator runs them, on an account with two numbers: a healthy call, and
//! faults that are planted one at a time.

use crate::administrator::guide;
use crate::doctor::World;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use rejoin_protocol::{CallSid, TaskQueueSid};
use rejoin_twin::facts::Facts;
use rejoin_twin::faults::Faults;
use rejoin_twin::model::{Event, LineSetup};
use rejoin_twin::outside::{Manner, Phone};
use serde_json::{Value, json};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

const FROM: &str = "+15550001111";
const TO: &str = "+15550003333";
const PHONE: &str = "+15550100007";
/// Whatever is waited for comes within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(120);
const KEEPS_THE_LINE: &str = r#"<Response><Pause length="300"/></Response>"#;

/// The number's document, and what is between Twilio and the server.
#[derive(Clone)]
struct Between {
    document: Arc<Mutex<&'static str>>,
    /// Requests whose path begins so get 404.
    blocked: Arc<Mutex<Option<&'static str>>>,
    server: Arc<Mutex<String>>,
    http: reqwest::Client,
}

async fn pass(State(between): State<Between>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    if path == "/waits" {
        return ([(header::CONTENT_TYPE, "text/xml")], *between.document.lock().unwrap()).into_response();
    }
    let blocked = *between.blocked.lock().unwrap();
    if blocked.is_some_and(|blocked| path.starts_with(blocked)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let url = format!("http://{}{path}", between.server.lock().unwrap());
    let sent = between.http.request(parts.method, url).headers(parts.headers).body(body).send().await;
    let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::builder().status(answer.status());
    *response.headers_mut().unwrap() = answer.headers().clone();
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}

struct Stage {
    world: World,
    between: Between,
}

impl Stage {
    /// An account that is set up, with a second number, and a server that runs.
    async fn open() -> Self {
        Self::assuming(Facts::default()).await
    }

    async fn assuming(facts: Facts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let between = Between {
            document: Arc::new(Mutex::new(KEEPS_THE_LINE)),
            blocked: Arc::default(),
            server: Arc::default(),
            http: reqwest::Client::new(),
        };
        let router = Router::new().fallback(any(pass)).with_state(between.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let lines = vec![LineSetup { number: TO.into(), voice_url: format!("{url}/waits") }];
        let mut world = World::with_lines("http", lines, facts).await;
        between.server.lock().unwrap().clone_from(&world.listen);
        world.url = url;
        world.provision(&[]);
        world.serve(&[]);
        Self { world, between }
    }

    fn command(&self, mode: &str, more: &[&str]) -> Command {
        let arguments = ["doctor", "--config", "rejoin.toml", mode, "--from", FROM, "--to", TO];
        self.world.command(&[&arguments, more].concat(), &[])
    }

    fn output(&self, mode: &str, more: &[&str]) -> Output {
        self.command(mode, more).output().unwrap()
    }

    /// The result of each step, in order, as `result check`; what has failed has a meaning and a remedy.
    fn steps(&self, mode: &str, more: &[&str]) -> Vec<String> {
        let output = self.output(mode, &[&["--yes", "--json"], more].concat());
        Self::read(&output)
    }

    fn read(output: &Output) -> Vec<String> {
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let all = all.get("checks").unwrap_or(&all).as_array().unwrap().clone();
        let failed = all.iter().any(|it| it["result"] == "failed");
        assert_eq!(output.status.code(), Some(i32::from(failed)), "{all:#?}");
        let shown = |it: &Value| {
            let text = it.to_string();
            assert!(!text.contains(FROM) && !text.contains(TO) && !text.contains(PHONE), "{text}");
            assert_eq!(it["result"] == "ok", it["means"].is_null() && it["do"].is_null(), "{it}");
            format!("{} {}", it["result"].as_str().unwrap(), it["check"].as_str().unwrap())
        };
        all.iter().map(shown).collect()
    }

    /// Begins a run, and waits until a number of calls have reached the number of `--to`.
    async fn begun(&self, calls: usize) -> Child {
        let mut command = self.command("--staging", &["--yes", "--json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        self.until("the call is under way", |state| {
            let all = state["conferences"].as_array()?.iter().map(|it| &it["participants"]);
            let all: usize = all.map(|it| it.as_array().map_or(0, Vec::len)).sum();
            (all >= calls).then_some(())
        })
        .await;
        child
    }

    async fn until<T>(&self, what: &str, is: impl Fn(&Value) -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = is(&self.world.twin.snapshot().await) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: {:#?}", self.world.twin.log_lines()),
        }
    }

    /// Nothing of a run is left, and every call is over.
    async fn is_clean(&self) {
        let client = self.world.client();
        let is_ours = |name: &String| name.starts_with("Rejoin test call");
        let mut names: Vec<String> = vec![];
        names.extend(client.list_workers().await.unwrap().into_iter().map(|it| it.friendly_name));
        names.extend(client.list_workflows().await.unwrap().into_iter().map(|it| it.friendly_name));
        names.extend(client.list_task_queues().await.unwrap().into_iter().map(|it| it.friendly_name));
        names.retain(is_ours);
        assert!(names.is_empty(), "{names:?}");
        assert!(client.list_calls(FROM, TO, "in-progress").await.unwrap().is_empty());
    }
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Times and SIDs as the documents show them.
fn steady(text: &str, stage: &Stage) -> String {
    let text = text.replace(&stage.world.url, "https://rejoin.example.com");
    let mut words = vec![];
    for line in text.lines() {
        let of = |word: &str| match word
            .strip_suffix(|c: char| !c.is_ascii_digit())
            .unwrap_or(word)
            .split_once('.')
        {
            Some((whole, part)) if whole.parse::<u64>().is_ok() && part.parse::<u64>().is_ok() => {
                word.replacen(&format!("{whole}.{part}"), "1.2", 1)
            }
            _ => word.to_owned(),
        };
        words.push(line.split(' ').map(of).collect::<Vec<_>>().join(" "));
    }
    words.join("\n") + "\n"
}

const HEALTHY: [&str; 14] = [
    "ok call-numbers",
    "ok call-assets",
    "ok call-setup",
    "ok call-queue",
    "ok call-accept",
    "ok call-callbacks",
    "ok call-loss",
    "ok call-announcement",
    "ok call-ping",
    "ok call-requeue",
    "ok call-rejoin",
    "ok call-recovered",
    "ok call-end",
    "ok call-removed",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_server_brings_the_customer_of_a_test_call_back() {
    let stage = Stage::open().await;
    let refused = stage.output("--staging", &[]);
    assert_eq!(refused.status.code(), Some(1), "without a terminal it is not confirmed");
    assert!(
        stage.world.twin.done().iter().all(|done| !done.request.starts_with("POST Calls")),
        "nothing rings"
    );
    let output = stage.output("--staging", &["--yes"]);
    let text = steady(&said(&output), &stage);
    assert!(output.status.success(), "{text}{:#?}", stage.world.twin.log_lines());
    assert!(!text.contains(FROM) && !text.contains(TO), "{text}");
    assert!(guide("doctor.md").contains(&text), "docs/doctor.md is to show this:\n{text}");
    stage.is_clean().await;
    assert_eq!(stage.steps("--staging", &[]), HEALTHY, "again");
}
