//! The keys by which the conversations are found that an event concerns.

use crate::conversation::Conversation;
use crate::event::Event;
use rejoin_protocol::{ConversationSid, TaskSid, WorkerSid};
use std::collections::BTreeSet;

/// A key of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The conversation.
    Conversation(ConversationSid),
    /// One of its tasks.
    Task(TaskSid),
    /// A worker who is or was its agent, or whose page has claimed it.
    Worker(WorkerSid),
}

impl Key {
    /// The identifier as text. Texts of keys of different kinds differ, too: each kind has its own first two letters.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Conversation(sid) => sid.as_str(),
            Self::Task(sid) => sid.as_str(),
            Self::Worker(sid) => sid.as_str(),
        }
    }
}

impl Event {
    /// The keys of the conversations that this event concerns.
    pub fn keys(&self) -> Vec<Key> {
        match self {
            Self::Interaction { conversation, .. }
            | Self::Message { conversation, .. }
            | Self::State { conversation, .. }
            | Self::Claimed { conversation, .. }
            | Self::Leaving { conversation, .. }
            | Self::Done { conversation, .. }
            | Self::Timer { conversation } => vec![Key::Conversation(conversation.clone())],
            Self::Page { worker, .. } => vec![Key::Worker(worker.clone())],
            Self::Task { conversation, task, .. } => {
                let named = conversation.clone().map(Key::Conversation);
                named.into_iter().chain([Key::Task(task.clone())]).collect()
            }
        }
    }
}

impl Conversation {
    /// The conversation's keys. They change as more becomes known, so they must be stored whenever the conversation is.
    pub fn keys(&self) -> BTreeSet<Key> {
        let workers = self.workers().cloned().map(Key::Worker);
        let tasks = self.tasks().cloned().map(Key::Task);
        workers.chain(tasks).chain([Key::Conversation(self.sid().clone())]).collect()
    }
}
