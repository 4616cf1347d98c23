//! The plugin's requests, its push channel, and operators.

use crate::support::*;
use rejoin_protocol::CallSid;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn only_valid_tokens_of_workers_are_accepted() {
    let world = World::start().await;
    let desk = &world.desk;
    let url = format!("{}/v1/hello", desk.address);
    let hello = json!({"epoch": 1, "holdings": []});
    let bare = desk.http.post(&url).json(&hello).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(bare.json::<serde_json::Value>().await.unwrap()["code"], "token-missing");
    let long = "x".repeat(9000);
    for (token, status, code) in [
        ("stolen", 401, "token-refused"),
        ("stale", 401, "token-refused"),
        (long.as_str(), 401, "token-refused"),
        ("supervisor", 403, "not-a-worker"),
        ("twilio-is-down", 503, "twilio-unavailable"),
    ] {
        let reply = desk.plugin("/v1/hello", token, hello.clone()).await;
        assert_eq!(reply.status(), status, "{token:.20}");
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
        assert_eq!(reply.json::<serde_json::Value>().await.unwrap()["code"], code, "{token:.20}");
    }
    assert_eq!(desk.plugin("/v1/hello", "ada", hello).await.status(), 200);
    let push = desk.http.get(format!("{}/v1/push", desk.address)).bearer_auth("stolen").send().await.unwrap();
    assert_eq!(push.status(), 401);
}

#[tokio::test]
async fn a_valid_token_is_validated_once() {
    let world = World::start().await;
    for epoch in 1..5 {
        world.desk.hello(epoch).await;
    }
    assert_eq!(world.twilio.asked("POST Tokens/validate").len(), 1);
}

#[tokio::test]
async fn bodies_that_are_not_as_documented_are_refused() {
    let world = World::start().await;
    let desk = &world.desk;
    let name = "x".repeat(201);
    let mut registration = json!({
        "epoch": 1, "task": task(), "reservation": reservation(), "workflow": workflow(),
        "conference": conference(), "workerLeg": ada_leg(), "customerLeg": customer(), "workerName": name,
    });
    assert_eq!(desk.plugin("/v1/calls", "ada", registration.clone()).await.status(), 400, "a long name");
    registration["workerName"] = json!("Ada");
    registration["task"] = json!("CA1");
    assert_eq!(desk.plugin("/v1/calls", "ada", registration).await.status(), 400, "not a task");
    let many = vec![json!({"task": task(), "reservation": reservation(), "wrapping": true}); 101];
    let reply = desk.plugin("/v1/hello", "ada", json!({"epoch": 1, "holdings": many})).await;
    assert_eq!(reply.status(), 400, "more than anybody has");
    let huge = desk.plugin("/v1/hello", "ada", json!({"epoch": 1, "holdings": "x".repeat(70_000)})).await;
    assert_eq!(huge.status(), 413);
    assert_eq!(huge.json::<serde_json::Value>().await.unwrap()["code"], "body-too-large");
    let text = desk.http.post(format!("{}/v1/hello", desk.address)).bearer_auth("ada").body("{}");
    assert_eq!(text.send().await.unwrap().status(), 400, "not JSON");
    assert_eq!(desk.http.get(format!("{}/v1/nothing", desk.address)).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn only_configured_origins_are_allowed() {
    let world = World::start().await;
    let url = format!("{}/v1/hello", world.desk.address);
    for (origin, allowed) in
        [("https://flex.twilio.com", true), ("http://localhost:4180", true), ("https://evil.example", false)]
    {
        let preflight = world
            .desk
            .http
            .request(reqwest::Method::OPTIONS, &url)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .send()
            .await
            .unwrap();
        let header =
            |name: &str| preflight.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("access-control-allow-origin"), allowed.then(|| origin.to_owned()));
        if allowed {
            let headers = header("access-control-allow-headers").unwrap();
            assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
        }
        let refused = world.desk.http.post(&url).header("origin", origin).send().await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers().contains_key("access-control-allow-origin"), allowed, "errors, too");
    }
}

#[tokio::test]
async fn a_desktop_receives_open_recoveries_and_their_changes() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    let mut early = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    let first = early.next().await.unwrap();
    assert_eq!(first["push"], "recovery");
    assert_eq!(first["recovery"]["id"], json!(recovery()));
    assert_eq!(first["recovery"]["stage"]["name"], "interrupted");
    world.twilio.wait_for("POST Tasks", 1).await;

    // Another page comes later and gets the same at once.
    let mut late = Events::open(desk, "/v1/push?epoch=2", "ada").await;
    assert_eq!(late.next().await.unwrap()["recovery"]["stage"]["name"], "interrupted");
    let reply = desk.hello(2).await;
    assert_eq!(reply["recoveries"][0]["id"], json!(recovery()));
    for page in [&mut early, &mut late] {
        while page.next().await.unwrap()["recovery"]["stage"]["name"] != "requeueing" {}
    }
}

#[tokio::test]
async fn a_desktop_that_comes_back_is_told_what_it_missed() {
    let mut world = World::start().await;
    world.desk.talking().await;
    let begin = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await.position().await;
    assert_eq!(world.desk.leave(3, &ada_leg()).await, 204);
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(world.desk.callback(4, "participant-leave", &[("CallSid", customer().as_str())]).await, 204);
    // It is over before the desktop is back: a list of open recoveries would not name it.
    let mut back = Events::resume(&world.desk, "/v1/push?epoch=1", "ada", Some(&begin)).await;
    let mut stages = vec![];
    while stages.last().is_none_or(|stage| stage != "customerLeft") {
        let said = back.next().await.unwrap();
        stages.push(said["recovery"]["stage"]["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(stages, ["interrupted", "customerLeft"], "what was in between is over");
    let here = back.id.clone().unwrap();
    assert_ne!(here, begin);

    // Numbers survive a restart.
    world.restart().await;
    let mut again = Events::resume(&world.desk, "/v1/push?epoch=1", "ada", Some(&begin)).await;
    assert_eq!(again.next().await.unwrap()["recovery"]["stage"]["name"], "interrupted");
    let mut lost = Events::resume(&world.desk, "/v1/push?epoch=1", "ada", Some("7-1")).await;
    assert_eq!(lost.next().await.unwrap(), json!({"push": "ask"}), "a number of another database");
}

#[tokio::test]
async fn of_two_browsers_of_one_worker_the_newer_acts() {
    let world = World::start().await;
    let desk = &world.desk;
    let mut old = Events::open(desk, "/v1/push?epoch=1", "ada").await;
    assert_eq!(desk.hello(1).await["superseded"], json!(false));
    let new = Events::open(desk, "/v1/push?epoch=2", "ada").await;
    assert_eq!(old.next().await.unwrap(), json!({"push": "superseded"}));
    assert_eq!(desk.hello(1).await["superseded"], json!(true));
    assert_eq!(desk.hello(2).await["superseded"], json!(false));
    // The newer page is closed: as soon as that is noticed, the older one may act again.
    drop(new);
    while desk.hello(1).await["superseded"] == json!(true) {}
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let mut world = World::start().await;
    world.desk.lost().await;
    let mut push = Events::open(&world.desk, "/v1/push?epoch=1", "ada").await;
    assert!(push.next().await.is_some());
    let path = format!("/operator/timeline/{}", customer());
    let mut timeline = Events::open(&world.desk, &path, OPERATOR_TOKEN).await;
    assert!(timeline.next().await.is_some());
    let stop = world.server.take().unwrap().stop();
    let ends = async {
        while push.next().await.is_some() {}
        while timeline.next().await.is_some() {}
    };
    tokio::join!(stop, ends);
}

#[tokio::test]
async fn a_mark_on_purpose_prevents_a_recovery() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    let mark = json!({"task": task(), "reservation": reservation(), "reason": "hang-up"});
    assert_eq!(desk.plugin("/v1/graceful", "ada", mark).await.status(), 204);
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    assert_eq!(desk.hello(2).await["recoveries"], json!([]));
}

/// A beacon can set no header: the token is in the body.
async fn beacon(world: &World, token: &str, body: impl Into<Option<String>>) -> reqwest::StatusCode {
    let goodbye = json!({"token": token, "goodbye": {"epoch": 1, "tasks": [task()]}}).to_string();
    let request = world.desk.http.post(format!("{}/v1/goodbye", world.desk.address));
    let body = body.into().unwrap_or(goodbye);
    request.header("content-type", "text/plain;charset=UTF-8").body(body).send().await.unwrap().status()
}

#[tokio::test]
async fn a_goodbye_requires_a_valid_token() {
    let world = World::start().await;
    world.desk.talking().await;
    assert_eq!(beacon(&world, "nobody", None).await, 401);
    assert_eq!(beacon(&world, "ada", "{}".to_owned()).await, 400);
    let mark = json!({"epoch": 2, "holdings": []});
    assert_eq!(world.desk.plugin("/v1/hello", "ada", mark).await.status(), 200);
    assert_eq!(world.desk.hello(1).await["recoveries"], json!([]));
    assert_eq!(beacon(&world, "ada", None).await, 204);
    let reply = world.desk.hello(1).await;
    assert_eq!(reply["recoveries"][0]["stage"]["name"], "interrupted");
    assert_eq!(reply["inPlace"], json!(true));
}

#[tokio::test]
async fn marks_of_a_page_that_ends_are_taken_before_its_goodbye() {
    for (marks, stages) in [
        (json!([]), json!(["interrupted"])),
        (
            json!([{"id": "1-4", "task": task(), "reservation": reservation(), "reason": "hang-up"}]),
            json!([]),
        ),
    ] {
        let world = World::start().await;
        world.desk.talking().await;
        let goodbye = json!({"epoch": 1, "tasks": [task()]});
        let body = json!({"token": "ada", "marks": marks, "goodbye": goodbye}).to_string();
        assert_eq!(beacon(&world, "ada", body).await, 204);
        let reply = world.desk.hello(1).await;
        let told = reply["recoveries"].as_array().unwrap().iter();
        let told: Vec<_> = told.map(|recovery| recovery["stage"]["name"].clone()).collect();
        assert_eq!(json!(told), stages, "{marks}");
    }
    let world = World::start().await;
    let many = vec![json!({"task": task(), "reservation": reservation(), "reason": "hang-up"}); 101];
    let body = json!({"token": "ada", "marks": many}).to_string();
    assert_eq!(beacon(&world, "ada", body).await, 400);
    let body = json!({"token": "nobody", "marks": []}).to_string();
    assert_eq!(beacon(&world, "ada", body).await, 401);
}

#[tokio::test]
async fn only_operators_read_the_whole_timeline() {
    let mut world = World::start().await;
    let path = format!("/operator/timeline/{}", customer());
    for token in ["", "the operator token, long enough to be onE", "ada"] {
        let request = world.desk.http.get(format!("{}{path}", world.desk.address)).bearer_auth(token);
        assert_eq!(request.send().await.unwrap().status(), 401, "{token:?}");
    }
    // Opened before the customer is known: every line comes, including those from before.
    let mut live = Events::open(&world.desk, &path, OPERATOR_TOKEN).await;
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let mut seen = vec![];
    while seen.last().is_none_or(|line: &serde_json::Value| line["note"]["what"] != "holding-the-line") {
        seen.push(live.next().await.unwrap());
    }
    let notes: Vec<_> = seen.iter().map(|line| line["note"]["what"].as_str().unwrap()).collect();
    assert_eq!(notes, ["connected", "agent-lost", "holding-the-line"]);
    assert!(seen.iter().all(|line| line["conference"] == json!(conference()) && line["at"].is_u64()));

    world.restart().await;
    let mut replayed = Events::open(&world.desk, &path, OPERATOR_TOKEN).await;
    for line in seen {
        assert_eq!(replayed.next().await.unwrap(), line);
    }
}

#[tokio::test]
async fn nobody_speaks_for_another_worker() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    let code = async |path: &str, token: &str, body: serde_json::Value| {
        let reply = desk.plugin(path, token, body).await;
        let status = reply.status().as_u16();
        let body = reply.text().await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let registration = json!({
        "epoch": 9, "task": task(), "reservation": reservation(), "workflow": workflow(),
        "conference": conference(), "workerLeg": ada_leg(), "customerLeg": customer(), "workerName": "Bo",
        "worker": ada(), "somethingNew": {"deep": [1]},
    });
    let refused = (403, "not-your-call".to_owned());
    assert_eq!(code("/v1/calls", "bo", registration.clone()).await, refused, "another worker's leg");
    let mut other = registration.clone();
    other["task"] = json!(rejoin_protocol::TaskSid::numbered(9));
    assert_eq!(code("/v1/calls", "ada", other).await, refused, "another task's conference");
    let mark = json!({"task": task(), "reservation": reservation(), "reason": "hang-up"});
    assert_eq!(code("/v1/graceful", "bo", mark).await, refused);
    assert_eq!(code("/v1/calls", "ada", registration).await.0, 204, "unknown fields are ignored");
    let goodbye = json!({"token": "bo", "goodbye": {"epoch": 99, "tasks": [task()]}});
    assert_eq!(beacon(&world, "bo", goodbye.to_string()).await, 204, "none of Bo's legs is named");
    assert_eq!(desk.hello(1).await["recoveries"], json!([]), "nothing has changed");
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    assert_eq!(desk.hello(1).await["recoveries"].as_array().unwrap().len(), 1, "no mark was taken");
}

/// Twilio's callbacks come late, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_registered_when_twilio_has_said_whose_it_is() {
    let world = World::start().await;
    let has_left = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&has_left);
    world.twilio.script(move |asked, _| {
        let mut there = vec![customer(), ada_leg()];
        there.truncate(if gone.load(Ordering::SeqCst) { 1 } else { 2 });
        let there: Vec<serde_json::Value> = there
            .into_iter()
            .map(|leg| {
                json!({"call_sid": leg, "hold": false, "muted": false, "coaching": false,
                       "end_conference_on_exit": false})
            })
            .collect();
        (asked.what == format!("GET Conferences/{}/Participants.json", conference()))
            .then(|| (200, vec![], json!({"participants": there})))
    });
    let desk = &world.desk;
    let registration = json!({
        "epoch": 1, "task": task(), "reservation": reservation(), "workflow": workflow(),
        "conference": conference(), "workerLeg": ada_leg(), "customerLeg": customer(), "workerName": "Ada",
    });
    let first = desk.plugin("/v1/calls", "ada", registration.clone()).await;
    assert_eq!(first.status(), 503);
    assert_eq!(first.headers()["retry-after"], "1");
    assert_eq!(first.json::<serde_json::Value>().await.unwrap()["code"], "call-not-known-yet");
    world.twilio.wait_for(&format!("GET Tasks/{}/Reservations", task()), 1).await;
    world.twilio.wait_for(&format!("GET Conferences/{}.json", conference()), 1).await;
    loop {
        let again = desk.plugin("/v1/calls", "ada", registration.clone()).await;
        if again.status() == 204 {
            break;
        }
        assert_eq!(again.status(), 503);
    }
    // Another agent's registration is refused, and the loss is still noticed.
    assert_eq!(desk.plugin("/v1/calls", "bo", registration).await.status(), 403);
    let mark = json!({"task": task(), "reservation": reservation(), "reason": "hang-up"});
    assert_eq!(desk.plugin("/v1/graceful", "bo", mark).await.status(), 403);
    has_left.store(true, Ordering::SeqCst);
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    world.twilio.wait_for("POST Tasks", 1).await;
}

/// This call was never reported, and its customer is alone in the conference.
fn alone_untold(world: &World) {
    untold_with(world, &[customer()]);
}

/// This call was never reported, and these legs are in the conference.
fn untold_with(world: &World, legs: &[CallSid]) {
    let participant = |leg: &CallSid| json!({"call_sid": leg, "hold": false, "muted": false, "coaching": false, "end_conference_on_exit": false});
    let there = json!({ "participants": legs.iter().map(participant).collect::<Vec<_>>() });
    world.twilio.script(move |asked, _| {
        if asked.what.starts_with(&format!("GET Conferences/{}/Participants", conference())) {
            return Some((200, vec![], there.clone()));
        }
        (asked.what == format!("GET Tasks/{}", task())).then(|| {
            let legs = json!({"worker": ada_leg(), "customer": customer()});
            let here = json!({"conference": {"sid": conference(), "participants": legs}}).to_string();
            (200, vec![], task_json(&task(), "wrapping", &here))
        })
    });
}

/// No server was up when the call began, and the page was reloaded before it could register.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreported_call_is_discovered_by_the_next_page() {
    let world = World::start().await;
    alone_untold(&world);
    world.desk.hello(2).await;
    let pings = world.twilio.wait_for("POST Tasks", 1).await;
    assert!(
        pings[0].param("Attributes").unwrap().contains(recovery().as_str()),
        "the agent counts as missing"
    );
}

/// The leg of a page that crashed stands for up to two minutes. That the next page can join in place was said before the server
/// knew the call.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_names_an_unreported_call_is_asked_to_repeat_its_hello_and_joins_in_place() {
    let world = World::start().await;
    untold_with(&world, &[customer(), ada_leg()]);
    let mut page = Events::open(&world.desk, "/v1/push?epoch=2", "ada").await;
    let holding = json!({"task": task(), "reservation": reservation(), "wrapping": false, "canJoin": true});
    let hello = json!({"epoch": 2, "holdings": [holding]});
    assert_eq!(world.desk.plugin("/v1/hello", "ada", hello.clone()).await.status(), 200);
    while page.next().await.expect("the channel goes on") != json!({"push": "ask"}) {}
    assert_eq!(world.desk.plugin("/v1/hello", "ada", hello).await.status(), 200);
    let stage = loop {
        let said = page.next().await.expect("the channel goes on");
        if said["push"] == "recovery" {
            break said["recovery"]["stage"]["name"].clone();
        }
    };
    assert_eq!(stage, "inPlace");
}

/// The registration was refused, and the agent has hung up on a customer who is still there.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreported_call_is_discovered_by_its_mark() {
    let world = World::start().await;
    alone_untold(&world);
    let mark = json!({"task": task(), "reservation": reservation(), "reason": "hang-up"});
    assert_eq!(world.desk.plugin("/v1/graceful", "ada", mark.clone()).await.status(), 204);
    world.twilio.wait_for(&format!("POST Conferences/{}.json", conference()), 1).await;
    assert!(!world.twilio.kinds().contains(&"POST Tasks".to_owned()), "no agent counts as missing");
    let asked = world.twilio.asked(&format!("GET Tasks/{}/Reservations", task())).len();
    assert_eq!(world.desk.plugin("/v1/graceful", "ada", mark).await.status(), 204);
    assert_eq!(
        world.twilio.asked(&format!("GET Tasks/{}/Reservations", task())).len(),
        asked,
        "it is known now"
    );
}

/// A worker names another conference, with a task of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_conference_of_another_task_is_left_alone() {
    let world = World::start().await;
    let desk = &world.desk;
    let own = rejoin_protocol::TaskSid::numbered(7);
    let registration = json!({
        "epoch": 1, "task": own, "reservation": reservation(), "workflow": workflow(),
        "conference": conference(), "workerLeg": ada_leg(), "customerLeg": customer(), "workerName": "Ada",
    });
    assert_eq!(desk.plugin("/v1/calls", "ada", registration.clone()).await.status(), 503);
    world.twilio.wait_for(&format!("GET Conferences/{}.json", conference()), 1).await;
    desk.talking().await;
    let refused = desk.plugin("/v1/calls", "ada", registration).await;
    assert_eq!(refused.status(), 403);
    let posts: Vec<_> = world.twilio.kinds().into_iter().filter(|what| !what.starts_with("GET")).collect();
    assert!(posts.iter().all(|what| what == "POST Tokens/validate"), "{posts:?}");
}

#[tokio::test]
async fn a_call_is_shown_to_its_agents_and_to_supervisors_alone() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.lost().await;
    let look = async |token: &str, conference: &str| {
        let request = desk.http.get(format!("{}/v1/calls/{conference}", desk.address)).bearer_auth(token);
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.json::<serde_json::Value>().await.unwrap())
    };
    let (own, none) = (conference().to_string(), rejoin_protocol::ConferenceSid::numbered(9).to_string());
    for token in ["ada", "supervisor"] {
        let (status, view) = look(token, &own).await;
        assert_eq!((status, &view["task"]), (200, &json!(task())), "{token}");
        assert_eq!(view["recoveries"][0]["stage"]["name"], "interrupted");
    }
    for (token, conference, status, problem) in [
        ("bo", &own, 403, "not-your-call"),
        ("bo", &none, 403, "not-your-call"),
        ("ada", &none, 403, "not-your-call"),
        ("supervisor", &none, 404, "not-found"),
        ("supervisor", &"CF1".to_owned(), 404, "not-found"),
        ("stolen", &own, 401, "token-refused"),
    ] {
        let (given, body) = look(token, conference).await;
        assert_eq!((given, &body["code"]), (status, &json!(problem)), "{token} {conference}");
    }
}

#[tokio::test]
async fn one_worker_who_asks_too_often_is_held_up_and_nobody_else() {
    let world = World::start_with(|config| config.limits.requests_per_minute = 5).await;
    let desk = &world.desk;
    let hello = json!({"epoch": 1, "holdings": []});
    for _ in 0..5 {
        assert_eq!(desk.plugin("/v1/hello", "ada", hello.clone()).await.status(), 200);
    }
    let reply = desk.plugin("/v1/hello", "ada", hello.clone()).await;
    assert_eq!(reply.status(), 429);
    let wait: u32 = reply.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(reply.json::<serde_json::Value>().await.unwrap()["code"], "too-many-requests");
    assert_eq!(beacon(&world, "ada", None).await, 429, "also by the other way in");
    assert_eq!(desk.plugin("/v1/hello", "bo", hello).await.status(), 200);
}

#[tokio::test]
async fn a_refused_token_is_not_validated_again() {
    let world = World::start().await;
    let hello = json!({"epoch": 1, "holdings": []});
    for _ in 0..5 {
        assert_eq!(world.desk.plugin("/v1/hello", "stolen", hello.clone()).await.status(), 401);
    }
    assert_eq!(world.twilio.asked("POST Tokens/validate").len(), 1);
    // A passing failure says nothing about the token.
    for _ in 0..2 {
        assert_eq!(world.desk.plugin("/v1/hello", "twilio-is-down", hello.clone()).await.status(), 503);
    }
    assert_eq!(world.twilio.asked("POST Tokens/validate").len(), 3);
}
