//! Reports each request to Twilio, so that it can be explained later.

use std::fmt;
use std::time::Duration;

/// A request and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Method and path after the account or the workspace, such as `POST Conferences/CF….json`. It contains SIDs, and
    /// nothing of the body.
    pub what: String,
    /// HTTP status; `None` without an answer.
    pub status: Option<u16>,
    /// Twilio's error code, if it gave one.
    pub code: Option<u32>,
    /// `Twilio-Request-Id` (`RQ…`), which Twilio's support asks for.
    pub request_id: Option<String>,
    /// Time from sending until the answer, or until giving up.
    pub took: Duration,
    /// The error in a word; `None` after success.
    pub error: Option<&'static str>,
}

/// Receives reports of requests.
pub trait Witness: fmt::Debug + Send + Sync {
    /// Called when a request was answered, or will not be answered any more.
    fn saw(&self, asked: Asked);
}
