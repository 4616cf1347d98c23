//! Whoever sends requests for customers sends them in turn: the client asks a gate before each one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Parts of Twilio's API that have limits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Calls and conferences: limited is how many requests of an account run at once
    /// (<https://www.twilio.com/docs/usage/rest-api-best-practices>).
    Voice,
    /// TaskRouter (<https://www.twilio.com/docs/taskrouter/limits>).
    TaskRouter,
    /// TaskRouter's lists by an expression: three a second; same page.
    TaskSearch,
}

impl Family {
    /// All.
    pub const ALL: [Self; 3] = [Self::Voice, Self::TaskRouter, Self::TaskSearch];

    /// As in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::TaskRouter => "taskRouter",
            Self::TaskSearch => "taskSearch",
        }
    }
}

/// What an answer says about how fast requests may come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP 429?
    pub throttled: bool,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `Twilio-Concurrent-Requests`: requests of the account that were running.
    pub concurrent: Option<u32>,
}

/// A turn, when it comes.
pub type Passing<'a> = Pin<Box<dyn Future<Output = Option<Box<dyn Pass>>> + Send + 'a>>;

/// Says when a request may go out.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Waits for the turn of one request. `None`: it must not go out any more.
    fn pass(&self, family: Family) -> Passing<'_>;
}

/// Leave to send one request. Dropped without [`Pass::answered`]: no answer came.
pub trait Pass: Send {
    /// The request was answered.
    fn answered(self: Box<Self>, answer: Answer);
}
