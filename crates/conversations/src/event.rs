//! What the machine is told, and what came of its actions.

use crate::action::Action;
use crate::desk::PageEvent;
use crate::facts::{ChannelState, Leaving, Place, Role, TaskState};
use rejoin_protocol::{
    ConversationSid, InviteSid, MemberSid, Millis, ParticipantSid, ReservationSid, TaskSid, WorkerSid,
    WorkflowSid,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// News of a conversation, of a worker's page, or of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An Interaction webhook. It may be the first news of its conversation.
    Interaction {
        /// The conversation (`MediaChannelSid`).
        conversation: ConversationSid,
        /// The channel.
        place: Place,
        /// Twilio's name for the kind of channel, such as `web`.
        kind: Option<String>,
        /// What has happened.
        news: InteractionNews,
    },
    /// A Conversations webhook `onMessageAdded`. Its text is not part of it. Ignored for an unknown conversation.
    Message {
        /// The conversation.
        conversation: ConversationSid,
        /// The message.
        message: Message,
    },
    /// A Conversations webhook `onConversationStateUpdated`. Ignored for an unknown conversation.
    State {
        /// The conversation.
        conversation: ConversationSid,
        /// Its new state.
        state: ChannelState,
    },
    /// A page says that its agent has the conversation. It counts only when Twilio lists the agent.
    Claimed {
        /// The worker, by the token of the request.
        worker: WorkerSid,
        /// The conversation.
        conversation: ConversationSid,
        /// The channel.
        place: Place,
    },
    /// A page says that its agent leaves the conversation on purpose. Ignored for an unknown conversation.
    Leaving {
        /// The worker, by the token of the request.
        worker: WorkerSid,
        /// The conversation.
        conversation: ConversationSid,
        /// How.
        how: Leaving,
    },
    /// News of a page, which concerns all conversations of its worker.
    Page {
        /// The worker.
        worker: WorkerSid,
        /// Epoch of the page.
        epoch: u64,
        /// What it did.
        event: PageEvent,
    },
    /// A TaskRouter event about a task. Ignored for a task of no conversation.
    Task {
        /// The conversation that its attributes name. The conversation may not know the task yet: TaskRouter may end it, and report
        /// so, before Twilio's answer to our invite is here.
        conversation: Option<ConversationSid>,
        /// The task.
        task: TaskSid,
        /// Its state after it: `Ended` after `task.canceled`, `task.deleted`, `task.completed` and `workflow.timeout`.
        state: TaskState,
    },
    /// An action has ended.
    Done {
        /// The conversation.
        conversation: ConversationSid,
        /// The action.
        action: Action,
        /// What came of it.
        outcome: Outcome,
    },
    /// The conversation's timer is due.
    Timer {
        /// The conversation.
        conversation: ConversationSid,
    },
}

impl Event {
    /// The workers whom the event names as agents or by their pages. Their desks are needed to handle it, beside those of the
    /// workers of its conversation: it may be the first news that one is on it.
    pub fn workers(&self) -> Vec<&WorkerSid> {
        match self {
            Self::Interaction {
                news: InteractionNews::Joined(seen) | InteractionNews::Left(seen), ..
            } => seen.worker.iter().collect(),
            Self::Done { outcome: Outcome::Seen(sight), .. } => {
                sight.participants.iter().filter_map(|it| it.worker.as_ref()).collect()
            }
            Self::Claimed { worker, .. } | Self::Leaving { worker, .. } | Self::Page { worker, .. } => {
                vec![worker]
            }
            Self::Interaction { .. }
            | Self::Message { .. }
            | Self::State { .. }
            | Self::Task { .. }
            | Self::Done { .. }
            | Self::Timer { .. } => vec![],
        }
    }
}

/// What an Interaction webhook says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InteractionNews {
    /// `onParticipantJoined`, `onParticipantUpdated`.
    Joined(Seen),
    /// `onParticipantLeft`.
    Left(Seen),
    /// `onChannelStatusUpdated`.
    Status(ChannelState),
    /// Anything else, such as `onChannelCreated`.
    Other,
}

/// A participant as Twilio shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The participant.
    pub sid: ParticipantSid,
    /// What the participant is.
    pub role: Role,
    /// An agent's worker.
    pub worker: Option<WorkerSid>,
    /// An agent's task.
    pub task: Option<TaskSid>,
    /// An agent's reservation.
    pub reservation: Option<ReservationSid>,
    /// The participant as a member of the conversation.
    pub member: Option<MemberSid>,
}

/// A message, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its index in the conversation.
    pub index: u32,
    /// When Twilio took it (point in time). One in the future counts as now.
    pub at: Millis,
    /// The member who wrote it; `None`: a program, such as we.
    pub author: Option<MemberSid>,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Twilio has taken it.
    Ok,
    /// What a poll has seen.
    Seen(Sight),
    /// Twilio knows no such channel.
    NotFound,
    /// Twilio knows the channel that a page has named, and does not say that it is the conversation's.
    Unconfirmed,
    /// The invite was made.
    Invited {
        /// The invite.
        invite: InviteSid,
        /// Its task, if Twilio named it.
        task: Option<TaskSid>,
    },
    /// Twilio has refused it for good, or did not answer in time.
    Failed {
        /// Why, in words without anything personal.
        reason: String,
    },
}

/// What a poll has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// When Twilio was asked (point in time): what was known before, and is not in here, is over.
    pub asked_at: Millis,
    /// State of the channel.
    pub state: ChannelState,
    /// Twilio's name for the kind of channel.
    pub kind: Option<String>,
    /// Everybody who is on it.
    pub participants: Vec<Seen>,
    /// If TaskRouter was asked for its agents: the last point in time at which each was at a desktop for sure; `None`: they are not
    /// available. A worker is missing if TaskRouter did not answer; all are in an account in which Flex sets nobody offline.
    #[serde(default)]
    pub workers: BTreeMap<WorkerSid, Option<Millis>>,
    /// The newest messages.
    pub messages: Vec<Message>,
    /// The newest task by which an agent was looked for, if it was asked for.
    pub task: Option<SeenTask>,
    /// Of the tasks that were read to find the newest one, those that agents have completed.
    #[serde(default)]
    pub completed: BTreeSet<TaskSid>,
}

/// A task as Twilio shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenTask {
    /// The task.
    pub task: TaskSid,
    /// Its state.
    pub state: TaskState,
    /// True if it is `completed`: an agent had it.
    #[serde(default)]
    pub completed: bool,
    /// Its workflow.
    pub workflow: Option<WorkflowSid>,
}
