//! That we have parked the conversation.

use super::join::Latest;
use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};

/// A parking that Twilio has carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Parking {
    /// When (point in time).
    pub at: Millis,
    /// The index of the customer's last message that was known when parking was requested: a later one wakes the conversation,
    /// also one that came while the request was on its way.
    pub after_message: Option<u32>,
    /// The number of our last invite before it.
    pub after_invite: u32,
}

/// The last parking.
pub(crate) type Parked = Option<Latest<Parking>>;
