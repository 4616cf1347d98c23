//! Which agents TaskRouter holds for available, as polls have found. Flex sets an agent offline some time after their last desktop
//! is gone: one who is available later than that is at a desktop, whether its page reaches us or not.

use super::join::{Join, Latest};
use rejoin_protocol::{Millis, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answers about each worker: only the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Availability {
    by_worker: BTreeMap<WorkerSid, Latest<(Millis, Option<Millis>)>>,
}

impl Availability {
    /// TaskRouter was asked at this point in time. Of each worker: the last point in time at which they were at a desktop for
    /// sure; `None`: they are not available.
    pub(crate) fn answered(asked_at: Millis, workers: &BTreeMap<WorkerSid, Option<Millis>>) -> Self {
        let answers = workers.iter().map(|(worker, at)| (worker.clone(), Latest((asked_at, *at))));
        Self { by_worker: answers.collect() }
    }

    /// When TaskRouter was asked, and when the worker was at a desktop for sure (points in time); `None`: it was not asked, or they were
    /// not available.
    pub fn at_desktop(&self, worker: &WorkerSid) -> Option<(Millis, Millis)> {
        let Latest((asked_at, at)) = self.by_worker.get(worker)?;
        at.map(|at| (*asked_at, at))
    }

    /// True if there is nothing to store.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_worker.is_empty()
    }

    /// Forgets the workers who are not kept.
    pub(crate) fn keep(&mut self, keeps: impl Fn(&WorkerSid) -> bool) {
        self.by_worker.retain(|worker, _| keeps(worker));
    }
}

impl Join for Availability {
    fn join(&mut self, other: Self) {
        self.by_worker.join(other.by_worker);
    }
}
