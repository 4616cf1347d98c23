//! An absence: from the moment that a conversation has nobody until it has an agent again, is parked, or is closed. It holds
//! what was decided when it began; everything else is read from the facts.

use crate::way::Way;
use rejoin_protocol::{Millis, ParticipantSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why an absence began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Cause {
    /// All pages of its agents were gone.
    Unattended {
        /// How the last page went.
        way: Way,
        /// When (point in time).
        since: Millis,
    },
    /// Nobody had it, and no task looked for an agent.
    Unrouted,
    /// It was parked, and the customer has written.
    Woken,
}

impl Cause {
    /// The name that documents and explanations use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unattended { .. } => "unattended",
            Self::Unrouted => "unrouted",
            Self::Woken => "woken",
        }
    }
}

/// How an absence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The agent's page is there again, and nothing has changed.
    Back,
    /// The same agent has it by another task.
    SameAgent,
    /// Another agent has it.
    OtherAgent,
    /// An agent left, paused or wrapped up by Flex's own buttons.
    Graceful,
    /// It is parked.
    Parked,
    /// It is closed.
    Closed,
}

impl Ending {
    /// The name that documents and explanations use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Back => "back",
            Self::SameAgent => "same agent",
            Self::OtherAgent => "other agent",
            Self::Graceful => "graceful",
            Self::Parked => "parked",
            Self::Closed => "closed",
        }
    }
}

/// One absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Its number in the conversation, from 1 on.
    pub number: u32,
    /// Why it began.
    pub cause: Cause,
    /// When it began (point in time).
    pub began_at: Millis,
    /// When it ends by itself, parked or closed (point in time). Fixed at its beginning.
    pub deadline: Millis,
    /// The agents who were on it, by their participants.
    pub lost: BTreeMap<ParticipantSid, WorkerSid>,
    /// The agent who had it last, and is invited first; `None` if they have sent it to others.
    pub last_agent: Option<WorkerSid>,
    /// The task whose attributes are sent again.
    pub task: Option<TaskSid>,
    /// When the customer was told of it (point in time).
    #[serde(default)]
    pub told_at: Option<Millis>,
    /// The number of the last invite before it.
    pub after_invite: u32,
}
