//! Conversations and interactions in the forms of the REST APIs and of Flex's event bridge.

use super::{
    InviteRouting,
    state::{Chat, ChatTransfer, Message, Participant},
};
use crate::{
    dates::iso,
    model::{Model, Reply, requests::ok, view::list},
};
use rejoin_protocol::{ConversationSid, InviteSid, ParticipantSid};
use serde_json::{Value, json};

/// The account's only Conversations service.
pub(crate) const SERVICE: &str = "IS00000000000000000000000000000001";
const CONVERSATIONS: &str = "https://conversations.twilio.com/v1/Conversations";
const INTERACTIONS: &str = "https://flex-api.twilio.com/v1/Interactions";

impl Model {
    pub(super) fn rest_conversation(&self, sid: &ConversationSid, chat: &Chat) -> Value {
        let url = format!("{CONVERSATIONS}/{sid}");
        json!({
            "sid": sid, "account_sid": self.account.sid, "chat_service_sid": SERVICE,
            "messaging_service_sid": null, "friendly_name": chat.name, "unique_name": null, "attributes": "{}",
            "state": chat.status.state(), "date_created": iso(chat.created), "date_updated": iso(chat.updated),
            "timers": {}, "bindings": null, "url": url,
            "links": {
                "participants": format!("{url}/Participants"), "messages": format!("{url}/Messages"),
                "webhooks": format!("{url}/Webhooks"), "export": format!("{url}/Export"),
            },
        })
    }

    pub(super) fn rest_message(&self, sid: &ConversationSid, index: usize, message: &Message) -> Value {
        let url = format!("{CONVERSATIONS}/{sid}/Messages/{}", message.sid);
        json!({
            "sid": message.sid, "account_sid": self.account.sid, "conversation_sid": sid, "index": index,
            "author": message.author, "body": message.body, "media": null, "attributes": message.attributes,
            "participant_sid": message.member, "date_created": iso(message.at), "date_updated": iso(message.at),
            "delivery": null, "content_sid": null, "url": url,
            "links": {
                "delivery_receipts": format!("{url}/Receipts"), "channel_metadata": format!("{url}/ChannelMetadata"),
            },
        })
    }

    pub(super) fn rest_messages(&self, sid: &ConversationSid, chat: &Chat, newest_first: bool) -> Value {
        let messages = chat.messages.iter().enumerate();
        let mut messages: Vec<Value> =
            messages.map(|(index, message)| self.rest_message(sid, index, message)).collect();
        if newest_first {
            messages.reverse();
        }
        list("messages", messages)
    }

    pub(super) fn rest_members(&self, sid: &ConversationSid, chat: &Chat) -> Value {
        let members = chat.present().map(|participant| {
            json!({
                "sid": participant.member, "account_sid": self.account.sid, "conversation_sid": sid,
                "identity": participant.identity, "attributes": "{}", "messaging_binding": null,
                "role_sid": format!("RL{:032x}", 1), "date_created": iso(participant.joined),
                "date_updated": iso(participant.joined),
                "last_read_message_index": chat.read.get(&participant.identity), "last_read_timestamp": null,
                "url": format!("{CONVERSATIONS}/{sid}/Participants/{}", participant.member),
            })
        });
        list("participants", members.collect())
    }

    pub(super) fn channel_reply(&self, sid: &ConversationSid) -> Reply {
        let Some(chat) = self.chats.get(sid) else { return ok(Value::Null, Value::Null) };
        let url = channel_url(chat);
        let body = json!({
            "sid": chat.channel, "interaction_sid": chat.interaction, "type": "web",
            "status": chat.status.as_str(), "error_code": null, "error_message": null, "url": url,
            "links": {
                "invites": format!("{url}/Invites"), "participants": format!("{url}/Participants"),
                "transfers": format!("{url}/Transfers"),
            },
        });
        ok(body, bridge_channel(sid, chat))
    }

    /// The only channel of the interaction, as Flex lists it.
    pub(in crate::model) fn bridge_chat_channels(&self, sid: &ConversationSid) -> Value {
        let channels: Vec<Value> =
            self.chats.get(sid).map(|chat| bridge_channel(sid, chat)).into_iter().collect();
        json!({ "channels": channels })
    }

    pub(super) fn participants_reply(&self, sid: &ConversationSid) -> Reply {
        let Some(chat) = self.chats.get(sid) else { return ok(Value::Null, Value::Null) };
        let rest = chat.present().map(|participant| rest_participant(chat, participant)).collect();
        ok(list("participants", rest), self.bridge_chat_participants(sid))
    }

    /// Also those who have left.
    pub(super) fn all_participants_reply(&self, sid: &ConversationSid) -> Reply {
        let all = self.chats.get(sid).into_iter().flat_map(|chat| {
            chat.participants.iter().map(|participant| of_participant(sid, chat, participant))
        });
        let all: Vec<Value> = all.collect();
        ok(Value::Null, json!({ "channel_type": "web", "participants": all }))
    }

    pub(super) fn transfer_list(&self, sid: &ConversationSid) -> Reply {
        let transfers =
            self.chats.get(sid).into_iter().flat_map(|chat| {
                chat.transfers.iter().map(|transfer| self.bridge_chat_transfer(chat, transfer))
            });
        let transfers: Vec<Value> = transfers.collect();
        ok(Value::Null, json!(transfers))
    }

    pub(super) fn bridge_chat_transfer(&self, chat: &Chat, transfer: &ChatTransfer) -> Value {
        json!({
            "sid": transfer.sid, "account_sid": self.account.sid,
            "instance_sid": format!("GO{}", self.account.sid.digits()), "interaction_sid": chat.interaction,
            "channel_sid": chat.channel, "type": "cold", "from": transfer.from, "to": transfer.to,
            "status": transfer.status.as_str(), "note_sid": null, "summary_sid": null,
            "date_created": iso(transfer.created), "date_updated": iso(transfer.updated),
        })
    }

    pub(super) fn chat_participant_reply(
        &self,
        sid: &ConversationSid,
        participant: &ParticipantSid,
    ) -> Reply {
        let found = self.chats.get(sid).and_then(|chat| {
            let participant = chat.participants.iter().find(|it| it.sid == *participant)?;
            Some(ok(rest_participant(chat, participant), of_participant(sid, chat, participant)))
        });
        found.unwrap_or_else(|| ok(Value::Null, Value::Null))
    }

    pub(in crate::model) fn bridge_chat_participants(&self, sid: &ConversationSid) -> Value {
        let chat = self.chats.get(sid);
        let participants: Vec<Value> = chat
            .into_iter()
            .flat_map(|chat| chat.present().map(|participant| of_participant(sid, chat, participant)))
            .collect();
        json!({ "channel_type": "web", "participants": participants })
    }

    /// Payload of `participant.added` and `participant.removed`.
    pub(super) fn bridge_chat_event(&self, chat: &Chat, participant: &Participant) -> Value {
        json!({
            "participant_sid": participant.sid, "channel_sid": chat.channel, "channel_type": "web",
            "interaction_sid": chat.interaction, "type": participant.kind(),
            "routing_properties": routing(participant), "media_properties": media(participant),
        })
    }

    pub(super) fn rest_invite(
        &self,
        sid: &ConversationSid,
        invite: &InviteSid,
        routing: &InviteRouting,
    ) -> Value {
        let Some(chat) = self.chats.get(sid) else { return Value::Null };
        let task = chat.invites.get(invite);
        json!({
            "sid": invite, "interaction_sid": chat.interaction, "channel_sid": chat.channel,
            "routing": { "properties": {
                "task_sid": task, "workflow_sid": routing.workflow, "queue_sid": routing.queue,
                "worker_sid": routing.worker, "workspace_sid": self.account.workspace,
            } },
            "url": format!("{}/Invites/{invite}", channel_url(chat)),
        })
    }

    pub(super) fn bridge_invite(&self, sid: &ConversationSid, invite: &InviteSid) -> Value {
        let Some(chat) = self.chats.get(sid) else { return Value::Null };
        json!({
            "sid": invite, "interaction_sid": chat.interaction, "channel_sid": chat.channel,
            "routing": { "properties": { "task_sid": chat.invites.get(invite) } },
        })
    }

    /// Every conversation, for people and tests.
    pub(in crate::model) fn chat_snapshot(&self) -> Vec<Value> {
        let shown = self.chats.iter().map(|(sid, chat)| {
            let participants: Vec<Value> = chat
                .participants
                .iter()
                .map(|it| {
                    let seat = it.agent.as_ref();
                    json!({
                        "sid": it.sid, "kind": it.kind(), "joined": it.left.is_none(),
                        "worker": seat.map(|seat| &seat.worker), "task": seat.map(|seat| &seat.task),
                    })
                })
                .collect();
            let messages: Vec<Value> = chat
                .messages
                .iter()
                .map(|message| {
                    json!({
                        "author": message.author, "body": message.body, "attributes": message.attributes,
                    })
                })
                .collect();
            json!({
                "sid": sid, "interaction": chat.interaction, "channel": chat.channel,
                "status": chat.status.as_str(), "participants": participants, "messages": messages,
                "tasks": chat.invites.values().collect::<Vec<_>>(),
            })
        });
        shown.collect()
    }
}

fn channel_url(chat: &Chat) -> String {
    format!("{INTERACTIONS}/{}/Channels/{}", chat.interaction, chat.channel)
}

fn bridge_channel(sid: &ConversationSid, chat: &Chat) -> Value {
    json!({
        "sid": chat.channel, "type": "web", "interaction_sid": chat.interaction,
        "status": chat.status.as_str(), "media_sid": sid, "error_code": 0, "error_message": null,
    })
}

fn rest_participant(chat: &Chat, participant: &Participant) -> Value {
    json!({
        "sid": participant.sid, "type": participant.kind(), "interaction_sid": chat.interaction,
        "channel_sid": chat.channel, "routing_properties": routing(participant),
        "url": format!("{}/Participants/{}", channel_url(chat), participant.sid),
    })
}

fn of_participant(sid: &ConversationSid, chat: &Chat, participant: &Participant) -> Value {
    let mut media = media(participant);
    media["conversation_sid"] = json!(sid);
    json!({
        "sid": participant.sid, "type": participant.kind(), "channel_sid": chat.channel,
        "interaction_sid": chat.interaction, "routing_properties": routing(participant),
        "media_properties": media,
    })
}

fn media(participant: &Participant) -> Value {
    json!({ "identity": participant.identity, "sid": participant.member, "type": "chat" })
}

fn routing(participant: &Participant) -> Value {
    participant.agent.as_ref().map_or(Value::Null, |seat| {
        json!({
            "task_sid": seat.task, "worker_sid": seat.worker, "reservation_sid": seat.reservation,
        })
    })
}
