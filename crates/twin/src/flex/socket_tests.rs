//! The sockets as a browser uses them: a twin that listens, and clients that speak the real protocols.

use super::{agent::Agent, frame::Frame};
use crate::{Twin, TwinConfig, app, shell};
use axum::http::StatusCode;
use futures_util::{SinkExt, StreamExt};
use rejoin_protocol::{AccountSid, WorkspaceSid};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message},
};

pub(super) const SECRET: &str = "secret";
/// Timeout for what takes milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct World {
    pub(super) twin: Twin,
    pub(super) at: SocketAddr,
    pub(super) client: reqwest::Client,
}

impl World {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let twin = Twin::start(TwinConfig::at(at, SECRET)).await.expect("starts");
        tokio::spawn(axum::serve(listener, app(&twin)).into_future());
        Self { twin, at, client: reqwest::Client::new() }
    }

    pub(super) fn token(agent: Agent) -> String {
        agent.token(SECRET, AccountSid::numbered(1), WorkspaceSid::numbered(1), shell::now())
    }

    pub(super) async fn socket(&self, path: &str) -> Result<Socket, Error> {
        Ok(Socket(connect_async(format!("ws://{}/__tw/{path}", self.at)).await?.0))
    }

    pub(super) async fn event_bridge(&self, agent: Agent) -> Socket {
        let path = format!("event-bridge.twilio.com/v1/wschannels?token={}", Self::token(agent));
        self.socket(&path).await.expect("connects")
    }

    /// A registered phone.
    pub(super) async fn phone(&self, agent: Agent) -> Socket {
        let mut phone = self.socket("voice-js.roaming.twilio.com/signal").await.expect("connects");
        phone.say(&json!({ "type": "listen", "payload": { "token": Self::token(agent) } })).await;
        assert_eq!(phone.next().await["type"], "connected");
        phone.say(&json!({ "type": "register", "payload": { "media": { "audio": true } } })).await;
        assert_eq!(phone.next().await["type"], "ready");
        phone
    }

    /// A customer calls, and Ada accepts, so that their phone rings. Returns the reservation and its path.
    pub(super) async fn call_for_ada(&self, bridge: &mut Socket) -> (Value, String) {
        let available = json!({ "ActivitySid": "WA00000000000000000000000000000001" });
        self.rpc(Agent::Ada, "POST", &own(Agent::Ada, ""), available).await;
        self.twin.dial_native("+15550100001".into(), 660.0);
        let reservation = bridge.event("reservation.created").await;
        let url = own(Agent::Ada, &format!("/Reservations/{}", reservation["sid"].as_str().expect("a sid")));
        let to = format!("client:{}", Agent::Ada.identity());
        let instruction = json!({ "Instruction": "conference", "EndConferenceOnExit": false, "To": to });
        assert_eq!(self.rpc(Agent::Ada, "POST", &url, instruction).await.0, StatusCode::OK);
        (reservation, url)
    }

    pub(super) async fn rpc(
        &self,
        agent: Agent,
        method: &str,
        url: &str,
        params: Value,
    ) -> (StatusCode, Value) {
        let body = json!({ "url": url, "method": method, "params": params, "token": Self::token(agent) });
        let url = format!("http://{}/__tw/event-bridge.twilio.com/v1/wschannels", self.at);
        let reply = self.client.post(url).body(body.to_string()).send().await.expect("answers");
        (reply.status(), reply.json().await.expect("JSON"))
    }
}

pub(super) struct Socket(pub(super) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.expect("sent");
    }

    pub(super) async fn raw(&mut self) -> Message {
        timeout(PATIENCE, self.0.next()).await.expect("in time").expect("open").expect("a message")
    }

    /// The next message that is not a heartbeat.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.raw().await
                && !text.trim().is_empty()
            {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }

    pub(super) async fn event(&mut self, wanted: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["event_type"] == wanted {
                return event["payload"].clone();
            }
        }
    }
}

pub(super) fn own(agent: Agent, rest: &str) -> String {
    format!("Workspaces/{}/Workers/{}{rest}", WorkspaceSid::numbered(1), agent.worker())
}

#[tokio::test]
async fn the_event_bridge_requires_a_token() {
    let world = World::start().await;
    let refused = world.socket("event-bridge.twilio.com/v1/wschannels?token=a.b.c").await;
    assert!(matches!(refused, Err(Error::Http(reply)) if reply.status().as_u16() == 401));
    let init = world.event_bridge(Agent::Ada).await.event("init").await;
    assert_eq!(init["channel_id"], json!(Agent::Ada.worker()));
    assert!(init["token_lifetime"].as_u64() > Some(5 * 3600 * 1000), "{init}");
}

#[tokio::test]
async fn requests_beside_the_bridge_are_answered_in_its_form() {
    let world = World::start().await;
    let (status, worker) = world.rpc(Agent::Ada, "GET", &own(Agent::Ada, ""), json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(worker["payload"]["attributes"].is_string(), "{worker}");
    assert!(worker["payload"]["date_created"].is_u64(), "{worker}");
    let url = own(Agent::Ada, "/Reservations");
    let (_, list) = world.rpc(Agent::Ada, "GET", &url, json!({ "Active": "true" })).await;
    assert_eq!(list["payload"], json!({ "contents": [], "after_sid": null }));
    assert_eq!(world.rpc(Agent::Bo, "GET", &url, json!({})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.rpc(Agent::Ada, "GET", "v1/Nothing", json!({})).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_call_rings_at_the_accepting_agent_and_no_other_can_touch_it() {
    let world = World::start().await;
    let mut ada = world.event_bridge(Agent::Ada).await;
    let mut phone = world.phone(Agent::Ada).await;
    let mut other = world.phone(Agent::Bo).await;
    let (reservation, url) = world.call_for_ada(&mut ada).await;
    let invite = phone.next().await;
    assert_eq!(invite["type"], "invite");
    let call = invite["payload"]["callsid"].clone();
    assert!(invite["payload"]["sdp"].as_str().expect("an offer").contains("PCMU/8000"));
    assert_eq!(invite["payload"]["parameters"]["CallSid"], call);

    // Bo's phone hangs up a call that it never had. Its next answer proves that this was read.
    other.say(&json!({ "type": "hangup", "payload": { "callsid": call } })).await;
    other.say(&json!({ "type": "register", "payload": { "media": { "audio": true } } })).await;
    assert_eq!(other.next().await["type"], "ready");
    let (_, pending) = world.rpc(Agent::Ada, "GET", &url, json!({})).await;
    assert_eq!(pending["payload"]["reservation_status"], "pending");

    phone.say(&json!({ "type": "reject", "payload": { "callsid": call } })).await;
    assert_eq!(ada.event("reservation.canceled").await["sid"], reservation["sid"]);
}

#[tokio::test]
async fn an_agent_who_is_cut_off_has_no_sockets_until_let_through() {
    let world = World::start().await;
    let (mut bridge, mut phone) = (world.event_bridge(Agent::Ada).await, world.phone(Agent::Ada).await);
    let mut other = world.phone(Agent::Bo).await;
    world.twin.cut_off(Agent::Ada.worker(), true);
    for socket in [&mut bridge, &mut phone] {
        while let Some(Ok(message)) = timeout(PATIENCE, socket.0.next()).await.expect("in time") {
            assert!(!matches!(message, Message::Close(_)), "it ends without a word");
        }
    }
    let path = format!("event-bridge.twilio.com/v1/wschannels?token={}", World::token(Agent::Ada));
    assert!(matches!(world.socket(&path).await, Err(Error::Http(reply)) if reply.status() == 503));
    other.say(&json!({ "type": "register", "payload": { "media": { "audio": true } } })).await;
    assert_eq!(other.next().await["type"], "ready");
    world.twin.cut_off(Agent::Ada.worker(), false);
    world.event_bridge(Agent::Ada).await.event("init").await;
    world.phone(Agent::Ada).await;
}

#[tokio::test]
async fn a_phone_without_a_token_is_refused() {
    let world = World::start().await;
    let mut phone = world.socket("voice-js.roaming.twilio.com/signal").await.expect("connects");
    phone.say(&json!({ "type": "listen", "payload": { "token": "a.b.c" } })).await;
    let error = phone.next().await;
    assert_eq!((&error["type"], &error["payload"]["error"]["code"]), (&json!("error"), &json!(20101)));
    let mut phone = world.socket("voice-js.roaming.twilio.com/signal").await.expect("connects");
    phone.say(&json!({ "type": "register", "payload": {} })).await;
    assert_eq!(phone.next().await["type"], "error");
}

#[tokio::test]
async fn twilsock_carries_requests_once_a_token_was_shown() {
    let world = World::start().await;
    let mut socket = world.socket("tsock.us1.twilio.com/v3/wsconnect").await.expect("connects");
    let mut ask = async |header: Value, payload: Option<Value>| {
        let bytes = Frame::new(header, payload).to_bytes();
        socket.0.send(Message::binary(bytes)).await.expect("sent");
        Frame::parse(&socket.raw().await.into_data()).expect("a frame")
    };
    let request = |id: u8, method: &str, path: &str| {
        let request = json!({ "host": "cds.us1.twilio.com", "path": path, "method": method });
        json!({ "id": id, "method": "message", "http_request": request })
    };
    let early = ask(request(1, "GET", "/v3/Maps/x"), None).await;
    assert_eq!((&early.header["id"], &early.header["status"]["code"]), (&json!(1), &json!(401)));
    let init = json!({
        "id": 2, "method": "init", "token": World::token(Agent::Ada),
        "registrations": [{ "product": "flex_insights" }]
    });
    let init = ask(init, None).await;
    assert_eq!(init.header["status"]["code"], 200);
    assert!(init.header["offline_storage"]["flex_insights"]["storage_id"].is_string());
    let missing = ask(request(3, "GET", "/v3/Maps/x"), None).await;
    assert_eq!(missing.header["http_status"]["code"], 404);
    let made = ask(request(4, "POST", "/v3/Maps"), Some(json!({ "unique_name": "x" }))).await;
    assert_eq!(made.header["http_status"]["code"], 201);
    assert_eq!(made.payload.expect("a map")["unique_name"], "x");
}

/// A frame that carries a request to Sync.
fn to_sync(id: u8, path: &str) -> Value {
    let request = json!({ "host": "cds.us1.twilio.com", "path": path, "method": "POST" });
    json!({ "id": id, "method": "message", "http_request": request })
}

#[tokio::test]
async fn the_teams_view_receives_an_agents_activity() {
    let world = World::start().await;
    let mut socket = world.socket("tsock.us1.twilio.com/v3/wsconnect").await.expect("connects");
    let mut send = async |header: Value, payload: Option<Value>| {
        let bytes = Frame::new(header, payload).to_bytes();
        socket.0.send(Message::binary(bytes)).await.expect("sent");
        Frame::parse(&socket.raw().await.into_data()).expect("a frame")
    };
    send(json!({ "id": 1, "method": "init", "token": World::token(Agent::Bo) }), None).await;
    let query = format!("data.worker_sid == \"{}\"", Agent::Ada.worker());
    let search = json!({ "query_string": query, "type": "live_query" });
    let found =
        send(to_sync(2, "/v3/Insights/tr-worker/Items"), Some(search)).await.payload.expect("a result");
    assert_eq!(found["items"][0]["data"]["activity_name"], "Offline");
    let one = json!({ "object_sid": found["query_id"], "object_type": "live_query" });
    let watch = json!({ "action": "establish", "correlation_id": 7, "requests": [one] });
    send(to_sync(3, "/v4/Subscriptions"), Some(watch)).await;
    let mut told =
        async || Frame::parse(&socket.raw().await.into_data()).expect("a frame").payload.expect("news");
    let replay = told().await;
    assert_eq!(replay["event_type"], "live_query_updated");
    assert_eq!(replay["event"]["items"][0]["key"], json!(Agent::Ada.worker()));
    assert_eq!(told().await["event_type"], "subscription_established");
    let available = json!({ "ActivitySid": "WA00000000000000000000000000000001" });
    world.rpc(Agent::Ada, "POST", &own(Agent::Ada, ""), available).await;
    let news = told().await;
    assert_eq!(news["event"]["query_id"], found["query_id"]);
    assert_eq!(news["event"]["item_data"]["activity_name"], "Available");
}

#[tokio::test]
async fn an_agent_may_validate_their_own_token() {
    let world = World::start().await;
    let account = AccountSid::numbered(1);
    let url = format!("http://{}/__tw/iam.twilio.com/v1/Accounts/{account}/Tokens/validate", world.at);
    let ask = async |user: &str, token: &str| {
        let request = world.client.post(&url).basic_auth(user, Some(token));
        let reply = request.json(&json!({ "token": token })).send().await.expect("answers");
        (reply.status(), reply.json::<Value>().await.expect("JSON"))
    };
    let (status, answer) = ask("token", &World::token(Agent::Ada)).await;
    assert_eq!((status, &answer["valid"]), (StatusCode::OK, &json!(true)));
    assert_eq!(answer["worker_sid"], json!(Agent::Ada.worker()));
    assert_eq!(answer["flex_user_sid"], json!(Agent::Ada.user()));
    for (user, token) in [("token", "a.b.c"), (account.as_str(), "a.b.c")] {
        assert_eq!(ask(user, token).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(ask(account.as_str(), SECRET).await.1["valid"], false);
}
