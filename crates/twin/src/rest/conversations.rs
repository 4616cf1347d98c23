//! flex-api.twilio.com: interactions. conversations.twilio.com: conversations, and where their webhooks go.

use super::{Call, Owner, form::Form, not_found};
use crate::model::{ApiError, ChatRequest, InviteRouting, NewMessage, Request, WebhookSettings};
use rejoin_protocol::{
    ConversationSid, InteractionSid, ParticipantSid, TaskQueueSid, WorkerSid, WorkflowSid, WorkspaceSid,
};
use serde_json::Value;

/// Author of a message without an `Author`.
const SYSTEM: &str = "system";

pub(super) fn translate(owner: &Owner, call: &Call<'_>) -> Result<Request, ApiError> {
    let missing = || not_found(&call.segments.join("/"));
    let form = &call.form;
    let request = match (call.method, call.segments.as_slice()) {
        (method, ["v1", "Interactions", interaction, "Channels", _, rest @ ..]) => {
            let interaction = InteractionSid::parse(interaction).map_err(|_| missing())?;
            of_channel(owner, method, interaction, rest, form)?.ok_or_else(missing)?
        }
        ("POST", ["v1", "Instances", _, "InteractionWebhooks"]) => ChatRequest::Webhooks(WebhookSettings {
            interactions: Some(form.needed("WebhookUrl")?),
            interaction_events: form.all("WebhookEvents"),
            ..WebhookSettings::default()
        }),
        ("POST", ["v1", "Configuration", "Webhooks"]) => ChatRequest::Webhooks(WebhookSettings {
            conversations: form.text("PostWebhookUrl"),
            conversation_events: form.all("Filters"),
            ..WebhookSettings::default()
        }),
        ("GET", ["v1", "Configuration", "Webhooks"]) => ChatRequest::Webhooks(WebhookSettings::default()),
        (method, ["v1", "Conversations", conversation, rest @ ..]) => {
            let conversation = ConversationSid::parse(conversation).map_err(|_| missing())?;
            match (method, rest) {
                ("GET", []) => ChatRequest::Fetch(conversation),
                ("GET", ["Messages"]) => {
                    let newest_first = form.text("Order").as_deref() == Some("desc");
                    ChatRequest::ListMessages { conversation, newest_first }
                }
                ("GET", ["Participants"]) => ChatRequest::ListMembers(conversation),
                ("POST", ["Messages"]) => ChatRequest::Say { conversation, message: message(call) },
                _ => return Err(missing()),
            }
        }
        _ => return Err(missing()),
    };
    Ok(Request::Chat(request))
}

fn of_channel(
    owner: &Owner,
    method: &str,
    interaction: InteractionSid,
    rest: &[&str],
    form: &Form,
) -> Result<Option<ChatRequest>, ApiError> {
    Ok(Some(match (method, rest) {
        ("GET", []) => ChatRequest::FetchChannel(interaction),
        ("POST", []) => {
            let routing = json(form, "Routing")?;
            let routing = routing["status"].as_str().map(str::to_owned);
            ChatRequest::UpdateChannel { interaction, status: form.needed("Status")?, routing }
        }
        ("GET", ["Invites"]) => ChatRequest::ListInvites(interaction),
        ("POST", ["Invites"]) => {
            let routing = json(form, "Routing")?;
            ChatRequest::Invite { interaction, routing: properties(owner, &routing["properties"])? }
        }
        ("GET", ["Participants"]) => ChatRequest::ListParticipants(interaction),
        ("POST", ["Participants", sid]) => ChatRequest::UpdateParticipant {
            interaction,
            participant: ParticipantSid::parse(sid).map_err(|_| not_found(sid))?,
            status: form.needed("Status")?,
        },
        _ => return Ok(None),
    }))
}

fn json(form: &Form, name: &str) -> Result<Value, ApiError> {
    let text = form.text(name).unwrap_or_else(|| "{}".into());
    serde_json::from_str(&text)
        .map_err(|_| ApiError::bad_request(format!("Invalid parameter {name}: no JSON")))
}

fn properties(owner: &Owner, from: &Value) -> Result<InviteRouting, ApiError> {
    let text = |name: &str| from[name].as_str().map(str::to_owned);
    let wrong = |name: &str| ApiError::bad_request(format!("Invalid parameter Routing: {name}"));
    let workspace = text("workspace_sid").and_then(|sid| WorkspaceSid::parse(&sid).ok());
    if workspace != Some(owner.workspace.clone()) {
        return Err(wrong("workspace_sid"));
    }
    fn sid<T, E>(text: Option<String>, parse: fn(&str) -> Result<T, E>) -> Result<Option<T>, E> {
        text.map(|text| parse(&text)).transpose()
    }
    let number = |name: &str| match &from[name] {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let attributes = match &from["attributes"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Ok(InviteRouting {
        workflow: sid(text("workflow_sid"), WorkflowSid::parse).map_err(|_| wrong("workflow_sid"))?,
        queue: sid(text("queue_sid"), TaskQueueSid::parse).map_err(|_| wrong("queue_sid"))?,
        worker: sid(text("worker_sid"), WorkerSid::parse).map_err(|_| wrong("worker_sid"))?,
        task_channel: text("task_channel_unique_name").or_else(|| text("task_channel_sid")),
        attributes,
        priority: number("priority").and_then(|number| u32::try_from(number).ok()).unwrap_or_default(),
        timeout: number("timeout"),
    })
}

fn message(call: &Call<'_>) -> NewMessage {
    let form = &call.form;
    NewMessage {
        author: form.text("Author").unwrap_or_else(|| SYSTEM.into()),
        body: form.text("Body").unwrap_or_default(),
        attributes: form.text("Attributes"),
        by_member: false,
        webhooks: call.webhooks,
    }
}
