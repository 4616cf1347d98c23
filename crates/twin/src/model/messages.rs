//! Call messages: what the account and the Voice SDK of a client leg send each other over the signalling of the call
//! (<https://www.twilio.com/docs/voice/sdks/call-message-events>).

use super::{
    Effect, Model,
    api::{ApiError, Reply},
    requests::Answer,
    state::{CallKind, CallStatus},
    twiml::Link,
};
use crate::dates::rfc2822;
use rejoin_protocol::CallSid;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Call messages of one client leg. They end with the leg.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Number of messages that the client has sent.
    sent: u64,
    subscriptions: Vec<Subscription>,
    /// The answers by operation and idempotency key.
    answered: BTreeMap<(&'static str, String), Value>,
    /// Number of sockets over which the client's signalling has this call.
    sockets: u32,
}

#[derive(Debug)]
struct Subscription {
    /// `ZY…`.
    sid: String,
    callback: Link,
}

const MESSAGE: &str = "UserDefinedMessages";
const SUBSCRIPTION: &str = "UserDefinedMessageSubscriptions";

impl Model {
    /// `POST …/UserDefinedMessages` (<https://www.twilio.com/docs/voice/api/userdefinedmessage-resource>).
    pub(super) fn send_message(&mut self, call: &CallSid, content: String, key: Option<String>) -> Answer {
        self.check_client(call)?;
        if let Some(answer) = self.answered_before(call, MESSAGE, key.as_deref()) {
            return Ok(answer);
        }
        if content.len() > self.facts.message_limit {
            return Err(ApiError {
                status: 400,
                code: self.facts.message_too_long_code,
                message: format!("Content is longer than {} bytes", self.facts.message_limit),
            });
        }
        if self.messages.get(call).is_none_or(|messages| messages.sockets == 0) {
            if self.facts.lost_message_refused {
                return Err(ApiError {
                    status: 400,
                    code: 32700,
                    message: "The message could not be delivered to the Voice SDK client".into(),
                });
            }
            self.log(format!("{call}: no signalling of the client has this call: a message is lost"));
        }
        let sid = format!("KX{:032x}", self.number());
        self.effects.push(Effect::Message { call: call.clone(), content, sid: sid.clone() });
        let body = json!({
            "account_sid": self.account.sid, "call_sid": call, "sid": sid, "date_created": rfc2822(self.now),
        });
        Ok(self.created_message(call, MESSAGE, key, body))
    }

    /// `POST …/UserDefinedMessageSubscriptions`
    /// (<https://www.twilio.com/docs/voice/api/userdefinedmessagesubscription-resource>).
    pub(super) fn subscribe_to_messages(
        &mut self,
        call: &CallSid,
        callback: Link,
        key: Option<String>,
    ) -> Answer {
        self.check_client(call)?;
        if let Some(answer) = self.answered_before(call, SUBSCRIPTION, key.as_deref()) {
            return Ok(answer);
        }
        let host = reqwest::Url::parse(&callback.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        if host.is_none_or(|host| host.contains('_')) {
            let message = "Callback is not a valid URL".into();
            return Err(ApiError { status: 400, code: 21205, message });
        }
        let sid = format!("ZY{:032x}", self.number());
        let body = json!({
            "account_sid": self.account.sid, "call_sid": call, "sid": sid, "date_created": rfc2822(self.now),
            "uri": self.voice_path(&format!("Calls/{call}/{SUBSCRIPTION}/{sid}")),
        });
        self.messages.entry(call.clone()).or_default().subscriptions.push(Subscription { sid, callback });
        Ok(self.created_message(call, SUBSCRIPTION, key, body))
    }

    /// `DELETE …/UserDefinedMessageSubscriptions/{ZY}`.
    pub(super) fn unsubscribe_from_messages(&mut self, call: &CallSid, sid: &str) -> Answer {
        let missing = || ApiError::not_found("subscription");
        let subscriptions = &mut self.messages.get_mut(call).ok_or_else(missing)?.subscriptions;
        let place = subscriptions.iter().position(|it| it.sid == sid).ok_or_else(missing)?;
        subscriptions.remove(place);
        Ok(Reply { status: 204, body: Value::Null, etag: None, bridge: Value::Null })
    }

    /// The client has sent a message. `sid`: as the Voice SDK named it.
    pub(super) fn message_sent(&mut self, call: &CallSid, content: &str, sid: &str) {
        if self.check_client(call).is_err() {
            return;
        }
        let messages = self.messages.entry(call.clone()).or_default();
        let number = messages.sent;
        messages.sent += 1;
        let params = [
            ("ContentType", "application/json"),
            ("Content", content),
            ("SequenceNumber", &number.to_string()),
            ("CallSid", call.as_str()),
            ("Timestamp", &rfc2822(self.now)),
            ("AccountSid", self.account.sid.as_str()),
            ("Sid", sid),
        ];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        for subscription in &messages.subscriptions {
            let Link { url, method } = subscription.callback.clone();
            let params = params.clone();
            self.effects.push(match self.facts.message_callback_is_form {
                true => Effect::Webhook { url, method, params },
                false => Effect::JsonWebhook { url, method, params },
            });
        }
    }

    /// A socket of the client's signalling has this call from now on, or no longer.
    pub(super) fn signalling(&mut self, call: &CallSid, open: bool) {
        if open && self.check_client(call).is_ok() {
            self.messages.entry(call.clone()).or_default().sockets += 1;
        } else if let Some(messages) = self.messages.get_mut(call).filter(|_| !open) {
            messages.sockets = messages.sockets.saturating_sub(1);
        }
    }

    /// Messages are for active calls of a Voice SDK client alone.
    fn check_client(&self, sid: &CallSid) -> Result<(), ApiError> {
        let call = self.calls.get(sid).ok_or_else(|| ApiError::not_found("call"))?;
        let is_client = matches!(call.kind, CallKind::Agent(_)) && call.to.starts_with("client:");
        let is_active = matches!(call.status, CallStatus::Ringing | CallStatus::InProgress);
        if is_client && is_active {
            return Ok(());
        }
        let message = if is_client { "The call is not active" } else { "The call has no Voice SDK client" };
        Err(ApiError { status: 400, code: self.facts.no_message_code, message: message.into() })
    }

    /// The answer to an earlier request with the same key.
    fn answered_before(&self, call: &CallSid, what: &'static str, key: Option<&str>) -> Option<Reply> {
        let body = self.messages.get(call)?.answered.get(&(what, key?.to_owned()))?;
        Some(Reply { status: 201, body: body.clone(), etag: None, bridge: Value::Null })
    }

    fn created_message(
        &mut self,
        call: &CallSid,
        what: &'static str,
        key: Option<String>,
        body: Value,
    ) -> Reply {
        if let Some(key) = key {
            let messages = self.messages.entry(call.clone()).or_default();
            messages.answered.insert((what, key), body.clone());
        }
        Reply { status: 201, body, etag: None, bridge: Value::Null }
    }
}
