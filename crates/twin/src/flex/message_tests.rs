//! Call messages on the wire: REST to signalling, and signalling to the callback of a subscription.

use super::{
    agent::Agent,
    socket_tests::{PATIENCE, SECRET, World},
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use rejoin_protocol::AccountSid;
use rejoin_twilio::signature::{self, Signed};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

/// A request to the callback of a subscription.
struct Callback {
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

type Sender = mpsc::UnboundedSender<Callback>;

/// Listens for callbacks, and refuses the first one.
async fn listener() -> (String, mpsc::UnboundedReceiver<Callback>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", socket.local_addr().expect("an address"));
    let (sender, receiver) = mpsc::unbounded_channel();
    let refused = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let heard = move |State(sender): State<Sender>, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        sender.send(Callback { uri, headers, body }).expect("the test listens");
        match refused.swap(true, std::sync::atomic::Ordering::Relaxed) {
            true => StatusCode::NO_CONTENT,
            false => StatusCode::SERVICE_UNAVAILABLE,
        }
    };
    tokio::spawn(axum::serve(socket, Router::new().fallback(heard).with_state(sender)).into_future());
    (base, receiver)
}

impl World {
    async fn voice(&self, method: Method, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let account = AccountSid::numbered(1);
        let url = format!("http://{}/__tw/api.twilio.com/2010-04-01/Accounts/{account}/{path}.json", self.at);
        let request = self.client.request(method, url).basic_auth(account, Some(SECRET)).form(form);
        let answer = request.send().await.expect("answers");
        (answer.status(), answer.json().await.unwrap_or_default())
    }
}

#[tokio::test]
async fn a_message_goes_to_the_client_and_its_answer_to_the_subscription() {
    let world = World::start().await;
    let mut bridge = world.event_bridge(Agent::Ada).await;
    let mut phone = world.phone(Agent::Ada).await;
    let mut other = world.phone(Agent::Bo).await;
    world.call_for_ada(&mut bridge).await;
    let call = phone.next().await["payload"]["callsid"].as_str().expect("a SID").to_owned();
    let messages = format!("Calls/{call}/UserDefinedMessages");
    let (status, sent) = world.voice(Method::POST, &messages, &[("Content", r#"{"ask":"ü"}"#)]).await;
    assert_eq!(status, StatusCode::CREATED, "{sent}");
    let wanted = json!({
        "callsid": call, "content": {"ask": "ü"}, "contenttype": "application/json",
        "messagetype": "user-defined-message", "voiceeventsid": sent["sid"],
    });
    let heard = phone.next().await;
    assert_eq!((&heard["type"], &heard["payload"]), (&json!("message"), &wanted));

    let (base, mut callbacks) = listener().await;
    let subscriptions = format!("Calls/{call}/UserDefinedMessageSubscriptions");
    let callback = format!("{base}/messages?a=1#rc=1&rp=all");
    let form = [("Callback", callback.as_str()), ("Method", "POST")];
    let (status, subscribed) = world.voice(Method::POST, &subscriptions, &form).await;
    assert_eq!(status, StatusCode::CREATED, "{subscribed}");
    let said = |kind: &str, content: Value, sid: &str| {
        let payload = json!({
            "callsid": call, "content": content, "contenttype": "application/json", "messagetype": kind,
            "voiceeventsid": sid,
        });
        json!({ "type": "message", "payload": payload })
    };
    phone.say(&said("a-question", json!({}), "KX1")).await;
    let refused = phone.next().await;
    assert_eq!((&refused["type"], &refused["payload"]["error"]["code"]), (&json!("error"), &json!(31210)));
    phone.say(&said("user-defined-message", json!("x".repeat(20_000)), "KX2")).await;
    assert_eq!(phone.next().await["payload"]["error"]["code"], 31212);
    // Nobody else speaks for this call.
    other.say(&said("user-defined-message", json!({"from": "Bo"}), "KX3")).await;
    other.say(&json!({ "type": "register", "payload": { "media": { "audio": true } } })).await;
    assert_eq!(other.next().await["type"], "ready");
    phone.say(&said("user-defined-message", json!({"answer": 1}), "KX4")).await;
    let ack = phone.next().await;
    let wanted = json!({ "acktype": "message", "callsid": call, "voiceeventsid": "KX4" });
    assert_eq!((&ack["type"], &ack["payload"]), (&json!("ack"), &wanted));

    // The first attempt is refused, and repeated as the fragment says.
    for _ in 0..2 {
        let told = timeout(PATIENCE, callbacks.recv()).await.expect("in time").expect("a callback");
        assert_eq!(told.headers["content-type"], "application/json");
        let url = format!("{base}{}", told.uri);
        assert!(url.starts_with(&format!("{base}/messages?a=1&")), "{url}");
        let header = told.headers[signature::HEADER].to_str().expect("text");
        assert!(signature::validate(&[SECRET], &url, Signed::Body(&told.body), header));
        let body: Value = serde_json::from_slice(&told.body).expect("JSON");
        assert_eq!(body["Content"], r#"{"answer":1}"#);
        assert_eq!((&body["SequenceNumber"], &body["CallSid"]), (&json!("0"), &json!(call)));
        assert_eq!((&body["Sid"], &body["ContentType"]), (&json!("KX4"), &json!("application/json")));
    }
    let path = format!("{subscriptions}/{}", subscribed["sid"].as_str().expect("a SID"));
    assert_eq!(world.voice(Method::DELETE, &path, &[]).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.voice(Method::DELETE, &path, &[]).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn messages_follow_a_call_to_the_next_socket_of_its_phone() {
    let world = World::start().await;
    let mut bridge = world.event_bridge(Agent::Ada).await;
    let mut phone = world.phone(Agent::Ada).await;
    world.call_for_ada(&mut bridge).await;
    let call = phone.next().await["payload"]["callsid"].as_str().expect("a SID").to_owned();
    drop(phone);
    let mut phone = world.phone(Agent::Ada).await;
    let takes_over = json!({ "callsid": call, "reconnect": format!("twin-{call}"), "sdp": "" });
    phone.say(&json!({ "type": "invite", "payload": takes_over })).await;
    assert_eq!(phone.next().await["type"], "answer");
    let path = format!("Calls/{call}/UserDefinedMessages");
    let (status, _) = world.voice(Method::POST, &path, &[("Content", "7")]).await;
    assert_eq!(status, StatusCode::CREATED);
    let heard = phone.next().await;
    assert_eq!((&heard["type"], &heard["payload"]["content"]), (&json!("message"), &json!(7)));
}
