//! When a request to Twilio may go out, and which one is next. Pure: the time comes in, what follows goes out; [`turns`]
//! is its shell.
//!
//! Each family of Twilio's API has a [`Lane`] of its own with a rate below Twilio's limit and a number of requests that may
//! be out at once. Whatever wants to go out waits in its lane by [`Rank`], and inside a rank the one whose customer has
//! waited longest is first. As long as a customer's line is to be kept or a customer is to be told, nothing of a lower
//! rank goes out in any lane; what has waited for [`PATIENCE`] all the same gets every tenth turn, so that nothing starves.
//!
//! Many agents who are lost within a few seconds are a storm, see [`storm`].

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

/// Whoever has waited so long may get a turn although others rank higher.
pub const PATIENCE: Millis = Millis::seconds(30);
/// Of so many turns of a lane one is for who has waited longest.
const SHARE: u64 = 10;

/// Somebody who wants to send one request. Numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What happens to the pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request wants to go out.
    Wants {
        /// Of whom.
        ticket: Ticket,
        /// To which part of Twilio's API.
        family: Family,
        /// How much it matters.
        rank: Rank,
        /// Since when its customer waits (point in time).
        since: Millis,
    },
    /// It does not want to any more, or will not use the turn that it was given.
    GivesUp(Ticket),
    /// The request that went out is over. `None`: without an answer.
    Ended(Ticket, Option<Answer>),
    /// An agent was lost. The same recovery counts once.
    Lost(RecoveryId),
    /// So many servers send requests for one account, and share what may go out.
    Servers(u64),
    /// An operator has looked: what the failsafe keeps back may go out.
    GoOn,
    /// Time has passed.
    Time,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The request may go out now.
    Grant(Ticket),
    /// Operators should know.
    Tell(News),
}

/// The pace of all requests of one server for one account: its share of what all servers on the same database may send.
#[derive(Clone, Debug)]
pub struct Pace {
    lanes: BTreeMap<Family, Lane>,
    storm: Storm,
}

/// How it stands, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Is there a storm?
    pub storm: bool,
    /// Does the failsafe keep pings and requeues for any agent back?
    pub failsafe: bool,
    /// Agents who were lost lately, or during the storm.
    pub lost: usize,
    /// Of each part of Twilio's API.
    pub lanes: Vec<LaneStatus>,
}

/// How a lane stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
    /// `voice`, `taskRouter` or `taskSearch`.
    pub family: &'static str,
    /// Requests that are out.
    pub out: usize,
    /// Requests that wait, by rank; ranks of which none waits are left out.
    pub waiting: BTreeMap<&'static str, usize>,
    /// How long the oldest one has waited, in milliseconds. Look-ups of calls that are not known do not count.
    pub oldest_ms: u64,
    /// Requests per second that are sent at most just now, after Twilio has asked for fewer.
    pub per_second: u64,
    /// How often Twilio has asked for fewer since the start.
    pub throttled: u64,
}

impl Pace {
    /// With nothing under way.
    pub fn new(settings: &Pacing, now: Millis) -> Self {
        let lanes = Family::ALL.map(|family| (family, Lane::new(settings.limits(family), now)));
        Self { lanes: lanes.into(), storm: Storm::new(settings) }
    }

    /// Takes what happened; gives back what follows.
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

    /// When to look again although nothing happens (point in time); `None` while nobody waits.
    pub fn next(&self, now: Millis) -> Option<Millis> {
        let lanes = self.lanes.values().filter_map(|lane| lane.next(now));
        let soonest = lanes.chain(self.storm.next(now)).min()?;
        // What is due and could not happen now waits for an answer; until then a look a second is enough.
        Some(if soonest > now { soonest } else { now + Millis::seconds(1) })
    }

    /// How it stands.
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

    /// Does a customer's line wait to be kept, or a customer to be told? In a storm what is out counts, too: then the order
    /// matters more than the round trip that it costs.
    fn urgent(&self) -> bool {
        let storm = self.storm.is_on();
        self.lanes.values().any(|lane| lane.has_urgent(storm))
    }

    fn grants(&mut self, now: Millis) -> Vec<Ticket> {
        let mut granted = vec![];
        loop {
            // Each turn changes what the others may.
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
