//! What must be known of an action besides how to carry it out.

use crate::diagnosis::Step;
use rejoin_protocol::{Millis, ParticipantSid};
use serde::{Deserialize, Serialize};

/// How an action is requested, repeated and looked up: [`Action::traits`](super::Action::traits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// At most one action of a slot is in flight.
    pub slot: Slot,
    /// The key under which it is requested only once; `None`: again, after a pause, as long as it is wanted.
    pub once: Option<Once>,
    /// The part of Twilio's API that it goes to.
    pub api: Api,
    /// How long it is tried, while Twilio does not answer.
    pub tried_for: Millis,
    /// What comes before a retry when the request may have been carried out and its reply is lost.
    pub lost_reply: LostReply,
}

/// What only one action at a time may change or ask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// The poll on which something depends.
    #[serde(rename = "look")]
    Poll,
    /// The look for what webhooks may have missed. It may wait for long, and the other one does not wait for it.
    Watch,
    /// Messages to the customer.
    Tell,
    /// Invites.
    Invite,
    /// One participant.
    Participant(ParticipantSid),
    /// The state of the channel.
    Channel,
}

/// The key of an action that is requested once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Once {
    /// The customer is told of the absence with this number, which began then (point in time).
    TellAbsence(u32, Millis),
    /// The customer is alerted by this step, of the silence since then (point in time).
    TellIdle(Step, Millis),
    /// The invite with this number is made, in the absence that began then (point in time).
    Invite(u32, Millis),
}

/// A part of Twilio's API, with its own rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Interactions of Flex.
    Interactions,
    /// Conversations.
    Conversations,
}

/// What comes before a retry when a request may have been carried out and its reply is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReply {
    /// Nothing: the action is idempotent.
    Repeat,
    /// A search for our message, by its key in its attributes.
    FindMessage,
    /// A search for the invite's task, by its key in its attributes.
    FindInvite,
}
