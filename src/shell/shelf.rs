//! What the browser keeps of a worker's conversations: drafts, unsent messages and the selected task.

use crate::agent::Place;
use crate::boundary::conversations::{stored_draft, stored_message, told_draft, told_message};
use crate::boundary::{Fields, Value};
use crate::chats::{DRAFT_FOR, Draft, Message, MessageId};
use crate::shell::post;
use crate::shell::storage::{OF_BROWSER, OF_TAB, Storage};
use crate::value::joined;
use rejoin_protocol::{ConversationSid, Millis, ReservationSid};

const DRAFT: &str = "rejoin.draft.";
const UNSENT: &str = "rejoin.unsent.";
const SELECTED: &str = "rejoin.selected.";
const ALL: [&str; 3] = [DRAFT, UNSENT, SELECTED];

/// What is kept of one worker. Entries of other workers are left alone, except by age.
pub struct Shelf {
    storage: Storage,
    worker: String,
}

impl Shelf {
    /// The shelf of a worker; `None`: nothing is kept. What was kept elsewhere before is removed, and what is too old.
    pub fn open(place: Place, worker: &str, now: Millis) -> Option<Self> {
        let mut open = None;
        for (storage, of) in [(OF_BROWSER, Place::Browser), (OF_TAB, Place::Tab)] {
            let shelf = Self { storage, worker: worker.to_owned() };
            shelf.sweep(now);
            if of == place {
                open = Some(shelf);
            } else {
                shelf.clear();
            }
        }
        open
    }

    fn key(&self, kind: &str, name: &str) -> String {
        joined(&[kind, &self.worker, name])
    }

    fn draft_key(&self, conversation: &ConversationSid) -> String {
        self.key(DRAFT, &joined(&[".", conversation.as_str()]))
    }

    fn message_key(&self, id: &MessageId) -> String {
        self.key(UNSENT, &joined(&[".", id.as_str()]))
    }

    /// Whoever wrote it: what is older than a draft may be is removed.
    fn sweep(&self, now: Millis) {
        for kind in [DRAFT, UNSENT] {
            for (name, value) in self.storage.entries(kind) {
                let at = parse(&value).fields("entry").and_then(|mut entry: Fields| entry.whole("at"));
                if at.is_ok_and(|at| Millis(at).until(now) >= DRAFT_FOR) {
                    self.storage.remove(&joined(&[kind, &name]));
                }
            }
        }
    }

    /// Removes everything of this worker.
    pub fn clear(&self) {
        for kind in ALL {
            let mine = self.key(kind, "");
            for (name, _) in self.storage.entries(&mine) {
                self.storage.remove(&joined(&[&mine, &name]));
            }
        }
    }

    fn set(&self, key: &str, value: &Value) {
        if let Ok(value) = post::body(value) {
            self.storage.set(key, &String::from(value));
        }
    }

    /// All drafts. Unreadable ones are discarded.
    pub fn drafts(&self) -> Vec<Draft> {
        let mine = self.key(DRAFT, ".");
        let read = |(name, value): (String, String)| {
            let conversation = ConversationSid::parse(&name).ok();
            let draft = conversation.and_then(|it| stored_draft(it, parse(&value)).ok());
            if draft.is_none() {
                self.storage.remove(&joined(&[&mine, &name]));
            }
            draft
        };
        self.storage.entries(&mine).into_iter().filter_map(read).collect()
    }

    /// The draft of a conversation.
    pub fn draft(&self, conversation: &ConversationSid) -> Option<Draft> {
        stored_draft(conversation.clone(), parse(&self.storage.get(&self.draft_key(conversation))?)).ok()
    }

    /// Keeps a draft.
    pub fn keep(&self, draft: &Draft) {
        self.set(&self.draft_key(&draft.conversation), &told_draft(draft));
    }

    /// Removes a draft, unless a newer one than of this time is there.
    pub fn forget(&self, conversation: &ConversationSid, at: Millis) {
        if self.draft(conversation).is_none_or(|draft| draft.at <= at) {
            self.storage.remove(&self.draft_key(conversation));
        }
    }

    /// Ids of all messages.
    pub fn messages(&self) -> Vec<MessageId> {
        let all = self.storage.entries(&self.key(UNSENT, "."));
        all.into_iter().filter_map(|(name, _)| MessageId::try_from(name).ok()).collect()
    }

    /// The id in the name of a message's entry.
    pub fn message_of(&self, key: &str) -> Option<MessageId> {
        MessageId::try_from(key.strip_prefix(&*self.key(UNSENT, "."))?.to_owned()).ok()
    }

    /// A message. An unreadable one is discarded.
    pub fn message(&self, id: &MessageId) -> Option<Message> {
        let key = self.message_key(id);
        let message = stored_message(parse(&self.storage.get(&key)?)).ok();
        if message.is_none() {
            self.storage.remove(&key);
        }
        message.filter(|message| message.id == *id)
    }

    /// Keeps a message.
    pub fn keep_message(&self, message: &Message) {
        self.set(&self.message_key(&message.id), &told_message(message));
    }

    /// Removes a message.
    pub fn forget_message(&self, id: &MessageId) {
        self.storage.remove(&self.message_key(id));
    }

    /// The task that was selected last.
    pub fn selected(&self) -> Option<ReservationSid> {
        ReservationSid::parse(&self.storage.get(&self.key(SELECTED, ""))?).ok()
    }

    /// Keeps the selected task.
    pub fn select(&self, reservation: &ReservationSid) {
        self.storage.set(&self.key(SELECTED, ""), reservation.as_str());
    }
}

/// What is no JSON is nothing.
fn parse(text: &str) -> Value {
    post::parse(text).unwrap_or_default()
}
