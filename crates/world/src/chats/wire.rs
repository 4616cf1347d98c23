//! The Conversations SDK of a page, with its known defects: it gives up a message at once when its socket is cut, tells a failure
//! when only the reply was lost, and waits 30 s for a socket that is silent.

use super::twilio::Author;
use super::{ChatWorld, Coming, Way};
use crate::page::PageId;
use crate::plan::ChatFaultKind;
use crate::planted::Planted;
use rejoin_plugin::chats::{Event, MessageId, Outcome};

/// How long the SDK waits for an answer.
const SILENT_FOR: u64 = 30_000;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Flex, as without the plugin.
    Plain,
    /// Flex, with the plugin's id.
    Flex,
    /// The plugin, again.
    Again,
}

/// A message on its way from a page to Twilio.
#[derive(Debug)]
pub(super) struct Sending {
    page: PageId,
    room: usize,
    body: String,
    id: Option<MessageId>,
    how: How,
}

/// What the SDK says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Stored,
    Failed,
    /// It failed since the socket was silent, which is taken down then.
    Silent,
    Refused,
}

impl ChatWorld {
    pub(super) fn sdk_sends(
        &mut self,
        page: PageId,
        room: usize,
        body: String,
        id: Option<MessageId>,
        how: How,
    ) {
        let sending = Box::new(Sending { page, room, body, id, how });
        if !self.pages[page].has_sdk {
            return self.put(5, Coming::MessageSent(sending, Verdict::Failed));
        }
        let mut chance = self.chance(Way::Sdk, page);
        if self.pages[page].is_offline || self.strikes(&mut chance, ChatFaultKind::SocketSilent) {
            return self.put(SILENT_FOR, Coming::MessageSent(sending, Verdict::Silent));
        }
        if self.strikes(&mut chance, ChatFaultKind::SocketCut) {
            self.sdk_drops(page);
            return self.put(5, Coming::MessageSent(sending, Verdict::Failed));
        }
        let after = Self::latency(&mut chance);
        self.put(after, Coming::MessageArrives(sending));
    }

    /// A message arrives at Twilio, whether its page lives or not.
    pub(super) fn message_arrives(&mut self, sending: Box<Sending>) {
        let (page, room) = (sending.page, sending.room);
        let key = sending.id.as_ref().map(|id| id.as_str().to_owned());
        let agent = self.pages[page].agent;
        let stored = self.say(room, Author::Agent(agent), sending.body.clone(), key).is_ok();
        let mut chance = self.chance(Way::Sdk, page);
        let verdict = if stored { Verdict::Stored } else { Verdict::Refused };
        if stored && self.strikes(&mut chance, ChatFaultKind::ReplyLost) {
            self.sdk_drops(page);
            return self.put(5, Coming::MessageSent(sending, Verdict::Failed));
        }
        if self.pages[page].is_offline {
            return self.put(SILENT_FOR, Coming::MessageSent(sending, Verdict::Silent));
        }
        let after = Self::latency(&mut chance);
        self.put(after, Coming::MessageSent(sending, verdict));
    }

    /// The SDK says what became of a message.
    pub(super) fn message_sent(&mut self, sending: Sending, verdict: Verdict) {
        let page = sending.page;
        if !self.pages[page].is_alive {
            return;
        }
        if self.pages[page].is_asleep {
            self.arrives(page, Coming::MessageSent(Box::new(sending), verdict));
            return;
        }
        if verdict == Verdict::Silent {
            self.sdk_drops(page);
        }
        let Sending { room, body, id, how, .. } = sending;
        let outcome = match verdict {
            Verdict::Stored => Outcome::Stored,
            Verdict::Failed | Verdict::Silent => Outcome::Failed,
            Verdict::Refused => Outcome::Refused,
        };
        if how == How::Again {
            if let Some(id) = id {
                self.handle(page, Event::Sent { id, outcome });
            }
            return;
        }
        let conversation = self.rooms[room].conversation.clone();
        let there = self.pages[page].tabs.get(&room).map(|tab| tab.text.clone());
        if let Some(tab) = self.pages[page].tabs.get_mut(&room) {
            tab.is_sending = false;
        }
        if outcome == Outcome::Stored {
            if there.is_some_and(|text| text.trim() == body) {
                self.input(page, room, String::new());
            }
        } else {
            // Flex puts the text back, and says so.
            if let Some(text) = there {
                self.input(page, room, text);
            }
            self.handle(page, Event::Failed { conversation });
        }
        if let Some(id) = id {
            let outcome = if outcome == Outcome::Stored { outcome } else { Outcome::Failed };
            self.handle(page, Event::Sent { id, outcome });
        }
        self.reflexes(page);
    }

    /// The plugin asks the conversation for a message.
    pub(super) fn searches(
        &mut self,
        page: PageId,
        room: usize,
        id: MessageId,
        search: u32,
        after: Option<u64>,
    ) {
        let mut chance = self.chance(Way::Sdk, page);
        let takes = if self.pages[page].has_sdk { chance.between(30, 300) } else { 5 };
        self.put(takes, Coming::Searched(page, id, search, room, after));
    }

    pub(super) fn search_answered(
        &mut self,
        page: PageId,
        id: MessageId,
        search: u32,
        room: usize,
        after: Option<u64>,
    ) {
        if self.arrives(page, Coming::Searched(page, id.clone(), search, room, after)).is_none() {
            return;
        }
        let newer = self.rooms[room].messages.iter().enumerate();
        let mut newer = newer.filter(|(index, _)| after.is_none_or(|after| *index as u64 > after));
        let there = newer.any(|(_, said)| said.key.as_deref() == Some(id.as_str()));
        let found = match self.pages[page].has_sdk {
            _ if self.planted == Some(Planted::ChatResentUnlooked) => Some(false),
            true => Some(there),
            false => None,
        };
        self.handle(page, Event::Searched { id, search, found });
    }

    /// The SDK's socket has ended; it connects again.
    pub(super) fn sdk_drops(&mut self, page: PageId) {
        if !self.pages[page].is_alive {
            return;
        }
        let mut chance = self.chance(Way::Sdk, page);
        let it = &mut self.pages[page];
        it.has_sdk = false;
        it.sdk += 1;
        let number = it.sdk;
        self.handle(page, Event::Connection { up: false });
        self.put(chance.between(800, 1_000), Coming::Connects(page, number));
    }

    pub(super) fn connects(&mut self, page: PageId, number: u64) {
        if self.pages[page].sdk != number || self.arrives(page, Coming::Connects(page, number)).is_none() {
            return;
        }
        self.pages[page].has_sdk = true;
        self.handle(page, Event::Connection { up: true });
        self.looks(page);
    }
}
