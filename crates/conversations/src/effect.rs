//! What the machine wants: actions at Twilio, one timer per conversation, and notes for the log and for supervisors.

use crate::absence::{Cause, Ending};
use crate::action::Action;
use rejoin_protocol::{ConversationSid, Millis};

/// An effect. They begin in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Carry out this action, and say what came of it by [`Event::Done`](crate::Event::Done).
    Act {
        /// The conversation.
        conversation: ConversationSid,
        /// The action.
        action: Action,
        /// Until when it is tried while Twilio does not answer (point in time).
        until: Millis,
    },
    /// Wake the conversation by [`Event::Timer`](crate::Event::Timer) then (point in time), instead of when it was set for
    /// before.
    SetTimer {
        /// The conversation.
        conversation: ConversationSid,
        /// When.
        at: Millis,
    },
    /// The timer is not needed any more.
    ClearTimer {
        /// The conversation.
        conversation: ConversationSid,
    },
    /// Something that supervisors and the log are told.
    Note {
        /// The conversation.
        conversation: ConversationSid,
        /// What.
        note: Note,
    },
    /// The conversation is forgotten.
    Forget {
        /// The conversation.
        conversation: ConversationSid,
    },
}

/// Something that supervisors and the log are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An absence has begun.
    Began {
        /// Its number.
        absence: u32,
        /// Why.
        cause: Cause,
        /// The row of [`ATTENDANCE`](crate::ATTENDANCE) that decided, from 0 on.
        row: usize,
    },
    /// An absence has ended.
    Ended {
        /// Its number.
        absence: u32,
        /// How.
        ending: Ending,
    },
    /// Twilio refused an action, or did not answer in time.
    Refused {
        /// Its name.
        action: &'static str,
    },
}
