//! Our servers, as far as they work on chats: the real machine, with the care that the engine takes. Each event is one transaction:
//! the machine decides on what the store has, and its result is stored together with the actions that begin. Only then are these
//! carried out. A server that dies leaves them to the next one, which looks first for what may have been done.

use super::{ChatWorld, Coming, Way};
use crate::plan::{ChatFaultKind, ChatSetup};
use crate::planted::Planted;
use crate::timeline::{IS_KILLED, Kind, Lane, STARTS};
use crate::world::BEGIN;
use rejoin_conversations::{
    Action, AtDeadline, Conversation, Desk, Effect, Event, Key, Machine, PageEvent, Policies, Policy, Reach,
    Way as Gone, WhenUnattended,
};
use rejoin_protocol::{ConversationSid, Millis, WorkerSid};
use std::collections::BTreeMap;

/// How often desks are compared with the push channels that are open.
const SWEEP_EVERY: u64 = 15_000;
/// How long the lease of a server lasts that is gone, if others run.
const LEASE: u64 = 4_500;
/// How soon a server is started again that has died at a step.
const AT_ONCE: u64 = 400;
/// Maximum number of deaths at a step.
const DEATHS: u32 = 6;

/// An action that has begun, and whose outcome is not stored.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) conversation: ConversationSid,
    pub(super) action: Action,
    pub(super) until: Millis,
    /// The server that carries it out.
    pub(super) owner: usize,
    /// When it began first.
    pub(super) at: u64,
}

/// What outlives each server.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) conversations: BTreeMap<ConversationSid, Conversation>,
    desks: BTreeMap<WorkerSid, Desk>,
    pub(super) begun: BTreeMap<u64, Begun>,
    last: u64,
}

/// All servers, and what they share.
#[derive(Debug)]
pub(super) struct Servers {
    policies: Policies,
    pub(super) store: Store,
    /// The servers that run, each with the time since when it hears pages (point in time).
    pub(super) running: BTreeMap<usize, Millis>,
    /// The open push channels: each page, with its server, and since when.
    pub(super) channels: BTreeMap<usize, (usize, u64)>,
    deaths: u32,
    /// The number of a server that died at a step, until it starts again.
    dead: Option<usize>,
}

/// The event was not stored, or no server was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotTaken;

pub(super) fn policy(setup: &ChatSetup) -> Policy {
    let [alert, second_alert, close] = setup.silence.map(Millis);
    Policy {
        alert,
        second_alert,
        close,
        goodbye: Millis(setup.goodbye),
        push_closed: Millis(setup.push_closed),
        polling_stopped: Millis(setup.push_closed),
        unanswered: Millis(setup.unanswered),
        deadline: Millis(setup.deadline),
        invite_within: Millis(setup.invite_within),
        when_unattended: if setup.parks { WhenUnattended::Park } else { WhenUnattended::Route },
        at_deadline: if setup.closes { AtDeadline::Close } else { AtDeadline::Park },
        ..Policy::default()
    }
}

impl Servers {
    pub(super) fn new(setup: &ChatSetup) -> Self {
        Self {
            policies: policy(setup).into(),
            store: Store::default(),
            running: BTreeMap::new(),
            channels: BTreeMap::new(),
            deaths: 0,
            dead: None,
        }
    }

    /// True if a page of this worker was ever here.
    pub(super) fn knows(&self, worker: &WorkerSid) -> bool {
        self.store.desks.contains_key(worker)
    }

    /// What is stored that this event concerns.
    fn found(&self, event: &Event) -> (Vec<Conversation>, Vec<(WorkerSid, Desk)>) {
        let keys = event.keys();
        let is_concerned = |it: &&Conversation| keys.iter().any(|key| it.keys().contains(key));
        let concerned = self.store.conversations.values().filter(is_concerned);
        let concerned: Vec<Conversation> = concerned.cloned().collect();
        let workers = concerned.iter().flat_map(Conversation::keys).filter_map(|key| match key {
            Key::Worker(worker) => Some(worker),
            Key::Conversation(_) | Key::Task(_) => None,
        });
        let workers = workers.chain(event.workers().into_iter().cloned());
        let desks =
            workers.filter_map(|worker| Some((worker.clone(), self.store.desks.get(&worker)?.clone())));
        let desks = desks.collect();
        (concerned, desks)
    }
}

impl ChatWorld {
    /// The time by the servers' clock.
    pub(super) fn server_now(&self) -> Millis {
        Millis(self.wall().0.saturating_add_signed(self.plan.setup.skew))
    }

    /// When an accurate clock has it that the servers' clock has this time.
    fn at(&self, time: Millis) -> u64 {
        time.0.saturating_add_signed(-self.plan.setup.skew).saturating_sub(BEGIN.0)
    }

    pub(super) fn server_up(&mut self, number: usize) {
        let now = self.server_now();
        self.servers.running.insert(number, now);
        self.note(Lane::Server(number), None, Kind::Does, || format!("{STARTS}, for chats"));
        self.reads_the_store();
        let timers = self.servers.store.conversations.values();
        let timers: Vec<_> = timers.filter_map(|it| Some((it.sid().clone(), it.timer()?))).collect();
        for (conversation, at) in timers {
            self.put_at(self.at(at), Coming::Due(conversation, at));
        }
        self.put(1, Coming::TakesOver);
        self.put(SWEEP_EVERY, Coming::Sweeps(number));
    }

    /// Reads all that is stored, as a server does that starts: in its own format.
    fn reads_the_store(&mut self) {
        let store = &mut self.servers.store;
        for conversation in store.conversations.values_mut() {
            let read = serde_json::to_string(conversation).and_then(|text| serde_json::from_str(&text));
            match read {
                Ok(read) => *conversation = read,
                Err(error) => debug_assert!(false, "a stored conversation cannot be read: {error}"),
            }
        }
        for desk in store.desks.values_mut() {
            let read = serde_json::to_string(desk).and_then(|text| serde_json::from_str(&text));
            match read {
                Ok(read) => *desk = read,
                Err(error) => debug_assert!(false, "a stored desk cannot be read: {error}"),
            }
        }
        if self.planted == Some(Planted::ChatActionsForgotten) {
            store.begun.clear();
        }
    }

    pub(super) fn server_down(&mut self, number: usize, in_order: bool) {
        if self.servers.dead.take_if(|dead| *dead == number).is_some() {
            return;
        }
        if !self.servers.running.contains_key(&number) {
            return;
        }
        self.note(Lane::Server(number), None, Kind::Fault, || format!("{IS_KILLED}, for chats"));
        let cut: Vec<usize> = self
            .servers
            .channels
            .iter()
            .filter(|(_, (of, _))| *of == number)
            .map(|(page, _)| *page)
            .collect();
        for page in cut {
            self.channel_ends(page);
            let attempt = self.pages[page].push;
            self.put(30, Coming::PushEnds(page, attempt));
            if in_order {
                // It says so before it stops.
                let (worker, epoch) = (self.pages[page].worker(), self.pages[page].epoch);
                self.transact(number, &Event::Page { worker, epoch, event: PageEvent::PushClosed }, None);
            }
        }
        self.servers.running.remove(&number);
        self.doing.retain(|_, doing| doing.server != number);
        if !self.servers.running.is_empty() {
            self.put(LEASE, Coming::TakesOver);
        }
    }

    /// One of the servers that run.
    pub(super) fn any_server(&self) -> Option<usize> {
        self.servers.running.keys().next().copied()
    }

    /// A server takes an event from outside.
    pub(super) fn server_takes(&mut self, event: &Event) -> Result<(), NotTaken> {
        let server = self.any_server().ok_or(NotTaken)?;
        self.transact(server, event, None);
        Ok(())
    }

    /// One transaction of this server.
    pub(super) fn transact(&mut self, server: usize, event: &Event, ends: Option<u64>) {
        let Some(listening_since) = self.servers.running.get(&server).copied() else { return };
        if self.planted_deafens(event) {
            return;
        }
        let now = self.server_now();
        let (conversations, desks) = self.servers.found(event);
        let mut machine = Machine::new(self.servers.policies.clone(), conversations, desks)
            .listening_since(listening_since);
        // A server reports it again later: the page is away since the first time.
        if let Event::Page { worker, epoch, event: PageEvent::PushClosed } = event
            && !machine.desk(worker).is_some_and(|desk| desk.open_pages().any(|open| open == *epoch))
        {
            return;
        }
        let (mut acts, mut timers) = (vec![], vec![]);
        for effect in machine.handle(now, event) {
            match effect {
                Effect::Act { conversation, action, until } => acts.push((conversation, action, until)),
                Effect::SetTimer { conversation, at } => timers.push((conversation, at)),
                Effect::ClearTimer { .. } => {}
                Effect::Note { conversation, note } => {
                    let known = machine.conversation(&conversation).cloned();
                    self.noted(server, known.as_ref(), &conversation, &note);
                }
                Effect::Forget { conversation } => {
                    self.servers.store.conversations.remove(&conversation);
                    acts.retain(|(of, ..)| *of != conversation);
                }
            }
        }
        self.commit(&mut machine);
        if let Some(id) = ends {
            self.servers.store.begun.remove(&id);
        }
        for (conversation, at) in timers {
            self.put_at(self.at(at), Coming::Due(conversation, at));
        }
        let acts = self.planted_acts(acts);
        let begun: Vec<u64> = acts.into_iter().map(|it| self.stored_action(server, it)).collect();
        if !begun.is_empty() && self.dies(server, ChatFaultKind::DiesAfterCommit) {
            return;
        }
        for id in begun {
            self.carries_out(id, server, false);
        }
    }

    fn commit(&mut self, machine: &mut Machine) {
        let store = &mut self.servers.store;
        for sid in machine.take_dirty() {
            if let Some(it) = machine.conversation(&sid) {
                store.conversations.insert(sid, it.clone());
            }
        }
        for worker in machine.take_dirty_desks() {
            if let Some(desk) = machine.desk(&worker) {
                store.desks.insert(worker, desk.clone());
            }
        }
    }

    fn stored_action(
        &mut self,
        owner: usize,
        (conversation, action, until): (ConversationSid, Action, Millis),
    ) -> u64 {
        let (store, at) = (&mut self.servers.store, self.now);
        store.last += 1;
        store.begun.insert(store.last, Begun { conversation, action, until, owner, at });
        store.last
    }

    /// True when the server dies at this step.
    pub(super) fn dies(&mut self, server: usize, kind: ChatFaultKind) -> bool {
        let mut chance = self.chance(Way::Step, 0);
        if self.servers.deaths >= DEATHS || !self.strikes(&mut chance, kind) {
            return false;
        }
        self.servers.deaths += 1;
        self.note(Lane::Server(server), None, Kind::Fault, || kind.name().into());
        self.server_down(server, false);
        self.servers.dead = Some(server);
        self.rules.server_is_gone(self.now, self.now + AT_ONCE);
        self.put(AT_ONCE, Coming::Revives);
        true
    }

    /// A server that has died at a step starts again, unless the one of the calls' side has gone meanwhile.
    pub(super) fn revives(&mut self) {
        if let Some(number) = self.servers.dead.take() {
            self.server_up(number);
        }
    }

    /// A conversation's timer is due.
    pub(super) fn due(&mut self, conversation: ConversationSid, at: Millis) {
        let timer = self.servers.store.conversations.get(&conversation).and_then(Conversation::timer);
        if timer == Some(at)
            && let Some(server) = self.any_server()
        {
            self.transact(server, &Event::Timer { conversation }, None);
        }
    }

    /// Actions of servers that are gone are taken over.
    pub(super) fn takes_over(&mut self) {
        let Some(server) = self.any_server() else { return };
        let running: Vec<usize> = self.servers.running.keys().copied().collect();
        let left = self.servers.store.begun.iter().filter(|(id, it)| {
            !running.contains(&it.owner) || (it.owner == server && !self.doing.contains_key(id))
        });
        for id in left.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(begun) = self.servers.store.begun.get_mut(&id) {
                begun.owner = server;
                self.carries_out(id, server, true);
            }
        }
    }

    /// Desks are compared with the channels that are open.
    pub(super) fn sweeps(&mut self, server: usize) {
        if !self.servers.running.contains_key(&server) {
            return;
        }
        self.put(SWEEP_EVERY, Coming::Sweeps(server));
        let open: Vec<(WorkerSid, u64)> = self
            .servers
            .channels
            .keys()
            .map(|page| (self.pages[*page].worker(), self.pages[*page].epoch))
            .collect();
        let desks = self.servers.store.desks.clone();
        for (worker, epoch) in &open {
            let known = desks.get(worker).and_then(|desk| desk.reach(*epoch));
            if !matches!(known, Some(Reach::Open | Reach::Gone(Gone::Goodbye, _))) {
                let event =
                    Event::Page { worker: worker.clone(), epoch: *epoch, event: PageEvent::PushOpened };
                self.transact(server, &event, None);
            }
        }
        for (worker, desk) in desks {
            if open.iter().any(|(of, _)| *of == worker) {
                continue;
            }
            for epoch in desk.open_pages().collect::<Vec<_>>() {
                let event = Event::Page { worker: worker.clone(), epoch, event: PageEvent::PushClosed };
                self.transact(server, &event, None);
            }
        }
    }
}
