//! The pages of the agents, each by its epoch.

use rejoin_protocol::WorkerSid;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the pages of each worker have said about this call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pages {
    /// The newest page that has found the task, but had no call for it.
    pub newest: BTreeMap<WorkerSid, u64>,
    /// The newest page that has found the task while no older page was connected: the older pages are gone.
    pub newest_alone: BTreeMap<WorkerSid, u64>,
    /// The newest page that says that another browser had the call. A page that is alone in that other browser proves nothing
    /// about this one.
    pub other_browser: BTreeMap<WorkerSid, u64>,
    /// Workers whose page of [`Self::newest_alone`] could join in place.
    pub joinable: BTreeSet<WorkerSid>,
    /// The newest page that has said goodbye before its leg was known.
    pub gone: BTreeMap<WorkerSid, u64>,
    /// Workers whose newest page says that their activity receives no tasks, or who may be in such an activity as far as is
    /// known.
    pub unavailable: BTreeSet<WorkerSid>,
}
