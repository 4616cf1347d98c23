//! The text of a SID, stored inline, as SIDs are copied and compared more than anything else. In the browser it is a
//! `String`: inline code would be 3 kB more to load.

use std::fmt;

#[cfg(not(target_family = "wasm"))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Text([u8; Text::LENGTH]);

#[cfg(target_family = "wasm")]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Text(String);

#[cfg(not(target_family = "wasm"))]
impl Text {
    /// Two letters and 32 digits.
    const LENGTH: usize = 34;

    /// Expects a checked SID.
    pub(super) fn of(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().as_bytes().try_into().unwrap_or([b'0'; Self::LENGTH]))
    }

    pub(super) fn as_str(&self) -> &str {
        // Always ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(not(target_family = "wasm"))]
impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

#[cfg(target_family = "wasm")]
impl Text {
    /// Expects a checked SID.
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(target_family = "wasm")]
impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
