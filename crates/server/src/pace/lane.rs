//! One part of Twilio's API: a token bucket that slows down when Twilio asks for it, a limit of concurrent requests,
//! and a queue of waiting ones.

use super::settings::Limits;
use super::{LaneStatus, PATIENCE, Rank, SHARE, Ticket};
use rejoin_protocol::Millis;
use rejoin_twilio::Answer;
use std::collections::{BTreeMap, BTreeSet};

/// One request, in units of the bucket.
const REQUEST: u64 = 1_000_000;
/// A rate of one request a second, in units of the bucket per millisecond.
const ONE_A_SECOND: u64 = REQUEST / 1000;
/// Rate and limit go down once in this time however many requests are refused meanwhile, and rise by one step in the
/// same time.
const STEP: Millis = Millis::seconds(1);
/// How long nothing goes out after a refusal without `Retry-After`.
const REFUSED: Millis = Millis::seconds(1);
/// Maximum wait, whatever Twilio says: customers are on the line.
const LONGEST: Millis = Millis::seconds(60);
/// Number of steps from zero back to the full rate after the last refusal.
const STEPS_TO_FULL: u64 = 20;

#[derive(Clone, Debug)]
pub(super) struct Lane {
    limits: Limits,
    /// Number of servers that share the limits.
    servers: u64,
    /// Current rate, in units per millisecond.
    rate: u64,
    /// Units in the bucket.
    level: u64,
    /// Time of that level.
    at: Millis,
    /// Until when nothing goes out.
    blocked: Millis,
    /// When the rate last went down.
    slowed: Option<Millis>,
    /// When the rate last changed, or Twilio last refused; now while there is nothing to raise.
    stepped: Millis,
    /// Current limit of concurrent requests.
    at_once: u64,
    /// Concurrent requests of the whole account at which Twilio refused.
    ceiling: Option<u64>,
    /// Requests of others on the same account, as Twilio last reported.
    others: u64,
    /// Requests in flight, each with its rank.
    out: BTreeMap<Ticket, Rank>,
    waiting: BTreeMap<Rank, BTreeSet<(Millis, Ticket)>>,
    turns: u64,
    throttled: u64,
}

impl Lane {
    pub(super) fn new(limits: Limits, now: Millis) -> Self {
        Self {
            limits,
            servers: 1,
            rate: full(limits, 1),
            level: most(limits, 1),
            at: now,
            blocked: Millis(0),
            slowed: None,
            stepped: now,
            at_once: limits.at_once,
            ceiling: None,
            others: 0,
            out: BTreeMap::new(),
            waiting: BTreeMap::new(),
            turns: 0,
            throttled: 0,
        }
    }

    /// Shares the limits among this number of servers from now on. What Twilio has slowed down stays slow.
    pub(super) fn share(&mut self, now: Millis, servers: u64) {
        if servers == self.servers {
            return;
        }
        self.pass_time(now);
        let before = self.full();
        self.servers = servers;
        self.rate = (self.rate * self.full() / before).max(1);
        self.level = self.level.min(self.most());
        self.at_once = self.at_once.min(self.limits.at_once(servers));
    }

    fn full(&self) -> u64 {
        full(self.limits, self.servers)
    }

    fn most(&self) -> u64 {
        most(self.limits, self.servers)
    }

    pub(super) fn wants(&mut self, ticket: Ticket, rank: Rank, since: Millis) {
        self.waiting.entry(rank).or_default().insert((since, ticket));
    }

    /// A turn that is given back is available for the next request.
    pub(super) fn gives_up(&mut self, now: Millis, ticket: Ticket) {
        self.pass_time(now);
        if self.out.remove(&ticket).is_some() {
            self.level = self.most().min(self.level + REQUEST);
        }
        for tickets in self.waiting.values_mut() {
            tickets.retain(|(_, other)| *other != ticket);
        }
        self.waiting.retain(|_, tickets| !tickets.is_empty());
    }

    pub(super) fn ended(&mut self, now: Millis, ticket: Ticket, answer: Option<&Answer>) {
        let ours = self.out.len() as u64;
        if self.out.remove(&ticket).is_none() {
            return; // of another lane
        }
        let Some(answer) = answer else { return };
        if let Some(all) = answer.concurrent {
            self.others = u64::from(all).saturating_sub(ours);
        }
        if answer.throttled {
            self.pass_time(now);
            self.slow_down(now, ours, answer);
        }
    }

    fn slow_down(&mut self, now: Millis, ours: u64, answer: &Answer) {
        self.throttled += 1;
        let said =
            answer.retry_after.map(|after| Millis(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        self.blocked = self.blocked.max(now + said.unwrap_or(REFUSED).min(LONGEST));
        self.level = 0;
        self.stepped = now;
        if self.slowed.is_some_and(|slowed| slowed.until(now) < STEP) {
            return; // sent before the rate went down
        }
        self.slowed = Some(now);
        self.rate = (self.rate / 2).max(ONE_A_SECOND.min(self.full()));
        self.at_once = (self.at_once.min(ours) / 2).max(1);
        if let Some(all) = answer.concurrent {
            self.ceiling = Some(u64::from(all).saturating_sub(1));
        }
    }

    /// Fills the bucket, and speeds up step by step what was slowed down. The level depends on the time alone, not on
    /// how often this is called.
    pub(super) fn pass_time(&mut self, now: Millis) {
        while self.is_slow() && self.stepped + STEP <= now {
            self.stepped = self.stepped + STEP;
            self.fill(self.stepped);
            self.rise();
        }
        if !self.is_slow() {
            self.stepped = self.stepped.max(now);
        }
        self.fill(now);
    }

    fn fill(&mut self, until: Millis) {
        let filled = self.at.until(until).0.saturating_mul(self.rate);
        self.level = self.most().min(self.level.saturating_add(filled));
        self.at = self.at.max(until);
    }

    fn rise(&mut self) {
        self.rate = self.full().min(self.rate + (self.full() / STEPS_TO_FULL).max(1));
        let at_once = self.limits.at_once(self.servers);
        self.at_once = at_once.min(self.at_once.saturating_add(1));
        let beyond = at_once + self.others;
        self.ceiling =
            self.ceiling.map(|ceiling| ceiling.saturating_add(1)).filter(|ceiling| *ceiling < beyond);
    }

    /// True below the full rate and limit, so that they rise with the next step.
    fn is_slow(&self) -> bool {
        self.rate < self.full() || self.at_once < self.limits.at_once(self.servers) || self.ceiling.is_some()
    }

    pub(super) fn has_urgent(&self, and_out: bool) -> bool {
        self.waiting.keys().any(|rank| rank.is_urgent())
            || (and_out && self.out.values().any(|rank| rank.is_urgent()))
    }

    /// Grants the next turn, if there is one. `first`: ranks that may be next; `may`: those that may be when it is
    /// the turn of the one that has waited longest.
    pub(super) fn grant(
        &mut self,
        now: Millis,
        first: &impl Fn(Rank) -> bool,
        may: &impl Fn(Rank) -> bool,
    ) -> Option<Ticket> {
        if self.level < REQUEST || now < self.blocked || self.out.len() as u64 >= self.room() {
            return None;
        }
        let (rank, entry) = self.choose(now, first, may)?;
        let tickets = self.waiting.get_mut(&rank)?;
        tickets.remove(&entry);
        if tickets.is_empty() {
            self.waiting.remove(&rank);
        }
        self.level -= REQUEST;
        self.turns += 1;
        self.out.insert(entry.1, rank);
        Some(entry.1)
    }

    fn choose(
        &self,
        now: Millis,
        first: &impl Fn(Rank) -> bool,
        may: &impl Fn(Rank) -> bool,
    ) -> Option<(Rank, (Millis, Ticket))> {
        let heads = || self.waiting.iter().filter_map(|(rank, tickets)| Some((*rank, *tickets.first()?)));
        let patient = |(_, (since, _)): &(Rank, (Millis, Ticket))| since.until(now) >= PATIENCE;
        if self.turns % SHARE == SHARE - 1 {
            let longest =
                heads().filter(|(rank, _)| may(*rank)).filter(patient).min_by_key(|(_, entry)| *entry);
            if longest.is_some() {
                return longest;
            }
        }
        heads().find(|(rank, _)| first(*rank))
    }

    /// Current maximum of our concurrent requests.
    fn room(&self) -> u64 {
        let beside = self.ceiling.map_or(u64::MAX, |ceiling| ceiling.saturating_sub(self.others));
        self.at_once.min(beside).max(1)
    }

    /// When a waiting request may get a turn because time has passed, or when the limits rise.
    pub(super) fn next(&self, now: Millis) -> Option<Millis> {
        if self.waiting.is_empty() {
            return None;
        }
        let missing = REQUEST.saturating_sub(self.level).div_ceil(self.rate.max(1));
        let filled = ((self.out.len() as u64) < self.room()).then(|| self.at + Millis(missing));
        let step = self.is_slow().then(|| self.stepped + STEP);
        let soonest = filled.into_iter().chain(step).min()?;
        Some(self.blocked.max(soonest).max(now))
    }

    pub(super) fn status(&self, now: Millis, family: &'static str) -> LaneStatus {
        // No customer is known to wait for a look-up, and an agent who asks for many must not make the server seem
        // unhealthy.
        let of_calls = self.waiting.iter().filter(|(rank, _)| **rank != Rank::LookUp);
        let oldest = of_calls.filter_map(|(_, tickets)| tickets.first()).map(|(since, _)| *since).min();
        LaneStatus {
            family,
            out: self.out.len(),
            waiting: self.waiting.iter().map(|(rank, tickets)| (rank.name(), tickets.len())).collect(),
            oldest_ms: oldest.map_or(0, |since| since.until(now).0),
            per_second: self.rate / ONE_A_SECOND,
            throttled: self.throttled,
        }
    }
}

fn full(limits: Limits, servers: u64) -> u64 {
    (limits.rate(servers) * ONE_A_SECOND / 1000).max(1)
}

fn most(limits: Limits, servers: u64) -> u64 {
    limits.burst(servers) * REQUEST
}
