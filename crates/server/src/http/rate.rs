//! How often one worker may ask.

use super::problem::Problem;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use rejoin_protocol::WorkerSid;
use std::fmt;
use std::num::NonZeroU32;
use tokio::time::Instant;

/// So many workers may be known before those are forgotten who have not asked for a while.
const KNOWN: usize = 10_000;

/// Counts requests by worker.
pub(crate) struct Rate {
    workers: RateLimiter<WorkerSid, DashMapStateStore<WorkerSid>, SinceBegin, NoOpMiddleware<Nanos>>,
}

/// Time as everything else here goes by it.
#[derive(Clone, Debug)]
struct SinceBegin(Instant);

impl Clock for SinceBegin {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("workers", &self.workers.len()).finish()
    }
}

impl Rate {
    pub(crate) fn new(per_minute: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        // A page that loads asks several times at once: all of a minute's requests may come together.
        let clock = SinceBegin(Instant::now());
        Self { workers: RateLimiter::dashmap_with_clock(Quota::per_minute(per_minute), clock) }
    }

    /// One more request of this worker.
    pub(crate) fn check(&self, worker: &WorkerSid) -> Result<(), Problem> {
        if self.workers.len() > KNOWN {
            self.workers.retain_recent();
        }
        self.workers.check_key(worker).map_err(|until| {
            let wait = until.wait_time_from(self.workers.clock().now());
            Problem::TooMany { seconds: u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX) }
        })
    }
}
