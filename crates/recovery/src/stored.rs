//! How a stored call is read: one of the current format, or of the format before.

use crate::{Call, Format};
use serde_json::{Error, Value};

impl Call {
    /// Reads a stored call.
    ///
    /// # Errors
    /// When the text is no call of a format that this build reads. [`Format::unknown`] says whether another build wrote it.
    pub fn read(stored: &str) -> Result<Self, Error> {
        match Format::of(stored) {
            Some(Format::OLDEST) => of_format_3(stored),
            Some(_) | None => serde_json::from_str(stored),
        }
    }
}

/// Format 4 added variants: a page is asked whether it lives. A call of format 3 has none of them.
fn of_format_3(stored: &str) -> Result<Call, Error> {
    let mut stored: Value = serde_json::from_str(stored)?;
    if let Some(call) = stored.as_object_mut() {
        call.insert("format".into(), Format::CURRENT.into());
    }
    serde_json::from_value(stored)
}
