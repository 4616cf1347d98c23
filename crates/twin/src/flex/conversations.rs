//! The Conversations service, as its SDK 2.5.0 asks it through the socket: `aim.us1.twilio.com`. What it sees of a
//! conversation afterwards are objects of Sync.

use super::{Flex, agent::Agent, token::TokenClaims};
use crate::model::{ApiError, ChatRequest, NewMessage, Reply, Request, SERVICE, SyncChange, channels, info};
use crate::sync::{Answer, Tunnelled};
use rejoin_protocol::ConversationSid;
use serde_json::{Value, json};

const BASE: &str = "https://aim.us1.twilio.com";

/// `None`: the request is not known here.
pub(super) async fn answer(flex: &Flex, who: &TokenClaims, request: &Tunnelled) -> Option<Answer> {
    let path = request.path.as_str();
    if path.starts_with("/Client/v") && path.ends_with("/Configuration") {
        let name = Agent::of(&who.worker).map_or("", Agent::full_name);
        known_user(flex, &who.identity, &json!({ "friendly_name": name, "attributes": "{}" }));
        flex.sync().apply(SyncChange::Item { map: channels(&who.identity), item: None });
        return Some(Answer::ok(configuration(&who.identity)));
    }
    let of_service = format!("/Client/v2/Services/{SERVICE}/");
    let rest: Vec<&str> = path.strip_prefix(&of_service)?.split('/').collect();
    let own = |identity: &&str| *identity == who.identity;
    let conversation = |sid: &str| ConversationSid::parse(sid).ok();
    let request = match (request.method.as_str(), rest.as_slice()) {
        ("GET", ["Users", identity, "Conversations"]) if own(identity) => {
            ChatRequest::ListOf { identity: who.identity.clone() }
        }
        ("GET", ["Users", identity]) => return Some(Answer::ok(user(identity))),
        ("POST", ["Users", identity]) if own(identity) => {
            known_user(flex, identity, &request.body);
            return Some(Answer::ok(user(identity)));
        }
        // Of e-mails only.
        ("GET", ["Conversations", _, "MessageRecipients"]) => {
            let meta = json!({ "previous_token": null, "next_token": null });
            return Some(Answer::ok(json!({ "message_recipients": [], "meta": meta })));
        }
        ("POST", ["Users", identity, "Conversations", sid]) if own(identity) => ChatRequest::Read {
            conversation: conversation(sid)?,
            identity: who.identity.clone(),
            index: request.body["last_read_message_index"].as_u64(),
        },
        ("POST", ["Conversations", sid, "Messages"]) => ChatRequest::Say {
            conversation: conversation(sid)?,
            message: NewMessage {
                author: who.identity.clone(),
                body: request.body["body"].as_str().unwrap_or_default().to_owned(),
                attributes: request.body["attributes"].as_str().map(str::to_owned),
                by_member: true,
                webhooks: true,
            },
        },
        ("POST", ["Typing"]) => ChatRequest::Types {
            conversation: conversation(&typed(&request.body)?)?,
            identity: who.identity.clone(),
        },
        _ => return None,
    };
    Some(written(flex.twin.ask(Request::Chat(request)).await))
}

fn written(result: Result<Reply, ApiError>) -> Answer {
    match result {
        Ok(reply) => Answer { status: reply.status, body: reply.body },
        Err(error) => Answer::error(error.status, error.code, &error.message),
    }
}

/// The conversation of a typing notice, which is a form, or its fields.
fn typed(body: &Value) -> Option<String> {
    let form =
        |text: &str| text.split('&').find_map(|pair| Some(pair.strip_prefix("ChannelSid=")?.to_owned()));
    match body {
        Value::String(text) => form(text),
        fields => fields["ChannelSid"].as_str().map(str::to_owned),
    }
}

/// What others see of a user.
fn known_user(flex: &Flex, identity: &str, what: &Value) {
    for (key, of) in [("friendlyName", "friendly_name"), ("attributes", "attributes")] {
        if let Some(value) = what[of].as_str() {
            let item = Some((key.to_owned(), json!({ "value": value })));
            flex.sync().apply(SyncChange::Item { map: info(identity), item });
        }
    }
}

fn user(identity: &str) -> Value {
    json!({
        "identity": identity, "friendly_name": identity, "attributes": "{}",
        "is_online": true, "is_notifiable": false, "sync_objects": { "user_info_map": info(identity) },
    })
}

/// With less than this the SDK, or Flex, throws.
fn configuration(identity: &str) -> Value {
    let service = format!("{BASE}/Client/v2/Services/{SERVICE}");
    let media = format!("https://mcs.us1.twilio.com/v1/Services/{SERVICE}");
    json!({
        "identity": identity,
        "options": {
            "reachability_enabled": false, "user_infos_to_subscribe": 100, "http_cache_interval": "PT5S",
            "consumption_report_interval": "PT5S", "typing_indicator_timeout": 5,
            "media_attachments_count_limit": 10, "media_attachment_size_limit_in_mb": 150,
            "media_attachments_total_size_limit_in_mb": 150, "email_histories_allowed_mime_types": [],
            "email_bodies_allowed_mime_types": [],
        },
        "sync_objects": { "my_user_info": info(identity), "my_conversations": channels(identity) },
        "links": {
            "my_conversations": format!("{service}/Users/{identity}/Conversations"),
            "conversations": format!("{service}/Conversations"), "users": format!("{service}/Users"),
            "current_user": format!("{service}/Users/{identity}"), "typing": format!("{service}/Typing"),
            "media_service": format!("{media}/Media"), "media_set_service": format!("{media}/MediaSet"),
            "messages_receipts": format!("{service}/Conversations/{{ConversationSid}}/Receipts"),
        },
    })
}
