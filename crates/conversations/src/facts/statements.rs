//! What pages of agents say of a conversation. A claim alone makes nobody its agent: only Twilio's list of participants does.

use super::join::{Join, Latest};
use rejoin_protocol::{Millis, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How an agent leaves on purpose, by Flex's own buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaving {
    /// The agent leaves; the conversation waits until the customer writes.
    Leave,
    /// The agent pauses it, and gets it back.
    Pause,
    /// Another agent or a queue is to have it.
    Transfer,
    /// The agent wraps up or completes.
    WrapUp,
}

/// The statements of the agents' pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statements {
    claimed: BTreeMap<WorkerSid, Latest<Millis>>,
    leaving: BTreeMap<WorkerSid, Latest<(Millis, Leaving)>>,
}

impl Statements {
    /// This worker's page says that they have the conversation.
    pub(crate) fn claim(at: Millis, worker: WorkerSid) -> Self {
        Self { claimed: [(worker, Latest(at))].into(), leaving: BTreeMap::new() }
    }

    /// This worker's page says that they leave.
    pub(crate) fn leaving(at: Millis, worker: WorkerSid, how: Leaving) -> Self {
        Self { claimed: BTreeMap::new(), leaving: [(worker, Latest((at, how)))].into() }
    }

    /// When this agent said last that they leave, and how (point in time); `None` if a page of theirs has claimed the
    /// conversation since: they have stayed.
    pub fn leave_of(&self, worker: &WorkerSid) -> Option<(Millis, Leaving)> {
        let said = self.leaving.get(worker).map(|said| said.0);
        let claimed = self.claimed.get(worker).map(|at| at.0);
        said.filter(|(at, _)| claimed.is_none_or(|claimed| claimed <= *at))
    }

    /// When each worker's page claimed the conversation last (point in time).
    pub fn claims(&self) -> impl Iterator<Item = (&WorkerSid, Millis)> {
        self.claimed.iter().map(|(worker, at)| (worker, at.0))
    }

    /// The workers whose pages said something of the conversation.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerSid> {
        self.claimed.keys().chain(self.leaving.keys())
    }
}

impl Join for Statements {
    fn join(&mut self, other: Self) {
        self.claimed.join(other.claimed);
        self.leaving.join(other.leaving);
    }
}
