//! Interactions (flex-api.twilio.com) and conversations (conversations.twilio.com).
//!
//! Twilio carries requests to interactions out later: an answer says only that one was taken.

use super::request::Request;
use super::{CONVERSATIONS, Client, FLEX, encoded};
use crate::account::ConversationWebhook;
use crate::conversation::{
    Conversation, InteractionChannel, InteractionParticipant, Invite, Member, Message,
};
use crate::error::Error;
use crate::gate::Family;
use http::{HeaderName, Method};
use rejoin_protocol::{
    ConversationSid, InteractionChannelSid, InteractionSid, ParticipantSid, TaskQueueSid, WorkflowSid,
};

/// Messages by REST cause webhooks only with it
/// (<https://www.twilio.com/docs/conversations/conversations-webhooks>).
const WEBHOOKS: HeaderName = HeaderName::from_static("x-twilio-webhook-enabled");

/// An interaction's channel: the conversation as Flex sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelPath {
    /// The interaction.
    pub interaction: InteractionSid,
    /// The channel.
    pub channel: InteractionChannelSid,
}

/// An invite by a workflow
/// (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api/invites-subresource>). One by name is not
/// among it: a worker who declines such an invite leaves the conversation without anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvite<'a> {
    /// `workflow_sid`.
    pub workflow: &'a WorkflowSid,
    /// `queue_sid`: instead of the workflow's steps.
    pub queue: Option<&'a TaskQueueSid>,
    /// `task_channel_unique_name`.
    pub task_channel: &'a str,
    /// `attributes` of the task: a JSON object as text. Twilio takes none over from another task.
    pub attributes: &'a str,
    /// `priority`.
    pub priority: u32,
    /// `timeout`: how long the task may wait for its assignment, in seconds.
    pub timeout_seconds: u64,
}

/// What becomes of a channel, and of its agents' tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelEnd {
    /// `inactive`: the tasks are completed, and the conversation waits for the customer, as with Flex's "leave".
    Parked,
    /// `closed`: the tasks wrap up, and the conversation is over.
    Closed,
}

impl Client {
    /// Fetches a channel.
    pub async fn fetch_channel(&self, channel: &ChannelPath) -> Result<InteractionChannel, Error> {
        self.channel(Method::GET, channel, "").json(&[]).await
    }

    /// Ends a channel, or parks it.
    pub async fn end_channel(&self, channel: &ChannelPath, end: ChannelEnd) -> Result<(), Error> {
        let (status, routing) = match end {
            ChannelEnd::Parked => ("inactive", r#"{"status":"closed"}"#),
            ChannelEnd::Closed => ("closed", r#"{"status":"wrapup"}"#),
        };
        self.channel(Method::POST, channel, "").done(&[("Status", status), ("Routing", routing)]).await
    }

    /// Lists everybody who is in a channel.
    pub async fn list_channel_participants(
        &self,
        channel: &ChannelPath,
    ) -> Result<Vec<InteractionParticipant>, Error> {
        let path = format!("{}/Participants?PageSize=100", path_of(channel));
        self.list(FLEX, "/v1/", &path, Some(Family::Conversations)).await
    }

    /// Takes an agent out of a channel: their task is completed. The conversation goes on.
    pub async fn close_channel_participant(
        &self,
        channel: &ChannelPath,
        participant: &ParticipantSid,
    ) -> Result<(), Error> {
        let request = self.channel(Method::POST, channel, &format!("/Participants/{participant}"));
        request.done(&[("Status", "closed")]).await
    }

    /// Lists the invites of a channel.
    pub async fn list_invites(&self, channel: &ChannelPath) -> Result<Vec<Invite>, Error> {
        let path = format!("{}/Invites?PageSize=100", path_of(channel));
        self.list(FLEX, "/v1/", &path, Some(Family::Conversations)).await
    }

    /// Invites an agent. Not idempotent.
    pub async fn create_invite(
        &self,
        channel: &ChannelPath,
        invite: &NewInvite<'_>,
    ) -> Result<Invite, Error> {
        let mut properties = serde_json::json!({
            "workspace_sid": self.settings.workspace, "workflow_sid": invite.workflow,
            "task_channel_unique_name": invite.task_channel, "attributes": invite.attributes,
            "priority": invite.priority, "timeout": invite.timeout_seconds,
        });
        if let Some(queue) = invite.queue {
            properties["queue_sid"] = serde_json::json!(queue);
        }
        let routing = serde_json::json!({ "properties": properties }).to_string();
        self.channel(Method::POST, channel, "/Invites").json(&[("Routing", &routing)]).await
    }

    /// Fetches a conversation.
    pub async fn fetch_conversation(&self, conversation: &ConversationSid) -> Result<Conversation, Error> {
        self.conversation(Method::GET, &conversation.to_string()).json(&[]).await
    }

    /// Lists the members of a conversation.
    pub async fn list_members(&self, conversation: &ConversationSid) -> Result<Vec<Member>, Error> {
        let path = format!("{conversation}/Participants?PageSize=100");
        self.list(CONVERSATIONS, "/v1/Conversations/", &path, Some(Family::Conversations)).await
    }

    /// The newest messages of a conversation, at most `most` of them, the newest first.
    pub async fn newest_messages(
        &self,
        conversation: &ConversationSid,
        most: u32,
    ) -> Result<Vec<Message>, Error> {
        let query = encoded(&[("Order", "desc"), ("PageSize", &most.to_string())]);
        let path = format!("{conversation}/Messages?{query}");
        let family = Some(Family::Conversations);
        Ok(self.first_page(CONVERSATIONS, "/v1/Conversations/", &path, family).await?.0)
    }

    /// Writes a message that everybody in the conversation sees, and its webhooks. Not idempotent. `attributes`: JSON text,
    /// by which the message is known again.
    pub async fn create_message(
        &self,
        conversation: &ConversationSid,
        author: &str,
        body: &str,
        attributes: &str,
    ) -> Result<Message, Error> {
        let request = self.conversation(Method::POST, &format!("{conversation}/Messages"));
        let request = request.with(WEBHOOKS, "true");
        request.json(&[("Author", author), ("Body", body), ("Attributes", attributes)]).await
    }

    /// Fetches where the account's events of conversations go.
    pub async fn conversation_webhook(&self) -> Result<ConversationWebhook, Error> {
        self.conversation_webhooks(Method::GET).json(&[]).await
    }

    /// Sets address, method and events of what Twilio sends after it has happened; an empty address removes it. Where events are sent
    /// before, and the target, stay as they are.
    pub async fn set_conversation_webhook(
        &self,
        url: &str,
        method: &str,
        filters: &[&str],
    ) -> Result<ConversationWebhook, Error> {
        let mut form = vec![("PostWebhookUrl", url), ("Method", method)];
        form.extend(filters.iter().map(|filter| ("Filters", *filter)));
        self.conversation_webhooks(Method::POST).json(&form).await
    }

    fn conversation_webhooks(&self, method: Method) -> Request {
        self.request(method, CONVERSATIONS, ("/v1/", "Configuration/Webhooks"), Some(Family::Conversations))
    }

    fn channel(&self, method: Method, channel: &ChannelPath, rest: &str) -> Request {
        let path = format!("{}{rest}", path_of(channel));
        self.request(method, FLEX, ("/v1/", &path), Some(Family::Conversations))
    }

    fn conversation(&self, method: Method, path: &str) -> Request {
        self.request(method, CONVERSATIONS, ("/v1/Conversations/", path), Some(Family::Conversations))
    }
}

fn path_of(channel: &ChannelPath) -> String {
    format!("Interactions/{}/Channels/{}", channel.interaction, channel.channel)
}
