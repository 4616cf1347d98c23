//! The story of a conversation: what came in that changed something, how it was judged, what Twilio was asked for and how it
//! answered. Never a text of anybody.

use rejoin_conversations::{Action, Cause, Ending, Leaving, Outcome, Place, Way};
use rejoin_protocol::{
    ConversationSid, InteractionChannelSid, InteractionSid, Millis, ParticipantSid, TaskSid, WorkerSid,
};
use serde::{Deserialize, Serialize};

/// At most this many entries of a conversation are kept: the newest. A chat may go on for months.
pub(crate) const KEPT: u32 = 400;

/// An entry of a conversation's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToldConversation {
    /// When it happened (point in time).
    pub(crate) at: Millis,
    /// The conversation.
    pub(crate) conversation: ConversationSid,
    /// What happened.
    pub(crate) entry: ConversationEntry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ConversationEntry {
    /// It is known where the conversation is in Flex.
    Placed {
        /// The interaction.
        interaction: InteractionSid,
        /// Its channel.
        channel: InteractionChannelSid,
    },
    /// An agent joined.
    Joined {
        /// The agent's participant.
        participant: ParticipantSid,
        /// The agent's task, once known.
        task: Option<TaskSid>,
    },
    /// Twilio has said which agent a participant is.
    Named {
        /// The participant.
        participant: ParticipantSid,
        /// The agent.
        worker: WorkerSid,
    },
    /// An agent has left, or is not listed any more.
    Left {
        /// The agent's participant.
        participant: ParticipantSid,
        /// The agent, where known.
        worker: Option<WorkerSid>,
    },
    /// An agent's page said that they leave on purpose.
    Leaving {
        /// The agent.
        worker: WorkerSid,
        /// How.
        how: Leaving,
    },
    /// A page of an agent on it has gone.
    PageGone {
        /// The agent.
        worker: WorkerSid,
        /// How.
        way: Way,
    },
    /// A page of an agent on it has loaded, or has come back.
    PageBack {
        /// The agent.
        worker: WorkerSid,
    },
    /// The customer wrote while no agent's page was there, and waits for an answer.
    CustomerWaits,
    /// Another row of the table decides.
    Judged {
        /// How the conversation stands.
        attendance: String,
        /// The number of the row, from 1 on, in the release that wrote this.
        row: usize,
        /// Its words.
        because: String,
    },
    /// An absence began.
    Began {
        /// Its number.
        absence: u32,
        /// Why.
        cause: Cause,
        /// When it ends by itself (point in time).
        until: Millis,
        /// The agents who were on it.
        lost: Vec<WorkerSid>,
    },
    /// An absence ended.
    Ended {
        /// Its number.
        absence: u32,
        /// How.
        ending: Ending,
    },
    /// Twilio is to be asked for this.
    Requested {
        /// What. Never a look.
        action: Action,
    },
    /// The request has ended.
    Answered {
        /// What was requested.
        action: Action,
        /// What came of it.
        outcome: Outcome,
    },
}

impl ConversationEntry {
    /// The conversation's place.
    pub(crate) fn placed(place: &Place) -> Self {
        Self::Placed { interaction: place.interaction.clone(), channel: place.channel.clone() }
    }

    /// A task or a channel by which the story is found, if the entry names one.
    pub(crate) fn alias(&self) -> Option<&str> {
        match self {
            Self::Placed { channel, .. } => Some(channel.as_str()),
            Self::Joined { task, .. } | Self::Answered { outcome: Outcome::Invited { task, .. }, .. } => {
                task.as_ref().map(TaskSid::as_str)
            }
            Self::Named { .. }
            | Self::Left { .. }
            | Self::Leaving { .. }
            | Self::PageGone { .. }
            | Self::PageBack { .. }
            | Self::CustomerWaits
            | Self::Judged { .. }
            | Self::Began { .. }
            | Self::Ended { .. }
            | Self::Requested { .. }
            | Self::Answered { .. } => None,
        }
    }
}
