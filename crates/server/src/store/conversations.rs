//! Conversations in the store: what a batch of their events reads and writes in one transaction.

use crate::story::ToldConversation;
use rejoin_conversations::{Action, Conversation, Desk, Key};
use rejoin_protocol::{ConversationSid, Millis, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};

/// What the events of a batch concern.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConversationBatch {
    /// The conversations with these keys are found and locked.
    pub(crate) keys: BTreeSet<Key>,
    /// Conversations that may begin.
    pub(crate) begins: BTreeSet<ConversationSid>,
    /// Their desks are found, beside those of the agents of the conversations.
    pub(crate) workers: BTreeSet<WorkerSid>,
    /// Actions that have ended.
    pub(crate) ended: BTreeSet<i64>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundConversations {
    pub(crate) conversations: Vec<Conversation>,
    pub(crate) desks: BTreeMap<WorkerSid, Desk>,
    /// Those that this release cannot read. They stay as they are.
    pub(crate) unreadable: BTreeSet<String>,
}

/// What is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConversationChanges {
    pub(crate) saved: Vec<Conversation>,
    pub(crate) forgotten: BTreeSet<ConversationSid>,
    pub(crate) desks: BTreeMap<WorkerSid, Desk>,
    /// Actions that this server carries out from now on.
    pub(crate) begun: Vec<BegunAction>,
    /// Entries of their stories.
    pub(crate) told: Vec<ToldConversation>,
}

/// An action that is being carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BegunAction {
    /// Its number; 0 before it is stored.
    pub(crate) id: i64,
    pub(crate) conversation: ConversationSid,
    pub(crate) action: Action,
    /// Until when it is tried (point in time).
    pub(crate) until: Millis,
}

impl ConversationChanges {
    /// True when there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.saved.is_empty()
            && self.forgotten.is_empty()
            && self.desks.is_empty()
            && self.begun.is_empty()
            && self.told.is_empty()
    }
}

impl FoundConversations {
    /// Takes a stored conversation, or notes that it cannot be read.
    pub(super) fn take(&mut self, sid: String, state: &str) {
        match serde_json::from_str(state) {
            Ok(conversation) => self.conversations.push(conversation),
            Err(_) => {
                self.unreadable.insert(sid);
            }
        }
    }

    /// Takes a stored desk. One that cannot be read counts as unknown: its pages are heard of again.
    pub(super) fn take_desk(&mut self, worker: WorkerSid, state: &str) {
        self.desks.insert(worker, serde_json::from_str(state).unwrap_or_default());
    }

    /// The agents whose desks the conversations are judged by.
    pub(super) fn agents(&self) -> BTreeSet<WorkerSid> {
        let keys = self.conversations.iter().flat_map(Conversation::keys);
        keys.filter_map(|key| match key {
            Key::Worker(worker) => Some(worker),
            Key::Conversation(_) | Key::Task(_) => None,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests;
