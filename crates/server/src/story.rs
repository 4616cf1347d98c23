//! The story of a call or a conversation, to be understood later: what came in and what followed, and each request to Twilio.
//! It has identifiers, times and kinds, but no personal data.

mod conversation;
mod input;

pub use conversation::ConversationEntry;
pub(crate) use conversation::{KEPT, ToldConversation};
pub(crate) use input::then;
pub use input::{Input, Source, Then};

use rejoin_protocol::{ConferenceSid, Millis, RecoveryId};
use serde::{Deserialize, Serialize};

/// An entry of a call's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When it happened (point in time).
    pub at: Millis,
    /// The conference of the call.
    pub conference: ConferenceSid,
    /// The call's recovery at that time, if any.
    pub recovery: Option<RecoveryId>,
    /// What happened.
    pub entry: Entry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Entry {
    /// Something came in, with its consequences.
    Input(Input),
    /// A server took a job from the store: another server's, or one without a server.
    TakenUp {
        /// The job's number.
        job: i64,
        /// The job's action.
        action: String,
        /// True when another server had it before. It may then have had its effect.
        begun_before: bool,
    },
    /// A request to Twilio.
    Asked {
        /// The job's number.
        job: i64,
        /// The job's action.
        action: String,
        /// Method and path, with SIDs.
        request: String,
        /// HTTP status; `None`: no answer.
        status: Option<u16>,
        /// Twilio's error code.
        code: Option<u32>,
        /// Twilio's request id (`RQ…`).
        request_id: Option<String>,
        /// Duration of the request in milliseconds.
        took_ms: u64,
        /// The error, in a word.
        error: Option<String>,
    },
    /// An attempt at a job failed and will be retried.
    Again {
        /// The job's number.
        job: i64,
        /// The job's action.
        action: String,
        /// The error, in one sentence.
        error: String,
        /// The delay before the retry, apart from its turn.
        pause_ms: u64,
    },
}
