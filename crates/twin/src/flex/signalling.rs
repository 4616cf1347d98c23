//! The Voice SDK's signalling (pstream 1.6): JSON `{type, payload, version}` over `wss://voice-js.…/signal`.

use super::{Flex, locked};
use crate::{PhoneCommand, media::Command, model::Event, shell::LegNews};
use axum::{
    Router,
    extract::{
        Path, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::get,
};
use rejoin_protocol::{CallSid, WorkerSid};
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};
use tokio::sync::{broadcast, mpsc};

/// The SDK gives up the socket after 15 s of silence; it answers a `\n` with a `\n`.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The only kind of call messages (<https://www.twilio.com/docs/voice/sdks/call-message-events>).
const USER_DEFINED: &str = "user-defined-message";

pub(super) fn routes() -> Router<Flex> {
    // The host begins with `voice-js` or `chunderw-…`, depending on edge and version.
    Router::new().route("/@{host}/signal", get(connect))
}

async fn connect(State(flex): State<Flex>, Path(_host): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| Phone::new(flex).run(socket))
}

/// A socket of a browser.
struct Phone {
    flex: Flex,
    worker: Option<WorkerSid>,
    /// Set while the phone is registered.
    calls: Option<mpsc::UnboundedReceiver<PhoneCommand>>,
    /// Calls of this socket. It reports their end, also when they began on an earlier socket.
    carried: HashSet<CallSid>,
}

impl Phone {
    fn new(flex: Flex) -> Self {
        Self { flex, worker: None, calls: None, carried: HashSet::new() }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.tick().await;
        let mut news = self.flex.twin.leg_news();
        loop {
            let sent = tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => match self.said(&text).await {
                        Said::Nothing => Ok(()),
                        Said::Reply(reply) => socket.send(reply).await,
                        Said::Refused(reply) => {
                            let _ = socket.send(reply).await;
                            return;
                        }
                    },
                    Some(Ok(_)) => Ok(()),
                    // The leg stands until its media stops, as with Twilio.
                    Some(Err(_)) | None => return,
                },
                command = next(&mut self.calls) => match self.command(command) {
                    Some(message) => socket.send(message).await,
                    None => Ok(()),
                },
                news = heard(&mut news) => match news {
                    Some(news) => match self.news(news) {
                        Some(message) => socket.send(message).await,
                        None => Ok(()),
                    },
                    None => return,
                },
                _ = heartbeat.tick() => socket.send(Message::text("\n")).await,
                () = self.flex.twin.until_cut_off(self.worker.as_ref()) => return,
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// This socket has the call from now on.
    fn carry(&mut self, call: &CallSid) {
        if self.carried.insert(call.clone()) {
            self.flex.twin.tell(Event::Signalling { call: call.clone(), open: true });
        }
    }

    fn news(&mut self, news: LegNews) -> Option<Message> {
        match news {
            LegNews::Gone(call) => self.carried.remove(&call).then(|| hang_up(&call)),
            LegNews::Message { call, content, sid } => self.carried.contains(&call).then(|| {
                let payload = json!({
                    "callsid": call, "content": content, "contenttype": "application/json",
                    "messagetype": USER_DEFINED, "voiceeventsid": sid,
                });
                frame("message", &payload)
            }),
            LegNews::Heard(..) => None,
        }
    }

    /// The client sends a call message. It is acknowledged as soon as it is here, with or without a subscription.
    fn message(&self, call: CallSid, payload: &Value) -> Message {
        let sid = payload["voiceeventsid"].as_str().unwrap_or_default().to_owned();
        let content = match &payload["content"] {
            Value::String(text) => text.clone(),
            content => content.to_string(),
        };
        let facts = &self.flex.twin.config().facts;
        let refused = if payload["messagetype"] != USER_DEFINED {
            Some((31210, "Call Message Event Type is invalid."))
        } else if content.len() > facts.message_limit {
            Some((facts.message_too_long_code, "Call Message Event Payload size exceeded authorized limit."))
        } else {
            None
        };
        if let Some((code, message)) = refused {
            let error = json!({ "code": code, "message": message });
            return frame("error", &json!({ "callsid": call, "voiceeventsid": sid, "error": error }));
        }
        let ack = json!({ "acktype": "message", "callsid": call, "voiceeventsid": sid });
        self.flex.twin.tell(Event::Message { call, content, sid });
        frame("ack", &ack)
    }

    async fn said(&mut self, text: &str) -> Said {
        if text.trim().is_empty() {
            return Said::Nothing;
        }
        let Ok(message) = serde_json::from_str::<Value>(text) else { return Said::Nothing };
        let payload = &message["payload"];
        let kind = message["type"].as_str().unwrap_or_default();
        if kind == "listen" {
            return self.listen(payload);
        }
        let Some(worker) = self.worker.clone() else { return refusal() };
        let call = payload["callsid"].as_str().and_then(|sid| CallSid::parse(sid).ok());
        let call = call.filter(|call| locked(&self.flex.shared.phones).get(call) == Some(&worker));
        match (kind, call) {
            ("register", _) => {
                // Without audio: the SDK's way to unregister.
                let wanted = payload["media"]["audio"].as_bool().unwrap_or(true);
                self.calls = wanted.then(|| self.flex.twin.plug_phone(worker));
                Said::Reply(frame("ready", &json!({})))
            }
            ("answer", Some(call)) => {
                if let Some(sdp) = payload["sdp"].as_str() {
                    self.flex.twin.answer(call, sdp.to_owned());
                }
                Said::Nothing
            }
            ("hangup", Some(call)) => {
                self.carried.remove(&call);
                self.flex.twin.tell(Event::HungUp { call });
                Said::Nothing
            }
            ("reject", Some(call)) => {
                self.carried.remove(&call);
                self.flex.twin.tell(Event::NotAnswered { call });
                Said::Nothing
            }
            ("reinvite", Some(call)) => {
                self.renegotiate(call, payload["sdp"].as_str().unwrap_or_default()).await
            }
            // The socket was lost and the call was not: media goes on, and this socket takes over the call.
            ("invite", Some(call)) if payload["reconnect"].is_string() && self.flex.twin.is_live(&call) => {
                self.carry(&call);
                Said::Reply(frame("answer", &json!({ "callsid": call })))
            }
            ("invite", _) => {
                self.flex
                    .twin
                    .log("an agent's phone wants to place a call: the twin knows no outbound calls");
                Said::Reply(frame("hangup", &json!({ "callsid": payload["callsid"] })))
            }
            ("message", Some(call)) if self.flex.twin.is_live(&call) => {
                Said::Reply(self.message(call, payload))
            }
            // Digits have no effect here.
            _ => Said::Nothing,
        }
    }

    fn listen(&mut self, payload: &Value) -> Said {
        let token = payload["token"].as_str().unwrap_or_default();
        let Ok(claims) = self.flex.verified(token) else { return refusal() };
        self.worker = Some(claims.worker);
        let ttl = claims.expires.0.saturating_sub(crate::shell::now().0) / 1000;
        Said::Reply(frame(
            "connected",
            &json!({
                "region": "US_EAST_VIRGINIA", "edge": "ashburn", "home": "us1", "gateway": "twin",
                "token": { "identity": claims.identity, "ttl": ttl }
            }),
        ))
    }

    /// The browser restarts ICE.
    async fn renegotiate(&self, call: CallSid, offer: &str) -> Said {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.flex.twin.media().send(Command::Accept { call: call.clone(), sdp: offer.to_owned(), reply });
        match answer.await {
            Ok(Ok(sdp)) => Said::Reply(frame("answer", &json!({ "callsid": call, "sdp": sdp }))),
            Ok(Err(why)) => {
                self.flex.twin.log(format!("{call}: the browser's new offer is of no use: {why}"));
                Said::Nothing
            }
            Err(_) => Said::Nothing,
        }
    }

    fn command(&mut self, command: Option<PhoneCommand>) -> Option<Message> {
        match command {
            Some(PhoneCommand::Invite { call, sdp, from, to }) => {
                if let Some(worker) = &self.worker {
                    locked(&self.flex.shared.phones).insert(call.clone(), worker.clone());
                }
                self.carry(&call);
                let account = &self.flex.twin.config().account;
                Some(frame(
                    "invite",
                    &json!({
                        "callsid": call, "sdp": sdp, "reconnect": format!("twin-{call}"),
                        "parameters": {
                            "CallSid": call, "AccountSid": account, "From": from, "To": to, "Params": ""
                        }
                    }),
                ))
            }
            Some(PhoneCommand::Hangup { call }) => self.carried.remove(&call).then(|| hang_up(&call)),
            None => {
                self.calls = None;
                None
            }
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        for call in self.carried.drain() {
            self.flex.twin.tell(Event::Signalling { call, open: false });
        }
    }
}

enum Said {
    Nothing,
    Reply(Message),
    /// The last message of this socket.
    Refused(Message),
}

/// <https://www.twilio.com/docs/api/errors/20101>
fn refusal() -> Said {
    let error = json!({ "error": { "code": 20101, "message": "Invalid access token: log in again" } });
    Said::Refused(frame("error", &error))
}

fn hang_up(call: &CallSid) -> Message {
    frame("hangup", &json!({ "callsid": call }))
}

fn frame(kind: &str, payload: &Value) -> Message {
    Message::text(json!({ "type": kind, "payload": payload, "version": "1.6" }).to_string())
}

/// Waits forever while the phone is not registered.
async fn next(calls: &mut Option<mpsc::UnboundedReceiver<PhoneCommand>>) -> Option<PhoneCommand> {
    match calls {
        Some(calls) => calls.recv().await,
        None => std::future::pending().await,
    }
}

/// The next news of a leg; `None`: the twin shuts down.
async fn heard(news: &mut broadcast::Receiver<LegNews>) -> Option<LegNews> {
    loop {
        match news.recv().await {
            Ok(news) => return Some(news),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}
