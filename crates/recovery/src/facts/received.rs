//! Deduplication: callbacks, requests of pages and TaskRouter's events are each delivered at least once.

use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::DeliveryId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

/// Number of callbacks that are remembered. A callback is late by seconds, in which a conference sends far fewer.
const CALLBACKS: usize = 1000;
/// Number of registrations and marks that are remembered: more than a call has.
const REQUESTS: usize = 100;
/// Number of TaskRouter's events that are remembered: more than a call has.
const TASK_EVENTS: usize = 200;

/// The deliveries that were taken, so that a repeated one changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Received {
    /// Sequence numbers.
    callbacks: BTreeSet<u64>,
    /// Registrations and marks: a page repeats them until they are answered.
    requests: BTreeSet<(WorkerSid, DeliveryId)>,
    /// Ids, the oldest first.
    task_events: VecDeque<String>,
}

impl Received {
    /// Sequence numbers of the callbacks that are remembered.
    pub fn callbacks(&self) -> &BTreeSet<u64> {
        &self.callbacks
    }

    /// True if a callback in this range of sequence numbers was not delivered: it is late, or lost.
    pub(crate) fn lacks_callback(&self, mut within: Range<u64>) -> bool {
        within.any(|sequence| !self.callbacks.contains(&sequence))
    }

    /// Ids of TaskRouter's events that are remembered, the oldest first.
    pub fn task_events(&self) -> &VecDeque<String> {
        &self.task_events
    }

    /// Number of registrations and marks that are remembered.
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// The registrations and marks of this worker's pages that are remembered, the oldest first.
    pub(crate) fn requests_of<'a>(&'a self, worker: &'a WorkerSid) -> impl Iterator<Item = DeliveryId> + 'a {
        self.requests.iter().filter(move |(who, _)| who == worker).map(|(_, id)| *id)
    }

    /// Takes a callback. False if it was taken before, as is assumed of one that is older than all that are remembered.
    pub(crate) fn take_callback(&mut self, sequence: u64) -> bool {
        let is_full = self.callbacks.len() >= CALLBACKS;
        if is_full && self.callbacks.first().is_some_and(|oldest| sequence < *oldest) {
            return false;
        }
        let is_new = self.callbacks.insert(sequence);
        if is_new && is_full {
            self.callbacks.pop_first();
        }
        is_new
    }

    /// Takes a registration or a mark. False if it was taken before.
    pub(crate) fn take_request(&mut self, worker: &WorkerSid, id: Option<DeliveryId>) -> bool {
        let Some(id) = id else { return true };
        if self.requests.len() >= REQUESTS {
            self.forget_oldest_request();
        }
        self.requests.insert((worker.clone(), id))
    }

    /// Forgets the oldest request of the worker with the most requests, so that those of other workers stay.
    fn forget_oldest_request(&mut self) {
        let mut counts: BTreeMap<&WorkerSid, (usize, DeliveryId)> = BTreeMap::new();
        for (worker, id) in &self.requests {
            counts.entry(worker).or_insert((0, *id)).0 += 1; // in order: the first one is the oldest
        }
        let busiest = counts.into_iter().max_by_key(|(_, (count, _))| *count);
        if let Some((worker, (_, oldest))) = busiest.map(|(worker, most)| (worker.clone(), most)) {
            self.requests.remove(&(worker, oldest));
        }
    }

    /// Takes an event of TaskRouter. False if it was taken before.
    pub(crate) fn take_task_event(&mut self, id: &str) -> bool {
        if self.task_events.iter().any(|taken| taken == id) {
            return false;
        }
        if self.task_events.len() >= TASK_EVENTS {
            self.task_events.pop_front();
        }
        self.task_events.push_back(id.to_owned());
        true
    }
}
