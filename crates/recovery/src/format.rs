//! The format of stored calls, and their quarantine.

use rejoin_protocol::Millis;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of the format in which a call is stored.
///
/// A new field needs a default and no new version: an older release ignores it. A new version is needed when an older release
/// would misread a call, as with a new variant or another meaning of a field. A server of an older release holds such a call back,
/// and leaves its events to a server that can read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format;

impl Format {
    /// The version that this build writes, and the newest that it reads.
    pub const CURRENT: u32 = 4;

    /// The oldest version that this build reads: the one before.
    pub const OLDEST: u32 = Self::CURRENT - 1;

    /// The version of a stored call that this build cannot read because of its version.
    pub fn unknown(stored: &str) -> Option<u32> {
        Self::of(stored).filter(|format| !(Self::OLDEST..=Self::CURRENT).contains(format))
    }

    /// The version of a stored call; `None` if the text is not JSON, or has no version that is a number.
    pub(crate) fn of(stored: &str) -> Option<u32> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Option<Head> = serde_json::from_str(stored).ok();
        head.map(|head| head.format)
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::CURRENT)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let format = u32::deserialize(deserializer)?;
        if format != Self::CURRENT {
            let found = Unexpected::Unsigned(format.into());
            return Err(D::Error::invalid_value(found, &"the current format of a stored call"));
        }
        Ok(Self)
    }
}

/// The quarantine of a call about which an event ended in a panic: no event about it is handled until an operator releases it.
/// At Twilio the call goes on as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// When it began (point in time).
    pub at: Millis,
    /// Kind of the event that ended in a panic.
    pub event: String,
}
