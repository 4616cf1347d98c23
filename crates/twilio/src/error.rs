//! Errors of requests to Twilio.

use crate::transport::Unanswered;
use serde::Deserialize;
use std::time::Duration;
use thiserror::Error;

/// Code for a call that is not in progress (<https://www.twilio.com/docs/api/errors/21220>).
pub const CALL_NOT_IN_PROGRESS: u32 = 21220;

/// Why a request failed. No message repeats what was sent or answered, which may be personal data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// HTTP 404 or code 20404: the conference is over, the participant or call has left, the task is deleted.
    #[error("Twilio does not know the resource (any more): it is over")]
    Gone,
    /// HTTP 401, or code 20003: Twilio does not accept our credentials. They can be changed while a server runs.
    #[error(
        "Twilio does not accept the account SID and auth token: set the new ones (TWILIO_AUTH_TOKEN) and restart; \
         until then no call is recovered"
    )]
    Unauthorized,
    /// HTTP 409 or 412: the task has changed since it was read.
    #[error("the task was changed concurrently: read it again and repeat")]
    Conflict,
    /// HTTP 429: not carried out, so always safe to retry (<https://www.twilio.com/docs/api/errors/20429>).
    #[error("Twilio asks to send fewer requests: repeat later")]
    Throttled {
        /// The delay that Twilio asks for, if any.
        retry_after: Option<Duration>,
    },
    /// Any other HTTP 4xx: a retry will not help.
    #[error(
        "Twilio refused with HTTP status {status} and code {code}: see https://www.twilio.com/docs/api/errors"
    )]
    Refused {
        /// HTTP status.
        status: u16,
        /// Twilio's error code; 0 when none was given.
        code: u32,
    },
    /// HTTP 5xx.
    #[error("Twilio is unavailable (HTTP status {status}): repeat later")]
    Unavailable {
        /// HTTP status.
        status: u16,
        /// True when Twilio may have carried out the request nevertheless.
        may_have_acted: bool,
    },
    /// No answer: not connected, timed out, or cut off.
    #[error("no answer from Twilio ({what}): check the network, repeat later")]
    Transport {
        /// What happened, in a few words.
        what: &'static str,
        /// True when Twilio may have carried out the request nevertheless.
        may_have_acted: bool,
    },
    /// A successful answer that is not as Twilio documents it.
    #[error("Twilio's answer could not be read; the request has probably been carried out")]
    Unreadable {
        /// True when Twilio may have carried out the request.
        may_have_acted: bool,
    },
    /// The gate held it back: this server must not send it any more.
    #[error("not sent: another server owns the job by now")]
    Withheld,
}

impl Error {
    /// A short name, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::Throttled { .. } => "throttled",
            Self::Refused { .. } => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::Transport { .. } => "no-answer",
            Self::Unreadable { .. } => "unreadable",
            Self::Withheld => "withheld",
        }
    }

    /// True when the request may have had its effect: check before it is repeated.
    pub fn may_have_acted(&self) -> bool {
        match self {
            Self::Unavailable { may_have_acted, .. }
            | Self::Transport { may_have_acted, .. }
            | Self::Unreadable { may_have_acted } => *may_have_acted,
            Self::Gone
            | Self::Conflict
            | Self::Unauthorized
            | Self::Throttled { .. }
            | Self::Refused { .. }
            | Self::Withheld => false,
        }
    }

    /// True when a retry of the same request can help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Conflict
            | Self::Unauthorized
            | Self::Unavailable { .. }
            | Self::Transport { .. }
            | Self::Unreadable { .. }
            | Self::Withheld => true,
            Self::Gone | Self::Refused { .. } => false,
        }
    }

    pub(crate) fn without_effect(self) -> Self {
        match self {
            Self::Transport { what, .. } => Self::Transport { what, may_have_acted: false },
            other => other,
        }
    }
}

impl From<Unanswered> for Error {
    fn from(why: Unanswered) -> Self {
        // Without a connection nothing was sent; in every other case it may have arrived.
        let (what, may_have_acted) = match why {
            Unanswered::NotConnected => ("not connected", false),
            Unanswered::NotBuilt => ("the request could not be built", false),
            Unanswered::TimedOut => ("timed out", true),
            Unanswered::CutOff => ("cut off", true),
        };
        Self::Transport { what, may_have_acted }
    }
}

/// The body of a refusal. Its explanation is not read: it may repeat what was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    pub(crate) code: u32,
}
