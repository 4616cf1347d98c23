//! One page of an agent's browser: the plugin's real core, and a model of its shell.

mod bridge;
mod lock;
mod perform;
mod phone;

pub(crate) use bridge::{Then, is_outbound};

use crate::coming::Coming;
use crate::coverage::Sign;
use crate::desk::After;
use crate::fates::Fate;
use crate::flex::Flex;
use crate::join::Joining;
use crate::net::Way;
use crate::planted::Planted;
use crate::push::PushChannel;
use crate::timeline::{IS_GONE, IS_UP, Kind, LOADS, Lane};
use crate::world::World;
use rejoin_plugin::agent::{self, Agent, Config, Dialog, Event, FromDesktop, PostId, RequestId};
use rejoin_protocol::{CallSid, Millis, ReservationSid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Index among all pages of the world.
pub(crate) type PageId = usize;

/// A page, from its load to its end.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) agent: usize,
    pub(crate) browser: usize,
    /// Index among the pages that this agent has opened.
    pub(crate) number: usize,
    pub(crate) alive: bool,
    /// True once Flex is up.
    pub(crate) up: bool,
    /// `asleep`: the machine sleeps, so nothing runs. `offline`: it has no network.
    pub(crate) asleep: bool,
    pub(crate) offline: bool,
    /// Counts sleeps, so that a stale wake-up does nothing.
    pub(crate) sleeps: u64,
    /// True while the event bridge counts this page's socket as open.
    pub(crate) socket: bool,
    pub(crate) flex: Flex,
    pub(crate) core: Option<Agent>,
    /// `listed`: Flex knows its tasks, for which the plugin waits.
    pub(crate) listed: bool,
    pub(crate) plugin_waits: bool,
    /// True once the plugin watches Flex.
    pub(crate) begun: bool,
    pub(crate) electing: bool,
    pub(crate) epoch: u64,
    queue: VecDeque<Event>,
    busy: bool,
    timers: BTreeMap<agent::Timer, u64>,
    timer_numbers: u64,
    pub(crate) questions: BTreeMap<RequestId, After>,
    last_question: u32,
    pub(crate) posts: BTreeSet<PostId>,
    clock: agent::Clock,
    pub(crate) push: PushChannel,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) dialog_since: u64,
    /// True when the page's last words were delivered.
    pub(crate) said_goodbye: bool,
    /// The leg that the page had when it ended.
    pub(crate) left_leg: Option<CallSid>,
    /// True when the page crashed with a call and another tab of its browser acted.
    pub(crate) left_unseen: bool,
    pub(crate) ended_at: Option<u64>,
    /// When its machine was last away while the page lived on.
    pub(crate) away_at: Option<u64>,
    /// When the plugin began, or the machine came back.
    pub(crate) here_since: u64,
    neutral: BTreeSet<ReservationSid>,
    pub(crate) keeps: bool,
    /// The reservation that the next ring is for.
    pub(crate) expects: Option<ReservationSid>,
    pub(crate) joins: BTreeMap<ReservationSid, Joining>,
    /// Events that arrived while the page could not run.
    pub(crate) late: Vec<Coming>,
    /// When the last message over the bridge's socket arrives, as messages keep their order.
    pub(crate) bridge_at: u64,
}

impl World {
    /// An agent opens Flex.
    pub(crate) fn open_page(&mut self, agent: usize, browser: usize) -> PageId {
        let page = self.pages.len();
        let person = &mut self.agents[agent];
        person.opened += 1;
        let flex = Flex::of(person.worker.as_str(), &person.identity);
        let number = person.opened;
        person.pages.push(page);
        self.pages.push(Page {
            agent,
            browser,
            number,
            alive: true,
            up: false,
            asleep: false,
            offline: false,
            sleeps: 0,
            socket: false,
            flex,
            core: None,
            listed: false,
            plugin_waits: false,
            begun: false,
            electing: false,
            epoch: 0,
            queue: VecDeque::new(),
            busy: false,
            timers: BTreeMap::new(),
            timer_numbers: 0,
            questions: BTreeMap::new(),
            last_question: 0,
            posts: BTreeSet::new(),
            clock: agent::Clock::default(),
            push: PushChannel::default(),
            dialog: None,
            dialog_since: 0,
            said_goodbye: false,
            left_leg: None,
            left_unseen: false,
            ended_at: None,
            away_at: None,
            here_since: 0,
            neutral: BTreeSet::new(),
            keeps: false,
            expects: None,
            joins: BTreeMap::new(),
            late: vec![],
            bridge_at: 0,
        });
        let loads = self.plan.agents[agent].loads;
        self.put(loads, Coming::FlexUp(page));
        self.note(Lane::Page(agent, number), None, Kind::Does, || LOADS.into());
        self.befalls(Fate::Loads { page, agent, number, browser });
        self.loads_later(page);
        page
    }

    pub(crate) fn lane(&self, page: PageId) -> Lane {
        Lane::Page(self.pages[page].agent, self.pages[page].number)
    }

    /// The clock of the page's machine.
    pub(crate) fn page_clock(&mut self, page: PageId) -> Millis {
        let agent = self.pages[page].agent;
        let ahead = self.plan.agents[agent].skew + self.agents[agent].clock_set;
        let wall = Millis(self.wall().0.saturating_add_signed(ahead));
        let passed = Millis(self.now);
        self.pages[page].clock.at(wall, passed)
    }

    /// True when code runs in this page.
    pub(crate) fn runs(&self, page: PageId) -> bool {
        self.pages[page].alive && !self.pages[page].asleep
    }

    /// True when the page runs and has a network.
    pub(crate) fn is_connected(&self, page: PageId) -> bool {
        self.runs(page) && !self.pages[page].offline
    }

    /// Passes on an event if the page can receive it. `None`: it is deferred until the page is back, or the page is
    /// gone.
    pub(crate) fn arrives(&mut self, page: PageId, what: Coming) -> Option<Coming> {
        let it = &mut self.pages[page];
        if !it.alive {
            return None;
        }
        if it.asleep || it.offline {
            it.late.push(what);
            return None;
        }
        Some(what)
    }

    /// Flex has loaded: its sockets open, and it fetches the current state.
    pub(crate) fn flex_up(&mut self, page: PageId) {
        if self.arrives(page, Coming::FlexUp(page)).is_none() {
            return;
        }
        self.pages[page].up = true;
        self.befalls(Fate::FlexUp(page));
        self.note(self.lane(page), None, Kind::Does, || IS_UP.into());
        self.connect_sockets(page);
        self.ask_how_it_is(page);
        if self.plan.agents[self.pages[page].agent].foreign {
            self.put(2_000, Coming::Foreign(page));
        }
        if self.plan.agents[self.pages[page].agent].plugin {
            let mut chance = self.chance(Way::Person, page);
            let plugin = chance.between(60, 400);
            self.put(plugin, Coming::PluginUp(page));
        }
    }

    pub(crate) fn connect_sockets(&mut self, page: PageId) {
        if !self.pages[page].socket {
            self.pages[page].socket = true;
            let worker = self.agents[self.pages[page].agent].worker.clone();
            let mut chance = self.chance(Way::Presence, page);
            let after = Self::latency(&mut chance);
            self.put(after, Coming::Twilio(rejoin_twin::model::Event::Presence { worker, open: true }));
        }
        let agent = self.pages[page].agent;
        self.agents[agent].phones.retain(|other| *other != page);
        self.agents[agent].phones.push(page);
        self.pages[page].flex.registered = true;
    }

    /// The plugin has loaded: the core is created, and the page finds out whether it acts.
    pub(crate) fn plugin_up(&mut self, page: PageId) {
        if self.arrives(page, Coming::PluginUp(page)).is_none() || self.pages[page].core.is_some() {
            return;
        }
        // Flex knows its tasks before it starts plugins.
        if !self.pages[page].listed {
            self.pages[page].plugin_waits = true;
            return;
        }
        self.befalls(Fate::PluginUp(page));
        let wall = self.page_clock(page);
        let browser = &mut self.browsers[self.pages[page].browser];
        let epoch = if self.planted == Some(Planted::EpochSame) { 1 } else { browser.next_epoch(wall.0) };
        let retry_callbacks = self.plan.setup.retries;
        let config = Config { retry_callbacks, ..Config::new(crate::server::PUBLIC) };
        let mut core = Agent::new(config, epoch, browser.stored_calls());
        let kept = browser.kept();
        if !kept.is_empty() {
            self.coverage.sign(Sign::KeptOverReload);
        }
        core.recall(kept);
        core.recall_activity(browser.activity());
        let effects = core.configured(vec![], "2.17.1");
        let it = &mut self.pages[page];
        (it.core, it.epoch, it.electing) = (Some(core), epoch, true);
        for effect in effects {
            self.perform(page, effect);
        }
        self.elect(page);
    }

    /// What the core's shell does with an event.
    pub(crate) fn handle(&mut self, page: PageId, event: Event) {
        let it = &mut self.pages[page];
        if it.core.is_none() || !it.alive {
            return;
        }
        it.queue.push_back(event);
        if std::mem::replace(&mut it.busy, true) {
            return;
        }
        let now = self.page_clock(page);
        while let Some(event) = self.pages[page].queue.pop_front() {
            let browser = self.pages[page].browser;
            if matches!(event, Event::Elected { .. }) {
                let (stored, kept) = (self.browsers[browser].stored_calls(), self.browsers[browser].kept());
                if let Some(core) = &mut self.pages[page].core {
                    core.remember(stored);
                    core.recall(kept);
                }
            }
            let Some(core) = &mut self.pages[page].core else { break };
            let effects = core.handle(now, event);
            for effect in effects {
                self.perform(page, effect);
            }
        }
        self.pages[page].busy = false;
    }

    /// Checks whether Flex has changed.
    pub(crate) fn look(&mut self, page: PageId) {
        if !self.runs(page) {
            return;
        }
        self.flags(page);
        if self.pages[page].begun {
            let token = self.token(page);
            for event in self.pages[page].flex.look(token) {
                self.handle(page, Event::Desktop(event));
            }
        }
        self.reflexes(page);
    }

    /// Asks the core on behalf of Flex; without a core the answer is yes.
    pub(crate) fn ask(
        &mut self,
        page: PageId,
        after: After,
        event: impl FnOnce(RequestId) -> Option<FromDesktop>,
    ) {
        let it = &mut self.pages[page];
        it.last_question += 1;
        let request = RequestId(it.last_question);
        let event = if it.begun { event(request) } else { None };
        match event {
            Some(event) => {
                it.questions.insert(request, after);
                self.handle(page, Event::Desktop(event));
            }
            None => self.goes_on(page, after, None),
        }
    }

    /// The number of the next question.
    pub(crate) fn next_question(&self, page: PageId) -> u32 {
        self.pages[page].last_question + 1
    }

    /// The page ends in order: its listeners run.
    pub(crate) fn page_hide(&mut self, page: PageId) {
        self.handle(page, Event::Desktop(FromDesktop::PageHide { may_return: false }));
        self.befalls(Fate::Hides(page));
        let keeps = self.pages[page].keeps;
        if let Some(call) = self.pages[page].flex.call.take() {
            self.pages[page].left_leg = Some(call.leg.clone());
            if self.pages[page].offline {
                // Offline, nothing reaches Twilio: the leg stays silent.
                self.twilio_hears(
                    page,
                    rejoin_twin::model::Event::MediaSilent { call: call.leg, silent: true },
                );
            } else if keeps {
                self.twilio_hears(page, rejoin_twin::model::Event::MediaClosed { call: call.leg.clone() });
                self.twilio_hears(
                    page,
                    rejoin_twin::model::Event::MediaSilent { call: call.leg, silent: true },
                );
            } else {
                self.twilio_hears(page, rejoin_twin::model::Event::HungUp { call: call.leg });
            }
        }
        self.page_ends(page);
        self.sockets_close(page);
    }

    /// The page is gone without a goodbye.
    pub(crate) fn page_crashes(&mut self, page: PageId) {
        self.befalls(Fate::Crashes(page));
        // Without a network the page is silent already.
        let heard = self.is_connected(page);
        let acts = self.browsers[self.pages[page].browser].holder == Some(page);
        if let Some(call) = self.pages[page].flex.call.take().filter(|_| heard) {
            // Another tab that acts from now on, and hears only now that the call was accepted, attributes the call
            // to the dead tab.
            let browser = self.pages[page].browser;
            let unheard = |sid: &ReservationSid| {
                let others = self.pages.iter().filter(|it| it.alive && it.browser == browser);
                others.filter_map(|it| it.flex.tasks.get(sid)).any(|held| held.status != "accepted")
            };
            let unseen = !acts || call.reservation.as_ref().is_some_and(unheard);
            self.pages[page].left_unseen = unseen;
            self.twilio_hears(page, rejoin_twin::model::Event::MediaSilent { call: call.leg, silent: true });
        }
        self.page_ends(page);
        self.put(50, Coming::SocketsClose(page));
    }

    fn page_ends(&mut self, page: PageId) {
        let agent = self.pages[page].agent;
        self.page_lost(agent);
        self.pages[page].alive = false;
        self.note(self.lane(page), None, Kind::Does, || IS_GONE.into());
        self.pages[page].ended_at = Some(self.now);
        self.pages[page].core = None;
        self.pages[page].dialog = None;
        self.agents[agent].pages.retain(|other| *other != page);
        self.free_lock(page);
    }

    /// The far ends of the page's connections notice that it is gone.
    pub(crate) fn sockets_close(&mut self, page: PageId) {
        let agent = self.pages[page].agent;
        self.agents[agent].phones.retain(|other| *other != page);
        self.close_push(page);
        if std::mem::take(&mut self.pages[page].socket) {
            let worker = self.agents[agent].worker.clone();
            self.twilio_hears(page, rejoin_twin::model::Event::Presence { worker, open: false });
        }
    }
}
