//! Early marks: graceful marks that arrive before any other evidence of their call, and wait until the call is known.

use super::Machine;
use crate::call::Out;
use crate::{EarlyMark, EarlyMarkKey};
use rejoin_protocol::api::{GracefulMark, GracefulReason};
use rejoin_protocol::{Millis, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};

/// Number of marks of one worker that wait at most: more than a worker can leave calls in that time.
const AT_MOST: usize = 20;

/// The marks that wait, and which of them have changed.
#[derive(Clone, Debug, Default)]
pub(super) struct EarlyMarks {
    waiting: BTreeMap<EarlyMarkKey, EarlyMark>,
    changed: BTreeSet<EarlyMarkKey>,
}

impl EarlyMarks {
    fn put(&mut self, early: EarlyMark) {
        let worker = early.worker.clone();
        let before = self.waiting.get(&early.key());
        // An agent who completes the task left before, and the earlier mark has the better reason.
        if before.is_none() || early.mark.reason != GracefulReason::Complete {
            self.changed.insert(early.key());
            self.waiting.insert(early.key(), early);
        }
        let own = self.waiting.values().filter(|early| early.worker == worker);
        if own.clone().count() > AT_MOST
            && let Some(oldest) = own.min_by_key(|early| early.at).map(EarlyMark::key)
        {
            self.drop(&oldest);
        }
    }

    fn drop(&mut self, key: &EarlyMarkKey) -> Option<EarlyMark> {
        self.changed.insert(key.clone());
        self.waiting.remove(key)
    }

    fn keys(&self, of: impl Fn(&EarlyMark) -> bool) -> Vec<EarlyMarkKey> {
        self.waiting.iter().filter(|(_, early)| of(early)).map(|(key, _)| key.clone()).collect()
    }
}

impl Machine {
    /// The machine with these early marks. All will do, and so will those whose worker or task an event shares as a
    /// [`Key`](crate::Key), and those of the tasks of the calls.
    #[must_use]
    pub fn with_early(mut self, marks: impl IntoIterator<Item = EarlyMark>) -> Self {
        self.early.waiting = marks.into_iter().map(|early| (early.key(), early)).collect();
        self
    }

    /// Marks whose waiting has begun or ended (`None`) since the last time, to be written in the same transaction as the
    /// effects.
    pub fn take_early(&mut self) -> Vec<(EarlyMarkKey, Option<EarlyMark>)> {
        let changed = std::mem::take(&mut self.early.changed);
        changed.into_iter().map(|key| (key.clone(), self.early.waiting.get(&key).cloned())).collect()
    }

    /// Keeps a mark whose call is unknown.
    pub(super) fn keep_early_mark(&mut self, now: Millis, worker: WorkerSid, mark: GracefulMark) {
        self.early.put(EarlyMark { worker, mark, at: now });
    }

    /// Applies marks whose call has become known. Another server may have begun the call while this one took the mark, so
    /// the marks are checked with every event.
    pub(super) fn apply_early_marks(&mut self, out: &mut Out<'_>) {
        if self.early.waiting.is_empty() {
            return;
        }
        for key in self.early.keys(|early| early.at + EarlyMark::WAITS <= out.now) {
            self.early.drop(&key);
        }
        let proven = self.calls.values().filter(|call| call.facts.ownership.proven);
        let known: BTreeSet<_> = proven.map(|call| &call.task).collect();
        for key in self.early.keys(|early| known.contains(&early.mark.task)) {
            let Some(early) = self.early.drop(&key) else { continue };
            for conference in self.of_task(&early.mark.task) {
                self.with(out, &conference, |call, out| {
                    call.graceful(out, &early.worker, &early.mark, early.at);
                });
            }
        }
    }
}
