//! What happened to a call, as it is kept for whoever has to understand it later: what came in and what followed from it,
//! and each request to Twilio. Identifiers, times and kinds; nothing personal.

mod input;

pub(crate) use input::then;
pub use input::{Input, Source, Then};

use rejoin_protocol::{ConferenceSid, Millis, RecoveryId};
use serde::{Deserialize, Serialize};

/// An entry of a call's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When (point in time).
    pub at: Millis,
    /// Of which call.
    pub conference: ConferenceSid,
    /// The call's recovery then, if there was one.
    pub recovery: Option<RecoveryId>,
    /// What.
    pub entry: Entry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Entry {
    /// Something came in, and this followed.
    Input(Input),
    /// A server took up a job that another one had, or nobody.
    TakenUp {
        /// Its number.
        job: i64,
        /// What it is.
        action: String,
        /// Did somebody have it before? Then it may have had its effect.
        begun_before: bool,
    },
    /// A request to Twilio.
    Asked {
        /// For which job.
        job: i64,
        /// What that is.
        action: String,
        /// Method and path, with SIDs.
        request: String,
        /// HTTP status; `None`: no answer came.
        status: Option<u16>,
        /// Twilio's error code.
        code: Option<u32>,
        /// Twilio's number of the request (`RQ…`).
        request_id: Option<String>,
        /// How long it took.
        took_ms: u64,
        /// What was wrong, in a word.
        error: Option<String>,
    },
    /// An attempt at a job did not succeed; there will be another one.
    Again {
        /// Which job.
        job: i64,
        /// What it is.
        action: String,
        /// Why, in one sentence.
        error: String,
        /// How long that waits, apart from its turn.
        pause_ms: u64,
    },
}
