//! Twilio's retries: the addresses that ask for them, the signatures over such addresses, and what the same request does when it
//! comes twice.

use crate::support::*;
use rejoin_protocol::overrides::{CALLBACKS, TWIML, with_overrides};
use rejoin_twilio::signature;
use serde_json::json;

/// A world with these overrides of addresses of documents, and of callbacks.
async fn with(documents: &str, callbacks: &str) -> World {
    World::start_with(|config| {
        config.twiml_overrides = documents.to_owned();
        config.callback_overrides = callbacks.to_owned();
    })
    .await
}

/// A signed request with an idempotency token: the status and the body.
async fn sent(desk: &Desk, path: &str, params: &[(&str, &str)], token: &str) -> (u16, String) {
    let params: Vec<(String, String)> =
        params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let signature = signature::sign(AUTH_TOKEN, &format!("{PUBLIC}{path}"), &params);
    let request = desk.http.post(format!("{}{path}", desk.address)).form(&params);
    let request = request.header("I-Twilio-Idempotency-Token", token).header(signature::HEADER, signature);
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

/// The same request this often: what it is answered with each time.
async fn sent_often(desk: &Desk, times: usize, path: &str, params: &[(&str, &str)], token: &str) -> String {
    let (status, first) = sent(desk, path, params, token).await;
    assert!((200..300).contains(&status), "{path}: {status}");
    for _ in 1..times {
        assert_eq!(sent(desk, path, params, token).await, (status, first.clone()), "{path}");
    }
    first
}

#[tokio::test]
async fn a_signature_over_the_address_with_its_overrides_is_valid() {
    let changed = "ct=300&rc=2";
    let world = with(TWIML, changed).await;
    let desk = &world.desk;
    let params = ada_left();
    let sent = async |signed: &str, token: &str| {
        let signature = signature::sign(token, signed, &params);
        let request = desk.http.post(format!("{}/webhooks/conference", desk.address)).form(&params);
        request.header(signature::HEADER, signature).send().await.unwrap().status().as_u16()
    };
    let url = format!("{PUBLIC}/webhooks/conference");
    for good in ["", changed, CALLBACKS, TWIML] {
        let signed = with_overrides(&url, good);
        assert_eq!(sent(&signed, AUTH_TOKEN).await, 204, "{signed}");
        assert_eq!(sent(&signed, "another token").await, 403, "{signed}, forged");
    }
    for other in ["rc=5", "ct=300&rc=3", "ct=300", "x"] {
        assert_eq!(sent(&with_overrides(&url, other), AUTH_TOKEN).await, 403, "{other}");
    }
    let elsewhere = with_overrides("https://elsewhere.example.com/webhooks/conference", CALLBACKS);
    assert_eq!(sent(&elsewhere, AUTH_TOKEN).await, 403);
}

/// Every address of this server's that Twilio gets, with what follows `#`.
fn addresses(text: &str) -> Vec<(String, Option<String>)> {
    let text = text.replace("&amp;", "&");
    let from_here = text.match_indices(PUBLIC).map(|(at, _)| &text[at..]);
    from_here
        .map(|rest| {
            let url = rest.split(['"', '<', ' ']).next().unwrap_or(rest);
            let path = url[PUBLIC.len()..].split(['?', '#']).next().unwrap_or_default();
            (path.to_owned(), url.split_once('#').map(|(_, fragment)| fragment.to_owned()))
        })
        .collect()
}

/// What Twilio gets of addresses in a recovery through the queue, by REST and in documents.
async fn given(world: &World) -> Vec<(String, Option<String>)> {
    let desk = &world.desk;
    desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    desk.hello(2).await;
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    let mut texts = vec![];
    for asked in world.twilio.all() {
        let params = ["Url", "FallbackUrl", "Twiml", "HoldUrl", "AnnounceUrl"];
        texts.extend(params.iter().filter_map(|name| asked.param(name).map(str::to_owned)));
    }
    let leg = customer();
    let of = |what: &str| format!("/twiml/{what}/{}", recovery());
    for (path, result) in [
        (of("requeue"), ""),
        (of("wait"), ""),
        (of("after"), "leave"),
        (of("fallback"), ""),
        (of("hold"), ""),
        (format!("/twiml/move/{}", task()), ""),
        ("/twiml/ended".to_owned(), "bridged"),
        ("/twiml/comfort".to_owned(), ""),
    ] {
        let mut params = vec![("CallSid", leg.as_str())];
        if !result.is_empty() {
            params.push(("QueueResult", result));
        }
        let (status, text) = sent(desk, &path, &params, &path).await;
        assert_eq!(status, 200, "{path}");
        texts.push(text);
    }
    texts.iter().flat_map(|text| addresses(text)).collect()
}

#[tokio::test]
async fn every_address_that_twilio_gets_carries_its_overrides() {
    let world = with(TWIML, CALLBACKS).await;
    let given = given(&world).await;
    for wanted in
        ["/twiml/hold/", "/twiml/wait/", "/twiml/after/", "/twiml/fallback/", "/webhooks/conference"]
    {
        assert!(given.iter().any(|(path, _)| path.starts_with(wanted)), "{wanted}: {given:?}");
    }
    for (path, overrides) in given {
        let wanted = match path.as_str() {
            "/audio/comfort.wav" | "/audio/tone.wav" => None, // not webhooks
            "/webhooks/conference" => Some(CALLBACKS),
            _ => Some(TWIML),
        };
        assert_eq!(overrides.as_deref(), wanted, "{path}");
    }
}

#[tokio::test]
async fn overrides_of_each_kind_can_be_switched_off() {
    let world = with("", CALLBACKS).await;
    for (path, overrides) in given(&world).await {
        let wanted = (path == "/webhooks/conference").then_some(CALLBACKS);
        assert_eq!(overrides.as_deref(), wanted, "{path}");
    }
}

/// A document without what depends on the time: when the loss was, and whether the announcement can have been heard to its end.
fn without_time(document: &str) -> String {
    let document = document.replace("?told=false", "");
    let Some((before, after)) = document.split_once("\"disconnectedTime\":") else {
        return document;
    };
    [before, after.trim_start_matches(|char: char| char.is_ascii_digit())].concat()
}

/// A recovery in which Twilio sends each request this often. Returns what the server asked of Twilio, and the documents.
async fn recovery_with(times: usize) -> (Vec<String>, Vec<String>) {
    let world = World::start().await;
    let (desk, leg, mut documents) = (&world.desk, customer(), vec![]);
    let of = |what: &str| format!("/twiml/{what}/{}", recovery());
    let params = [("CallSid", leg.as_str())];
    for _ in 0..times {
        desk.join(1, &customer()).await;
    }
    for _ in 0..times {
        desk.join(2, &ada_leg()).await;
    }
    desk.register().await;
    for _ in 0..times {
        assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    }
    world.twilio.wait_for("POST Tasks", 1).await;
    for path in [of("hold"), of("announce"), "/twiml/announce/none".into(), "/twiml/comfort".into()] {
        documents.push(sent_often(desk, times, &path, &params, &path).await);
    }
    let made = json!([{
        "specversion": "1.0", "type": "com.twilio.taskrouter.task.created", "id": "EV00000000000000000000000000000001",
        "data": {"payload": {"task_sid": ping(), "task_attributes": json!({"rejoinRecoveryId": recovery()}).to_string()}},
    }]);
    for _ in 0..times {
        assert!(desk.events(&made).await.is_success());
    }
    desk.hello(2).await;
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    documents.push(sent_often(desk, times, &of("requeue"), &params, "requeue").await);
    documents.push(sent_often(desk, times, &of("wait"), &params, "wait").await);
    world.twilio.wait_for(&format!("POST Tasks/{}/Reservations/{}", task(), reservation()), 1).await;
    for (path, result) in [("after", "leave"), ("fallback", ""), ("lost", ""), ("after", "redirected")] {
        let params = [("CallSid", leg.as_str()), ("QueueResult", result)];
        documents.push(sent_often(desk, times, &of(path), &params, &format!("{path} {result}")).await);
    }
    let path = format!("/twiml/move/{}?muted=true&end=false", task());
    documents.push(sent_often(desk, times, &path, &params, "move").await);
    let params = [("CallSid", leg.as_str()), ("QueueResult", "hangup")];
    documents.push(sent_often(desk, times, &of("after"), &params, "over").await);
    documents.push(desk.hello(3).await["recoveries"][0]["stage"].to_string());
    let mut asked: Vec<String> =
        world.twilio.kinds().into_iter().filter(|kind| kind.starts_with("POST")).collect();
    asked.sort();
    (asked, documents.iter().map(|document| without_time(document)).collect())
}

#[tokio::test]
async fn a_recovery_in_which_each_request_comes_twice_is_the_same() {
    let once = recovery_with(1).await;
    assert_eq!(recovery_with(2).await, once);
}

#[tokio::test]
async fn leaving_the_queue_counts_once_however_often_it_is_sent() {
    for path in ["after", "fallback"] {
        let world = World::start().await;
        let desk = &world.desk;
        desk.lost().await;
        world.twilio.wait_for("POST Tasks", 1).await;
        desk.hello(2).await;
        world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
        let (leg, url) = (customer(), format!("/twiml/{path}/{}", recovery()));
        let params = [("CallSid", leg.as_str()), ("QueueResult", "leave")];
        for attempt in 1..=11 {
            let document = sent_often(desk, 4, &url, &params, &format!("attempt {attempt}")).await;
            assert_eq!(document.contains("<Enqueue"), attempt <= 10, "{path} {attempt}: {document}");
        }
    }
}

#[tokio::test]
async fn a_caller_whose_conference_has_ended_is_asked_about_twice() {
    let world = World::start().await;
    let desk = &world.desk;
    desk.talking().await;
    assert_eq!(desk.leave(3, &ada_leg()).await, 204);
    let leg = customer();
    let extra = [("CallSid", leg.as_str()), ("ReasonParticipantLeft", "moderator_ended_conference")];
    for _ in 0..2 {
        assert_eq!(desk.callback(4, "participant-leave", &extra).await, 204);
        assert_eq!(desk.callback(5, "conference-end", &[]).await, 204);
    }
    let params = [("CallSid", leg.as_str()), ("QueueResult", "bridged")];
    // Wait a moment and ask again, or back into the queue: either keeps the caller, and neither uses an attempt up.
    for _ in 0..4 {
        let (status, document) = sent(desk, "/twiml/ended", &params, "the same").await;
        assert_eq!(status, 200);
        assert!(document.contains("/twiml/ended?asked=1") || document.contains("<Enqueue"), "{document}");
    }
}
