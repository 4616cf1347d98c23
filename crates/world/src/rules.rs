//! Invariants: checked on Twilio's model every 20 ms at most, and at the end, after all faults.

mod at_most_once;
mod end;
mod hears;
mod limits;
mod says;
mod times;
mod whose;

use crate::page::PageId;
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_plugin::agent::PostId;
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason};
use rejoin_protocol::{CallSid, ConferenceSid, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A customer's call goes on until the customer hangs up, or an agent ends it on purpose.
    NobodyIsDropped,
    /// A customer does not wait in silence for longer than it takes to notice.
    NoDeadAir,
    /// A customer is not taken from an agent who has them.
    NotTaken,
    /// An attended leg of an agent is not removed.
    NotRemoved,
    /// The old reservation is completed when the customer is in the queue, not before.
    NotCompletedTooSoon,
    /// A customer who waits in a queue after an interruption has heard that there was one.
    IsTold,
    /// When the agent is back, the customer hears them, and no longer our hold.
    HeardAgain,
    /// Two agents have one customer only when people have brought them together.
    OneAgent,
    /// A ping, and a reconnect task for one agent, are accepted by this agent only.
    RightAgent,
    /// The old reservation is completed once.
    CompletedOnce,
    /// No customer is sent twice to the same agent or conference, nor more often to any agent than recoveries need.
    MovedOnce,
    /// What a dialog or an announcement says is true.
    NoLie,
    /// An agent who is back in time gets the customer back in time, and no customer waits longer than that for the
    /// next agent's turn.
    InTime,
    /// Each recovery creates one ping.
    OnePing,
    /// Each recovery creates one reconnect task for its agent, and few for any agent.
    OneRequeue,
    /// An agent who left on purpose, with a mark in time, is not looked for.
    NoFalseRecovery,
    /// Everything ends within its time once faults stop.
    EverythingEnds,
    /// At the end nothing is left open: no recovery, ping or job.
    NothingLeftOpen,
    /// A message that an agent has sent is in the conversation, or where the agent finds it.
    ChatMessageLost,
    /// No message of an agent is in the conversation twice.
    ChatMessageDoubled,
    /// An agent's messages come in the order in which they were sent.
    ChatOrder,
    /// What an agent has typed and not sent is in the input again when the chat has loaded.
    DraftLost,
    /// A chat whose agents are gone is cared for within the times of the policy.
    ChatLeftAlone,
    /// A customer is told once per absence that their agent is gone.
    ChatToldOnce,
    /// No customer is told that their agent is gone, and no chat parked, while an agent of it is there.
    ChatToldTruly,
    /// An absence ends by itself: there is a timer, or a request on its way.
    ChatHasDeadline,
    /// No invite of ours is made while another one is open.
    ChatOneInvite,
    /// No chat is offered again and again to agents who take it.
    ChatInCircles,
    /// No agent is removed from a chat before another one has joined.
    ChatRemoved,
    /// A page that is gone for less than the time of a reload is no absence.
    ChatRefresh,
    /// A chat that an agent has left, paused or wrapped up by Flex's buttons is left alone.
    ChatGraceful,
    /// What a page claims does not make our server act on another chat.
    ChatClaims,
    /// Nobody is alerted, and no chat closed, for a silence that is none.
    ChatSilence,
    /// Every absence of a chat ends, and every message that waits is sent.
    ChatEnds,
}

impl Rule {
    /// The rule in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NobodyIsDropped => "nobody is dropped",
            Self::NoDeadAir => "no dead air",
            Self::NotTaken => "not taken from the agent on the line",
            Self::NotRemoved => "no attended leg is removed",
            Self::NotCompletedTooSoon => "not completed before the customer is in the queue",
            Self::IsTold => "told about the interruption",
            Self::HeardAgain => "not left on our hold",
            Self::OneAgent => "two agents only where people brought them together",
            Self::RightAgent => "taken by the agent it is for",
            Self::CompletedOnce => "the old reservation is completed once",
            Self::MovedOnce => "nobody is sent to the same place twice",
            Self::NoLie => "what is said is true",
            Self::InTime => "in time",
            Self::OnePing => "one ping for each recovery",
            Self::OneRequeue => "one reconnect task for each recovery and target",
            Self::NoFalseRecovery => "no false recovery",
            Self::EverythingEnds => "everything ends",
            Self::NothingLeftOpen => "nothing is left open",
            Self::ChatMessageLost => "no chat message is lost",
            Self::ChatMessageDoubled => "no chat message is doubled",
            Self::ChatOrder => "chat messages keep their order",
            Self::DraftLost => "nothing typed is lost",
            Self::ChatLeftAlone => "no chat is left alone",
            Self::ChatToldOnce => "told once per absence",
            Self::ChatToldTruly => "nobody is told who has an agent",
            Self::ChatHasDeadline => "every absence has a deadline",
            Self::ChatOneInvite => "one invite at a time",
            Self::ChatInCircles => "no chat goes in circles",
            Self::ChatRemoved => "no agent is removed before another one has joined",
            Self::ChatRefresh => "a reload is no absence",
            Self::ChatGraceful => "left on purpose is left alone",
            Self::ChatClaims => "a claim moves nothing",
            Self::ChatSilence => "silence is silence",
            Self::ChatEnds => "every chat comes to its end",
        }
    }
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The rule.
    pub rule: Rule,
    /// When it was broken.
    pub at: u64,
    /// What was observed.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.3} s): {}", self.rule.name(), self.at as f64 / 1000.0, self.what)
    }
}

/// State of the rules.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) broken: Option<Broken>,
    /// Marks in flight.
    marks: BTreeMap<(PageId, PostId), GracefulMark>,
    /// All marks of transfers.
    transfers: BTreeSet<(ReservationSid, Option<DeliveryId>)>,
    /// Marks of transfers that were refused: they are false, however often they are sent.
    refused: BTreeSet<(ReservationSid, Option<DeliveryId>)>,
    /// Reservations whose marks our server has accepted.
    taken: BTreeSet<ReservationSid>,
    /// Reservations whose calls were left on purpose after that.
    left: BTreeSet<ReservationSid>,
    /// Reservations whose agents were looked for.
    looked_for: BTreeSet<String>,
    /// The legs of those whose calls were left on purpose.
    legs: BTreeMap<ReservationSid, CallSid>,
    kicked: BTreeSet<WorkerSid>,
    /// When our server heard the leave of each leg.
    pub(super) leaves_heard: BTreeMap<CallSid, u64>,
    /// Conferences that end with a leg by its flag, and that leg: until when our server cannot have cleared the flag.
    pub(super) flagged: BTreeMap<(ConferenceSid, CallSid), u64>,
    /// Customers whose join was not reported: the callback was lost, or our server was down.
    pub(super) untold: BTreeSet<(ConferenceSid, CallSid)>,
    /// Reservations that our server has completed.
    pub(super) completed: BTreeSet<ReservationSid>,
    /// How often each leg was sent to each destination.
    pub(super) moved: BTreeMap<(CallSid, String), u32>,
    /// When the first answer of a page over its call reaches our server: before that, silence says nothing to it.
    pub(crate) answered_at: Option<u64>,
    /// Legs of agents that a page has registered at our server.
    pub(crate) registered: BTreeSet<CallSid>,
    /// Customers whom our server keeps on hold.
    pub(super) our_holds: BTreeSet<CallSid>,
    /// When our server last ended a customer's hold, its own or an agent's.
    pub(super) hold_ended: BTreeMap<CallSid, u64>,
    /// Agents whom people have brought to a customer.
    pub(super) brought: BTreeSet<(usize, WorkerSid)>,
    /// When a page last had its customer on the line.
    pub(super) together: BTreeMap<PageId, u64>,
    /// When a page with a customer last showed no false dialog.
    pub(super) covered: BTreeMap<PageId, u64>,
    /// When an answer of our server to a page was last lost.
    pub(crate) unanswered: BTreeMap<PageId, u64>,
    pings: BTreeMap<String, u32>,
    tasks: BTreeSet<TaskSid>,
    /// No task up to this one is new, or can still become that of a call.
    settled: Option<TaskSid>,
    requeues: BTreeMap<(String, Option<String>, Option<u64>), u32>,
    over: bool,
    look_at: u64,
    /// True when something has happened since the last check.
    unlooked: bool,
}

/// Milliseconds between two checks.
const AGAIN: u64 = 20;
/// Slightly less than our server waits for a mark (milliseconds).
const WAITS: u64 = 250;

impl Rules {
    /// A mark was made. It is sent later, behind older ones, when its transfer may have been refused.
    pub(crate) fn mark_made(&mut self, id: DeliveryId, mark: &GracefulMark) {
        if matches!(mark.reason, GracefulReason::ColdTransfer | GracefulReason::WarmTransfer) {
            self.transfers.insert((mark.reservation.clone(), Some(id)));
        }
    }

    pub(crate) fn mark_sent(&mut self, page: PageId, id: PostId, mark: &GracefulMark) {
        self.marks.insert((page, id), mark.clone());
    }

    /// A call is left on purpose now, with this leg.
    pub(crate) fn leaves(&mut self, reservation: &ReservationSid, leg: Option<&CallSid>) {
        self.legs.extend(leg.map(|leg| (reservation.clone(), leg.clone())));
        if self.taken.contains(reservation) {
            self.left.insert(reservation.clone());
        }
    }

    /// The call was not left after all.
    pub(crate) fn stays(&mut self, reservation: &ReservationSid) {
        self.taken.remove(reservation);
        self.left.remove(reservation);
        self.legs.remove(reservation);
        self.refused.extend(self.transfers.iter().filter(|(of, _)| of == reservation).cloned());
    }

    pub(crate) fn kicked(&mut self, worker: &WorkerSid) {
        self.kicked.insert(worker.clone());
    }
}

impl World {
    /// Our server has answered that it has a mark.
    pub(crate) fn mark_taken(&mut self, page: PageId, id: PostId) {
        let rules = &mut self.rules;
        let Some(GracefulMark { reservation, id, .. }) = rules.marks.remove(&(page, id)) else { return };
        if rules.refused.contains(&(reservation.clone(), id)) {
            return;
        }
        // The call was left already, and the mark arrived within the grace period.
        let leg = rules.legs.get(&reservation);
        let heard = leg.and_then(|leg| rules.leaves_heard.get(leg));
        if heard.is_some_and(|heard| self.now < heard + WAITS) {
            rules.left.insert(reservation.clone());
            if rules.looked_for.contains(reservation.as_str()) && !self.has_forgotten() {
                self.broken(
                    Rule::NoFalseRecovery,
                    format!("{reservation} was left on purpose, with a mark in time"),
                );
            }
        }
        self.rules.taken.insert(reservation);
    }

    /// Reports a broken rule, which ends the world.
    pub(crate) fn broken(&mut self, rule: Rule, what: String) {
        if self.rules.broken.is_none() {
            self.note(Lane::World, None, Kind::Broken, || format!("{}: {what}", rule.name()));
            self.rules.broken = Some(Broken { rule, at: self.now, what });
        }
    }

    /// Runs after every event.
    pub(crate) fn check(&mut self) {
        // A state that begins and ends within this time is not seen; the rules that need one note it when it happens.
        self.rules.unlooked = self.now < self.rules.look_at;
        if !self.rules.unlooked {
            self.check_invariants();
        }
    }

    /// Runs before time advances to the next event.
    pub(crate) fn check_before(&mut self, next: u64) {
        if self.rules.unlooked && next > self.now + AGAIN {
            self.rules.unlooked = false;
            self.check_invariants();
        }
    }

    fn check_invariants(&mut self) {
        self.rules.look_at = self.now + AGAIN;
        self.check_hearing();
        self.check_tasks();
        self.check_times();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.rules.over
    }

    /// A customer's call has ended.
    pub(crate) fn customer_gone(&mut self, number: usize) {
        let customer = &self.customers[number];
        let let_go = customer.hung_up || customer.excused.is_some() || self.lost_documents;
        let let_go = let_go || self.ended_too_soon(number) || self.was_over_at_once(number);
        let inbound = number < self.plan.customers.len();
        if !let_go && (inbound || customer.talked) && !self.is_unheard_of(number) {
            self.broken(Rule::NobodyIsDropped, format!("customer {number} was hung up on"));
        }
    }
}
