//! A chat begins, and goes on.

use super::{
    ChatRequest, InviteRouting, NewChat, NewMessage,
    state::{ChannelStatus, Chat, Message, Participant},
    webhooks::Told,
};
use crate::{
    dates::iso,
    model::{
        ApiError, Model, Reply,
        requests::{Answer, ok},
        taskrouter::parse_attributes,
    },
};
use rejoin_protocol::{
    ConversationSid, InteractionChannelSid, InteractionSid, MemberSid, MessageSid, ParticipantSid,
    WorkflowSid,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Maximum length of a message, bytes (<https://www.twilio.com/docs/conversations/conversations-limits>).
const LONGEST: usize = 32 << 10;
/// Maximum length of a message's attributes, bytes (in the same place).
const LONGEST_ATTRIBUTES: usize = 4 << 10;

impl Model {
    pub(super) fn begin_chat(&mut self, new: NewChat) -> Answer {
        let more = parse_attributes(new.attributes.as_deref().unwrap_or("{}"))?;
        let mut attributes = json!({
            "channelType": "web", "customerName": new.name, "customerAddress": new.identity,
            "from": new.name, "name": new.name, "direction": "inbound",
        });
        if let (Some(attributes), Value::Object(more)) = (attributes.as_object_mut(), more) {
            attributes.extend(more);
        }
        let number = self.number();
        let conversation = ConversationSid::numbered(number);
        let task_channel = new.task_channel.unwrap_or_else(|| "chat".into());
        let chat = Chat {
            interaction: InteractionSid::numbered(number),
            channel: InteractionChannelSid::numbered(number),
            status: ChannelStatus::Active,
            status_since: self.now,
            name: new.name,
            attributes: attributes.to_string(),
            task_channel,
            created: self.now,
            updated: self.now,
            messages: vec![],
            participants: vec![],
            invites: BTreeMap::new(),
            paused: None,
            transfers: vec![],
            read: BTreeMap::new(),
        };
        self.chats.insert(conversation.clone(), chat);
        self.log(format!("{conversation} is a new chat"));
        self.sync_conversation(&conversation);
        let customer = Participant {
            sid: ParticipantSid::numbered(self.number()),
            member: MemberSid::numbered(self.number()),
            identity: new.identity,
            agent: None,
            joined: self.now,
            left: None,
        };
        self.joins(&conversation, customer);
        self.invite(&conversation, &self.flow_routing(&conversation))?;
        self.chat_request(ChatRequest::Fetch(conversation))
    }

    /// How the flow of the chat's address sends it to Flex: to the first workflow, for anybody.
    pub(super) fn flow_routing(&self, conversation: &ConversationSid) -> InviteRouting {
        let chat = self.chats.get(conversation);
        InviteRouting {
            workflow: Some(WorkflowSid::numbered(1)),
            task_channel: chat.map(|chat| chat.task_channel.clone()),
            attributes: chat.map(|chat| chat.attributes.clone()),
            ..InviteRouting::default()
        }
    }

    pub(super) fn say(&mut self, conversation: &ConversationSid, new: NewMessage) -> Answer {
        let chat = self.chat(conversation)?;
        let refused = |code, message: &str| ApiError { status: 400, code, message: message.into() };
        if chat.status == ChannelStatus::Closed {
            return Err(refused(50377, "The conversation is closed"));
        }
        if new.body.len() > LONGEST {
            return Err(refused(50506, "Message body is too long"));
        }
        let attributes = new.attributes.unwrap_or_else(|| "{}".into());
        if attributes.len() > LONGEST_ATTRIBUTES || serde_json::from_str::<Value>(&attributes).is_err() {
            return Err(refused(50509, "Message attributes are too long, or no JSON"));
        }
        let member = chat.member(&new.author).cloned();
        if new.by_member && member.is_none() {
            return Err(ApiError {
                status: 403,
                code: 50403,
                message: "The user is not in the conversation".into(),
            });
        }
        let is_customer = member.as_ref().is_some_and(|member| member.agent.is_none());
        let woken = chat.status == ChannelStatus::Inactive;
        if woken {
            // Before the message itself, as with Twilio.
            self.set_status(conversation, ChannelStatus::Active);
        }
        let message = Message {
            sid: MessageSid::numbered(self.number()),
            author: new.author,
            member: member.as_ref().map(|member| member.member.clone()),
            body: new.body,
            attributes,
            at: self.now,
        };
        let now = self.now;
        if let Some(chat) = self.chats.get_mut(conversation) {
            chat.messages.push(message);
            chat.updated = now;
            if let Some(member) = &member {
                // Who writes has read.
                chat.read.insert(member.identity.clone(), chat.messages.len() as u64 - 1);
            }
        }
        self.sync_message(conversation);
        if new.webhooks {
            self.tell_message(conversation, if new.by_member { "SDK" } else { "API" });
        }
        if woken && is_customer && self.facts.left_chat_invites_itself {
            self.invite(conversation, &self.flow_routing(conversation))?;
        }
        self.message_reply(conversation)
    }

    fn message_reply(&self, conversation: &ConversationSid) -> Answer {
        let chat = self.chat(conversation)?;
        let index = chat.messages.len().saturating_sub(1);
        let message = chat.messages.get(index).ok_or_else(|| super::missing("message"))?;
        let body = self.rest_message(conversation, index, message);
        Ok(Reply { status: 201, body, etag: None, bridge: Value::Null })
    }

    pub(super) fn has_read(
        &mut self,
        conversation: &ConversationSid,
        identity: &str,
        index: Option<u64>,
    ) -> Answer {
        let chat = self.chats.get_mut(conversation).ok_or_else(|| super::missing("conversation"))?;
        let Some(member) = chat.member(identity).cloned() else { return Err(super::missing("conversation")) };
        if let Some(index) = index {
            let read = chat.read.entry(identity.to_owned()).or_insert(index);
            *read = index.max(*read);
        }
        let read = chat.read.get(identity).copied();
        let unread =
            chat.messages.len() as u64 - read.map_or(0, |read| (read + 1).min(chat.messages.len() as u64));
        self.sync_member(conversation, &member);
        let body = json!({ "last_read_message_index": read, "unread_messages_count": unread });
        Ok(ok(body, Value::Null))
    }

    pub(super) fn types(&mut self, conversation: &ConversationSid, identity: String) -> Answer {
        self.chat(conversation)?;
        self.sync_typing(conversation, identity);
        Ok(ok(json!({ "typing_timeout": 5 }), Value::Null))
    }

    /// The conversations of a user, as the SDK lists them.
    pub(super) fn chats_of(&self, identity: &str) -> Reply {
        let own = self.chats.iter().filter(|(_, chat)| chat.member(identity).is_some());
        let own: Vec<Value> = own
            .map(|(sid, chat)| {
                json!({
                    "conversation_sid": sid, "status": "joined", "notification_level": "default",
                    "last_read_message_index": chat.read.get(identity), "date_created": iso(chat.created),
                    "sync_objects": {
                        "conversation": super::sync::document(sid), "messages": super::sync::messages(sid),
                    },
                })
            })
            .collect();
        ok(json!({ "conversations": own, "meta": { "next_token": null } }), Value::Null)
    }

    pub(super) fn set_status(&mut self, conversation: &ConversationSid, status: ChannelStatus) {
        let now = self.now;
        let Some(chat) = self.chats.get_mut(conversation) else { return };
        let before = chat.status;
        if before == status {
            return;
        }
        chat.status = status;
        chat.status_since = now;
        chat.updated = now;
        self.log(format!("{conversation} is {}", status.as_str()));
        self.sync_conversation(conversation);
        self.tell_state(conversation, before, status);
        self.tell_interaction(conversation, &Told::Status(status));
    }
}
