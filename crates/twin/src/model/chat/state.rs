//! A conversation.

use rejoin_protocol::{
    InteractionChannelSid, InteractionSid, InviteSid, MemberSid, MessageSid, Millis, ParticipantSid,
    ReservationSid, TaskSid, WorkerSid,
};
use std::collections::BTreeMap;

/// A conversation, its interaction and its channel.
#[derive(Debug)]
pub(in crate::model) struct Chat {
    pub(super) interaction: InteractionSid,
    pub(super) channel: InteractionChannelSid,
    pub(super) status: ChannelStatus,
    pub(super) status_since: Millis,
    /// The customer's name.
    pub(super) name: String,
    /// Attributes that the flow gives each of its tasks: a JSON object as text.
    pub(super) attributes: String,
    /// Task channel of the flow's tasks.
    pub(super) task_channel: String,
    pub(super) created: Millis,
    pub(super) updated: Millis,
    pub(super) messages: Vec<Message>,
    /// Past and present.
    pub(super) participants: Vec<Participant>,
    /// The task of each invite.
    pub(super) invites: BTreeMap<InviteSid, TaskSid>,
    /// Who has paused it, and the attributes of their task: a JSON object as text.
    pub(super) paused: Option<(WorkerSid, String)>,
    /// Transfers by Flex's own button, the oldest first.
    pub(super) transfers: Vec<ChatTransfer>,
    /// Index of the last message that each user has read.
    pub(super) read: BTreeMap<String, u64>,
}

/// As in `status` of a channel, and in `state` of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelStatus {
    Active,
    /// Left: until the customer writes.
    Inactive,
    /// Its agent has paused it.
    Paused,
    /// Its agent has transferred it, and nobody has taken it yet.
    Transferring,
    Closed,
}

impl ChannelStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Paused => "pause",
            Self::Transferring => "transfer",
            Self::Closed => "closed",
        }
    }

    /// The state of the conversation: one that is paused or transferred goes on.
    pub(super) fn state(self) -> &'static str {
        match self {
            Self::Paused | Self::Transferring => Self::Active.as_str(),
            Self::Active | Self::Inactive | Self::Closed => self.as_str(),
        }
    }
}

/// A transfer by Flex's own button.
#[derive(Clone, Debug)]
pub(super) struct ChatTransfer {
    /// `UX…`.
    pub(super) sid: String,
    /// The participant who transfers.
    pub(super) from: ParticipantSid,
    /// A worker or a queue.
    pub(super) to: String,
    pub(super) status: ChatTransferStatus,
    /// The task by which the next agent is asked.
    pub(super) task: TaskSid,
    pub(super) created: Millis,
    pub(super) updated: Millis,
}

/// As in `status` of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChatTransferStatus {
    Active,
    Completed,
    Failed,
}

impl ChatTransferStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) sid: MessageSid,
    pub(super) author: String,
    pub(super) member: Option<MemberSid>,
    pub(super) body: String,
    /// JSON text.
    pub(super) attributes: String,
    pub(super) at: Millis,
}

/// Somebody in the conversation.
#[derive(Clone, Debug)]
pub(super) struct Participant {
    pub(super) sid: ParticipantSid,
    pub(super) member: MemberSid,
    pub(super) identity: String,
    /// `None`: the customer.
    pub(super) agent: Option<Seat>,
    pub(super) joined: Millis,
    pub(super) left: Option<Millis>,
}

impl Participant {
    pub(super) fn kind(&self) -> &'static str {
        if self.agent.is_some() { "agent" } else { "customer" }
    }
}

/// By what an agent is in the conversation.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) worker: WorkerSid,
    pub(super) task: TaskSid,
    pub(super) reservation: ReservationSid,
}

impl Chat {
    /// Everybody who is in it now.
    pub(super) fn present(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|participant| participant.left.is_none())
    }

    pub(super) fn member(&self, identity: &str) -> Option<&Participant> {
        self.present().find(|participant| participant.identity == identity)
    }
}
