//! The chats of a world: the same agents, with up to three chats each beside their calls.
//!
//! Calls and chats of an agent share what befalls the page, the browser and the servers ([`fates`](crate::fates)), and nothing else:
//! TaskRouter counts them apart, and no part of the product that works on a call knows of chats. So the calls are played first,
//! and the chats after them along the same times. A world's calls are the same with chats and without.
//!
//! | module | purpose |
//! | --- | --- |
//! | `twilio`, `routing`, `webhooks` | a model of Conversations, Interactions and TaskRouter, and what they report |
//! | `server`, `actions` | the real machine of `rejoin-conversations`, its store, and how its actions are carried out |
//! | `page`, `flex`, `wire`, `posts`, `shelf` | pages with the plugin's real machine of chats, what Flex and the SDK do, requests to our server, and the browser's storage |
//! | `befalls` | what befalls pages and servers |
//! | `desk` | what customers and agents do, and one who lies |
//! | `rules`, `silence`, `watch` | what must hold |

mod actions;
mod befalls;
mod desk;
mod flex;
mod page;
mod planted;
mod posts;
mod routing;
mod rules;
mod server;
mod shelf;
mod silence;
mod twilio;
mod watch;
mod webhooks;
mod wire;

use crate::chance::Chance;
use crate::fates::{Fate, Fates};
use crate::page::PageId;
use crate::plan::{ChatFaultKind, Chats as ChatsPlan, FaultKind, Plan};
use crate::planted::Planted;
use crate::queue::Queue;
use crate::rules::Broken;
use crate::timeline::{Entry, Kind, Lane};
use crate::world::BEGIN;
use actions::{Doing, Reply, Step};
use desk::Person;
use page::{Page, Post};
use rejoin_conversations::Event;
use rejoin_plugin::chats::{MessageId, Timer};
use rejoin_protocol::{ConversationSid, Millis};
use routing::{Offer, Task, Worker};
use server::{Begun, Servers};
use shelf::Shelf;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use twilio::Room;
use wire::{Sending, Verdict};

/// How many chats there were, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatCounts {
    /// Number of worlds with chats.
    pub worlds: u64,
    /// Number of chats.
    pub chats: u64,
    /// Number of messages of customers and agents.
    pub messages: u64,
    /// Number of absences by how they ended.
    pub endings: BTreeMap<&'static str, u64>,
    /// How often each fault of chats has struck.
    pub faults: BTreeMap<&'static str, u64>,
}

impl std::ops::AddAssign for ChatCounts {
    fn add_assign(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.chats += other.chats;
        self.messages += other.messages;
        for (sum, more) in [(&mut self.endings, other.endings), (&mut self.faults, other.faults)] {
            for (name, number) in more {
                *sum.entry(name).or_default() += number;
            }
        }
    }
}

impl fmt::Display for ChatCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, chats, messages, endings, faults } = self;
        write!(f, "{worlds} worlds with {chats} chats and {messages} messages")?;
        for (names, of) in [("absences", endings), ("faults", faults)] {
            let each: Vec<String> = of.iter().map(|(name, number)| format!("{number} {name}")).collect();
            write!(f, "; {} {names}", of.values().sum::<u64>())?;
            if !each.is_empty() {
                write!(f, " ({})", each.join(", "))?;
            }
        }
        Ok(())
    }
}

/// What became of the chats of a world.
pub(crate) struct Played {
    pub(crate) broken: Option<Broken>,
    pub(crate) timeline: Vec<Entry>,
    pub(crate) counts: ChatCounts,
    pub(crate) steps: u64,
    pub(crate) lasted: u64,
}

/// An event that is due at some time.
#[derive(Debug)]
enum Coming {
    /// Something befalls a page or a server.
    Fate(Fate),
    /// A customer begins a chat, writes, or has all that they wanted.
    Begins(usize),
    Writes(usize),
    Ends(usize),
    /// A deed of the plan, by its index.
    Deed(usize),
    /// A program interferes, by this fault of the plan.
    Interferes(usize),
    /// TaskRouter: a reservation or a task has lasted its time; tasks may go to others now; a worker counts as offline, or is
    /// back.
    OfferEnds(usize),
    TaskEnds(usize),
    Route,
    GoesOffline(usize, u64),
    GoesAway(PageId),
    ComesBack(usize),
    /// Flex's own task for a message into a chat that nobody has.
    OwnTask(usize),
    /// A webhook arrives (`false`), or an event of a stream, which is delivered until it is taken.
    Hears(Box<Event>, bool),
    /// An agent answers an offer, types, sends, or completes a task that wraps up.
    Accepts(usize, usize),
    Types(usize, usize, bool),
    Sends(usize, usize),
    Completes(usize, usize),
    /// A page: Flex has news; a chat has loaded; a timer of the plugin is due; requests to our server; the push channel.
    Looks(PageId),
    Loaded(PageId, usize, u64),
    PluginTimer(PageId, Timer, u64),
    PostArrives(PageId, Post),
    PostAnswered(PageId, Post, bool),
    PostAgain(PageId),
    Polls(PageId),
    PushOpens(PageId, u64),
    PushEnds(PageId, u64),
    PushShakes(PageId, u64),
    /// The SDK: connected again; a message arrives at Twilio; its sender hears of it; an answer to a search.
    Connects(PageId, u64),
    MessageArrives(Box<Sending>),
    MessageSent(Box<Sending>, Verdict),
    Searched(PageId, MessageId, u32, usize, Option<u64>),
    /// Our servers: a timer is due; actions of a server that is gone; desks are compared with channels; a request arrives at
    /// Twilio; its answer; another attempt; a server that has died at a step starts.
    Due(ConversationSid, Millis),
    TakesOver,
    Sweeps(usize),
    AtTwilio(u64, u64, Step, Box<Begun>),
    Answered(u64, u64, Step, Reply),
    Attempts(u64, u64),
    Revives,
    /// The rules look at the whole.
    Watches,
}

/// The chats of a world.
struct ChatWorld {
    plan: Arc<Plan>,
    of: ChatsPlan,
    /// Milliseconds since the world began.
    now: u64,
    queue: Queue<Coming>,
    /// Number of messages on each lane so far.
    sent: BTreeMap<u64, u64>,
    rooms: Vec<Room>,
    tasks: Vec<Task>,
    offers: Vec<Offer>,
    workers: Vec<Worker>,
    /// SIDs that were given so far.
    numbers: u128,
    pages: Vec<Page>,
    shelves: BTreeMap<usize, Shelf>,
    servers: Servers,
    doing: BTreeMap<u64, Doing>,
    people: Vec<Person>,
    rules: rules::Rules,
    broken: Option<Broken>,
    over: bool,
    timeline: Option<Vec<Entry>>,
    counts: ChatCounts,
    planted: Option<Planted>,
    steps: u64,
}

/// Lanes of random numbers. Messages of one lane are numbered, and the number decides their fate.
#[derive(Clone, Copy, Debug)]
enum Way {
    Webhook = 0x100,
    Stream,
    Rest,
    Post,
    Push,
    Sdk,
    Flex,
    Person,
    Step,
    Task,
    Liar,
}

/// Plays the chats of a plan along what befell pages and servers; `None` if it has none.
pub(crate) fn play(
    plan: &Arc<Plan>,
    fates: Fates,
    planted: Option<Planted>,
    records: bool,
) -> Option<Played> {
    let of = plan.chats.clone()?;
    let mut world = ChatWorld {
        now: 0,
        queue: Queue::default(),
        sent: BTreeMap::new(),
        rooms: vec![],
        tasks: vec![],
        offers: vec![],
        workers: plan.agents.iter().map(|_| Worker::default()).collect(),
        numbers: 0,
        pages: vec![],
        shelves: BTreeMap::new(),
        servers: Servers::new(&of.setup),
        doing: BTreeMap::new(),
        people: plan.agents.iter().map(|_| Person::default()).collect(),
        rules: rules::Rules::new(plan, &fates),
        broken: None,
        over: false,
        timeline: records.then(Vec::new),
        counts: ChatCounts { worlds: 1, chats: of.chats.len() as u64, ..ChatCounts::default() },
        planted,
        steps: 0,
        of,
        plan: Arc::clone(plan),
    };
    world.set_up(fates);
    world.run();
    Some(Played {
        broken: world.broken,
        timeline: world.timeline.unwrap_or_default(),
        counts: world.counts,
        steps: world.steps,
        lasted: world.now,
    })
}

impl ChatWorld {
    fn set_up(&mut self, fates: Fates) {
        for (at, fate) in fates.0 {
            self.put_at(at, Coming::Fate(fate));
        }
        for (number, chat) in self.of.chats.clone().iter().enumerate() {
            self.rooms.push(Room::new(number));
            self.put_at(chat.begins, Coming::Begins(number));
            for at in &chat.writes {
                self.put_at(*at, Coming::Writes(number));
            }
            if let Some(at) = chat.ends {
                self.put_at(at, Coming::Ends(number));
            }
        }
        for (number, deed) in self.of.deeds.clone().iter().enumerate() {
            self.put_at(deed.at, Coming::Deed(number));
        }
        for (number, fault) in self.of.faults.clone().iter().enumerate() {
            let programs =
                [ChatFaultKind::TaskCanceled, ChatFaultKind::ParticipantRemoved, ChatFaultKind::Liar];
            if programs.contains(&fault.kind) {
                self.put_at(fault.from, Coming::Interferes(number));
            }
        }
        self.put(watch::EVERY, Coming::Watches);
    }

    fn run(&mut self) {
        while self.broken.is_none() && !self.over {
            let Some(at) = self.queue.next_at() else { break };
            self.now = self.now.max(at);
            let Some(what) = self.queue.take_due(self.now) else { break };
            self.steps += 1;
            self.happens(what);
        }
    }

    fn happens(&mut self, what: Coming) {
        match what {
            Coming::Fate(fate) => self.befalls(fate),
            Coming::Begins(room) => self.begins(room),
            Coming::Writes(room) => self.writes(room),
            Coming::Ends(room) => self.ends(room),
            Coming::Deed(number) => self.deed(number),
            Coming::Interferes(number) => self.interferes(number),
            Coming::OfferEnds(offer) => self.offer_times_out(offer),
            Coming::TaskEnds(task) => self.task_times_out(task),
            Coming::Route => self.route(),
            Coming::GoesOffline(agent, number) => self.goes_offline(agent, number),
            Coming::GoesAway(page) => self.goes_away(page),
            Coming::ComesBack(agent) => self.comes_back(agent),
            Coming::OwnTask(room) => self.own_task(room),
            Coming::Hears(event, streamed) => self.hears(event, streamed),
            Coming::Accepts(agent, offer) => self.accepts(agent, offer),
            Coming::Types(agent, room, sends) => self.types(agent, room, sends),
            Coming::Sends(agent, room) => self.sends(agent, room),
            Coming::Completes(agent, offer) => self.completes(agent, offer),
            Coming::Looks(page) => self.looks(page),
            Coming::Loaded(page, room, number) => self.loaded(page, room, number),
            Coming::PluginTimer(page, timer, number) => self.plugin_timer(page, timer, number),
            Coming::PostArrives(page, post) => self.post_arrives(page, post),
            Coming::PostAnswered(page, post, taken) => self.post_answered(page, post, taken),
            Coming::PostAgain(page) => self.post_again(page),
            Coming::Polls(page) => self.polls(page),
            Coming::PushOpens(page, attempt) => self.push_opens(page, attempt),
            Coming::PushEnds(page, attempt) => self.push_ends(page, attempt),
            Coming::PushShakes(page, attempt) => self.push_shakes(page, attempt),
            Coming::Connects(page, number) => self.connects(page, number),
            Coming::MessageArrives(sending) => self.message_arrives(sending),
            Coming::MessageSent(sending, verdict) => self.message_sent(*sending, verdict),
            Coming::Searched(page, id, search, room, after) => {
                self.search_answered(page, id, search, room, after);
            }
            Coming::Due(conversation, at) => self.due(conversation, at),
            Coming::TakesOver => self.takes_over(),
            Coming::Sweeps(server) => self.sweeps(server),
            Coming::AtTwilio(id, run, step, begun) => self.at_twilio(id, run, step, &begun),
            Coming::Answered(id, run, step, reply) => self.answered(id, run, step, reply),
            Coming::Attempts(id, run) => self.attempts(id, run),
            Coming::Revives => self.revives(),
            Coming::Watches => self.watches(),
        }
    }

    fn put(&mut self, after: u64, what: Coming) {
        self.queue.put(self.now + after, what);
    }

    fn put_at(&mut self, at: u64, what: Coming) {
        self.queue.put(at.max(self.now), what);
    }

    /// The wall-clock time of an accurate clock.
    fn wall(&self) -> Millis {
        BEGIN + Millis(self.now)
    }

    fn number(&mut self) -> u128 {
        self.numbers += 1;
        self.numbers
    }

    /// The random numbers for the next message of this kind; `who` separates lanes of one kind.
    fn chance(&mut self, way: Way, who: usize) -> Chance {
        let lane = (way as u64) << 32 | who as u64;
        let number = self.sent.entry(lane).or_default();
        *number += 1;
        Chance::of(self.plan.seed, lane, *number)
    }

    /// Latency of a message in one direction (milliseconds): mostly short, sometimes much longer.
    fn latency(chance: &mut Chance) -> u64 {
        if chance.happens(20) { chance.between(60, 400) } else { chance.between(4, 40) }
    }

    /// True when this fault of the plan strikes now.
    fn goes_wrong(&mut self, chance: &mut Chance, kind: FaultKind) -> bool {
        if self.now >= self.plan.until {
            return false;
        }
        let now = self.now;
        let active = self.plan.faults.iter().filter(|it| it.kind == kind && it.from <= now && now < it.to);
        let rate = active.map(|fault| fault.rate).max().unwrap_or_default();
        rate > 0 && chance.happens(rate)
    }

    /// True when this fault of chats strikes now.
    fn strikes(&mut self, chance: &mut Chance, kind: ChatFaultKind) -> bool {
        if self.now >= self.plan.until {
            return false;
        }
        let now = self.now;
        let active = self.of.faults.iter().filter(|it| it.kind == kind && it.from <= now && now < it.to);
        let rate = active.map(|fault| fault.rate).max().unwrap_or_default();
        let strikes = rate > 0 && chance.happens(rate);
        if strikes {
            *self.counts.faults.entry(kind.name()).or_default() += 1;
        }
        strikes
    }

    fn note(&mut self, from: Lane, to: Option<Lane>, kind: Kind, text: impl FnOnce() -> String) {
        self.message_noted((from, to), kind, false, text);
    }

    fn message_noted(
        &mut self,
        (from, to): (Lane, Option<Lane>),
        kind: Kind,
        lost: bool,
        text: impl FnOnce() -> String,
    ) {
        let at = self.now;
        if let Some(timeline) = &mut self.timeline {
            timeline.push(Entry { at, from, to, kind, text: text(), lost });
        }
    }
}
