//! What was taken already: callbacks, requests of pages and TaskRouter's events are each delivered at least once.

use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::DeliveryId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// What was taken already, so that a repeated delivery changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Received {
    /// Sequence numbers of callbacks.
    pub callbacks: BTreeSet<u64>,
    /// Registrations and marks: a page repeats them until they are answered.
    pub requests: BTreeSet<(WorkerSid, DeliveryId)>,
    /// Ids of TaskRouter's events, the oldest first.
    pub task_events: VecDeque<String>,
}
