//! The interaction channel of a conversation: where it is at Twilio, and how it stands.

use super::join::{Join, Latest};
use rejoin_protocol::{InteractionChannelSid, InteractionSid, Millis};
use serde::{Deserialize, Serialize};

/// Where a conversation is in Flex. A conversation without a place is not Flex's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The interaction.
    pub interaction: InteractionSid,
    /// Its channel.
    pub channel: InteractionChannelSid,
}

/// State of an interaction channel. Twilio's further states, `setup` and `failed`, are read as active: agents may be on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelState {
    /// It is going on.
    Active,
    /// An agent has paused it in Flex, and gets it back.
    Paused,
    /// An agent transfers it in Flex, and another one is asked.
    Transferring,
    /// No agent is on it until the customer writes: an agent has left it in Flex, or it is parked.
    Inactive,
    /// It is over, for good (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api>).
    Closed,
}

/// How a channel stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Channel {
    /// True once it was seen closed, which is for good.
    closed: bool,
    seen: Option<Latest<(Millis, ChannelState)>>,
}

impl Channel {
    /// The channel was in this state at this point in time.
    pub(crate) fn seen(at: Millis, state: ChannelState) -> Self {
        Self { closed: state == ChannelState::Closed, seen: Some(Latest((at, state))) }
    }

    /// The newest state; active if none was reported.
    pub fn state(&self) -> ChannelState {
        match self.seen {
            _ if self.closed => ChannelState::Closed,
            Some(Latest((_, state))) => state,
            None => ChannelState::Active,
        }
    }

    /// When the newest state was seen (point in time).
    pub fn seen_at(&self) -> Option<Millis> {
        self.seen.map(|Latest((at, _))| at)
    }
}

impl Join for Channel {
    fn join(&mut self, other: Self) {
        self.closed |= other.closed;
        self.seen.join(other.seen);
    }
}
