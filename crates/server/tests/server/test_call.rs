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
use std::io::{BufRead as _, BufReader};
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

/// The account's number `TO`, whose document only waits.
pub(crate) async fn waiting_number() -> LineSetup {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let voice_url = format!("http://{}/waits", listener.local_addr().unwrap());
    let document = || async { ([(header::CONTENT_TYPE, "text/xml")], KEEPS_THE_LINE) };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(document))).await });
    LineSetup { number: TO.into(), voice_url }
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

    /// Begins a run, and waits until customer and agent talk.
    async fn begun(&self) -> Child {
        let met = |state: &Value| {
            let all = state["conferences"].as_array().into_iter().flatten().map(|it| &it["participants"]);
            all.map(|it| it.as_array().map_or(0, Vec::len)).sum::<usize>()
        };
        let before = met(&self.world.twin.snapshot().await);
        let mut command = self.command("--staging", &["--yes", "--json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        self.until("customer and agent talk", |state| (met(state) >= before + 2).then_some(())).await;
        child
    }

    async fn until<T>(&self, what: &str, is: impl Fn(&Value) -> Option<T>) -> T {
        match tokio::time::timeout(PATIENCE, self.world.twin.until(is)).await {
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
    timeless(&text.replace(&stage.world.url, "https://rejoin.example.com"))
}

/// The text with 1.2 in the place of measured seconds.
pub(crate) fn timeless(text: &str) -> String {
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

/// The steps that are all right, up to this many, then the one that fails, then the deletion.
fn fails(passed: usize, check: &str) -> Vec<String> {
    let passed = HEALTHY[..passed].iter().map(|step| (*step).to_owned());
    passed.chain([format!("failed {check}"), "ok call-removed".to_owned()]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_may_do_more_than_wait_are_not_called() {
    let stage = Stage::open().await;
    let before = stage.world.twin.done().len();
    let failed = ["failed call-numbers"];
    for document in [
        r#"<Response><Enqueue workflowSid="WW00000000000000000000000000000001"/></Response>"#,
        r#"<Response><Pause length="5"/></Response>"#,
        "Not Found",
    ] {
        *stage.between.document.lock().unwrap() = document;
        assert_eq!(stage.steps("--staging", &[]), failed, "{document}");
    }
    *stage.between.document.lock().unwrap() = KEEPS_THE_LINE;
    let run = |from: &str, to: &str, settings: &[(&str, &str)]| {
        let arguments =
            ["doctor", "--config", "rejoin.toml", "--staging", "--from", from, "--to", to, "--yes", "--json"];
        stage.world.command(&arguments, settings).output().unwrap()
    };
    assert_eq!(Stage::read(&run("+15550009999", TO, &[])), failed, "a number of another account");
    assert_eq!(Stage::read(&run(FROM, "+15550009999", &[])), failed);
    // Before anything is asked of Twilio.
    for (from, to, allowed, why) in [
        (FROM, FROM, "", "different numbers"),
        ("5550001111", TO, "", "--from"),
        (FROM, "client:ada", "", "--to"),
        (FROM, TO, FROM, "REJOIN_ALLOWED_NUMBERS"),
    ] {
        let output = run(from, to, &[("REJOIN_ALLOWED_NUMBERS", allowed)]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(why) && output.stdout.is_empty(), "{told}");
        assert!(!told.contains(TO) && !told.contains("5550001111"), "{told}");
    }
    let output = stage.output("--staging", &["--phone", PHONE, "--yes"]);
    assert!(!output.status.success() && output.stdout.is_empty(), "a person is called with --live alone");
    for (arguments, why) in [
        (&["--staging", "--from", FROM][..], "--to"),
        (&["--staging", "--live", "--from", FROM, "--to", TO], "cannot be used with"),
        (&["--yes"], "--staging"),
        (&["--staging", "--from", FROM, "--to", TO, "--watch", "5"], "cannot be used with"),
    ] {
        let arguments = [&["doctor", "--config", "rejoin.toml"], arguments].concat();
        let output = stage.world.command(&arguments, &[]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && told.contains(why), "{told}");
    }
    assert_eq!(stage.world.twin.done().len(), before, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached_as_configured_is_found() {
    let stage = Stage::open().await;
    *stage.between.blocked.lock().unwrap() = Some("/audio/");
    assert_eq!(
        stage.steps("--staging", &[]),
        ["ok call-numbers", "failed call-assets"],
        "nothing was dialled"
    );
    *stage.between.blocked.lock().unwrap() = Some("/webhooks/conference");
    assert_eq!(stage.steps("--staging", &[]), fails(5, "call-callbacks"), "callbacks do not come");
    *stage.between.blocked.lock().unwrap() = None;
    let elsewhere = format!("http://{}", crate::doctor::free());
    let settings = [("REJOIN_PUBLIC_URL", elsewhere.as_str())];
    let arguments =
        ["doctor", "--config", "rejoin.toml", "--staging", "--from", FROM, "--to", TO, "--yes", "--json"];
    let output = stage.world.command(&arguments, &settings).output().unwrap();
    assert_eq!(Stage::read(&output), ["ok call-numbers", "failed call-assets"], "another public URL");
    stage.is_clean().await;
}

/// The customer's call, or the agent's, by the order in which they were placed.
async fn leg(stage: &Stage, place: usize) -> CallSid {
    stage
        .until("the call is placed", |state| {
            let calls = state["calls"].as_array()?;
            let placed = calls.iter().filter(|call| call["direction"] != "inbound" && call["kind"] != "line");
            placed.filter_map(|call| CallSid::parse(call["sid"].as_str()?).ok()).nth(place)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_during_the_call_is_found_in_its_step() {
    let mut stage = Stage::open().await;
    // The customer hangs up while the agent talks.
    let child = stage.begun().await;
    stage.world.twin.tell(Event::HungUp { call: leg(&stage, 0).await });
    let steps = Stage::read(&child.wait_with_output().unwrap());
    assert_eq!(steps[..4], HEALTHY[..4], "{steps:?}");
    assert_eq!(steps.iter().filter(|step| step.starts_with("failed")).count(), 1, "{steps:?}");
    stage.is_clean().await;

    // Twilio wants requests later, in between.
    let child = stage.begun().await;
    let faults: Faults = serde_json::from_value(
        json!({"requests": [{"answer": "throttled", "retryAfter": 1, "times": 6, "every": 2}]}),
    )
    .unwrap();
    stage.world.twin.set_faults(faults);
    assert_eq!(Stage::read(&child.wait_with_output().unwrap()), HEALTHY, "throttled");
    stage.world.twin.set_faults(Faults::default());

    // The server is gone while the agent talks.
    let child = stage.begun().await;
    stage.world.stop();
    let steps = Stage::read(&child.wait_with_output().unwrap());
    let failed: Vec<_> = steps.iter().filter(|step| !step.starts_with("ok")).collect();
    assert!(["failed call-callbacks", "failed call-loss"].contains(&failed[0].as_str()), "{steps:?}");
    assert_eq!((failed.len(), steps.last().unwrap().as_str()), (1, "ok call-removed"), "{steps:?}");
    stage.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_without_a_way_back_to_the_agent_is_found() {
    let stage = Stage::open().await;
    let child = stage.begun().await;
    let client = stage.world.client();
    let workflows = client.list_workflows().await.unwrap();
    let ours = workflows.iter().find(|it| it.friendly_name.starts_with("Rejoin test call")).unwrap();
    // As after a change by an administrator: there is no way for customers who come back.
    let empty: TaskQueueSid = client.create_queue_of("Of no worker", "1 == 2").await.unwrap().sid;
    let configuration = json!({"task_routing": {"filters": [], "default_filter": {"queue": empty}}});
    client.configure_workflow(&ours.sid, &configuration.to_string()).await.unwrap();
    let steps = Stage::read(&child.wait_with_output().unwrap());
    assert_eq!(steps, fails(9, "call-requeue"));
    stage.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_leaves_is_deleted_by_the_next_and_an_interrupted_one_leaves_nothing() {
    let stage = Stage::open().await;
    let mut child = stage.begun().await;
    child.kill().unwrap();
    child.wait().unwrap();
    let workers = stage.world.client().list_workers().await.unwrap();
    assert_eq!(workers.iter().filter(|it| it.friendly_name.starts_with("Rejoin test call")).count(), 1);
    let steps = stage.steps("--staging", &[]);
    assert_eq!(steps[2], "ok call-leftovers", "{steps:?}");
    assert!(steps.iter().all(|step| step.starts_with("ok ")), "{steps:?}");
    stage.is_clean().await;
    assert_eq!(stage.world.client().list_workers().await.unwrap().len(), 2, "the agents are there");

    let child = stage.begun().await;
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let steps = Stage::read(&child.wait_with_output().unwrap());
    assert_eq!(steps[steps.len() - 2..], ["failed call-interrupted", "ok call-removed"], "{steps:?}");
    stage.is_clean().await;
}

/// As with `| head -1`.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_goes_away_does_not_keep_a_run_from_deleting() {
    let stage = Stage::open().await;
    let mut command = stage.command("--staging", &["--yes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("A test call"), "{line}");
    assert!(child.wait().unwrap().success());
    let placed = stage.world.twin.done().iter().filter(|done| done.request == "POST Calls").count();
    assert_eq!(placed, 1, "it was played to its end");
    stage.is_clean().await;
}

fn questions(output: &Output) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert!(!all["browser"].as_array().unwrap().is_empty());
    all["questions"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_call_to_a_person_asks_for_a_key_and_answers_the_questions() {
    let stage = Stage::open().await;
    let machine = Phone { answers: Manner::Answers, ..Phone::default() };
    for silent in [machine.clone(), Phone { presses: "2".into(), ..machine.clone() }] {
        stage.world.twin.set_phone(PHONE.into(), silent);
        let steps = stage.steps("--live", &["--phone", PHONE]);
        assert_eq!(steps, fails(3, "call-queue"), "no key, or another one");
        let dialled = stage.world.twin.done();
        let dialled = dialled.iter().filter(|done| done.said.get("To").is_some_and(|to| to == TO));
        assert_eq!(dialled.count(), 0, "the agent's phone is not called");
    }
    stage.world.twin.set_phone(PHONE.into(), Phone { presses: "1".into(), ..machine });
    let output = stage.output("--live", &["--phone", PHONE, "--yes", "--json"]);
    assert_eq!(Stage::read(&output), HEALTHY);
    let answers = questions(&output);
    for answer in &answers {
        assert!(
            answer["found"].is_string() && answer["follows"].is_null(),
            "the twin is as assumed: {answer}"
        );
    }
    assert_eq!(answers.len(), 19, "{answers:#?}");
    stage.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_differs_is_told_with_what_follows() {
    let facts = Facts {
        kick_reason: "participant_hung_up",
        if_match_in_quotes: true,
        task_attributes_win: false,
        redirect_cancels_task: false,
        ..Facts::default()
    };
    let stage = Stage::assuming(facts).await;
    let output = stage.output("--live", &["--yes"]);
    let text = said(&output);
    let differ: Vec<_> = text.lines().filter(|line| line.starts_with("  -> ")).collect();
    assert_eq!(differ.len(), 4, "{text}");
    for line in [
        "ReasonParticipantLeft of a participant who is removed by REST | participant_updated_via_api | participant_hung_up",
        "is If-Match accepted with the quotes of the ETag? | no | yes",
        "does the task's own attribute win over the call's? | yes | no",
        "does the task of a waiting customer end as the call is redirected? | yes | no",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("Only a browser shows:"), "{text}");
    stage.is_clean().await;
}
