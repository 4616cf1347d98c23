//! When a request to Twilio may go out, and which one is next. Pure: it takes the time and events, and returns
//! effects; [`turns`] is its shell.
//!
//! Each family of Twilio's API has a [`Lane`] of its own with a rate below Twilio's limit and a limit of concurrent
//! requests. Requests wait in their lane by [`Rank`], and inside a rank the one whose customer has waited longest is
//! first. While a customer's line must be kept or a customer must hear the announcement, nothing of a lower rank goes
//! out in any lane; a request that has waited for [`PATIENCE`] nevertheless gets every tenth turn, so that nothing
//! starves.
//!
//! Many agents lost within a few seconds are a storm, see [`storm`].

mod crowd;
mod lane;
mod settings;
mod storm;
mod turns;

pub(crate) use crowd::priority;
pub use crowd::{Crowd, family};
pub use rejoin_recovery::Rank;
pub use settings::Pacing;
pub use storm::News;
pub use turns::{JobGate, Turns};

use lane::Lane;
use rejoin_protocol::{Millis, RecoveryId};
use rejoin_twilio::{Answer, Family};
use serde::Serialize;
use std::collections::BTreeMap;
use storm::Storm;

/// A request that has waited this long may get a turn although others rank higher.
pub const PATIENCE: Millis = Millis::seconds(30);
/// One of this many turns of a lane is for the request that has waited longest.
const SHARE: u64 = 10;

/// A request that wants to be sent. Numbers are not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// An event for the pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request wants to go out.
    Wants {
        /// The request.
        ticket: Ticket,
        /// The part of Twilio's API.
        family: Family,
        /// Its importance.
        rank: Rank,
        /// Since when its customer waits (point in time).
        since: Millis,
    },
    /// The request is withdrawn, or will not use its turn.
    GivesUp(Ticket),
    /// The request is over. `None`: without an answer.
    Ended(Ticket, Option<Answer>),
    /// An agent was lost. A recovery counts once.
    Lost(RecoveryId),
    /// Number of servers that send requests for one account, and share its limits.
    Servers(u64),
    /// An operator has checked: requests that the failsafe holds back may go out.
    GoOn,
    /// Time has passed.
    Time,
}

/// An effect of the pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The request may go out now.
    Grant(Ticket),
    /// News for operators.
    Tell(News),
}

/// The pace of all requests of one server for one account: its share of what all servers on the same database may
/// send.
#[derive(Clone, Debug)]
pub struct Pace {
    lanes: BTreeMap<Family, Lane>,
    storm: Storm,
}

/// The state of the pace, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// True during a storm.
    pub storm: bool,
    /// True while the failsafe holds back pings and requeues for any agent.
    pub failsafe: bool,
    /// Number of agents lost lately, or during the storm.
    pub lost: usize,
    /// The state of each part of Twilio's API.
    pub lanes: Vec<LaneStatus>,
}

/// The state of a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
    /// `voice`, `taskRouter`, `taskSearch` or `conversations`.
    pub family: &'static str,
    /// Requests in flight.
    pub out: usize,
    /// Waiting requests by rank; ranks without any are left out.
    pub waiting: BTreeMap<&'static str, usize>,
    /// How long the oldest one has waited, in milliseconds. Look-ups of unknown calls do not count.
    pub oldest_ms: u64,
    /// Current maximum of requests per second, after Twilio has asked for fewer.
    pub per_second: u64,
    /// How often Twilio has asked for fewer since the start.
    pub throttled: u64,
}

impl Pace {
    /// A pace without requests.
    pub fn new(settings: &Pacing, now: Millis) -> Self {
        let lanes = Family::ALL.map(|family| (family, Lane::new(settings.limits(family), now)));
        Self { lanes: lanes.into(), storm: Storm::new(settings) }
    }

    /// Handles an event and returns the effects.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        match event {
            Event::Wants { ticket, family, rank, since } => {
                self.lane(family, |lane| lane.wants(ticket, rank, since));
            }
            Event::GivesUp(ticket) => self.each(|lane| lane.gives_up(now, ticket)),
            Event::Ended(ticket, answer) => self.each(|lane| lane.ended(now, ticket, answer.as_ref())),
            Event::Lost(recovery) => self.storm.lost(now, recovery),
            Event::Servers(servers) => {
                let servers = servers.max(1);
                self.each(|lane| lane.share(now, servers));
                self.storm.share(servers);
            }
            Event::GoOn => self.storm.go_on(),
            Event::Time => {}
        }
        self.each(|lane| lane.pass_time(now));
        let urgent = self.urgent();
        let mut effects: Vec<Effect> = self.storm.look(now, urgent).into_iter().map(Effect::Tell).collect();
        effects.extend(self.grants(now).into_iter().map(Effect::Grant));
        effects
    }

    /// When time must pass next without another event (point in time); `None` while nothing waits.
    pub fn next(&self, now: Millis) -> Option<Millis> {
        let lanes = self.lanes.values().filter_map(|lane| lane.next(now));
        let soonest = lanes.chain(self.storm.next(now)).min()?;
        // What is due but cannot happen now waits for an answer; until then a check per second is enough.
        Some(if soonest > now { soonest } else { now + Millis::seconds(1) })
    }

    /// The current state.
    pub fn status(&self, now: Millis) -> Status {
        Status {
            storm: self.storm.is_on(),
            failsafe: self.storm.holds_back(),
            lost: self.storm.count(now),
            lanes: self.lanes.iter().map(|(family, lane)| lane.status(now, family.name())).collect(),
        }
    }

    fn lane(&mut self, family: Family, act: impl FnOnce(&mut Lane)) {
        if let Some(lane) = self.lanes.get_mut(&family) {
            act(lane);
        }
    }

    fn each(&mut self, act: impl FnMut(&mut Lane)) {
        self.lanes.values_mut().for_each(act);
    }

    /// True while a customer's line waits to be kept, or a customer to hear the announcement. In a storm requests in
    /// flight count, too: the order then matters more than the round trip that it costs.
    fn urgent(&self) -> bool {
        let storm = self.storm.is_on();
        self.lanes.values().any(|lane| lane.has_urgent(storm))
    }

    fn grants(&mut self, now: Millis) -> Vec<Ticket> {
        let mut granted = vec![];
        loop {
            // Each turn changes what the others may do.
            let (urgent, holds_back) = (self.urgent(), self.storm.holds_back());
            let may = |rank: Rank| !(holds_back && rank.can_be_held_back());
            let first = |rank: Rank| may(rank) && (!urgent || rank.is_urgent());
            let next = self.lanes.values_mut().find_map(|lane| lane.grant(now, &first, &may));
            match next {
                Some(ticket) => granted.push(ticket),
                None => return granted,
            }
        }
    }
}

#[cfg(test)]
mod tests;
