//! The objects of Sync in which the Conversations SDK 2.5.0 sees a conversation: their names and forms were seen with that
//! SDK, Twilio does not document them.

use super::{
    SyncChange,
    state::{Chat, Message, Participant},
};
use crate::{
    dates::iso,
    model::{Effect, Model},
};
use rejoin_protocol::ConversationSid;
use serde_json::{Value, json};

pub(super) fn document(conversation: &ConversationSid) -> String {
    format!("{conversation}.channel")
}

pub(super) fn messages(conversation: &ConversationSid) -> String {
    format!("{conversation}.messages")
}

fn roster(conversation: &ConversationSid) -> String {
    format!("{conversation}.roster")
}

/// The map of the conversations that a user is in.
pub(crate) fn channels(identity: &str) -> String {
    format!("{identity}.channels")
}

/// The map of what is known of a user.
pub(crate) fn info(identity: &str) -> String {
    format!("{identity}.info")
}

impl Model {
    fn synced(&mut self, change: SyncChange) {
        self.effects.push(Effect::Sync(change));
    }

    /// The conversation itself: its state and its last message.
    pub(super) fn sync_conversation(&mut self, conversation: &ConversationSid) {
        let Some(chat) = self.chats.get(conversation) else { return };
        let last = chat
            .messages
            .last()
            .map(|message| json!({ "index": chat.messages.len() - 1, "timestamp": iso(message.at) }));
        let mut data = json!({
            "friendlyName": chat.name, "uniqueName": null, "attributes": "{}", "createdBy": "system",
            "dateCreated": iso(chat.created), "dateUpdated": iso(chat.updated),
            "state": { "current": chat.status.state(), "dateUpdated": iso(chat.status_since) },
            "messages": messages(conversation), "roster": roster(conversation),
        });
        if let Some(last) = last {
            data["lastMessage"] = last;
        }
        self.synced(SyncChange::Document { name: document(conversation), data });
        self.synced(SyncChange::Pushed { list: messages(conversation), item: None });
    }

    pub(super) fn sync_message(&mut self, conversation: &ConversationSid) {
        let item = self.chats.get(conversation).and_then(|chat| chat.messages.last()).map(of_message);
        self.synced(SyncChange::Pushed { list: messages(conversation), item });
        self.sync_conversation(conversation);
    }

    /// Somebody is in the conversation, or what is known of them has changed.
    pub(super) fn sync_member(&mut self, conversation: &ConversationSid, participant: &Participant) {
        let Some(chat) = self.chats.get(conversation) else { return };
        let identity = participant.identity.clone();
        let read = chat.read.get(&identity);
        let member = json!({
            "identity": identity, "type": "chat", "attributes": "{}", "roleSid": format!("RL{:032x}", 1),
            "dateCreated": iso(participant.joined), "dateUpdated": iso(participant.joined),
            "lastConsumedMessageIndex": read, "lastConsumptionTimestamp": null, "userInfo": info(&identity),
        });
        let own = membership(conversation, chat, &identity);
        let name = chat.name.clone();
        // An agent's own desktop says who they are.
        if participant.agent.is_none() {
            self.sync_user(&identity, &name);
        }
        self.synced(SyncChange::Item {
            map: roster(conversation),
            item: Some((participant.member.to_string(), member)),
        });
        self.synced(SyncChange::Item {
            map: channels(&identity),
            item: Some((conversation.to_string(), own)),
        });
    }

    pub(super) fn sync_left(&mut self, conversation: &ConversationSid, participant: &Participant) {
        self.synced(SyncChange::Gone { map: roster(conversation), key: participant.member.to_string() });
        self.synced(SyncChange::Gone { map: channels(&participant.identity), key: conversation.to_string() });
    }

    pub(super) fn sync_user(&mut self, identity: &str, name: &str) {
        let value = |value: &str| json!({ "value": value });
        for (key, data) in [("friendlyName", value(name)), ("attributes", value("{}"))] {
            self.synced(SyncChange::Item { map: info(identity), item: Some((key.into(), data)) });
        }
        self.synced(SyncChange::Item { map: channels(identity), item: None });
    }

    pub(super) fn sync_typing(&mut self, conversation: &ConversationSid, identity: String) {
        let others = self.chats.get(conversation).map(|chat| {
            let others = chat.present().filter(|other| other.identity != identity);
            others.map(|other| other.identity.clone()).collect()
        });
        let others = others.unwrap_or_default();
        self.synced(SyncChange::Types { conversation: conversation.clone(), identity, others });
    }
}

fn membership(conversation: &ConversationSid, chat: &Chat, identity: &str) -> Value {
    json!({
        "channel": document(conversation), "status": "joined",
        "lastConsumedMessageIndex": chat.read.get(identity), "notificationLevel": "default",
        "createdBy": "system", "friendlyName": chat.name, "uniqueName": null,
        "dateCreated": iso(chat.created), "dateUpdated": iso(chat.updated),
    })
}

fn of_message(message: &Message) -> Value {
    json!({
        "sid": message.sid, "author": message.author, "memberSid": message.member, "text": message.body,
        "attributes": message.attributes, "timestamp": iso(message.at), "type": "text",
    })
}
