//! A stub of Twilio that answers after a fixed time and records every request with its time.

use crate::chats::{Chat, identity};
use crate::figure::Outcome;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use rejoin_protocol::{AccountSid, ActivitySid, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_twilio::webhook;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    /// Method and path after the account or the workspace.
    pub what: String,
    pub form: Vec<(String, String)>,
}

impl Asked {
    pub fn has(&self, key: &str, value: &str) -> bool {
        self.form.iter().any(|(k, v)| k == key && v.contains(value))
    }
}

/// The stub. Cheap to clone.
#[derive(Clone)]
pub struct Twilio {
    asked: Arc<Mutex<Vec<Asked>>>,
    count: watch::Sender<usize>,
    after: Duration,
    pub base: String,
}

impl Twilio {
    /// Starts a stub that answers after this time.
    pub async fn start(after: Duration) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let twilio = Self { asked: Arc::default(), count: watch::channel(0).0, after, base };
        let router = Router::new().fallback(answer).with_state(twilio.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(twilio)
    }

    /// The first matching request from the `since`th on, as soon as it arrives.
    pub async fn wait_for(&self, since: usize, is_meant: impl Fn(&Asked) -> bool) -> Outcome<Asked> {
        let mut count = self.count.subscribe();
        let waiting = async {
            loop {
                count.mark_unchanged();
                if let Some(found) = self.all().into_iter().skip(since).find(|asked| is_meant(asked)) {
                    return Ok(found);
                }
                count.changed().await?;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.map_err(|_| "Twilio was not asked")?
    }

    pub fn all(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(twilio): State<Twilio>, request: Request<Body>) -> (StatusCode, String) {
    let at = Instant::now();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = parts.uri.path();
    let short = path.rsplit_once(AccountSid::numbered(1).as_str()).or_else(|| path.rsplit_once("WS"));
    let short = short.map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, rest)| rest));
    let what = format!("{} {}", parts.method, short.trim_end_matches(".json"));
    if !what.starts_with("POST Tokens") {
        let asked = Asked { at, what: what.clone(), form: webhook::form(&body) };
        twilio.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        twilio.count.send_modify(|count| *count += 1);
        tokio::time::sleep(twilio.after).await;
    }
    (StatusCode::OK, said(&what, &body).to_string())
}

fn said(what: &str, body: &[u8]) -> Value {
    let last = what.rsplit('/').next().unwrap_or_default();
    let task = |sid: &TaskSid, status: &str| json!({"sid": sid, "assignment_status": status, "attributes": "{}", "workflow_sid": WorkflowSid::numbered(1)});
    if let Some(seen) = of_chat(what) {
        return seen;
    }
    match what {
        "POST Tokens/validate" => {
            let asked: Value = serde_json::from_slice(body).unwrap_or_default();
            // The token is the worker's number.
            let number = asked["token"].as_str().and_then(|token| token.parse().ok()).unwrap_or_default();
            json!({"valid": true, "worker_sid": WorkerSid::numbered(number), "roles": ["agent"],
                   "expiration": "2100-01-01T00:00:00.000Z"})
        }
        "POST Tasks" => task(&TaskSid::numbered(0xff), "pending"),
        "GET Tasks" => json!({"tasks": []}),
        what if what.ends_with("/Reservations") => json!({"reservations": [{
            "sid": ReservationSid::numbered(1), "worker_sid": WorkerSid::numbered(1), "worker_name": "Agent",
            "reservation_status": "wrapping"}]}),
        what if what.starts_with("GET Workers/") => {
            let uri = WorkerSid::parse(last).map(|worker| format!("client:{}", identity(&worker)));
            let attributes = json!({"contact_uri": uri.unwrap_or_default()}).to_string();
            json!({"activity_sid": ActivitySid::numbered(1), "available": true, "attributes": attributes})
        }
        what if what.starts_with("GET Tasks/") => {
            TaskSid::parse(last).map_or(Value::Null, |sid| task(&sid, "assigned"))
        }
        _ => json!({}),
    }
}

/// What a look at a conversation asks for.
fn of_chat(what: &str) -> Option<Value> {
    let (_, asked) = what.strip_prefix("GET ")?.split_once("/v1/")?;
    let parts: Vec<&str> = asked.split('/').collect();
    match parts[..] {
        ["Interactions", interaction, "Channels", _] => Some(Chat::of_interaction(interaction)?.seen_at("")),
        ["Interactions", interaction, "Channels", _, list] => {
            Some(Chat::of_interaction(interaction)?.seen_at(list))
        }
        ["Conversations", conversation, "Participants"] => {
            Some(Chat::of_conversation(conversation)?.seen_at("Members"))
        }
        ["Conversations", conversation, list] => Some(Chat::of_conversation(conversation)?.seen_at(list)),
        _ => None,
    }
}
