use crate::ParticipantFlags;
use rejoin_protocol::{
    CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid, WorkflowSid,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One customer's call in one conference. It is stored as JSON after every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Where it takes place.
    pub conference: ConferenceSid,
    /// The task that it belongs to.
    pub task: TaskSid,
    /// Where the task came from, once known.
    pub workflow: Option<WorkflowSid>,
    /// The customer's leg, once known.
    pub customer: Option<CallSid>,
    /// The task's attributes as last read, JSON text; empty when never read.
    pub attributes: String,
    /// Agents who were or are on the call, by leg.
    pub agents: BTreeMap<CallSid, Agent>,
    /// Everybody who was ever seen in the conference.
    pub participants: BTreeMap<CallSid, Participant>,
    /// Sequence numbers that were taken already.
    pub seen: BTreeSet<u64>,
    /// Has the conference ended?
    pub ended: bool,
    /// The recovery, when one has begun.
    pub recovery: Option<Recovery>,
}

/// An agent's share of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Who.
    pub worker: WorkerSid,
    /// The name for the agent who may have to take over.
    pub name: String,
    /// His or her reservation.
    pub reservation: ReservationSid,
    /// Has the agent said that he or she leaves on purpose?
    pub graceful: bool,
}

/// A leg as the callbacks show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Still there?
    pub joined: bool,
    /// Flags as last told.
    pub flags: ParticipantFlags,
    /// Number of the last event about this leg: older ones that come later change nothing.
    pub sequence: u64,
}

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
    /// How far it is.
    pub phase: Phase,
    /// Priority, original attributes and target of the reconnect task are fixed when the requeue begins.
    pub target: Option<WorkerSid>,
}

/// How far a recovery is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// A mark "on purpose" may still come.
    Grace,
}
