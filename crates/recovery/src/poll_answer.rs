use crate::ParticipantFlags;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answer to a poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollAnswer {
    /// The conference's participants; none if it is over.
    pub participants: BTreeMap<CallSid, ParticipantFlags>,
    /// True if the customer is on the line; `None` if the customer is unknown.
    pub on_line: Option<bool>,
    /// The reconnect tasks, if the poll asked for them.
    pub reconnects: Vec<Reconnect>,
    /// The state of the call's task, if the poll asked for it.
    #[serde(default)]
    pub task: Option<TaskState>,
    /// The attributes of that task.
    #[serde(default)]
    pub attributes: Option<String>,
    /// Agents whose reservations of that task are wrapping, or completed if it is over.
    #[serde(default)]
    pub wrapping: Vec<Holder>,
    /// TaskRouter's log of that task, in any order, if the poll asked for it.
    #[serde(default)]
    pub log: Vec<Logged>,
    /// Agents who have accepted that task, while it is assigned.
    #[serde(default)]
    pub accepted: Vec<Holder>,
}

/// An entry of TaskRouter's log of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// The event.
    pub what: LoggedWhat,
    /// Its time, by Twilio's clock.
    pub at: Option<Millis>,
}

/// The relevant events of TaskRouter's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoggedWhat {
    /// An agent took the task.
    Accepted(ReservationSid),
    /// The agent began to wrap up.
    Wraps(ReservationSid),
    /// The task was transferred.
    Transferred,
}

/// An agent who has a task, or had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The agent.
    pub worker: WorkerSid,
    /// The worker's friendly name.
    pub name: String,
    /// The agent's reservation.
    pub reservation: ReservationSid,
}

/// The queries that precede a requeue, because an unreported agent may have the customer by then. They are part of the
/// attempt, and not a poll by the machine: a request may wait minutes for its turn, and an answer from before the wait would
/// be stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Whether an agent has taken a task that is to bring the customer back: [`PollAnswer::reconnects`].
    pub reconnects: bool,
    /// Whether an agent who has accepted the task is in the conference: [`PollAnswer::accepted`] and [`PollAnswer::participants`].
    pub holders: bool,
}

impl Check {
    /// True if Twilio is asked anything.
    pub fn is_needed(self) -> bool {
        self.reconnects || self.holders
    }
}

/// An unreported agent who is with the customer in the conference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreportedAgent {
    /// The agent's leg.
    pub leg: CallSid,
    /// The agent.
    pub holder: Holder,
}

/// The state of a call's task. A poll asks for it when the task's agent has handed it over, or has asked for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// TaskRouter's `pending`, `reserved` or `assigned`: it is offered to an agent or may be, or an agent has it.
    #[serde(rename = "Waits")] // its name in what earlier versions stored
    Open,
    /// Only agents who had it still wrap it up.
    Wraps,
    /// Canceled, completed, or gone.
    Over,
}

/// A reconnect task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconnect {
    /// The task.
    pub task: TaskSid,
    /// The agent whom it is for; `None`: any.
    pub target: Option<WorkerSid>,
    /// Its state.
    pub state: ReconnectState,
    /// The conference in which the customer is, or was, with the agent who has or had it.
    #[serde(default)]
    pub conference: Option<ConferenceSid>,
}

impl Reconnect {
    /// The agent who has the customer by this task. An agent who had the customer by a task for any agent counts as well,
    /// so that no customer is told that nobody took the call. For the one agent whom a task is for, that holds only while
    /// they have the task.
    pub fn taker(&self) -> Option<(&WorkerSid, &String, &ReservationSid)> {
        match &self.state {
            ReconnectState::Taken { worker, name, reservation } => Some((worker, name, reservation)),
            ReconnectState::Left { worker, name, reservation } if self.target.is_none() => {
                Some((worker, name, reservation))
            }
            ReconnectState::Left { .. } | ReconnectState::Waits | ReconnectState::Over => None,
        }
    }
}

impl ReconnectState {
    /// True if an agent has or had the customer by this task.
    pub fn was_taken(&self) -> bool {
        matches!(self, Self::Taken { .. } | Self::Left { .. })
    }
}

/// The state of a reconnect task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReconnectState {
    /// It waits for an agent, or for an agent's answer.
    Waits,
    /// An agent has it.
    Taken {
        /// The agent.
        worker: WorkerSid,
        /// The worker's friendly name.
        name: String,
        /// The agent's reservation.
        reservation: ReservationSid,
    },
    /// An agent had it, and wraps it up or has wrapped it up.
    Left {
        /// The agent.
        worker: WorkerSid,
        /// The worker's friendly name.
        name: String,
        /// The agent's reservation.
        reservation: ReservationSid,
    },
    /// Canceled, or completed without an agent.
    Over,
}
