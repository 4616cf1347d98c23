//! Conversations as their SDK uses them: through a real twilsock.

use super::{
    agent::Agent,
    frame::Frame,
    socket_tests::{Socket, World, own},
};
use crate::faults::ChatFaults;
use axum::http::StatusCode;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// The SDK of an agent's page.
struct Sdk {
    socket: Socket,
    sent: u64,
    /// Notifications that came before an answer.
    told: Vec<Value>,
}

impl Sdk {
    async fn opens(world: &World, agent: Agent) -> Self {
        let socket = world.socket("tsock.us1.twilio.com/v3/wsconnect").await.expect("connects");
        let mut sdk = Self { socket, sent: 0, told: vec![] };
        let registrations = json!([{ "product": "ip_messaging", "type": "ers" }]);
        let init = json!({ "method": "init", "token": World::token(agent), "registrations": registrations });
        let init = sdk.send(init, None).await;
        assert!(init.header["offline_storage"]["ip_messaging"]["storage_id"].is_string());
        sdk
    }

    async fn says(&mut self, mut header: Value, payload: Option<Value>) -> u64 {
        self.sent += 1;
        header["id"] = json!(self.sent);
        let bytes = Frame::new(header, payload).to_bytes();
        self.socket.0.send(Message::binary(bytes)).await.expect("sent");
        self.sent
    }

    async fn send(&mut self, header: Value, payload: Option<Value>) -> Frame {
        let id = self.says(header, payload).await;
        loop {
            let frame = Frame::parse(&self.socket.raw().await.into_data()).expect("a frame");
            if frame.header["id"] == id {
                return frame;
            }
            self.told.push(frame.payload.expect("news"));
        }
    }

    async fn ask(&mut self, host: &str, method: &str, path: &str, body: Option<Value>) -> (u64, Value) {
        let request = json!({ "host": host, "path": path, "method": method });
        let frame = self.send(json!({ "method": "message", "http_request": request }), body).await;
        let status = frame.header["http_status"]["code"].as_u64().expect("a status");
        (status, frame.payload.unwrap_or_default())
    }

    async fn sync(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask("cds.us1.twilio.com", method, path, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// Watches an object of Sync, from what it has seen of it.
    async fn watches(&mut self, kind: &str, object: &Value, seen: Option<u64>) {
        let mut one = json!({ "object_sid": object["sid"], "object_type": kind });
        if let Some(seen) = seen {
            one["last_event_id"] = json!(seen);
        }
        let watch = json!({ "action": "establish", "correlation_id": 1, "requests": [one] });
        self.sync("POST", "/v4/Subscriptions", Some(watch)).await;
    }

    async fn news(&mut self, wanted: &str) -> Value {
        loop {
            if let Some(at) = self.told.iter().position(|told| told["event_type"] == wanted) {
                return self.told.remove(at);
            }
            let frame = Frame::parse(&self.socket.raw().await.into_data()).expect("a frame");
            self.told.extend(frame.payload);
        }
    }
}

/// Ada has accepted a chat.
async fn chat(world: &World) -> (String, String) {
    let mut bridge = world.event_bridge(Agent::Ada).await;
    let available = json!({ "ActivitySid": "WA00000000000000000000000000000001" });
    world.rpc(Agent::Ada, "POST", &own(Agent::Ada, ""), available).await;
    let begin = world.client.post(format!("http://{}/__twin/chats", world.at));
    let begun = begin.json(&json!({ "body": "Hello?" })).send().await.expect("answers");
    let begun: Value = begun.json().await.expect("JSON");
    let conversation = begun["conversation"].as_str().expect("a sid").to_owned();
    let offer = bridge.event("reservation.created").await;
    let attributes = offer["task"]["attributes"].as_str().expect("text");
    let attributes: Value = serde_json::from_str(attributes).expect("JSON");
    let sid = |name: &str| attributes[name].as_str().expect("a sid").to_owned();
    let channel = format!(
        "v1/Interactions/{}/Channels/{}",
        sid("flexInteractionSid"),
        sid("flexInteractionChannelSid")
    );
    let url = format!("{channel}/Invites/{}", sid("flexChannelInviteSid"));
    let routing = json!({ "type": "taskrouter", "reservation": { "sid": offer["sid"] } });
    let accept = json!({ "action": "accept", "routing": routing });
    assert_eq!(world.rpc(Agent::Bo, "POST", &url, accept.clone()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.rpc(Agent::Ada, "POST", &url, accept).await.0, StatusCode::OK);
    bridge.event("participant.added").await;
    let (_, there) = world.rpc(Agent::Ada, "GET", &format!("{channel}/Participants"), json!({})).await;
    assert_eq!(there["payload"]["participants"].as_array().map(Vec::len), Some(2));
    (conversation, channel)
}

/// What the customer sees.
async fn messages(world: &World, conversation: &str) -> Vec<String> {
    let seen = world.client.get(format!("http://{}/__twin/chats/{conversation}", world.at));
    let seen: Value = seen.send().await.expect("answers").json().await.expect("JSON");
    let messages = seen["messages"].as_array().expect("a list").iter();
    messages.filter_map(|message| message["body"].as_str().map(str::to_owned)).collect()
}

fn messages_of(conversation: &str) -> String {
    let service = "/Client/v2/Services/IS00000000000000000000000000000001";
    format!("{service}/Conversations/{conversation}/Messages")
}

#[tokio::test]
async fn an_agents_sdk_sees_the_chat_its_messages_and_what_it_missed_while_it_was_away() {
    let world = World::start().await;
    let mut sdk = Sdk::opens(&world, Agent::Ada).await;
    let (_, settings) = sdk.ask("aim.us1.twilio.com", "GET", "/Client/v2/Configuration", None).await;
    assert!(settings["options"]["media_attachments_count_limit"].is_u64());
    let mine = settings["sync_objects"]["my_conversations"].as_str().expect("a name");
    let mine = sdk.sync("GET", &format!("/v3/Maps/{mine}"), None).await;
    sdk.watches("map", &mine, None).await;
    let (conversation, _) = chat(&world).await;
    let joined = sdk.news("map_item_added").await;
    assert_eq!(joined["event"]["item_key"], json!(conversation));

    let list = sdk.sync("GET", &format!("/v3/Lists/{conversation}.messages"), None).await;
    let path = format!("/v3/Lists/{}/Items", list["sid"].as_str().expect("a sid"));
    let items = sdk.sync("GET", &path, None).await;
    assert_eq!(items["items"][0]["data"]["text"], "Hello?");
    sdk.watches("list", &list, list["last_event_id"].as_u64()).await;
    let body = json!({ "body": "How can I help?", "attributes": r#"{"rejoin":"u1"}"# });
    let (status, sent) = sdk.ask("aim.us1.twilio.com", "POST", &messages_of(&conversation), Some(body)).await;
    assert_eq!((status, &sent["index"]), (201, &json!(1)));
    let seen = sdk.news("list_item_added").await;
    assert_eq!(seen["event"]["item_data"]["attributes"], r#"{"rejoin":"u1"}"#);
    let seen = seen["event"]["id"].as_u64();

    // Away: the customer writes meanwhile.
    drop(sdk);
    let say = world.client.post(format!("http://{}/__twin/chats/{conversation}/messages", world.at));
    let said = say.json(&json!({ "body": "My parcel is late." })).send().await.expect("answers");
    assert_eq!(said.status(), StatusCode::NO_CONTENT);
    let mut sdk = Sdk::opens(&world, Agent::Ada).await;
    sdk.watches("list", &list, seen).await;
    let missed = sdk.news("list_item_added").await;
    assert_eq!(missed["event"]["item_data"]["text"], "My parcel is late.");
    assert_eq!(sdk.news("subscription_established").await["event"]["replay_status"], "completed");

    let mut other = Sdk::opens(&world, Agent::Bo).await;
    let body = json!({ "body": "I am not in it" });
    let refused = other.ask("aim.us1.twilio.com", "POST", &messages_of(&conversation), Some(body)).await;
    assert_eq!(refused.0, 403);
}

#[tokio::test]
async fn a_lost_reply_cuts_the_socket_and_the_message_is_there_all_the_same() {
    let world = World::start().await;
    let (conversation, _) = chat(&world).await;
    let mut sdk = Sdk::opens(&world, Agent::Ada).await;
    world.twin.set_chat_faults(ChatFaults { lost_replies: 1, silent: vec![] });
    let request =
        json!({ "host": "aim.us1.twilio.com", "path": messages_of(&conversation), "method": "POST" });
    let header = json!({ "method": "message", "http_request": request });
    sdk.says(header, Some(json!({ "body": "Twice?" }))).await;
    let ends = timeout(Duration::from_secs(20), sdk.socket.0.next()).await.expect("in time");
    assert!(!matches!(ends, Some(Ok(_))), "it ends without an answer: {ends:?}");
    assert_eq!(messages(&world, &conversation).await, ["Hello?", "Twice?"]);
}

#[tokio::test]
async fn nothing_comes_through_a_silent_socket_and_it_stays_open() {
    let world = World::start().await;
    let (conversation, _) = chat(&world).await;
    let mut sdk = Sdk::opens(&world, Agent::Ada).await;
    world.twin.set_chat_faults(ChatFaults { lost_replies: 0, silent: vec![Agent::Ada.worker()] });
    let request =
        json!({ "host": "aim.us1.twilio.com", "path": messages_of(&conversation), "method": "POST" });
    sdk.says(json!({ "method": "message", "http_request": request }), Some(json!({ "body": "Lost" }))).await;
    let dropped = async {
        while !world.twin.log_lines().iter().any(|line| line.contains("nothing comes through")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), dropped).await.expect("the request comes");
    world.twin.set_chat_faults(ChatFaults::default());
    let (status, _) = sdk.ask("aim.us1.twilio.com", "GET", "/Client/v2/Configuration", None).await;
    assert_eq!(status, 200);
    assert_eq!(messages(&world, &conversation).await, ["Hello?"]);
}
