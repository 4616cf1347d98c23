//! Whoever has to explain later what was asked of Twilio is told of each request.

use std::fmt;
use std::time::Duration;

/// A request, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Method and path behind the account or the workspace, such as `POST Conferences/CF….json`. SIDs are in it, and
    /// nothing that was sent.
    pub what: String,
    /// HTTP status; `None`: no answer.
    pub status: Option<u16>,
    /// Twilio's error code, when it gave one.
    pub code: Option<u32>,
    /// `Twilio-Request-Id` (`RQ…`): what Twilio's support asks for.
    pub request_id: Option<String>,
    /// From when it was sent until it was answered, or given up.
    pub took: Duration,
    /// What was wrong, in a word; `None`: it succeeded.
    pub error: Option<&'static str>,
}

/// Is told of requests.
pub trait Witness: fmt::Debug + Send + Sync {
    /// One was answered, or was not and will not be any more.
    fn saw(&self, asked: Asked);
}
