//! What Flex shows in a page: the agent's chats, their inputs, and what happens when the agent presses Send.

use super::page::Tab;
use super::routing::OfferStatus;
use super::wire::How;
use super::{ChatWorld, Coming, Way};
use crate::page::PageId;
use crate::timeline::Kind;
use rejoin_conversations::ChannelState;
use rejoin_plugin::agent::ReservationStatus;
use rejoin_plugin::chats::{Event, Facts, Message, MessageId};
use rejoin_protocol::Millis;
use std::collections::BTreeMap;

/// What Flex shows.
impl ChatWorld {
    /// Flex in all pages of those who are in a chat, or were, has news.
    pub(super) fn stir(&mut self, room: usize) {
        let agents: Vec<usize> = (0..self.workers.len())
            .filter(|agent| {
                self.rooms[room].guests.iter().any(|it| it.seat.is_some_and(|seat| seat.agent == *agent))
            })
            .collect();
        for agent in agents {
            self.stir_agent(agent);
        }
    }

    pub(super) fn stir_agent(&mut self, agent: usize) {
        for page in 0..self.pages.len() {
            if self.pages[page].agent == agent && self.pages[page].is_alive && self.pages[page].is_up {
                let mut chance = self.chance(Way::Flex, page);
                let after = Self::latency(&mut chance);
                self.put(after, Coming::Looks(page));
            }
        }
    }

    /// Flex sees how things are now.
    pub(super) fn looks(&mut self, page: PageId) {
        if !self.pages[page].is_up || self.arrives(page, Coming::Looks(page)).is_none() {
            return;
        }
        let agent = self.pages[page].agent;
        let mut seen = BTreeMap::new();
        for (number, offer) in self.offers.iter().enumerate().filter(|(_, it)| it.agent == agent) {
            let status = match offer.status {
                OfferStatus::Accepted => ReservationStatus::Accepted,
                OfferStatus::Wrapping => ReservationStatus::Wrapping,
                OfferStatus::Pending | OfferStatus::Over => continue,
            };
            seen.insert(self.tasks[offer.task].room, (number, status));
        }
        let gone: Vec<usize> =
            self.pages[page].tabs.keys().filter(|room| !seen.contains_key(room)).copied().collect();
        for room in gone {
            self.pages[page].tabs.remove(&room);
            // Flex has unloaded its input.
            let conversation = self.rooms[room].conversation.clone();
            self.handle(page, Event::Gone { conversation });
        }
        for (room, (offer, status)) in seen {
            let (is_member, state) = (self.rooms[room].has(agent), self.rooms[room].state);
            let last_index = (self.rooms[room].messages.len() as u64).checked_sub(1);
            let it = &mut self.pages[page];
            if !it.tabs.contains_key(&room) {
                it.loads += 1;
                let load = it.loads;
                let tab = Tab {
                    offer,
                    status,
                    load,
                    is_loaded: false,
                    is_open: false,
                    text: String::new(),
                    is_sending: false,
                    last_index: None,
                    told: None,
                };
                it.tabs.insert(room, tab);
                let mut chance = self.chance(Way::Flex, page);
                let after = chance.between(200, 1_500);
                self.put(after, Coming::Loaded(page, room, load));
            }
            if let Some(tab) = self.pages[page].tabs.get_mut(&room) {
                (tab.offer, tab.status, tab.last_index) = (offer, status, last_index);
                tab.is_open = is_member && state != ChannelState::Closed;
            }
        }
        self.tells_facts(page);
        self.post_again(page);
        self.reflexes(page);
    }

    /// Flex has loaded a chat and its input.
    pub(super) fn loaded(&mut self, page: PageId, room: usize, load: u64) {
        if self.arrives(page, Coming::Loaded(page, room, load)).is_none() {
            return;
        }
        let Some(tab) = self.pages[page].tabs.get_mut(&room).filter(|tab| tab.load == load) else { return };
        tab.is_loaded = true;
        let wanted = self.shelf(page).inputs.get(&room).cloned().unwrap_or_default();
        self.tells_facts(page);
        self.check_draft(page, room, &wanted);
        self.reflexes(page);
    }

    /// Tells the plugin what has changed.
    pub(super) fn tells_facts(&mut self, page: PageId) {
        if self.pages[page].plugin.is_none() {
            return;
        }
        for room in self.pages[page].tabs.keys().copied().collect::<Vec<_>>() {
            let conversation = self.rooms[room].conversation.clone();
            let Some(tab) = self.pages[page].tabs.get_mut(&room) else { continue };
            let facts = Facts {
                conversation,
                status: tab.status,
                email: false,
                loaded: tab.is_loaded,
                open: tab.is_loaded && tab.is_open,
                text: tab.text.clone(),
                files: vec![],
            };
            if tab.told.as_ref() != Some(&facts) {
                tab.told = Some(facts.clone());
                self.handle(page, Event::Changed(facts));
            }
        }
    }

    /// The agent presses Send: the plugin is asked.
    pub(super) fn presses_send(&mut self, page: PageId, room: usize) {
        let Some(tab) = self.pages[page].tabs.get(&room).filter(|tab| !tab.is_sending) else { return };
        let (body, after) = (tab.text.trim().to_owned(), tab.last_index);
        if body.is_empty() {
            return;
        }
        self.note(self.page_lane(page), None, Kind::Person, || {
            format!("chat {room}: Send “{}”", body.replace('\n', " · "))
        });
        let Ok(id) = MessageId::try_from(format!("message-{}", self.number())) else { return };
        let conversation = self.rooms[room].conversation.clone();
        let skew = self.plan.agents[self.pages[page].agent].skew;
        let at = Millis(self.wall().0.saturating_add_signed(skew));
        let attributes = rejoin_plugin::value::Value::Nothing;
        let message = Message {
            id: id.clone(),
            conversation,
            at,
            body,
            attributes,
            files: vec![],
            after,
            returned: false,
        };
        self.rules.sends(id, page, room, &message.body, self.now);
        if self.pages[page].plugin.is_some() {
            self.handle(page, Event::Send(message));
        } else {
            self.answered_by_plugin(page, &message.id, Some(How::Plain));
        }
    }

    /// What Flex does when the plugin has answered.
    pub(super) fn answered_by_plugin(&mut self, page: PageId, id: &MessageId, how: Option<How>) {
        let Some((room, body)) = self.rules.sent(id) else { return };
        let Some(how) = how else { return };
        if let Some(tab) = self.pages[page].tabs.get_mut(&room) {
            tab.is_sending = true;
        }
        if how == How::Plain {
            self.rules.is_not_kept(id);
        }
        let id = (how == How::Flex).then(|| id.clone());
        self.sdk_sends(page, room, body, id, how);
    }
}
