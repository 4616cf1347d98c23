//! An agent who is away, and what is done about it until the customer has an agent again.

use crate::Config;
use crate::facts::Agent;
use rejoin_protocol::api::{Failure, RecoveryView, Stage};
use rejoin_protocol::{CallSid, Millis, RecoveryId, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How long before the end of the wait the steps that precede the requeue begin, if the leg has stood until then.
pub(crate) const AHEAD: Millis = Millis::seconds(1);

/// How long a page has at least to join in place: for its phone to ring and answer, and to register.
const JOINS_WITHIN: Millis = Millis::seconds(3);

/// How often a customer who waits in the queue without its music is sent there again. With the pauses, that takes over eight
/// minutes.
const WITHOUT_MUSIC_AT_MOST: u32 = 6;

/// An agent who is away from a call: from the moment that their page or their leg is gone, not on purpose, until they are back or
/// given up.
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
    /// True once the agent has proved reachable, before the customer went to any agent.
    pub back: bool,
    /// Until when the recovery waits for the registration of a participant who joined after the loss (point in time).
    #[serde(default)]
    pub spared_until: Option<Millis>,
    /// The participants who were on the call when the agent was lost.
    #[serde(default)]
    pub bystanders: BTreeSet<CallSid>,
    /// Legs that joined after the loss while the agent's newest page was gone. No page of the agent has them, so they may be
    /// orphaned legs.
    #[serde(default, rename = "strangers")]
    pub late_bystanders: BTreeSet<CallSid>,
}

/// An absent agent whose customer has another agent. No announcement is made, and no task is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// Who is away, since when, and until when they are awaited.
    pub absence: Absence,
    /// The stage of the absence.
    pub stage: CoveredStage,
}

/// The stage of a covered agent's absence.
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
    /// True if the customer has lost agents so often lately that the next agent gets the call. The losses of all agents count.
    #[serde(default)]
    pub too_often: bool,
    /// The phase.
    pub phase: Phase,
    /// True once the announcement to the customer was requested.
    #[serde(default)]
    pub announced: bool,
    /// When the announcement began, or is due on our hold (point in time). A customer who goes to the queue before they can have
    /// heard it hears it there. `None`: there was none, or the customer had heard it when they went to the queue.
    #[serde(default)]
    pub words_at: Option<Millis>,
    /// The task that asks whether the agent is back.
    #[serde(default)]
    pub ping: Ping,
    /// The state of the hold that the lost agent had put the customer on.
    #[serde(default)]
    pub agent_hold: AgentHold,
    /// Set when the customer is sent to the queue for any agent because the wait is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_back: Option<NotBack>,
    /// How often the queue has not kept the customer.
    #[serde(default)]
    pub let_go: u32,
    /// The idempotency token of Twilio's last request that reported the customer out of the queue.
    #[serde(default)]
    pub let_go_token: Option<String>,
}

/// The ping of a recovery. Twilio may report both after the recovery has gone on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ping {
    /// The ping's task, once Twilio has named it.
    pub task: Option<TaskSid>,
    /// True once the agent has accepted the ping, as far as is known.
    pub is_accepted: bool,
}

/// The customer was sent to the queue for any agent, because the agent was not back in time. The recovery may be over when the agent
/// is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotBack {
    /// When the customer was sent there (point in time).
    pub at: Millis,
    /// True once it was noted that the agent was back shortly afterwards.
    #[serde(default)]
    pub is_back_noted: bool,
}

/// The customer waits in the conference. The announcement was requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingTheLine {
    /// The customer was alone, so their flags were not cleared. If a participant joins before the requeue, the requeue
    /// clears them.
    pub was_alone: bool,
    /// The agent is asked by a ping whether they are back.
    pub is_pinged: bool,
    /// The wait was prolonged because no server ran, and goes on after the end of the ping.
    #[serde(default)]
    pub is_prolonged: bool,
}

/// The customer's trip to an agent through the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// The agent who is to get the customer; `None`: any agent.
    pub target: Option<WorkerSid>,
    /// Number of earlier requeues for this target: the customer still waited in silence, or was still in the conference.
    pub resent: u32,
    /// True once Twilio has fetched what the customer hears in the queue. Before that the customer waits in silence.
    pub music: bool,
    /// The conference had ended under the customer: the document for our action URL sends them to the queue.
    pub is_stranded: bool,
    /// As in [`HoldingTheLine`].
    pub was_alone: bool,
    /// A document that Twilio has fetched sends the customer to the queue. No request is needed.
    pub by_document: bool,
}

/// An absence of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Absent<'a> {
    /// The customer misses the agent.
    Missed(&'a Recovery),
    /// The customer has another agent.
    Covered(&'a Covered),
}

/// The state of the hold that the lost agent had put the customer on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentHold {
    /// There was no hold, or it is unchanged.
    #[default]
    AsItWas,
    /// We ended the hold.
    Ended,
    /// We put the customer on hold again.
    PutBack,
}

/// The phase of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Before the rungs. The grace period: a graceful mark may still arrive.
    Grace,
    /// First rung, in place: the page is gone and the leg still stands; the agent is awaited.
    Away,
    /// First rung, in place: the agent is back and joins the same conference again.
    Rejoining,
    /// Before the requeue: the announcement was requested, and the customer waits in the conference; the agent is awaited.
    Holding(HoldingTheLine),
    /// Before the requeue: the conference has ended under the customer, whose call goes on; the agent is awaited.
    Stranded,
    /// Second rung, or third if the trip has no target: the customer is being sent to the queue.
    Requeueing(Trip),
    /// Second rung, or third if the trip has no target: the customer is in the queue.
    Queued(Trip),
    /// Over.
    Ended(Ending),
}

/// Ends of a recovery: every one reaches exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The same agent has the customer again.
    Rejoined {
        /// The name of the conference, if it is another one.
        #[serde(default)]
        into: Option<TaskSid>,
    },
    /// Another agent has the customer.
    HandedOver {
        /// That agent's name, when it is known.
        name: Option<String>,
        /// The name of the conference, if it is another one and known.
        #[serde(default)]
        into: Option<TaskSid>,
    },
    /// Another agent has come to the customer before the customer was moved.
    Covered,
    /// The customer hung up.
    CustomerLeft,
    /// A late graceful mark showed that the agent left on purpose.
    Graceful,
    /// Twilio refused for good, or no agent took the call.
    Failed {
        /// Why.
        reason: Failure,
    },
}

impl Ending {
    /// The name of the other conference in which the customer is with an agent again.
    pub fn into(&self) -> Option<&TaskSid> {
        match self {
            Self::Rejoined { into } | Self::HandedOver { into, .. } => into.as_ref(),
            Self::Covered | Self::CustomerLeft | Self::Graceful | Self::Failed { .. } => None,
        }
    }

    fn stage(&self) -> Stage {
        match self {
            Self::Rejoined { .. } => Stage::Rejoined,
            Self::HandedOver { name, .. } => Stage::HandedOver { worker_name: name.clone() },
            Self::Covered => Stage::Covered,
            Self::CustomerLeft => Stage::CustomerLeft,
            Self::Graceful => Stage::Graceful,
            Self::Failed { reason } => Stage::Failed { reason: *reason },
        }
    }
}

impl Absence {
    /// The agent is back and joins in place. The limit holds however often the page is loaded again. A page that comes just before
    /// it, or while a newcomer's registration is awaited, has the time to join all the same: its phone would ring when the customer
    /// is sent on, and take no other call.
    pub(crate) fn joins_in_place(&mut self, now: Millis, config: &Config) {
        let latest = self.lost_at + config.ping_ttl;
        let is_awaited = now < latest.max(self.spared_until.unwrap_or_default());
        let least = if is_awaited { now + JOINS_WITHIN.min(config.in_place_within) } else { now };
        self.deadline = latest.min(now + config.in_place_within).max(least);
        self.back = true;
    }

    /// As [`Self::joins_in_place`], beside a colleague who has the customer. Nobody waits, so a page that comes within the limit has
    /// all the time that a join may take: on a slow network it may be late by then.
    pub(crate) fn joins_beside(&mut self, now: Millis, config: &Config) {
        let is_in_time = now < self.lost_at + config.ping_ttl;
        self.joins_in_place(now, config);
        if is_in_time {
            self.deadline = self.deadline.max(now + config.in_place_within);
        }
    }

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

    /// When the absence is given up (point in time). That is before the deadline while the old leg still stands.
    pub(crate) fn due(&self) -> Millis {
        match self.stage {
            CoveredStage::Away => Millis(self.absence.deadline.0.saturating_sub(AHEAD.0)),
            CoveredStage::Rejoining | CoveredStage::Over(_) => self.absence.deadline,
        }
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

impl Phase {
    /// True until the requeue begins.
    pub fn is_before_requeue(&self) -> bool {
        match self {
            Self::Grace | Self::Away | Self::Rejoining | Self::Holding(_) | Self::Stranded => true,
            Self::Requeueing(_) | Self::Queued(_) | Self::Ended(_) => false,
        }
    }

    /// The customer's trip through the queue, while it lasts.
    pub fn trip(&self) -> Option<&Trip> {
        let (Self::Requeueing(trip) | Self::Queued(trip)) = self else { return None };
        Some(trip)
    }

    /// [`Self::trip`], mutable.
    pub(crate) fn trip_mut(&mut self) -> Option<&mut Trip> {
        let (Self::Requeueing(trip) | Self::Queued(trip)) = self else { return None };
        Some(trip)
    }

    /// The target of the trip. The inner `None` means any agent.
    pub fn target(&self) -> Option<Option<&WorkerSid>> {
        self.trip().map(|trip| trip.target.as_ref())
    }

    /// True while the customer waits for the agent in the conference, once the announcement was requested, or stranded.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Holding(_) | Self::Stranded)
    }

    /// The name of the other conference in which the customer is with an agent again.
    pub fn moved_to(&self) -> Option<&TaskSid> {
        if let Self::Ended(ending) = self { ending.into() } else { None }
    }
}

impl Recovery {
    /// A recovery from this absence. No request to Twilio was made for it yet.
    pub(crate) fn new(absence: Absence, generation: u32, too_often: bool, phase: Phase) -> Self {
        Self {
            absence,
            generation,
            too_often,
            phase,
            announced: false,
            words_at: None,
            ping: Ping::default(),
            agent_hold: AgentHold::default(),
            not_back: None,
            let_go: 0,
            let_go_token: None,
        }
    }

    /// The customer's next trip through the queue, for this target.
    pub(crate) fn next_trip(&self, target: Option<WorkerSid>, resent: u32) -> Trip {
        let before = match &self.phase {
            Phase::Requeueing(trip) | Phase::Queued(trip) => trip.clone(),
            Phase::Holding(HoldingTheLine { was_alone, .. }) => {
                Trip { was_alone: *was_alone, ..Trip::default() }
            }
            Phase::Stranded => Trip { is_stranded: true, ..Trip::default() },
            Phase::Grace | Phase::Away | Phase::Rejoining | Phase::Ended(_) => Trip::default(),
        };
        Trip { target, resent, music: resent >= WITHOUT_MUSIC_AT_MOST, by_document: false, ..before }
    }

    /// How often the customer was sent to the queue before for the same target.
    pub fn resent(&self) -> u32 {
        self.phase.trip().map_or(0, |trip| trip.resent)
    }

    /// True until the recovery has ended.
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_))
    }

    /// What the lost agent's dialog shows.
    pub fn view(&self, now: Millis, task: &TaskSid) -> RecoveryView {
        let stage = match &self.phase {
            Phase::Holding(_) | Phase::Stranded if self.too_often => Stage::WaitingForOther,
            Phase::Grace | Phase::Away | Phase::Holding(_) | Phase::Stranded => Stage::Interrupted,
            Phase::Rejoining => Stage::InPlace,
            Phase::Requeueing(trip) if trip.target.is_some() => Stage::Requeueing,
            Phase::Queued(trip) if trip.target.is_some() => Stage::Queued,
            Phase::Requeueing(_) | Phase::Queued(_) => Stage::WaitingForOther,
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

    /// What the absent agent's dialog shows.
    pub fn view(self, now: Millis, task: &TaskSid) -> RecoveryView {
        match self {
            Self::Missed(recovery) => recovery.view(now, task),
            Self::Covered(covered) => covered.view(now, task),
        }
    }
}
