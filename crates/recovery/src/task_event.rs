use rejoin_protocol::{RecoveryId, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};

/// An event of a task, from TaskRouter (<https://www.twilio.com/docs/events/event-types/taskrouter>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEvent {
    /// The event's id, by which duplicates are recognised: events arrive at least once, and in any order.
    pub id: String,
    /// The task.
    pub task: TaskSid,
    /// What the task is for.
    pub purpose: Purpose,
    /// The agent of the event's reservation.
    pub worker: Option<WorkerSid>,
    /// The event's reservation.
    pub reservation: Option<ReservationSid>,
    /// Kind of the event.
    pub kind: TaskEventKind,
}

/// What a task is for, as its attributes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// The task was not created by a recovery.
    Other,
    /// A Recovery Ping.
    Ping {
        /// The recovery.
        recovery: RecoveryId,
    },
    /// A reconnect task. Once an agent has accepted it, it is also the task of an ordinary call.
    Reconnect {
        /// The recovery.
        recovery: RecoveryId,
        /// The agent whom it is for; `None`: any.
        target: Option<WorkerSid>,
    },
}

impl Purpose {
    /// The recovery that created the task.
    pub fn recovery(&self) -> Option<&RecoveryId> {
        match self {
            Self::Other => None,
            Self::Ping { recovery } | Self::Reconnect { recovery, target: _ } => Some(recovery),
        }
    }
}

/// Kind of a task's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskEventKind {
    /// `task-queue.entered`.
    EnteredQueue,
    /// `task.canceled`.
    Canceled {
        /// True if it was canceled because the caller hung up.
        hung_up: bool,
    },
    /// `reservation.accepted`.
    Accepted,
    /// `reservation.rejected` or `reservation.timeout`: the worker did not take the offer.
    NotTaken,
    /// `reservation.canceled`: the offer was withdrawn, or failed after it was accepted.
    TakenBack,
    /// `reservation.wrapup`: as far as TaskRouter knows, the worker is no longer on the call.
    WrapUp,
}
