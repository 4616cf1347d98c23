use rejoin_protocol::{RecoveryId, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};

/// TaskRouter says what became of a task (<https://www.twilio.com/docs/events/event-types/taskrouter>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEvent {
    /// The same one again is the same event: it comes at least once, and in any order.
    pub id: String,
    /// Which task.
    pub task: TaskSid,
    /// What the task is for.
    pub purpose: Purpose,
    /// Whose reservation it is about.
    pub worker: Option<WorkerSid>,
    /// Which reservation it is about.
    pub reservation: Option<ReservationSid>,
    /// What happened.
    pub kind: TaskEventKind,
}

/// What a task is for, as its attributes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Nothing that a recovery has made.
    Other,
    /// It asks whether the agent is back.
    Ping {
        /// Of which recovery.
        recovery: RecoveryId,
    },
    /// It brings the customer back. From when an agent has it on, it is an ordinary call, too.
    Reconnect {
        /// Of which recovery.
        recovery: RecoveryId,
        /// For whom; `None`: any agent.
        target: Option<WorkerSid>,
    },
}

impl Purpose {
    /// The recovery that has made the task.
    pub fn recovery(&self) -> Option<&RecoveryId> {
        match self {
            Self::Other => None,
            Self::Ping { recovery } | Self::Reconnect { recovery, target: _ } => Some(recovery),
        }
    }
}

/// What happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskEventKind {
    /// `task-queue.entered`.
    EnteredQueue,
    /// `task.canceled`.
    Canceled {
        /// Because the caller hung up?
        hung_up: bool,
    },
    /// `reservation.accepted`.
    Accepted,
    /// `reservation.rejected` or `reservation.timeout`: it was offered to the worker, who did not take it.
    NotTaken,
    /// `reservation.canceled`: the offer was taken back, or failed after it was accepted.
    TakenBack,
    /// `reservation.wrapup`: as far as TaskRouter knows, the worker is not on the call any more.
    WrapUp,
}
