//! What a browser keeps across its pages: drafts and messages on their way, and which page takes care of each.

use crate::page::PageId;
use rejoin_plugin::chats::{Draft, Message, MessageId};
use rejoin_protocol::{ConversationSid, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// The storage of a browser, shared by all its pages; it outlives crashes.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    drafts: BTreeMap<ConversationSid, Draft>,
    pub(super) messages: BTreeMap<MessageId, Message>,
    /// The page that holds the lock of each message.
    pub(super) locks: BTreeMap<MessageId, PageId>,
    /// What each input said last, as the agent has seen it: what has to come back.
    pub(super) inputs: BTreeMap<usize, String>,
    /// The pages whose input of a chat has said something.
    pub(super) writers: BTreeMap<usize, BTreeSet<PageId>>,
    /// True once two tabs were open at a time.
    pub(super) has_tabs: bool,
    /// True once the storage has failed: it has less than it should.
    pub(super) has_failed: bool,
}

impl Shelf {
    pub(super) fn drafts(&self) -> Vec<Draft> {
        self.drafts.values().cloned().collect()
    }

    pub(super) fn draft(&self, conversation: &ConversationSid) -> Option<Draft> {
        self.drafts.get(conversation).cloned()
    }

    pub(super) fn keep(&mut self, draft: Draft) {
        self.drafts.insert(draft.conversation.clone(), draft);
    }

    /// Forgets a draft, unless another page has kept a newer one.
    pub(super) fn forget(&mut self, conversation: &ConversationSid, at: Millis) {
        if self.drafts.get(conversation).is_some_and(|draft| draft.at <= at) {
            self.drafts.remove(conversation);
        }
    }

    /// True if several tabs have typed in this chat: each has an input of its own, and one draft is kept.
    pub(super) fn is_torn(&self, room: usize) -> bool {
        self.has_tabs && self.writers.get(&room).is_some_and(|pages| pages.len() > 1)
    }

    /// True if a message with this word is on its way.
    pub(super) fn will_send(&self, word: &str) -> bool {
        self.messages.values().any(|it| !it.returned && it.body.lines().any(|line| line == word))
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.drafts.clear();
        self.messages.clear();
        self.inputs.clear();
    }
}
