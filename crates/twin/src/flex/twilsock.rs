//! The socket below Sync and Conversations, which carries tunnelled HTTP requests.

use super::{Flex, conversations, frame::Frame, token::TokenClaims};
use crate::{
    faults::ChatFaults,
    shell,
    sync::{Answer, Notification, Subscriptions, Tunnelled},
};
use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::get,
};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

pub(super) fn routes() -> Router<Flex> {
    Router::new().route("/@tsock.us1.twilio.com/v3/wsconnect", get(connect))
}

async fn connect(State(flex): State<Flex>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| Client::new(flex).run(socket))
}

/// What becomes of a frame of the client.
enum Said {
    /// It is answered, if at all, with this one.
    Answer(Option<Frame>),
    /// The socket ends without a close.
    Cut,
}

/// A socket of a page.
struct Client {
    flex: Flex,
    who: Option<TokenClaims>,
    subscriptions: Subscriptions,
    /// Sent to this client alone, after the answer.
    pending: Vec<Notification>,
    sent: u64,
}

impl Client {
    fn new(flex: Flex) -> Self {
        Self { flex, who: None, subscriptions: Subscriptions::default(), pending: Vec::new(), sent: 0 }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let mut notifications = self.flex.sync().listen();
        loop {
            let out = tokio::select! {
                message = socket.recv() => match message {
                    // Open, but nothing comes through.
                    Some(Ok(Message::Binary(_))) if self.is_silent() => {
                        self.flex.twin.log("twilsock: nothing comes through");
                        None
                    }
                    Some(Ok(Message::Binary(bytes))) => match Frame::parse(&bytes) {
                        Some(frame) => match self.said(&frame).await {
                            Said::Answer(frame) => frame,
                            Said::Cut => return,
                        },
                        None => None,
                    },
                    Some(Ok(_)) => None,
                    Some(Err(_)) | None => return,
                },
                notification = notifications.recv() => match notification {
                    Ok(_) if self.is_silent() => None,
                    Ok(notification) if self.subscriptions.has(&notification.about) => Some(self.notify(notification)),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => None,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = self.flex.twin.until_cut_off(self.who.as_ref().map(|who| &who.worker)) => return,
            };
            let pending = std::mem::take(&mut self.pending);
            let pending: Vec<Frame> =
                pending.into_iter().map(|notification| self.notify(notification)).collect();
            for frame in out.into_iter().chain(pending) {
                if socket.send(Message::binary(frame.to_bytes())).await.is_err() {
                    return;
                }
            }
        }
    }

    fn is_silent(&self) -> bool {
        self.who
            .as_ref()
            .is_some_and(|who| self.flex.twin.chat_faults(|faults| faults.is_silent(&who.worker)))
    }

    async fn said(&mut self, frame: &Frame) -> Said {
        let header = &frame.header;
        let answer = match header["method"].as_str().unwrap_or_default() {
            "init" => Some(self.init(header)),
            "message" => {
                let answer = self.message(frame).await;
                let http = &header["http_request"];
                let sends = http["path"].as_str().is_some_and(|path| path.ends_with("/Messages"));
                if sends && http["method"] == "POST" && self.flex.twin.chat_faults(ChatFaults::loses_reply) {
                    self.flex.twin.log("the reply to a message is lost with its socket");
                    return Said::Cut;
                }
                Some(answer)
            }
            // The client's answer to a notification, and its telemetry.
            "reply" | "telemetry" | "telemetry.v1" => None,
            "update" => {
                // A fresh token.
                match header["token"].as_str().map(|token| self.flex.verified(token)) {
                    Some(Err(_)) => Some(reply(header, 401, "UNAUTHORIZED", json!({}))),
                    Some(Ok(claims)) => {
                        self.who = Some(claims);
                        Some(reply(header, 200, "OK", json!({})))
                    }
                    None => Some(reply(header, 200, "OK", json!({}))),
                }
            }
            "ping" => Some(reply(header, 200, "OK", json!({}))),
            other => {
                self.flex.twin.log(format!("twilsock: a message of kind {other:?} is ignored"));
                None
            }
        };
        Said::Answer(answer)
    }

    fn init(&mut self, header: &Value) -> Frame {
        let Ok(claims) = self.flex.verified(header["token"].as_str().unwrap_or_default()) else {
            return reply(header, 401, "UNAUTHORIZED", json!({}));
        };
        let registrations: Vec<&Value> = header["registrations"].as_array().into_iter().flatten().collect();
        let mut storage = Map::new();
        let mut registered = Vec::new();
        for registration in registrations {
            let product = registration["product"].as_str().or(registration["product_id"].as_str());
            let product = product.unwrap_or("flex");
            let id = format!("ST{}", claims.worker.digits());
            storage.insert(product.to_owned(), json!({ "storage_id": id }));
            registered.push(json!({ "product": product, "registration_ids": [] }));
        }
        let token = format!("CT{}", claims.worker.digits());
        self.subscriptions.belong_to(&claims.identity);
        self.who = Some(claims);
        let more = json!({
            "continuation_token": token,
            "continuation_token_status": { "reissued": true, "reissue_reason": "MISSING", "reissue_message": "" },
            "capabilities": header["capabilities"],
            "offline_storage": storage,
            "init_registrations": registered
        });
        reply(header, 200, "OK", more)
    }

    async fn message(&mut self, frame: &Frame) -> Frame {
        let Some(who) = self.who.clone() else {
            return reply(&frame.header, 401, "UNAUTHORIZED", json!({}));
        };
        let http = &frame.header["http_request"];
        let text = |name: &str| http[name].as_str().unwrap_or_default().to_owned();
        let request = Tunnelled {
            host: text("host"),
            path: text("path"),
            method: text("method"),
            params: http["params"].clone(),
            body: frame.payload.clone().unwrap_or_default(),
        };
        if request.path.starts_with("/v3/Insights/") {
            // Without watchers before, Sync has not been updated lately.
            self.flex.report().await;
        }
        let answer = self.answer(&who, &request).await;
        let ok = if answer.status < 300 { "OK" } else { "ERROR" };
        let more = json!({
            "http_status": { "code": answer.status, "status": ok },
            "http_headers": { "content-type": "application/json" }
        });
        let mut frame = reply(&frame.header, 200, "OK", more);
        frame.payload = Some(answer.body);
        frame
    }

    async fn answer(&mut self, who: &TokenClaims, request: &Tunnelled) -> Answer {
        let known = if request.host.starts_with("cds.") {
            let sync = self.flex.twin.shared_sync();
            let handled = sync.objects().handle(shell::now(), &mut self.subscriptions, request);
            handled.map(|(answer, told)| {
                let (here, everywhere): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.private);
                self.pending.extend(here);
                sync.notify(everywhere);
                answer
            })
        } else if request.host.starts_with("aim.") {
            conversations::answer(&self.flex, who, request).await
        } else if request.host.starts_with("flex-sdk.") {
            // Telemetry.
            Some(Answer::ok(json!({})))
        } else {
            None
        };
        known.unwrap_or_else(|| {
            let Tunnelled { host, path, method, .. } = request;
            self.flex.twin.log(format!("twilsock: not known here: {method} {host}{path}"));
            Answer { status: 404, body: json!({ "status": 404, "code": 20404, "message": "Not found" }) }
        })
    }

    fn notify(&mut self, notification: Notification) -> Frame {
        self.sent += 1;
        let header = json!({
            "id": format!("TM{:032x}", self.sent), "method": "notification",
            "message_type": notification.kind, "notification_ctx_id": "twin"
        });
        Frame::new(header, Some(notification.payload))
    }
}

fn reply(to: &Value, code: u16, status: &str, more: Value) -> Frame {
    let mut header =
        json!({ "method": "reply", "id": to["id"], "status": { "code": code, "status": status } });
    if let (Some(header), Value::Object(more)) = (header.as_object_mut(), more) {
        header.extend(more);
    }
    Frame::new(header, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_carries_the_id_of_its_request() {
        let frame = reply(&json!({ "id": "TM7" }), 200, "OK", json!({ "http_status": { "code": 404 } }));
        assert_eq!(frame.header["id"], "TM7");
        assert_eq!(frame.header["method"], "reply");
        assert_eq!(frame.header["http_status"]["code"], 404);
    }
}
