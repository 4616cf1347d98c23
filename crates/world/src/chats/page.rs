//! One page of an agent's browser, as far as it works on chats: the plugin's real machine, and a model of its shell and of Flex.

use super::wire::How;
use super::{ChatWorld, Coming, Way};
use crate::page::PageId;
use crate::plan::ChatFaultKind;
use crate::planted::Planted;
use crate::timeline::{Kind, Lane};
use rejoin_plugin::agent::ReservationStatus;
use rejoin_plugin::chats::{Chats, Effect, Event, Facts, Message, Notice, Timer};
use rejoin_protocol::{Millis, WorkerSid};
use std::collections::{BTreeMap, VecDeque};

/// SIDs of workers begin here, as those of the calls' side.
const WORKERS: u128 = 0xa0_0000;
/// The first pause of the push channel, and of requests.
pub(super) const PUSH_PAUSE: u64 = 500;
pub(super) const POST_PAUSE: u64 = 1_000;

/// The worker of an agent.
pub(super) fn worker(agent: usize) -> WorkerSid {
    WorkerSid::numbered(WORKERS + agent as u128)
}

/// The agent of a worker.
pub(super) fn agent_of(sid: &WorkerSid, agents: usize) -> Option<usize> {
    (0..agents).find(|agent| worker(*agent) == *sid)
}

/// A request of a page to our server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Post {
    Hello,
    /// The chats that the agent has.
    Claim(Vec<usize>),
    Goodbye,
}

/// A chat in a page.
#[derive(Clone, Debug)]
pub(super) struct Tab {
    pub(super) offer: usize,
    pub(super) status: ReservationStatus,
    /// Number of the load.
    pub(super) load: u64,
    pub(super) is_loaded: bool,
    pub(super) is_open: bool,
    pub(super) text: String,
    /// True while Flex sends what is in the input.
    pub(super) is_sending: bool,
    pub(super) last_index: Option<u64>,
    pub(super) told: Option<Facts>,
}

/// A page, from its load to its end.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) agent: usize,
    pub(super) number: usize,
    pub(super) browser: usize,
    pub(super) is_alive: bool,
    pub(super) is_up: bool,
    pub(super) is_asleep: bool,
    pub(super) is_offline: bool,
    /// True while TaskRouter counts its socket as open.
    pub(super) has_socket: bool,
    pub(super) epoch: u64,
    pub(super) plugin: Option<Chats>,
    pub(super) events: VecDeque<Event>,
    pub(super) is_busy: bool,
    pub(super) timers: BTreeMap<Timer, u64>,
    pub(super) last_timer: u64,
    pub(super) tabs: BTreeMap<usize, Tab>,
    /// True while the SDK takes itself for connected.
    pub(super) has_sdk: bool,
    pub(super) sdk: u64,
    /// Number of the attempt to open the push channel.
    pub(super) push: u64,
    pub(super) pause: u64,
    pub(super) is_greeted: bool,
    pub(super) is_posting: bool,
    pub(super) post_pause: u64,
    /// True while a poll is due.
    pub(super) polls: bool,
    pub(super) claimed: Vec<usize>,
    pub(super) loads: u64,
    /// What the plugin has told the agent could not be sent.
    pub(super) not_sent: String,
    /// Events that arrived while it could not run.
    pub(super) late: Vec<Coming>,
}

impl Page {
    pub(super) fn new(agent: usize, number: usize, browser: usize) -> Self {
        Self {
            agent,
            number,
            browser,
            is_alive: true,
            is_up: false,
            is_asleep: false,
            is_offline: false,
            has_socket: false,
            epoch: 0,
            plugin: None,
            events: VecDeque::new(),
            is_busy: false,
            timers: BTreeMap::new(),
            last_timer: 0,
            tabs: BTreeMap::new(),
            has_sdk: false,
            sdk: 0,
            push: 0,
            pause: PUSH_PAUSE,
            is_greeted: false,
            is_posting: false,
            post_pause: POST_PAUSE,
            polls: false,
            claimed: vec![],
            loads: 0,
            not_sent: String::new(),
            late: vec![],
        }
    }

    pub(super) fn worker(&self) -> WorkerSid {
        worker(self.agent)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_alive && !self.is_asleep && !self.is_offline
    }

    /// The chats of the agent's accepted tasks.
    pub(super) fn has(&self) -> Vec<usize> {
        let accepted = self.tabs.iter().filter(|(_, tab)| tab.status == ReservationStatus::Accepted);
        accepted.map(|(room, _)| *room).collect()
    }
}

/// Events of a page.
impl ChatWorld {
    pub(super) fn page_lane(&self, page: PageId) -> Lane {
        Lane::Page(self.pages[page].agent, self.pages[page].number)
    }

    /// Passes on an event if the page can receive it. `None`: it is kept until the page is back, or the page is gone.
    pub(super) fn arrives(&mut self, page: PageId, what: Coming) -> Option<Coming> {
        let it = &mut self.pages[page];
        if !it.is_alive {
            return None;
        }
        if it.is_asleep || it.is_offline {
            it.late.push(what);
            return None;
        }
        Some(what)
    }

    /// The page's machine is back: what has arrived meanwhile comes now.
    pub(super) fn late(&mut self, page: PageId) {
        for what in std::mem::take(&mut self.pages[page].late) {
            self.put(1, what);
        }
    }

    /// The same code runs in each of the browser's pages; one of them acts.
    pub(super) fn acts(&self, page: PageId) -> bool {
        let browser = self.pages[page].browser;
        let acts = (0..self.pages.len()).find(|other| {
            let it = &self.pages[*other];
            it.browser == browser && it.is_alive && it.plugin.is_some()
        });
        acts == Some(page)
    }

    /// The plugin has started.
    pub(super) fn plugin_up(&mut self, page: PageId) {
        let skew = self.plan.agents[self.pages[page].agent].skew;
        let wall = self.wall().0.saturating_add_signed(skew);
        let browser = self.pages[page].browser;
        let newest = self.pages.iter().filter(|it| it.browser == browser).map(|it| it.epoch).max();
        self.pages[page].epoch = wall.max(newest.unwrap_or_default() + 1);
        if self.pages.iter().any(|it| it.browser == browser && it.plugin.is_some()) {
            self.shelf(page).has_tabs = true;
        }
        self.pages[page].plugin = Some(Chats::new(true));
        let drafts = self.shelf(page).drafts();
        self.handle(page, Event::Started { drafts, selected: None, shown: None, tasks: vec![] });
        let up = self.pages[page].has_sdk;
        self.handle(page, Event::Connection { up });
        self.takes_messages_over(page);
        self.tells_facts(page);
        // What the agent typed before is kept from now on.
        let typed: Vec<_> =
            self.pages[page].tabs.iter().map(|(room, tab)| (*room, tab.text.clone())).collect();
        self.shelf(page).inputs.extend(typed.into_iter().filter(|(_, text)| !text.is_empty()));
        self.post_again(page);
    }

    pub(super) fn shelf(&mut self, page: PageId) -> &mut super::shelf::Shelf {
        self.shelves.entry(self.pages[page].browser).or_default()
    }

    /// Messages of pages that are gone are this page's now.
    pub(super) fn takes_messages_over(&mut self, page: PageId) {
        let left: Vec<Message> = self.shelf(page).messages.values().cloned().collect();
        for message in left {
            let holder = self.shelf(page).locks.get(&message.id).copied();
            if holder.is_none_or(|holder| !self.pages[holder].is_alive) {
                self.shelf(page).locks.insert(message.id.clone(), page);
                self.handle(page, Event::Left(message));
            }
        }
    }

    /// What the plugin's shell does with an event.
    pub(super) fn handle(&mut self, page: PageId, event: Event) {
        let it = &mut self.pages[page];
        if it.plugin.is_none() || !it.is_alive {
            return;
        }
        it.events.push_back(event);
        if std::mem::replace(&mut it.is_busy, true) {
            return;
        }
        let skew = self.plan.agents[self.pages[page].agent].skew;
        let now = Millis(self.wall().0.saturating_add_signed(skew));
        while let Some(event) = self.pages[page].events.pop_front() {
            let Some(plugin) = &mut self.pages[page].plugin else { break };
            for effect in plugin.handle(now, event) {
                self.perform(page, effect);
            }
        }
        self.pages[page].is_busy = false;
    }

    fn perform(&mut self, page: PageId, effect: Effect) {
        let fails = {
            let mut chance = self.chance(Way::Flex, page);
            let writes = matches!(
                effect,
                Effect::Keep(_) | Effect::Forget { .. } | Effect::KeepMessage(_) | Effect::ForgetMessage(_)
            );
            writes && self.strikes(&mut chance, ChatFaultKind::StorageFails)
        };
        if fails {
            self.shelf(page).has_failed = true;
            return;
        }
        match effect {
            Effect::Keep(draft) => {
                if self.planted != Some(Planted::ChatDraftsForgotten) {
                    self.shelf(page).keep(draft);
                }
            }
            Effect::Forget { conversation, at } => self.shelf(page).forget(&conversation, at),
            Effect::Recall { conversation } => {
                let draft = self.shelf(page).draft(&conversation);
                self.handle(page, Event::Recalled { conversation, draft });
            }
            Effect::KeepMessage(message) => {
                let shelf = self.shelf(page);
                shelf.locks.insert(message.id.clone(), page);
                shelf.messages.insert(message.id.clone(), message);
            }
            Effect::ForgetMessage(id) => {
                self.shelf(page).messages.remove(&id);
            }
            Effect::ForgetAll => self.shelf(page).clear(),
            Effect::SetInput { conversation, text, .. } => {
                if let Some(room) = self.room_of(&conversation) {
                    self.input(page, room, text);
                }
            }
            Effect::ClearInput { conversation, text, .. } => {
                if let Some(room) = self.room_of(&conversation)
                    && self.pages[page].tabs.get(&room).is_some_and(|tab| tab.text.trim() == text.trim())
                {
                    self.input(page, room, String::new());
                }
            }
            Effect::Let(id) => self.answered_by_plugin(page, &id, Some(How::Plain)),
            Effect::Dispatch(id) => self.answered_by_plugin(page, &id, Some(How::Flex)),
            Effect::Hold(id) => self.answered_by_plugin(page, &id, None),
            Effect::Search { conversation, id, after, search } => {
                if let Some(room) = self.room_of(&conversation) {
                    self.searches(page, room, id, search, after);
                }
            }
            Effect::Resend(message) => {
                if let Some(room) = self.room_of(&message.conversation) {
                    self.sdk_sends(page, room, message.body, Some(message.id), How::Again);
                }
            }
            Effect::Notify { notice, .. } => {
                if let Some(notice) = notice {
                    self.note(self.page_lane(page), None, Kind::Does, || format!("shows {notice:?}"));
                    if let Notice::NotSent { text } = notice {
                        self.pages[page].not_sent.push_str(&text);
                    }
                }
            }
            Effect::SetTimer { timer, at } => {
                let skew = self.plan.agents[self.pages[page].agent].skew;
                let it = &mut self.pages[page];
                it.last_timer += 1;
                let number = it.last_timer;
                it.timers.insert(timer.clone(), number);
                let at = at.0.saturating_add_signed(-skew).saturating_sub(crate::world::BEGIN.0);
                self.put_at(at, Coming::PluginTimer(page, timer, number));
            }
            Effect::ClearTimer(timer) => {
                self.pages[page].timers.remove(&timer);
            }
            Effect::KeepSelected(_) | Effect::Select { .. } => {}
        }
    }

    pub(super) fn plugin_timer(&mut self, page: PageId, timer: Timer, number: u64) {
        let it = &mut self.pages[page];
        if it.timers.get(&timer) != Some(&number) || !it.is_alive {
            return;
        }
        if it.is_asleep {
            return it.late.push(Coming::PluginTimer(page, timer, number));
        }
        it.timers.remove(&timer);
        self.handle(page, Event::Timer(timer));
    }

    /// The text of an input is set, by whomever.
    pub(super) fn input(&mut self, page: PageId, room: usize, text: String) {
        let Some(tab) = self.pages[page].tabs.get_mut(&room) else { return };
        tab.text.clone_from(&text);
        let conversation = self.rooms[room].conversation.clone();
        self.note(self.page_lane(page), None, Kind::Does, || {
            format!("chat {room}: the input says “{}”", text.replace('\n', " · "))
        });
        // Nothing keeps what is typed before the plugin has begun.
        let is_kept = self.pages[page].plugin.is_some();
        let shelf = self.shelf(page);
        if is_kept {
            shelf.inputs.insert(room, text.clone());
        }
        shelf.writers.entry(room).or_default().insert(page);
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.handle(page, Event::Typed { conversation, text, start: end, end });
        self.tells_facts(page);
    }
}
