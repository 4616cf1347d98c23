//! What must hold: in every state, seen by Twilio's model, and at the end, when nothing goes wrong any more.

mod at_most_once;
mod end;
mod hears;

use crate::page::PageId;
use crate::timeline::{Kind, Lane};
use crate::world::World;
use rejoin_plugin::agent::PostId;
use rejoin_protocol::{ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A customer's call goes on until he hangs up, or an agent ends it on purpose.
    NobodyIsDropped,
    /// A customer does not wait in silence for longer than it takes to notice.
    NoDeadAir,
    /// A customer is not taken from an agent who has him.
    NotTaken,
    /// A leg at which an agent is, is not removed.
    NotRemoved,
    /// The old reservation is completed when the customer is in the queue, not before.
    NotCompletedTooSoon,
    /// One ping for each recovery.
    OnePing,
    /// One reconnect task for each recovery and target.
    OneRequeue,
    /// Who left on purpose, and said so in time, is not looked for.
    NoFalseRecovery,
    /// Everything ends within its time when faults stop.
    EverythingEnds,
    /// At the end nothing is left open: recoveries, pings, jobs.
    NothingLeftOpen,
}

impl Rule {
    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NobodyIsDropped => "nobody is dropped",
            Self::NoDeadAir => "no dead air",
            Self::NotTaken => "not taken from an agent who has him",
            Self::NotRemoved => "no leg is removed at which an agent is",
            Self::NotCompletedTooSoon => "not completed before the customer is in the queue",
            Self::OnePing => "one ping for each recovery",
            Self::OneRequeue => "one reconnect task for each recovery and target",
            Self::NoFalseRecovery => "no false recovery",
            Self::EverythingEnds => "everything ends",
            Self::NothingLeftOpen => "nothing is left open",
        }
    }
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// When.
    pub at: u64,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.3} s): {}", self.rule.name(), self.at as f64 / 1000.0, self.what)
    }
}

/// What the rules remember.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) broken: Option<Broken>,
    /// Marks on their way.
    marks: BTreeMap<(PageId, PostId), ReservationSid>,
    /// Marks that our server has taken.
    taken: BTreeSet<ReservationSid>,
    /// Reservations whose calls were left on purpose after that.
    left: BTreeSet<ReservationSid>,
    kicked: BTreeSet<WorkerSid>,
    pings: BTreeMap<String, u32>,
    tasks: BTreeSet<TaskSid>,
    requeues: BTreeMap<(String, Option<String>), u32>,
    over: bool,
    look_at: u64,
}

impl Rules {
    pub(crate) fn mark_sent(&mut self, page: PageId, id: PostId, reservation: &ReservationSid) {
        self.marks.insert((page, id), reservation.clone());
    }

    /// Our server has answered that it knows.
    pub(crate) fn mark_taken(&mut self, page: PageId, id: PostId, _now: u64) {
        if let Some(reservation) = self.marks.remove(&(page, id)) {
            self.taken.insert(reservation);
        }
    }

    /// A call is left on purpose now.
    pub(crate) fn leaves(&mut self, _page: PageId, reservation: &ReservationSid) {
        if self.taken.contains(reservation) {
            self.left.insert(reservation.clone());
        }
    }

    /// It was not left after all.
    pub(crate) fn stays(&mut self, reservation: &ReservationSid) {
        self.taken.remove(reservation);
        self.left.remove(reservation);
    }

    pub(crate) fn kicked(&mut self, worker: &WorkerSid) {
        self.kicked.insert(worker.clone());
    }
}

impl World {
    /// A rule is broken: the world ends here.
    pub(crate) fn broken(&mut self, rule: Rule, what: String) {
        if self.rules.broken.is_none() {
            self.note(Lane::World, None, Kind::Broken, || format!("{}: {what}", rule.name()));
            self.rules.broken = Some(Broken { rule, at: self.now, what });
        }
    }

    /// After everything that happens.
    pub(crate) fn check(&mut self) {
        self.count();
        // Nothing that a rule is about is over again so soon.
        if self.now >= self.rules.look_at {
            self.rules.look_at = self.now + 20;
            self.check_hearing();
            self.check_tasks();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.rules.over
    }

    /// A customer's call has ended.
    pub(crate) fn customer_gone(&mut self, number: usize) {
        let customer = &self.customers[number];
        let let_go = customer.hung_up || customer.excused.is_some() || self.lost_documents;
        let inbound = number < self.plan.customers.len();
        if !let_go && (inbound || customer.talked) {
            self.broken(Rule::NobodyIsDropped, format!("customer {number} was hung up on"));
        }
    }
}
