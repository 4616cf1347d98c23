//! What survives a restart: calls, jobs, timers and timelines.
//!
//! [`Store`] has the one connection that writes; [`Timelines`] reads beside it.

mod schema;
mod sqlite;

pub use sqlite::{Store, Timelines};

use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use rejoin_recovery::{Action, Call, Note, Timer};
use serde::{Deserialize, Serialize};

/// Number of a job in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// One change. A commit carries out many, in their order, all or none.
#[derive(Clone, Debug)]
pub enum Change {
    /// A call as it is now.
    SaveCall {
        /// Whose row.
        conference: ConferenceSid,
        /// The call as JSON.
        state: String,
    },
    /// A call is over for good: its row, timers and closed jobs go.
    Forget(ConferenceSid),
    /// A job, unless one that may be done only once is there already.
    AddJob {
        /// Of which call.
        conference: ConferenceSid,
        /// What to do.
        action: Action,
        /// When it no longer makes sense (point in time).
        deadline: Millis,
    },
    /// The job has ended.
    CloseJob(JobId),
    /// A timer; replaces the one that is set.
    SetTimer {
        /// Of which call.
        conference: ConferenceSid,
        /// Which.
        timer: Timer,
        /// When it is due (point in time).
        at: Millis,
    },
    /// No timer any more.
    ClearTimer {
        /// Of which call.
        conference: ConferenceSid,
        /// Which.
        timer: Timer,
    },
    /// A line of a timeline.
    AddLine {
        /// The customer's leg, when known.
        customer: Option<CallSid>,
        /// The line.
        line: Line,
    },
}

/// A line of a timeline, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When (point in time).
    pub at: Millis,
    /// In which conference.
    pub conference: ConferenceSid,
    /// What happened.
    pub note: Note,
}

/// What was open when the server last stopped.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Calls.
    pub calls: Vec<Call>,
    /// Jobs that had not ended. Each may have had its effect.
    pub jobs: Vec<StoredJob>,
    /// Timers, due or not.
    pub timers: Vec<(ConferenceSid, Timer, Millis)>,
}

/// A job that had not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJob {
    /// Its number.
    pub id: JobId,
    /// Of which call.
    pub conference: ConferenceSid,
    /// What to do.
    pub action: Action,
    /// When it no longer makes sense (point in time).
    pub deadline: Millis,
}
