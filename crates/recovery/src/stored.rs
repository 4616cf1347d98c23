//! How a stored call is read, whichever release has stored it.

mod v1;

use crate::{Call, Format};

impl Call {
    /// Reads a stored call, of the current form or of the one before.
    ///
    /// # Errors
    /// When the text is no call of a form that this build knows. [`Format::newer`] says whether a newer release wrote it.
    pub fn read(stored: &str) -> Result<Self, serde_json::Error> {
        match serde_json::from_str(stored) {
            Err(_) if Format::of(stored).is_some_and(|format| format < Format::CURRENT) => {
                serde_json::from_str::<v1::Call>(stored).map(Self::from)
            }
            read => read,
        }
    }
}
