//! What servers tell a monitor that has the key, and what nobody else is told.

use super::*;
use crate::support::*;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use reqwest::RequestBuilder;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};

/// The monitor's key in these tests.
const MONITOR_KEY: &str = "the key of the monitor, long enough";

fn with_key(request: RequestBuilder) -> RequestBuilder {
    request.header("rejoin-monitor-key", MONITOR_KEY)
}

async fn server_with_key() -> World {
    World::start_with(|config| config.monitoring.monitor_key = Some(MONITOR_KEY.into())).await
}

async fn state(desk: &Desk) -> Value {
    let answer = with_key(desk.http.get(format!("{}/monitor/state", desk.address))).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_server_tells_who_has_the_key_how_it_sees_itself() {
    let world = server_with_key().await;
    // Nobody says whose call it is.
    world.twilio.hold_back(|asked, _| asked.what.starts_with("GET "));
    let fresh = state(&world.desk).await;
    for (name, wanted) in [
        ("database", json!(true)),
        ("storm", json!(false)),
        ("failsafe", json!(false)),
        ("calls", json!(0)),
        ("unprotected", json!(0)),
        // It has its database alone.
        ("leased", Value::Null),
    ] {
        assert_eq!(fresh[name], wanted, "{name} in {fresh}");
    }
    world.desk.join(1, &customer()).await;
    let unknown = state(&world.desk).await;
    assert_eq!((&unknown["calls"], &unknown["unprotected"]), (&json!(1), &json!(1)), "{unknown}");
    world.desk.join(2, &ada_leg()).await;
    world.desk.register().await;
    let known = state(&world.desk).await;
    assert_eq!((&known["calls"], &known["unprotected"]), (&json!(1), &json!(0)), "{known}");
    let figures = world.desk.figures().await;
    assert!(
        figures.contains("rejoin_calls_open 1") && figures.contains("rejoin_calls_unprotected 0"),
        "{figures}"
    );
}

#[tokio::test]
async fn a_job_that_was_given_up_is_told() {
    let world = server_with_key().await;
    world
        .twilio
        .script(|asked, _| (asked.what == "POST Tasks").then(|| (400, vec![], json!({"code": 20001}))));
    let before = state(&world.desk).await["givenUp"].as_u64().unwrap();
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let grows = async {
        while state(&world.desk).await["givenUp"].as_u64().unwrap() == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, grows).await.expect("it is counted");
}

#[tokio::test]
async fn the_key_gives_access_to_no_call() {
    let world = server_with_key().await;
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let http = &world.desk.http;
    let at = |path: &str| format!("{}{path}", world.desk.address);
    // A hello that names Ada's task, and a channel, are told nothing of it.
    let holding = json!({"task": task(), "reservation": reservation(), "canJoin": true, "wrapping": false});
    let asked = with_key(http.post(at("/v1/hello"))).json(&json!({"epoch": 9, "holdings": [holding]}));
    let said: Value = asked.send().await.unwrap().json().await.unwrap();
    assert_eq!((&said["recoveries"], &said["superseded"]), (&json!([]), &json!(false)), "{said}");
    let mut channel = with_key(http.get(at("/v1/push?epoch=9"))).send().await.unwrap();
    let first = String::from_utf8(channel.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.contains("id:") && first.contains("connected") && !first.contains("data"), "{first}");
    // Ada is back, which other pages of theirs are told.
    world.desk.hello(2).await;
    let next = String::from_utf8(channel.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(!next.contains("data"), "{next}");

    let asked_before = world.twilio.asked("POST Tokens/validate").len();
    for (path, body) in [("/v1/calls", json!({})), ("/v1/graceful", json!({}))] {
        assert_eq!(with_key(http.post(at(path))).json(&body).send().await.unwrap().status(), 401, "{path}");
    }
    for path in [&format!("/v1/calls/{}", conference()), "/metrics", "/operator/storm", "/operator/given-up"]
    {
        assert_eq!(with_key(http.get(at(path))).send().await.unwrap().status(), 401, "{path}");
    }
    // A wrong key is refused everywhere, also beside a good token, and Twilio is not asked about it.
    for wrong in ["", "wrong", &format!("{MONITOR_KEY} "), &MONITOR_KEY[1..]] {
        let wrong = if wrong.ends_with(' ') { format!("{MONITOR_KEY}x") } else { wrong.to_owned() };
        for request in [
            http.get(at("/monitor/state")),
            http.get(at("/v1/push")).bearer_auth("ada"),
            http.post(at("/v1/hello")).json(&json!({"epoch": 1, "holdings": []})),
        ] {
            assert_eq!(
                request.header("rejoin-monitor-key", &wrong).send().await.unwrap().status(),
                401,
                "{wrong}"
            );
        }
    }
    assert_eq!(http.get(at("/monitor/state")).send().await.unwrap().status(), 401);
    assert_eq!(world.twilio.asked("POST Tokens/validate").len(), asked_before);
}

#[tokio::test]
async fn without_a_key_in_the_settings_there_is_none() {
    let world = World::start().await;
    for key in ["", MONITOR_KEY] {
        let asked = world.desk.http.get(format!("{}/monitor/state", world.desk.address));
        assert_eq!(asked.header("rejoin-monitor-key", key).send().await.unwrap().status(), 401);
    }
}

/// On a busy machine an action may come too late in a storm, which is alerted about, too.
async fn next_but_given_up(alerts: &mut mpsc::UnboundedReceiver<Value>) -> Value {
    loop {
        let alert = next(alerts).await;
        if !alert["summary"].as_str().unwrap().starts_with("given-up") {
            return alert;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_at_a_real_server_is_alerted_about_until_it_is_over() {
    let mut world = World::start_with(|config| {
        config.monitoring.monitor_key = Some(MONITOR_KEY.into());
        config.pacing.storm_at = 1;
        config.limits.heartbeat_ms = 100;
    })
    .await;
    // Until a page says whose it is, the call is not protected, which is alerted about, too.
    world.desk.talking().await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(200)).await;
    let url = world.desk.address.clone();
    let monitor = Monitor::start(&settings(&[
        ("public-url", &url),
        ("monitor-key", MONITOR_KEY),
        // Nothing here is silent: on a busy machine a shorter time brings alerts of its own.
        ("monitor-timeout-ms", "60000"),
        ("twilio-api-base", &world.twilio.base),
        ("alert-webhook-url", &webhook.url()),
    ]))
    .await
    .unwrap();
    assert_eq!(world.desk.leave(3, &ada_leg()).await, 204);
    let storm = next_but_given_up(&mut alerts).await;
    assert_eq!(
        (storm["event"].clone(), storm["summary"].clone()),
        (json!("trigger"), json!(format!("storm {url}: agents lost at once: 1")))
    );
    let over = next_but_given_up(&mut alerts).await;
    assert_eq!(
        (over["event"].clone(), over["summary"].clone()),
        (json!("resolve"), json!(format!("storm {url}: is over")))
    );
    // All else works, push included. A server that is gone is alerted about as that, and not as its parts; its push channel is
    // tried apart from it.
    world.server.take().unwrap().stop().await;
    let mut gone =
        vec![next(&mut alerts).await["summary"].clone(), next(&mut alerts).await["summary"].clone()];
    gone.sort_by_key(ToString::to_string);
    let wanted = [format!("push {url}: hello: no connection"), format!("server {url}: no connection")];
    assert_eq!(gone, wanted.map(|summary| json!(summary)));
    monitor.stop().await;
    assert!(alerts.try_recv().is_err());
}

/// A server that says this about itself, and whose channels show no sign of life while a proxy holds them back.
async fn stand_in(state: Arc<Mutex<Value>>, holds_back: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let channel = move || {
        let here = holds_back.load(Ordering::Relaxed);
        let lines = stream::iter(["id: 1\n: connected\n\n", ":\n\n"]).map(Ok::<_, Infallible>);
        let lines = lines.take(if here { 0 } else { 2 }).then(async |line| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            line
        });
        let body = Body::from_stream(lines.chain(stream::pending()));
        async { Response::builder().header("rejoin-heartbeat", "100").body(body).unwrap() }
    };
    let router = Router::new()
        .route("/health/ready", get(|| async { StatusCode::FORBIDDEN }))
        .route("/health/live", get(|| async { StatusCode::OK }))
        .route("/monitor/state", get(move || std::future::ready(axum::Json(state.lock().unwrap().clone()))))
        .route("/v1/hello", post(|| async { "{}" }))
        .route("/v1/push", get(channel));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_tell_is_alerted_about_once_each_and_resolved() {
    let well = json!({
        "database": true, "storm": false, "failsafe": false, "lost": 0, "givenUp": 3, "leased": true, "leasesLost": 0,
        "calls": 20, "unprotected": 2,
    });
    let says = Arc::new(Mutex::new(well.clone()));
    let holds_back = Arc::new(AtomicBool::new(false));
    let url = stand_in(Arc::clone(&says), Arc::clone(&holds_back)).await;
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(200)).await;
    let monitor = Monitor::start(&settings(&[
        ("public-url", &url),
        ("monitor-key", MONITOR_KEY),
        ("monitor-past-for-ms", "1000"),
        ("twilio-api-base", &twilio.url()),
        ("alert-webhook-url", &webhook.url()),
    ]))
    .await
    .unwrap();
    twilio.asked(3).await;
    for (change, kind, why, resolved) in [
        (json!({"database": false}), "database", "it does not take what the server writes", "works again"),
        (
            json!({"failsafe": true, "lost": 9}),
            "failsafe",
            "agents lost: 9; no agent is asked to take their customers",
            "is over",
        ),
        (json!({"givenUp": 5}), "given-up", "actions of recoveries that were given up: 2", "none any more"),
        (
            json!({"leasesLost": 1, "givenUp": 5}),
            "lease",
            "it was lost: other servers took over the server's jobs",
            "is held",
        ),
        (
            json!({"leasesLost": 1, "givenUp": 5, "unprotected": 3}),
            "unprotected",
            "calls that are not protected: 3 of 20",
            "calls are protected again",
        ),
    ] {
        let mut changed = well.clone();
        for (name, value) in change.as_object().unwrap() {
            changed[name] = value.clone();
        }
        *says.lock().unwrap() = changed.clone();
        let alert = next(&mut alerts).await;
        let summary = json!(format!("{kind} {url}: {why}"));
        assert_eq!(
            (&alert["event"], &alert["kind"], &alert["summary"]),
            (&json!("trigger"), &json!(kind), &summary)
        );
        assert_eq!(alert["dedup_key"], format!("rejoin {kind} {url}"));
        // Counters stay, and their alerts end by themselves.
        for name in ["givenUp", "leasesLost"] {
            changed[name] = change.get(name).unwrap_or(&well[name]).clone();
        }
        for name in ["database", "failsafe", "unprotected"] {
            changed[name] = well[name].clone();
        }
        *says.lock().unwrap() = changed;
        let alert = next(&mut alerts).await;
        assert_eq!(
            (&alert["event"], &alert["summary"]),
            (&json!("resolve"), &json!(format!("{kind} {url}: {resolved}")))
        );
    }
    // A proxy that holds back what the server pushes.
    holds_back.store(true, Ordering::Relaxed);
    assert_eq!(next(&mut alerts).await["summary"], format!("push {url}: timed out"));
    holds_back.store(false, Ordering::Relaxed);
    assert_eq!(next(&mut alerts).await["summary"], format!("push {url}: works again"));
    monitor.stop().await;
    assert!(alerts.try_recv().is_err());
}
