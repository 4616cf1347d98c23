//! How a stored call is read, whichever release has stored it.

mod v1;
mod v2;

use crate::{Call, Format};

impl Call {
    /// Reads a stored call, of the current format or of an earlier one.
    ///
    /// # Errors
    /// When the text is no call of a format that this build knows. [`Format::newer`] says whether a newer release wrote it.
    pub fn read(stored: &str) -> Result<Self, serde_json::Error> {
        match Format::of(stored) {
            Some(0 | 1) => serde_json::from_str::<v1::Call>(stored).map(Self::from),
            Some(2) => v2::read(stored),
            Some(_) | None => serde_json::from_str(stored),
        }
    }
}
