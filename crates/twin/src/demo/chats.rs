//! `/__twin/chats/…`: the customer's side of a chat, for the page and for tests.

use super::{Demo, Problem};
use crate::{
    faults::ChatFaults,
    flex::agent::Agent,
    model::{ApiError, ChatRequest, NewChat, NewMessage, Request},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::sse::{self, Sse},
    routing::{get, post},
};
use futures_util::Stream;
use rejoin_protocol::ConversationSid;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::sync::watch;

pub(super) fn routes() -> Router<Demo> {
    Router::new()
        .route("/__twin/chats", post(begin))
        .route("/__twin/chats/faults", post(set_faults))
        .route("/__twin/chats/{conversation}", get(chat))
        .route("/__twin/chats/{conversation}/messages", post(say))
        .route("/__twin/chats/{conversation}/events", get(events))
}

fn refused(error: ApiError) -> Problem {
    Problem(StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST), error.message)
}

fn sid(text: &str) -> Result<ConversationSid, Problem> {
    ConversationSid::parse(text).map_err(|_| Problem::not_found("such conversation: a SID was expected"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Begin {
    /// The customer's name.
    #[serde(default)]
    name: Option<String>,
    /// More attributes of the task.
    #[serde(default)]
    attributes: Option<Value>,
    /// The customer's first message.
    #[serde(default)]
    body: Option<String>,
}

/// A customer begins a chat, in the way a web chat does.
async fn begin(State(demo): State<Demo>, Json(begin): Json<Begin>) -> Result<Json<Value>, Problem> {
    static CUSTOMERS: AtomicU64 = AtomicU64::new(1);
    let identity = format!("customer-{}", CUSTOMERS.fetch_add(1, Ordering::Relaxed));
    let new = NewChat {
        identity: identity.clone(),
        name: begin.name.unwrap_or_else(|| "Customer".into()),
        attributes: begin.attributes.map(|attributes| attributes.to_string()),
        ..NewChat::default()
    };
    let made = demo.twin.ask(Request::Chat(ChatRequest::Begin(new))).await.map_err(refused)?;
    let conversation = sid(made.body["sid"].as_str().unwrap_or_default())?;
    if let Some(body) = begin.body {
        speak(&demo, conversation.clone(), identity, body).await?;
    }
    Ok(Json(json!({ "conversation": conversation })))
}

async fn speak(
    demo: &Demo,
    conversation: ConversationSid,
    author: String,
    body: String,
) -> Result<Value, Problem> {
    let message = NewMessage { author, body, by_member: true, webhooks: true, ..NewMessage::default() };
    let request = Request::Chat(ChatRequest::Say { conversation, message });
    Ok(demo.twin.ask(request).await.map_err(refused)?.body)
}

#[derive(Deserialize)]
struct Say {
    body: String,
}

async fn say(
    State(demo): State<Demo>,
    Path(conversation): Path<String>,
    Json(said): Json<Say>,
) -> Result<StatusCode, Problem> {
    let conversation = sid(&conversation)?;
    let customer = seen(&demo, &conversation).await?.customer;
    speak(&demo, conversation, customer, said.body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A conversation as its customer sees it.
struct Seen {
    /// The customer's identity.
    customer: String,
    status: String,
    /// True when an agent is in it.
    attended: bool,
    messages: Vec<Value>,
}

async fn seen(demo: &Demo, conversation: &ConversationSid) -> Result<Seen, Problem> {
    let ask = async |request| demo.twin.ask(Request::Chat(request)).await.map_err(refused);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = text(&ask(ChatRequest::Fetch(conversation.clone())).await?.body["state"]);
    let members = ask(ChatRequest::ListMembers(conversation.clone())).await?.body;
    let identities: Vec<String> =
        members["participants"].as_array().into_iter().flatten().map(|it| text(&it["identity"])).collect();
    let agent = |identity: &str| Agent::ALL.into_iter().find(|agent| agent.identity() == identity);
    let customer = identities.iter().find(|it| agent(it).is_none()).cloned().unwrap_or_default();
    let said = ChatRequest::ListMessages { conversation: conversation.clone(), newest_first: false };
    let messages = ask(said).await?.body;
    let messages = messages["messages"].as_array().into_iter().flatten().map(|message| {
        let author = text(&message["author"]);
        let (from, name) = match agent(&author) {
            Some(agent) => ("agent", agent.full_name()),
            None if author == customer => ("customer", "You"),
            None => ("system", ""),
        };
        json!({
            "from": from, "name": name, "body": message["body"], "at": message["date_created"],
            "attributes": message["attributes"], "index": message["index"],
        })
    });
    let messages = messages.collect();
    let attended = identities.iter().any(|identity| agent(identity).is_some());
    Ok(Seen { customer, status, attended, messages })
}

async fn chat(State(demo): State<Demo>, Path(conversation): Path<String>) -> Result<Json<Value>, Problem> {
    let Seen { status, attended, messages, .. } = seen(&demo, &sid(&conversation)?).await?;
    Ok(Json(json!({ "status": status, "attended": attended, "messages": messages })))
}

/// Streams the messages, and the state, as they change: `{"message":…}` and `{"status":…,"attended":…}`.
async fn events(
    State(demo): State<Demo>,
    Path(conversation): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let conversation = sid(&conversation)?;
    seen(&demo, &conversation).await?;
    let changes = demo.twin.changes();
    let follower =
        Follower { demo, conversation, changes, told: 0, state: Value::Null, pending: VecDeque::new() };
    let stream = futures_util::stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok(sse::Event::default().data(event.to_string())), follower))
    });
    Ok(Sse::new(stream).keep_alive(sse::KeepAlive::default()))
}

struct Follower {
    demo: Demo,
    conversation: ConversationSid,
    changes: watch::Receiver<u64>,
    told: usize,
    state: Value,
    pending: VecDeque<Value>,
}

impl Follower {
    /// The next event; `None` when the twin stops.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            self.changes.borrow_and_update();
            self.read().await?;
            if self.pending.is_empty() {
                self.changes.changed().await.ok()?;
            }
        }
    }

    async fn read(&mut self) -> Option<()> {
        let seen = seen(&self.demo, &self.conversation).await.ok()?;
        let messages = seen.messages.iter().skip(self.told).map(|message| json!({ "message": message }));
        self.pending.extend(messages);
        self.told = seen.messages.len();
        let state = json!({ "status": seen.status, "attended": seen.attended });
        if state != self.state {
            self.state = state.clone();
            self.pending.push_back(state);
        }
        Some(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct Wanted {
    /// How many replies to messages are lost with their sockets.
    lost_replies: u32,
    /// Names of agents whose sockets stay open, but nothing comes through.
    silent: Vec<String>,
}

/// Replaces the faults of the Conversations SDK's sockets.
async fn set_faults(State(demo): State<Demo>, Json(wanted): Json<Wanted>) -> Result<StatusCode, Problem> {
    let worker = |name: &String| Agent::named(name).map(Agent::worker);
    let silent: Option<Vec<_>> = wanted.silent.iter().map(worker).collect();
    let silent = silent.ok_or_else(|| Problem::not_found("such agent"))?;
    demo.twin.set_chat_faults(ChatFaults { lost_replies: wanted.lost_replies, silent });
    Ok(StatusCode::NO_CONTENT)
}
