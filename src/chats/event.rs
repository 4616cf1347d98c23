use crate::agent::ReservationStatus;
use crate::chats::{Draft, Message, MessageId, Timer};
use rejoin_protocol::{ConversationSid, ReservationSid};

/// An input of the machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The plugin has started.
    Started {
        /// Drafts of this worker that are kept.
        drafts: Vec<Draft>,
        /// The task that the agent had selected last.
        selected: Option<ReservationSid>,
        /// The task that Flex has selected by now.
        shown: Option<ReservationSid>,
        /// All reservations of the worker.
        tasks: Vec<ReservationSid>,
    },
    /// Flex's connection to conversations is up, or lost.
    Connection {
        /// True when it is up.
        up: bool,
    },
    /// A conversation of the worker is new or has changed.
    Changed(Facts),
    /// The worker has no task for this conversation any more.
    Gone {
        /// The conversation.
        conversation: ConversationSid,
    },
    /// The draft of a conversation as it is kept at this moment, see [`Effect::Recall`](super::Effect::Recall).
    Recalled {
        /// The conversation.
        conversation: ConversationSid,
        /// The draft; `None`: none is kept.
        draft: Option<Draft>,
    },
    /// The text of an input was set: by the agent's typing, by a plugin, or by Flex.
    Typed {
        /// The conversation.
        conversation: ConversationSid,
        /// The text.
        text: String,
        /// Where the selection starts, in UTF-16 code units.
        start: u32,
        /// Where it ends.
        end: u32,
    },
    /// The agent has selected a task.
    Selected {
        /// Its reservation.
        reservation: ReservationSid,
    },
    /// A message is about to be sent. Needs an answer: [`Effect::Let`](super::Effect::Let), `Dispatch` or `Hold`.
    Send(Message),
    /// Flex tells the agent that a message to this conversation could not be sent. It does so before it reports that
    /// sending has ended. Without it another plugin may have kept the message back, or sent it in a way of its own.
    Failed {
        /// The conversation.
        conversation: ConversationSid,
    },
    /// Sending has succeeded or failed.
    Sent {
        /// The message.
        id: MessageId,
        /// The outcome.
        outcome: Outcome,
    },
    /// The conversation was searched for a message.
    Searched {
        /// The message.
        id: MessageId,
        /// The number of the search.
        search: u32,
        /// True when it is there; `None`: the search has failed.
        found: Option<bool>,
    },
    /// An earlier page has left this message behind, and no other page takes care of it.
    Left(Message),
    /// The agent has wrapped up or completed the task of this conversation.
    Ended {
        /// The conversation.
        conversation: ConversationSid,
    },
    /// The agent has signed out.
    SignedOut,
    /// A timer that the machine set is due.
    Timer(Timer),
}

/// How sending has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The conversation has the message.
    Stored,
    /// It failed; the conversation may have the message all the same.
    Failed,
    /// The conversation does not take it.
    Refused,
}

/// A conversation of the worker, as Flex sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The conversation.
    pub conversation: ConversationSid,
    /// Status of the task's reservation.
    pub status: ReservationStatus,
    /// True for e-mail, whose drafts Flex keeps itself.
    pub email: bool,
    /// True when Flex has loaded the conversation and its input.
    pub loaded: bool,
    /// True when the agent is in it and it is not closed.
    pub open: bool,
    /// The text of the input.
    pub text: String,
    /// Names of the attached files.
    pub files: Vec<String>,
}
