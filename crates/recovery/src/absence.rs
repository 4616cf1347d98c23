//! An agent who is away, and what is done about it until the customer has an agent again.

use crate::facts::Agent;
use rejoin_protocol::api::{Failure, RecoveryView, Stage};
use rejoin_protocol::{CallSid, Millis, RecoveryId, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An agent who is away from a call: since their leg, or their page, is gone, until they are back or given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Named after the lost leg.
    pub id: RecoveryId,
    /// The leg that the agent had.
    pub lost_leg: CallSid,
    /// The agent.
    pub agent: Agent,
    /// When the agent was lost (point in time).
    pub lost_at: Millis,
    /// When the machine goes on by itself (point in time).
    pub deadline: Millis,
    /// True once the agent has proved reachable.
    pub back: bool,
    /// Until when a participant who joined after the loss is given time to register (point in time).
    #[serde(default)]
    pub spared_until: Option<Millis>,
    /// The participants who were on the call when the agent was lost.
    #[serde(default)]
    pub bystanders: BTreeSet<CallSid>,
}

/// An absent agent whose customer has another agent. The customer is told nothing, and TaskRouter is asked nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The agent who is away.
    pub absence: Absence,
    /// How far the absence is.
    pub stage: CoveredStage,
}

/// How far the absence of a covered agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CoveredStage {
    /// The page is gone and the leg still stands.
    Away,
    /// The agent is back and joins the same conference again.
    Rejoining,
    /// Over.
    Over(Ending),
}

/// The recovery of a customer whose last agent is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The agent who is away.
    pub absence: Absence,
    /// Number of losses of this customer lately, with this one; 0 when another agent was on the call at the time.
    #[serde(default)]
    pub generation: u32,
    /// True if that is more often than the same agent is to have the customer again.
    #[serde(default)]
    pub too_often: bool,
    /// How far the recovery is.
    pub phase: Phase,
    /// True once the customer was told.
    #[serde(default)]
    pub announced: bool,
    /// What was asked of Twilio for this recovery.
    #[serde(default)]
    pub asked: Asked,
    /// What became of the agent's own hold of the customer.
    #[serde(default)]
    pub agent_hold: AgentHold,
    /// True once the conference has ended under the customer.
    #[serde(default)]
    pub stranded: bool,
    /// The customer's trips to the queue.
    #[serde(default)]
    pub trips: Trips,
    /// The name of the conference in which the customer is with an agent again.
    #[serde(default)]
    pub moved_to: Option<TaskSid>,
}

/// What was asked of Twilio for a recovery, and what has come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The ping's task, while it stands.
    pub ping: Option<TaskSid>,
    /// True once the agent has accepted the ping, as far as is known.
    pub ping_accepted: bool,
    /// What has to come before the requeue: the customer's leg free, the task read, the dead leg gone.
    pub prepared: Prepared,
    /// The old reservation was completed, or is being completed.
    pub reservation_freed: bool,
}

/// The customer's trips to the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trips {
    /// How often the queue has not kept the customer.
    pub let_go: u32,
    /// True once Twilio has fetched what the customer hears in the queue. Before that the customer waits in silence.
    pub music: bool,
    /// How often the customer was sent there again, because of that or because nothing had come of it.
    pub resent: u32,
    /// Twilio has carried out the last request that sends the customer there. If Twilio fetches our action URL for the
    /// customer all the same, the request had no effect.
    pub sent: bool,
}

/// An absence of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Absent<'a> {
    /// The customer misses the agent.
    Missed(&'a Recovery),
    /// The customer has another agent.
    Covered(&'a Covered),
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
    /// The customer was alone, so that their leg needed no freeing. Somebody may join before the customer is moved.
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
    /// Another agent has come to the customer before the customer was moved.
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

impl Ending {
    fn stage(&self) -> Stage {
        match self {
            Self::Rejoined => Stage::Rejoined,
            Self::HandedOver { name } => Stage::HandedOver { worker_name: name.clone() },
            Self::Covered => Stage::Covered,
            Self::CustomerLeft => Stage::CustomerLeft,
            Self::Graceful => Stage::Graceful,
            Self::Failed { reason } => Stage::Failed { reason: *reason },
        }
    }
}

impl Absence {
    fn view(&self, now: Millis, task: &TaskSid, stage: Stage, too_often: bool) -> RecoveryView {
        let waits = matches!(stage, Stage::Interrupted | Stage::InPlace | Stage::Requeueing | Stage::Queued);
        RecoveryView {
            id: self.id.clone(),
            task: task.clone(),
            reservation: self.agent.reservation.clone(),
            remaining_ms: waits.then(|| now.until(self.deadline).0),
            stage,
            too_often,
        }
    }
}

impl Covered {
    /// True while the agent is away.
    pub fn is_open(&self) -> bool {
        !matches!(self.stage, CoveredStage::Over(_))
    }

    /// What the absent agent's dialog shows.
    pub fn view(&self, now: Millis, task: &TaskSid) -> RecoveryView {
        let stage = match &self.stage {
            CoveredStage::Away => Stage::Interrupted,
            CoveredStage::Rejoining => Stage::InPlace,
            CoveredStage::Over(ending) => ending.stage(),
        };
        self.absence.view(now, task, stage, false)
    }
}

impl Recovery {
    /// A recovery from this absence, of which nothing was asked of Twilio yet.
    pub(crate) fn new(absence: Absence, generation: u32, too_often: bool, phase: Phase) -> Self {
        let prepared = Prepared { removed: !absence.agent.removing, ..Prepared::default() };
        Self {
            absence,
            generation,
            too_often,
            phase,
            announced: false,
            asked: Asked { prepared, ..Asked::default() },
            agent_hold: AgentHold::default(),
            stranded: false,
            trips: Trips::default(),
            moved_to: None,
        }
    }

    /// True while the recovery is going on.
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
            Phase::Ended(ending) => ending.stage(),
        };
        self.absence.view(now, task, stage, self.too_often)
    }
}

impl<'a> Absent<'a> {
    /// The agent who is away.
    pub fn absence(self) -> &'a Absence {
        match self {
            Self::Missed(recovery) => &recovery.absence,
            Self::Covered(covered) => &covered.absence,
        }
    }

    /// How the absence has ended; `None` while the agent is away.
    pub fn ending(self) -> Option<&'a Ending> {
        match self {
            Self::Missed(Recovery { phase: Phase::Ended(ending), .. })
            | Self::Covered(Covered { stage: CoveredStage::Over(ending), .. }) => Some(ending),
            Self::Missed(_) | Self::Covered(_) => None,
        }
    }

    /// True while the agent is away.
    pub fn is_open(self) -> bool {
        self.ending().is_none()
    }

    /// True while the agent joins the same conference again.
    pub fn is_rejoining(self) -> bool {
        match self {
            Self::Missed(recovery) => recovery.phase == Phase::Rejoining,
            Self::Covered(covered) => covered.stage == CoveredStage::Rejoining,
        }
    }

    /// What the absent agent's dialog shows.
    pub fn view(self, now: Millis, task: &TaskSid) -> RecoveryView {
        match self {
            Self::Missed(recovery) => recovery.view(now, task),
            Self::Covered(covered) => covered.view(now, task),
        }
    }
}
