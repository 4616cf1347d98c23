//! An agent who is away, and what is done about it until the customer has an agent again.

use crate::facts::Agent;
use rejoin_protocol::api::{Failure, RecoveryView, Stage};
use rejoin_protocol::{CallSid, Millis, RecoveryId, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One recovery of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Named after the lost leg.
    pub id: RecoveryId,
    /// The leg that was lost.
    pub lost_leg: CallSid,
    /// Who was lost.
    pub agent: Agent,
    /// When (point in time).
    pub lost_at: Millis,
    /// How often the customer has been lost lately, this time included; 0 when another agent was there.
    #[serde(default)]
    pub generation: u32,
    /// Was that more often than the same agent is to have the customer again?
    #[serde(default)]
    pub too_often: bool,
    /// How far it is.
    pub phase: Phase,
    /// When the machine goes on by itself (point in time).
    pub deadline: Millis,
    /// Has the agent proved reachable?
    pub back: bool,
    /// Until when somebody who came after the loss is given time to say who it is (point in time).
    #[serde(default)]
    pub spared_until: Option<Millis>,
    /// Was the customer told?
    #[serde(default)]
    pub announced: bool,
    /// The ping's task, while it stands.
    pub ping: Option<TaskSid>,
    /// Has the agent accepted the ping, as far as is known?
    #[serde(default)]
    pub ping_accepted: bool,
    /// Who else was there then: third parties, somebody who listens.
    #[serde(default)]
    pub bystanders: BTreeSet<CallSid>,
    /// What has to come before the requeue: the customer's leg free, the task read, the dead leg gone.
    pub prepared: Prepared,
    /// Was the old reservation completed, or is it being?
    pub reservation_freed: bool,
    /// What became of the agent's own hold of the customer.
    #[serde(default)]
    pub agent_hold: AgentHold,
    /// Has the conference ended under the customer?
    #[serde(default)]
    pub stranded: bool,
    /// How often the queue has not kept the customer.
    #[serde(default)]
    pub let_go: u32,
    /// Has Twilio asked for what the customer hears in the queue? Where it has not, he waits in silence.
    #[serde(default = "yes")]
    pub music: bool,
    /// How often was he sent there once more, for that, or because nothing had come of it?
    #[serde(default)]
    pub resent: u32,
    /// Has Twilio sent him there, as far as it says? Who asks what comes next all the same was not sent.
    #[serde(default)]
    pub sent: bool,
    /// Name of the conference in which the customer is with an agent again.
    #[serde(default)]
    pub moved_to: Option<TaskSid>,
}

/// Of a recovery that was begun before this was noted.
fn yes() -> bool {
    true
}

/// What became of the hold that the agent had put the customer on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentHold {
    /// Nothing: there was none, or it stands.
    #[default]
    AsItWas,
    /// We have ended it.
    Ended,
    /// We have put it back.
    PutBack,
}

/// What has come of the things that a requeue waits for. `true` also when it did not work: then it goes on without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// [`Action::FreeCustomer`], unless the customer was alone.
    pub freed: bool,
    /// Was the customer alone, so that there was nobody to free him of? Somebody may come before he is moved.
    #[serde(default)]
    pub was_alone: bool,
    /// [`Action::MarkTask`].
    pub marked: bool,
    /// [`Action::RemoveLeg`], where it was needed.
    pub removed: bool,
}

/// How far a recovery is: the three rungs, and the ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// A mark "on purpose" may still come.
    Grace,
    /// The page is gone and the leg still stands; the agent is awaited.
    Away,
    /// The agent is back and joins the same conference again.
    Rejoining,
    /// The customer is told and kept; the agent is awaited.
    Holding,
    /// The customer is being sent to the queue.
    Requeueing {
        /// For whom; `None`: any agent.
        target: Option<WorkerSid>,
    },
    /// The customer is in the queue.
    Queued {
        /// For whom; `None`: any agent.
        target: Option<WorkerSid>,
    },
    /// Over.
    Ended(Ending),
}

/// Ends of a recovery: every one reaches exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The same agent has the customer again.
    Rejoined,
    /// Another agent has.
    HandedOver {
        /// That agent's name, when it is known.
        name: Option<String>,
    },
    /// Another agent has come to the customer before he was moved.
    Covered,
    /// The customer hung up.
    CustomerLeft,
    /// It was on purpose after all.
    Graceful,
    /// Twilio refused for good, or nobody took the call.
    Failed {
        /// Why.
        reason: Failure,
    },
}

impl Ending {
    /// The name that timelines and reports use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rejoined => "rejoined",
            Self::HandedOver { .. } => "handed-over",
            Self::Covered => "covered",
            Self::CustomerLeft => "customer-left",
            Self::Graceful => "graceful",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Recovery {
    /// Is it still going on?
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_))
    }

    /// What the lost agent's dialog shows.
    pub fn view(&self, now: Millis, task: &TaskSid) -> RecoveryView {
        let stage = match &self.phase {
            Phase::Holding if self.too_often => Stage::WaitingForOther,
            Phase::Grace | Phase::Away | Phase::Holding => Stage::Interrupted,
            Phase::Rejoining => Stage::InPlace,
            Phase::Requeueing { target: Some(_) } => Stage::Requeueing,
            Phase::Queued { target: Some(_) } => Stage::Queued,
            Phase::Requeueing { target: None } | Phase::Queued { target: None } => Stage::WaitingForOther,
            Phase::Ended(Ending::Rejoined) => Stage::Rejoined,
            Phase::Ended(Ending::HandedOver { name }) => Stage::HandedOver { worker_name: name.clone() },
            Phase::Ended(Ending::Covered) => Stage::Covered,
            Phase::Ended(Ending::CustomerLeft) => Stage::CustomerLeft,
            Phase::Ended(Ending::Graceful) => Stage::Graceful,
            Phase::Ended(Ending::Failed { reason }) => Stage::Failed { reason: *reason },
        };
        let waits = matches!(stage, Stage::Interrupted | Stage::InPlace | Stage::Requeueing | Stage::Queued);
        RecoveryView {
            id: self.id.clone(),
            task: task.clone(),
            reservation: self.agent.reservation.clone(),
            remaining_ms: waits.then(|| now.until(self.deadline).0),
            stage,
            too_often: self.too_often,
        }
    }
}
