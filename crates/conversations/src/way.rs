//! The ways in which a page can be gone.

use serde::{Deserialize, Serialize};

/// A way of being gone. Each has its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The page has said goodbye.
    Goodbye,
    /// The page's push channel has closed.
    PushClosed,
    /// The page has no push channel, and its requests have stopped.
    PollingStopped,
}

impl Way {
    /// The name that documents and explanations use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::PushClosed => "push channel closed",
            Self::PollingStopped => "polling stopped",
        }
    }
}
