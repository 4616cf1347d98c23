//! What operators see: liveness, readiness, and metrics.

use crate::crash::Process;
use crate::support::*;
use serde_json::{Value, json};

async fn get(desk: &Desk, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = desk.http.get(format!("{}{path}", desk.address));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let world = World::start().await;
    assert_eq!(get(&world.desk, "/health/live", None).await.0, 200);
    let (status, body) = get(&world.desk, "/health/ready", None).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, body),
        (
            200,
            json!({
                "database": {"ok": true}, "twilio": {"ok": true}, "queue": {"ok": true}, "clock": {"ok": true},
            })
        )
    );

    let alone = World::start_with(|config| config.twilio_base = "http://127.0.0.1:1".into()).await;
    let (status, body) = get(&alone.desk, "/health/ready", None).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 503);
    assert_eq!(body["database"], json!({"ok": true}));
    assert_eq!(body["twilio"]["ok"], false);
    assert!(body["twilio"]["trouble"].as_str().unwrap().starts_with("Twilio does not answer"), "{body}");
    assert_eq!(get(&alone.desk, "/health/live", None).await.0, 200, "it is up all the same");
}

#[tokio::test]
async fn pages_are_told_whether_a_server_can_work_and_nothing_else() {
    let ready = async |desk: &Desk| {
        let request =
            desk.http.get(format!("{}/v1/ready", desk.address)).header("origin", "https://flex.twilio.com");
        let reply = request.send().await.unwrap();
        let allowed = reply.headers().get("access-control-allow-origin").cloned();
        assert_eq!(allowed.expect("a page can read it").to_str().unwrap(), "https://flex.twilio.com");
        (reply.status().as_u16(), reply.text().await.unwrap())
    };
    let world = World::start().await;
    assert_eq!(ready(&world.desk).await, (204, String::new()));
    let alone = World::start_with(|config| config.twilio_base = "http://127.0.0.1:1".into()).await;
    assert_eq!(ready(&alone.desk).await, (503, String::new()));
}

/// The value of the metric with this name and these labels.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

/// Prometheus sees no increase in a counter that appears with its first event.
#[tokio::test(flavor = "multi_thread")]
async fn each_counter_that_an_alert_watches_is_there_from_the_start() {
    let (twilio, folder) = (Twilio::start().await, tempfile::tempdir().unwrap());
    let process = Process::start(&twilio, folder.path());
    let (_, text) = get(&process.desk, "/metrics", Some(OPERATOR_TOKEN)).await;
    let rules = include_str!("../../../../deploy/monitoring/prometheus.rules.yaml");
    let all = rules.split("increase(").skip(1).filter_map(|rest| rest.split_once('[')).map(|(it, _)| it);
    // Those of a monitor are in the monitor's own metrics: `the_monitor_says_what_it_does_without_secrets_and_ends_with_zero`.
    let watched: Vec<&str> = all.filter(|it| !it.starts_with("rejoin_monitor_")).collect();
    assert!(watched.len() > 8, "{watched:?}");
    for selector in watched {
        let (name, labels) = selector.split_once('{').unwrap_or((selector, ""));
        let exact: Vec<_> = labels.trim_end_matches('}').split(',').filter(|it| !it.contains("=~")).collect();
        let is_there = |line: &str| {
            line.starts_with(name)
                && line[name.len()..].starts_with(['{', ' '])
                && exact.iter().all(|it| line.contains(it))
        };
        assert!(text.lines().any(is_there), "{selector}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_operators_only() {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    twilio.script(|asked, before| match (asked.what.as_str(), before) {
        ("POST Tasks", 0) => Some((429, vec![("retry-after", "0".into())], json!({"code": 20429}))),
        // The customer is not sent to the queue: this job stays open.
        (what, _) if what == format!("POST Calls/{}.json", customer()) => Some((503, vec![], json!({}))),
        _ => None,
    });
    // A process of its own: metrics are shared by all servers of a process.
    let process = Process::start(&twilio, folder.path());
    let desk = &process.desk;
    assert_eq!(get(desk, "/metrics", None).await.0, 401);
    assert_eq!(get(desk, "/metrics", Some("ada")).await.0, 401);

    let mut push = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    push.position().await;
    let lost = std::time::Instant::now();
    desk.lost().await;
    twilio.wait_for("POST Tasks", 2).await;
    let mut timeline =
        Events::open(desk, &format!("/operator/timeline/{}", customer()), OPERATOR_TOKEN).await;
    desk.hello(2).await;
    while timeline.next().await.unwrap()["note"]["what"] != "agent-back" {}
    assert_eq!(desk.signed("/webhooks/conference", &[("SequenceNumber", "x")]).await.status(), 400);
    twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    // Whether the customer was sent nevertheless is looked up, which takes time.
    twilio.wait_for(&format!("GET Conferences/{}/Participants/{}.json", conference(), customer()), 1).await;

    let (status, text) = get(desk, "/metrics", Some(OPERATOR_TOKEN)).await;
    assert_eq!(status, 200);
    assert_eq!(figure(&text, "rejoin_timeline_total{what=\"agent-lost\"}") as u64, 1);
    assert_eq!(figure(&text, "rejoin_recovery_seconds_count{until=\"agent-back\"}") as u64, 1);
    assert_eq!(figure(&text, "rejoin_twilio_errors_total{code=\"20429\"}") as u64, 1);
    assert_eq!(figure(&text, "rejoin_twilio_throttled_total{api=\"taskRouter\"}") as u64, 1);
    assert_eq!(figure(&text, "rejoin_push_sessions") as u64, 1);
    assert_eq!(figure(&text, "rejoin_storm") as u64, 0);
    assert!(figure(&text, "rejoin_jobs_open") >= 1.0);
    let age = figure(&text, "rejoin_job_age_seconds");
    assert!(age > 0.0 && age <= lost.elapsed().as_secs_f64(), "{age}");
    assert_eq!(figure(&text, "rejoin_job_late_seconds") as u64, 0);
    assert_eq!(figure(&text, "rejoin_recoveries_open{step=\"requeue-same\"}") as u64, 1);
    assert_eq!(figure(&text, "rejoin_recoveries_open{step=\"holding\"}") as u64, 0);
    assert!(figure(&text, "rejoin_lease_seconds") > 0.0);
    let committed = figure(&text, "rejoin_database_commit_age_seconds");
    assert!(committed <= lost.elapsed().as_secs_f64(), "{committed}");
    assert!(figure(&text, "rejoin_twilio_per_second{api=\"taskRouter\"}") >= 1.0);
    assert_eq!(figure(&text, "rejoin_twilio_in_flight{api=\"taskSearch\"}") as u64, 0);
    let callbacks = "rejoin_http_requests_total{route=\"/webhooks/conference\",status=";
    assert_eq!(figure(&text, &format!("{callbacks}\"204\"}}")) as u64, 3);
    assert_eq!(figure(&text, &format!("{callbacks}\"400\"}}")) as u64, 1);
    assert!(figure(&text, "rejoin_twilio_requests_total{api=\"voice\",result=\"ok\"}") >= 1.0);
    for personal in [conference().as_str(), customer().as_str(), "Ada", "Tom"] {
        assert!(!text.contains(personal), "{personal} is in {text}");
    }
}
