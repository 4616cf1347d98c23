use crate::chats::{Draft, Message, MessageId};
use rejoin_protocol::{ConversationSid, Millis, ReservationSid};

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Keep this draft across page loads, in place of an older one of its conversation.
    Keep(Draft),
    /// Forget the draft of a conversation, unless another page has kept a newer one.
    Forget {
        /// The conversation.
        conversation: ConversationSid,
        /// When the version that this page knows was typed (point in time).
        at: Millis,
    },
    /// Report the draft that is kept now ([`Event::Recalled`](super::Event::Recalled)).
    Recall {
        /// The conversation.
        conversation: ConversationSid,
    },
    /// Keep a message across page loads.
    KeepMessage(Message),
    /// Forget a kept message.
    ForgetMessage(MessageId),
    /// Remember across page loads which task is selected.
    KeepSelected(ReservationSid),
    /// Forget everything that is kept of this worker.
    ForgetAll,
    /// Select a task.
    Select {
        /// Its reservation.
        reservation: ReservationSid,
    },
    /// Set the text of an input.
    SetInput {
        /// The conversation.
        conversation: ConversationSid,
        /// The text.
        text: String,
        /// Where the selection starts, in UTF-16 code units.
        start: u32,
        /// Where it ends.
        end: u32,
    },
    /// Clear an input that still has this text, but for spaces around it, and take these files from it.
    ClearInput {
        /// The conversation.
        conversation: ConversationSid,
        /// The text.
        text: String,
        /// Names of the files.
        files: Vec<String>,
    },
    /// Answer: send this message as without the plugin. Nothing is reported.
    Let(MessageId),
    /// Answer: send this message with its id, and report the outcome ([`Event::Sent`](super::Event::Sent)).
    Dispatch(MessageId),
    /// Answer: do not send this message now.
    Hold(MessageId),
    /// Search the conversation for a message, then report [`Event::Searched`](super::Event::Searched).
    Search {
        /// The conversation.
        conversation: ConversationSid,
        /// The message.
        id: MessageId,
        /// The message has a higher index than this one.
        after: Option<u64>,
        /// The number of the search.
        search: u32,
    },
    /// Send a message again, then report [`Event::Sent`](super::Event::Sent).
    Resend(Message),
    /// Show a notice; `None`: show none any more.
    Notify {
        /// Where: in this conversation; `None`: in the header.
        conversation: Option<ConversationSid>,
        /// The notice.
        notice: Option<Notice>,
    },
    /// Wake the machine at this point in time. Setting a timer again replaces it.
    SetTimer {
        /// The timer.
        timer: Timer,
        /// When it is due (point in time).
        at: Millis,
    },
    /// Clear a timer. Clearing one that is not set is not an error.
    ClearTimer(Timer),
}

/// A notice for the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Messages wait until they can be sent.
    Waiting {
        /// What they say.
        text: String,
    },
    /// Messages that waited have been sent.
    Sent {
        /// What they say.
        text: String,
    },
    /// Messages could not be sent.
    NotSent {
        /// What they say.
        text: String,
    },
    /// Files must be attached again.
    Files {
        /// Their names.
        names: String,
    },
}

/// A timer of the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// Its conversation.
    pub conversation: ConversationSid,
    /// What is due.
    pub due: Due,
}

/// What is due in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Go on with the messages that wait.
    Retry,
    /// A search has taken too long.
    Search,
    /// The agent has been out of the conversation for too long.
    Gone,
    /// A notice has been shown long enough.
    Notice,
}
