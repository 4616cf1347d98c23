//! The format of stored conversations.

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of the format in which a conversation is stored.
///
/// A new field needs a default and no new version: an older release ignores it. A new version is needed when an older release
/// would misread a conversation, as with a new variant or another meaning of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format;

impl Format {
    /// The version that this build writes, and the newest that it reads.
    pub const CURRENT: u32 = 1;

    /// The oldest version that this build reads.
    pub const OLDEST: u32 = 1;
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::CURRENT)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let format = u32::deserialize(deserializer)?;
        if !(Self::OLDEST..=Self::CURRENT).contains(&format) {
            let found = Unexpected::Unsigned(format.into());
            return Err(D::Error::invalid_value(
                found,
                &"a format of a stored conversation that this release reads",
            ));
        }
        Ok(Self)
    }
}
