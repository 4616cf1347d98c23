//! What people do in chats: customers who write, agents who answer, type, leave, pause and wrap up; a program that interferes, and an
//! agent's page that lies.

use super::page::worker;
use super::routing::OfferStatus;
use super::twilio::Author;
use super::{ChatWorld, Coming, Way};
use crate::page::PageId;
use crate::plan::{ChatAct, ChatFault, ChatFaultKind};
use crate::timeline::{Kind, Lane};
use rejoin_conversations::{ChannelState, Event, PageEvent, Place};
use rejoin_plugin::agent::ReservationStatus;
use rejoin_plugin::chats::Event as PluginEvent;
use rejoin_protocol::{ConversationSid, InteractionChannelSid, InteractionSid, ParticipantSid};
use std::collections::BTreeSet;

/// How often a program, or a liar, acts again.
const AGAIN: u64 = 7_000;
/// Conversations that a liar invents at once.
const FLOOD: u128 = 20;

/// An agent, as far as chats concern them.
#[derive(Debug, Default)]
pub(super) struct Person {
    /// Offers to which they have begun to react.
    seen: BTreeSet<usize>,
    /// Offers that wrap up, which they have begun to complete.
    wraps: BTreeSet<usize>,
    /// Chats in which they are about to write.
    answers: BTreeSet<usize>,
}

/// Customers.
impl ChatWorld {
    pub(super) fn writes(&mut self, room: usize) {
        if !self.rooms[room].begun || self.rooms[room].state == ChannelState::Closed {
            return;
        }
        let number = self.number();
        if self.say(room, Author::Customer, format!("c{number}"), None).is_ok() {
            self.customer_wrote(room);
        }
    }

    /// Customer and agent are done: the agent wraps up, if one is there.
    pub(super) fn ends(&mut self, room: usize) {
        let seats: Vec<usize> = self.rooms[room].seats().map(|(_, seat)| seat.agent).collect();
        for agent in seats {
            if let Some(page) = self.page_with(agent, room) {
                return self.does(page, room, ChatAct::WrapUp);
            }
        }
    }
}

/// Agents.
impl ChatWorld {
    /// A page in which this agent can work on this chat.
    fn page_with(&self, agent: usize, room: usize) -> Option<PageId> {
        (0..self.pages.len()).find(|page| {
            let it = &self.pages[*page];
            let can = |tab: &super::page::Tab| {
                tab.is_loaded && tab.is_open && !tab.is_sending && tab.status == ReservationStatus::Accepted
            };
            it.agent == agent && it.is_alive && !it.is_asleep && it.tabs.get(&room).is_some_and(can)
        })
    }

    /// What an agent does because of what they see in a page.
    pub(super) fn reflexes(&mut self, page: PageId) {
        let agent = self.pages[page].agent;
        let rings: Vec<usize> = self
            .offers
            .iter()
            .enumerate()
            .filter(|(_, it)| it.agent == agent && it.status == OfferStatus::Pending)
            .map(|(offer, _)| offer)
            .collect();
        for offer in rings {
            if self.people[agent].seen.insert(offer) {
                let after = self.plan.agents[agent].accepts;
                self.put(after, Coming::Accepts(agent, offer));
            }
        }
        for (room, tab) in self.pages[page].tabs.clone() {
            if tab.status == ReservationStatus::Wrapping && self.people[agent].wraps.insert(tab.offer) {
                let after = self.plan.agents[agent].wraps;
                self.put(after, Coming::Completes(agent, tab.offer));
            }
            let can = tab.is_loaded && tab.is_open && tab.status == ReservationStatus::Accepted;
            let waits = self.rooms[room].unanswered().is_some();
            if can && waits && self.people[agent].answers.insert(room) {
                let mut chance = self.chance(Way::Person, agent);
                let after = chance.between(1_500, 15_000);
                self.put(after, Coming::Types(agent, room, true));
            }
        }
    }

    pub(super) fn accepts(&mut self, agent: usize, offer: usize) {
        if self.offers[offer].status != OfferStatus::Pending {
            return;
        }
        let page = self.pages.iter().position(|it| it.agent == agent && it.is_connected() && it.is_up);
        if page.is_none() || !self.accept(offer) {
            // The next page rings, too.
            self.people[agent].seen.remove(&offer);
        }
    }

    pub(super) fn types(&mut self, agent: usize, room: usize, sends: bool) {
        let Some(page) = self.page_with(agent, room) else {
            self.people[agent].answers.remove(&room);
            return;
        };
        let number = self.number();
        let there = self.still_to_send(page, room);
        let text = if there.is_empty() { format!("m{number}") } else { format!("{there}\nm{number}") };
        self.input(page, room, text);
        if sends {
            let mut chance = self.chance(Way::Person, agent);
            self.put(chance.between(300, 3_000), Coming::Sends(agent, room));
        }
    }

    pub(super) fn sends(&mut self, agent: usize, room: usize) {
        self.people[agent].answers.remove(&room);
        let Some(page) = self.page_with(agent, room) else { return };
        let text = self.still_to_send(page, room);
        if self.pages[page].tabs.get(&room).is_some_and(|tab| tab.text != text) {
            self.input(page, room, text);
        }
        self.presses_send(page, room);
    }

    /// What the input says. With several tabs the agent sees there what was sent in another one, or is on its way, and
    /// deletes it.
    fn still_to_send(&self, page: PageId, room: usize) -> String {
        let it = &self.pages[page];
        let text = it.tabs.get(&room).map(|tab| tab.text.clone()).unwrap_or_default();
        let Some(shelf) = self.shelves.get(&it.browser).filter(|shelf| shelf.has_tabs) else { return text };
        let left = text.lines().filter(|word| {
            !self.words_of(room, it.agent).any(|said| said == *word) && !shelf.will_send(word)
        });
        left.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn completes(&mut self, agent: usize, offer: usize) {
        let room = self.tasks[self.offers[offer].task].room;
        let page = (0..self.pages.len()).find(|page| {
            let it = &self.pages[*page];
            it.agent == agent && it.is_connected() && it.tabs.get(&room).is_some_and(|tab| tab.offer == offer)
        });
        let Some(page) = page else {
            self.people[agent].wraps.remove(&offer);
            return;
        };
        let seat = self.rooms[room].seats().find(|(_, seat)| seat.offer == offer);
        if let Some(sid) = seat.map(|(guest, _)| guest.sid.clone()) {
            let _ = self.end_seat(room, &sid, false);
        }
        self.is_done_with(page, room);
    }

    /// The agent has wrapped a chat up, or completed it.
    fn is_done_with(&mut self, page: PageId, room: usize) {
        let conversation = self.rooms[room].conversation.clone();
        let browser = self.pages[page].browser;
        self.rules.forgets(browser, Some(room));
        self.shelf(page).inputs.remove(&room);
        self.handle(page, PluginEvent::Ended { conversation });
    }

    pub(super) fn deed(&mut self, number: usize) {
        let deed = self.of.deeds[number].clone();
        let agent = deed.agent;
        if agent >= self.workers.len() {
            return;
        }
        if deed.act == ChatAct::Resume {
            return self.resumes(agent);
        }
        let rooms: Vec<usize> =
            (0..self.rooms.len()).filter(|room| self.page_with(agent, *room).is_some()).collect();
        let mut chance = self.chance(Way::Person, agent);
        let Some(room) = chance.one(&rooms).copied() else { return };
        match deed.act {
            ChatAct::Type => self.types(agent, room, false),
            ChatAct::Write => self.types(agent, room, true),
            act => {
                if let Some(page) = self.page_with(agent, room) {
                    self.does(page, room, act);
                }
            }
        }
    }

    /// An agent presses one of Flex's buttons.
    fn does(&mut self, page: PageId, room: usize, act: ChatAct) {
        let agent = self.pages[page].agent;
        if !self.pages[page].is_connected() || !self.rooms[room].has(agent) {
            return;
        }
        self.note(Lane::Agent(agent), Some(Lane::Chat(room)), Kind::Person, || act.name().into());
        let done = match act {
            ChatAct::Leave => self.update_channel(room, ChannelState::Inactive, false),
            ChatAct::Pause => self.update_channel(room, ChannelState::Paused, false),
            ChatAct::WrapUp => self.update_channel(room, ChannelState::Closed, true),
            ChatAct::Type | ChatAct::Write | ChatAct::Resume => return,
        };
        if done.is_err() {
            return;
        }
        self.left_on_purpose(room, act);
        if act == ChatAct::Pause {
            self.rooms[room].paused_by = Some(agent);
        }
        if act == ChatAct::WrapUp {
            self.is_done_with(page, room);
        }
    }

    /// An agent goes on with a chat that they have paused: they get it without being asked.
    fn resumes(&mut self, agent: usize) {
        let Some(room) = self.rooms.iter().position(|room| room.paused_by == Some(agent)) else { return };
        let is_there = self.pages.iter().any(|it| it.agent == agent && it.is_connected() && it.is_up);
        if !is_there || self.rooms[room].state != ChannelState::Paused {
            return;
        }
        self.note(Lane::Agent(agent), Some(Lane::Chat(room)), Kind::Person, || ChatAct::Resume.name().into());
        self.rooms[room].paused_by = None;
        self.set_state(room, ChannelState::Active);
        let (_, task) = self.invite(room, None, None, Some(agent), 86_400_000);
        let task = self.tasks.iter().position(|it| it.sid == task);
        let offer =
            self.offers.iter().position(|it| Some(it.task) == task && it.status == OfferStatus::Pending);
        if let Some(offer) = offer {
            self.people[agent].seen.insert(offer);
            self.accept(offer);
        }
        self.goes_on(room);
    }
}

/// Programs, and liars.
impl ChatWorld {
    pub(super) fn interferes(&mut self, number: usize) {
        let ChatFault { to, kind, .. } = self.of.faults[number].clone();
        if self.now >= to {
            return;
        }
        self.put(AGAIN, Coming::Interferes(number));
        let mut chance = self.chance(Way::Step, 1 + number);
        if !self.strikes(&mut chance, kind) {
            return;
        }
        match kind {
            ChatFaultKind::TaskCanceled => {
                let open: Vec<usize> =
                    (0..self.tasks.len()).filter(|task| self.tasks[*task].is_open()).collect();
                if let Some(task) = chance.one(&open).copied() {
                    self.cancel_task(task, "a program has canceled it");
                }
            }
            ChatFaultKind::ParticipantRemoved => {
                let there = |(number, room): (usize, &super::Room)| {
                    room.seats().map(|(guest, _)| (number, guest.sid.clone())).collect::<Vec<_>>()
                };
                let seats: Vec<(usize, ParticipantSid)> =
                    self.rooms.iter().enumerate().flat_map(there).collect();
                if let Some((room, sid)) = chance.one(&seats).cloned() {
                    self.note(Lane::World, Some(Lane::Chat(room)), Kind::Fault, || kind.name().into());
                    let _ = self.end_seat(room, &sid, false);
                }
            }
            ChatFaultKind::Liar => self.lies(&mut chance),
            _ => {}
        }
    }

    /// The last agent's page claims chats of others, at their own places, at those of others, or at invented ones; and floods.
    fn lies(&mut self, chance: &mut crate::chance::Chance) {
        let agent = self.workers.len() - 1;
        let Some(page) = self.pages.iter().position(|it| it.agent == agent && it.is_connected()) else {
            return;
        };
        let epoch = self.pages[page].epoch;
        let begun: Vec<usize> = (0..self.rooms.len()).filter(|room| self.rooms[*room].begun).collect();
        let (Some(room), Some(other)) = (chance.one(&begun).copied(), chance.one(&begun).copied()) else {
            return;
        };
        let worker = worker(agent);
        let invented = |number| Place {
            interaction: InteractionSid::numbered(0x11a4_0000 + number),
            channel: InteractionChannelSid::numbered(0x11a4_0000 + number),
        };
        let of = |place: Place, conversation: ConversationSid| Event::Claimed {
            worker: worker.clone(),
            conversation,
            place,
        };
        let conversation = self.rooms[room].conversation.clone();
        let lies = match chance.below(4) {
            0 => vec![of(self.rooms[room].place.clone(), conversation)],
            1 => vec![of(self.rooms[other].place.clone(), conversation)],
            2 => vec![of(invented(0), conversation)],
            _ => (0..FLOOD)
                .map(|number| of(invented(number), ConversationSid::numbered(0x11a4_0000 + number)))
                .collect(),
        };
        self.note(Lane::Agent(agent), Some(Lane::Server(0)), Kind::Fault, || {
            format!(
                "claims {} chats that are not theirs: chat {room} at the place of chat {other}",
                lies.len()
            )
        });
        let heard = Event::Page { worker, epoch, event: PageEvent::Heard };
        // Where no server runs, none has heard of a page.
        if self.server_takes(&heard).is_ok() {
            self.heard_of(agent);
        }
        for lie in lies {
            let lie = self.planted_belief(lie);
            let _ = self.server_takes(&lie);
        }
    }
}
