//! The pages of the agents, each by its epoch.

use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::Holding;
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

impl Pages {
    /// A page found the task, and had no call for it. True if the page is the newest one that is alone in its browser.
    pub(crate) fn finds_task(
        &mut self,
        worker: &WorkerSid,
        epoch: u64,
        holding: &Holding,
        older_may_live: bool,
    ) -> bool {
        raise(&mut self.newest, worker, epoch);
        if holding.other_browser {
            raise(&mut self.other_browser, worker, epoch);
        }
        let before = self.newest_alone.get(worker).copied();
        if older_may_live || Some(epoch) < before {
            return false;
        }
        self.newest_alone.insert(worker.clone(), epoch);
        if holding.can_join {
            self.joinable.insert(worker.clone());
        } else {
            self.joinable.remove(worker);
        }
        Some(epoch) > before
    }

    /// A page has said goodbye before its leg was known.
    pub(crate) fn says_goodbye(&mut self, worker: &WorkerSid, epoch: u64) {
        raise(&mut self.gone, worker, epoch);
    }

    /// A page says whether its worker's activity receives tasks. The newest page counts.
    pub(crate) fn says_availability(&mut self, worker: &WorkerSid, epoch: u64, is_available: bool) {
        if self.newest.get(worker).is_some_and(|newest| epoch < *newest) {
            return;
        }
        if is_available {
            self.unavailable.remove(worker);
        } else {
            self.unavailable.insert(worker.clone());
        }
    }
}

fn raise(epochs: &mut BTreeMap<WorkerSid, u64>, worker: &WorkerSid, epoch: u64) {
    let newest = epochs.entry(worker.clone()).or_default();
    *newest = epoch.max(*newest);
}
