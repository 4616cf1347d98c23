//! How a stored call is read: one of the current format, or of the format before.

mod v2;

use crate::{Call, Format};

impl Call {
    /// Reads a stored call.
    ///
    /// # Errors
    /// When the text is no call of a format that this build reads. [`Format::unknown`] says whether another build wrote it.
    pub fn read(stored: &str) -> Result<Self, serde_json::Error> {
        match Format::of(stored) {
            Some(Format::OLDEST) => v2::read(stored),
            Some(_) | None => serde_json::from_str(stored),
        }
    }
}
