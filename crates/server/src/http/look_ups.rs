//! Limits of what pages can make the server look up at Twilio: each unknown call that a page names costs two or three
//! requests, and a page can name any.

use super::rate::Rate;
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A call as a worker's page names it.
pub(super) type Claim = (WorkerSid, TaskSid, ReservationSid);

/// Maximum number of look-ups of a worker in a minute. A page has one to three calls.
const PER_MINUTE: u32 = 10;
/// Maximum number of concurrent look-ups of all workers: a part of TaskRouter's limit of concurrent requests.
const AT_ONCE: usize = 4;
/// How long a call counts as not the worker's without asking again.
const REMEMBERED: Millis = Millis::seconds(120);
/// Maximum number of these that are remembered.
const KNOWN: usize = 10_000;

/// Decides which look-ups may begin. Each server has its own.
#[derive(Debug)]
pub(crate) struct LookUps {
    budget: Rate,
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: HashSet<Claim>,
    /// Until when Twilio's answer counts that the call is not the worker's (points in time).
    unfounded: HashMap<Claim, Millis>,
}

/// Permission to look up one call, as often as it takes until Twilio answers. Until it is dropped nobody else looks it up.
pub(super) struct LookUp<'a> {
    of: &'a LookUps,
    pub(super) claim: Claim,
}

impl Default for LookUps {
    fn default() -> Self {
        Self { budget: Rate::new(PER_MINUTE), permits: Semaphore::new(AT_ONCE), state: Mutex::default() }
    }
}

impl LookUps {
    /// `None`: the call is being looked up, was found not to be the worker's, or the worker has reached the limit.
    pub(super) fn begin(&self, claim: Claim, now: Millis) -> Option<LookUp<'_>> {
        let mut state = self.state();
        let is_unfounded = state.unfounded.get(&claim).is_some_and(|until| now < *until);
        if is_unfounded || state.under_way.contains(&claim) {
            return None;
        }
        if self.budget.check(claim.0.as_str().as_bytes()).is_err() {
            tracing::warn!(worker = %claim.0, "no look-up for a call that a page named: the worker has named too many");
            metrics::counter!(crate::figures::LOOK_UPS_REFUSED).increment(1);
            return None;
        }
        state.under_way.insert(claim.clone());
        Some(LookUp { of: self, claim })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LookUp<'_> {
    /// Waits for a place among those that ask Twilio.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.of.permits.acquire().await.ok()
    }

    /// Twilio says that the call is not the worker's, or no longer.
    pub(super) fn is_unfounded(&self, now: Millis) {
        let mut state = self.of.state();
        if state.unfounded.len() >= KNOWN {
            state.unfounded.retain(|_, until| now < *until);
        }
        if state.unfounded.len() < KNOWN {
            state.unfounded.insert(self.claim.clone(), now + REMEMBERED);
        }
    }
}

impl Drop for LookUp<'_> {
    fn drop(&mut self) {
        self.of.state().under_way.remove(&self.claim);
    }
}
