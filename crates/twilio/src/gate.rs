//! Rate limiting: the client passes a gate before each request.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Parts of Twilio's API that have limits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Calls and conferences: Twilio limits how many requests of an account run at once
    /// (<https://www.twilio.com/docs/usage/rest-api-best-practices>).
    Voice,
    /// TaskRouter (<https://www.twilio.com/docs/taskrouter/limits>).
    TaskRouter,
    /// TaskRouter's searches by expression: three a second; same page.
    TaskSearch,
    /// Interactions and conversations. Twilio names no limit of its own for them.
    Conversations,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 4] = [Self::Voice, Self::TaskRouter, Self::TaskSearch, Self::Conversations];

    /// The name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::TaskRouter => "taskRouter",
            Self::TaskSearch => "taskSearch",
            Self::Conversations => "conversations",
        }
    }
}

/// What an answer says about rate limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// True after HTTP 429.
    pub throttled: bool,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `Twilio-Concurrent-Requests`: number of the account's requests that were running.
    pub concurrent: Option<u32>,
}

/// A future that resolves when it is the request's turn.
pub type Passing<'a> = Pin<Box<dyn Future<Output = Option<Box<dyn Pass>>> + Send + 'a>>;

/// Decides when a request may be sent.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Waits for the turn of one request. `None`: it must not be sent any more.
    fn pass(&self, family: Family) -> Passing<'_>;
}

/// Permission to send one request. Dropping it without [`Pass::answered`] means that no answer came.
pub trait Pass: Send {
    /// The request was answered.
    fn answered(self: Box<Self>, answer: Answer);
}
