use crate::ParticipantFlags;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a call stands, as Twilio says when it is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Who is in the conference. Nobody: it is over.
    pub participants: BTreeMap<CallSid, ParticipantFlags>,
    /// Is the customer on the line? `None`: it was not asked, because nobody knows who that is.
    pub on_line: Option<bool>,
    /// Tasks that are to bring the customer back, if it was asked.
    pub reconnects: Vec<Reconnect>,
    /// How the task stands, if it was asked.
    #[serde(default)]
    pub task: Option<HandedOver>,
    /// The attributes of that task.
    #[serde(default)]
    pub attributes: Option<String>,
    /// Who wraps that task up.
    #[serde(default)]
    pub wrapping: Vec<Holder>,
    /// What TaskRouter's log says of that task, in any order, if it was asked.
    #[serde(default)]
    pub log: Vec<Logged>,
    /// Who has it, while it is nobody's to take.
    #[serde(default)]
    pub accepted: Vec<Holder>,
}

/// A line of TaskRouter's log of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// What happened.
    pub what: LoggedWhat,
    /// When, by Twilio's clock.
    pub at: Option<Millis>,
}

/// What TaskRouter's log tells that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoggedWhat {
    /// An agent took the task.
    Accepted(ReservationSid),
    /// Her talk was over.
    Wraps(ReservationSid),
    /// The task was handed over, by whomever.
    Transferred,
}

/// An agent who has a task, or has had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who.
    pub worker: WorkerSid,
    /// The name that Twilio knows.
    pub name: String,
    /// By which reservation.
    pub reservation: ReservationSid,
}

/// An agent who is with the customer in the conference, of which nobody has told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// By which leg.
    pub leg: CallSid,
    /// Who.
    pub holder: Holder,
}

/// How a task stands that its agent has handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandedOver {
    /// Somebody is asked to take it, or may be.
    Waits,
    /// It is only wrapped up by whoever had it.
    Wraps,
    /// Canceled, completed, or gone.
    Over,
}

/// A task that is to bring a customer back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconnect {
    /// Which.
    pub task: TaskSid,
    /// For whom; `None`: any agent.
    pub target: Option<WorkerSid>,
    /// How it stands.
    pub state: ReconnectState,
    /// Where the customer is with the agent who has it, or was.
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
    /// True if an agent has the customer by this task, or had.
    pub fn was_taken(&self) -> bool {
        matches!(self, Self::Taken { .. } | Self::Left { .. })
    }
}

/// How a reconnect task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReconnectState {
    /// It waits for an agent, or for an agent's answer.
    Waits,
    /// An agent has it.
    Taken {
        /// Who.
        worker: WorkerSid,
        /// The name that Twilio knows.
        name: String,
        /// The agent's reservation.
        reservation: ReservationSid,
    },
    /// An agent had it, and wraps it up or has done so.
    Left {
        /// Who.
        worker: WorkerSid,
        /// The name that Twilio knows.
        name: String,
        /// The agent's reservation.
        reservation: ReservationSid,
    },
    /// Canceled, or completed without an agent.
    Over,
}
