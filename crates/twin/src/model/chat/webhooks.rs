//! Webhooks of conversations (<https://www.twilio.com/docs/conversations/conversations-webhooks>) and of interactions
//! (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api/interaction-webhooks>).

use super::{
    state::{ChannelStatus, Participant},
    view::SERVICE,
};
use crate::{
    dates::iso,
    model::{Effect, Model, Reply, requests::ok},
};
use rejoin_protocol::ConversationSid;
use serde_json::json;

/// Where the account's webhooks go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookSettings {
    /// `PostWebhookUrl` of the conversations.
    pub conversations: Option<String>,
    /// `Filters`: the events that it gets.
    pub conversation_events: Vec<String>,
    /// `WebhookUrl` of the interactions.
    pub interactions: Option<String>,
    /// `WebhookEvents`: the events that it gets.
    pub interaction_events: Vec<String>,
}

/// News of an interaction.
pub(super) enum Told {
    Joined(Participant),
    Left(Participant),
    Status(ChannelStatus),
}

impl Model {
    /// Each part that is given replaces the one before.
    pub(super) fn set_chat_webhooks(&mut self, new: WebhookSettings) -> Reply {
        let known = &mut self.chat_webhooks;
        if new.conversations.is_some() {
            let url = new.conversations.filter(|url| !url.is_empty());
            (known.conversations, known.conversation_events) = (url, new.conversation_events);
        }
        if new.interactions.is_some() {
            (known.interactions, known.interaction_events) = (new.interactions, new.interaction_events);
        }
        let body = json!({
            "account_sid": self.account.sid, "method": "POST", "target": "webhook", "pre_webhook_url": null,
            "post_webhook_url": known.conversations, "filters": known.conversation_events,
            "url": "https://conversations.twilio.com/v1/Configuration/Webhooks",
        });
        ok(body, serde_json::Value::Null)
    }

    pub(super) fn tell_message(&mut self, conversation: &ConversationSid, source: &str) {
        let Some(chat) = self.chats.get(conversation) else { return };
        let Some(message) = chat.messages.last() else { return };
        let member = message.member.as_ref().map(ToString::to_string).unwrap_or_default();
        let params = vec![
            ("MessageSid", message.sid.to_string()),
            ("Index", (chat.messages.len() - 1).to_string()),
            ("DateCreated", iso(message.at)),
            ("Author", message.author.clone()),
            ("Body", message.body.clone()),
            ("Attributes", message.attributes.clone()),
            ("ParticipantSid", member),
            ("Source", source.to_owned()),
        ];
        self.tell_conversation(conversation, "onMessageAdded", params);
    }

    pub(super) fn tell_state(
        &mut self,
        conversation: &ConversationSid,
        before: ChannelStatus,
        after: ChannelStatus,
    ) {
        if before.state() == after.state() {
            return;
        }
        let params = vec![
            ("StateFrom", before.state().to_owned()),
            ("StateTo", after.state().to_owned()),
            ("StateUpdated", iso(self.now)),
            ("Reason", if after == ChannelStatus::Active { "EVENT" } else { "API" }.to_owned()),
        ];
        self.tell_conversation(conversation, "onConversationStateUpdated", params);
    }

    fn tell_conversation(
        &mut self,
        conversation: &ConversationSid,
        event: &str,
        more: Vec<(&'static str, String)>,
    ) {
        let WebhookSettings { conversations: Some(url), conversation_events: events, .. } =
            &self.chat_webhooks
        else {
            return;
        };
        if !events.iter().any(|wanted| wanted == event) {
            return;
        }
        let url = url.clone();
        let all = [
            ("EventType", event.to_owned()),
            ("AccountSid", self.account.sid.to_string()),
            ("ChatServiceSid", SERVICE.to_owned()),
            ("ConversationSid", conversation.to_string()),
            ("RetryCount", "0".to_owned()),
        ];
        self.send_chat_webhook(url, all.into_iter().chain(more));
    }

    pub(super) fn tell_interaction(&mut self, conversation: &ConversationSid, told: &Told) {
        let WebhookSettings { interactions: Some(url), interaction_events: events, .. } = &self.chat_webhooks
        else {
            return;
        };
        let event = match told {
            Told::Joined(_) => "onParticipantJoined",
            Told::Left(_) => "onParticipantLeft",
            Told::Status(_) => "onChannelStatusUpdated",
        };
        // Not known: whether Twilio tells that a channel is inactive or transferred.
        let unsure = matches!(told, Told::Status(ChannelStatus::Inactive | ChannelStatus::Transferring));
        let silent = unsure && !self.facts.inactive_is_told;
        if silent || !events.iter().any(|wanted| wanted == event) {
            return;
        }
        let Some(chat) = self.chats.get(conversation) else { return };
        let mut params = vec![
            ("EventType", event.to_owned()),
            ("AccountSid", self.account.sid.to_string()),
            ("InstanceSid", format!("GO{}", self.account.sid.digits())),
            ("InteractionSid", chat.interaction.to_string()),
            ("ChannelSid", chat.channel.to_string()),
            ("ChannelType", "web".to_owned()),
            ("MediaChannelSid", conversation.to_string()),
            ("MediaChannelType", "web".to_owned()),
        ];
        match told {
            Told::Joined(participant) | Told::Left(participant) => {
                params.push(("ParticipantSid", participant.sid.to_string()));
                params.push(("ParticipantType", participant.kind().to_owned()));
                if let Some(seat) = &participant.agent {
                    params.push(("TaskSid", seat.task.to_string()));
                    params.push(("WorkerSid", seat.worker.to_string()));
                    params.push(("ReservationSid", seat.reservation.to_string()));
                }
            }
            Told::Status(status) => params.push(("ChannelStatus", status.as_str().to_owned())),
        }
        let url = url.clone();
        self.send_chat_webhook(url, params.into_iter());
    }

    fn send_chat_webhook(&mut self, url: String, params: impl Iterator<Item = (&'static str, String)>) {
        let params = params.map(|(name, value)| (name.to_owned(), value)).collect();
        self.effects.push(Effect::Webhook { url, method: "POST".into(), params });
    }
}
