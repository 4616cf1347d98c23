//! Rate limits for users with a valid token.

use super::problem::Problem;
use crate::figures;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use std::fmt;
use std::num::NonZeroU32;
use tokio::time::Instant;

/// Number of known senders; beyond that, those that have been silent for a while are forgotten.
const KNOWN: usize = 10_000;

/// By key, on [`SinceBegin`].
type Limiter = RateLimiter<Box<[u8]>, DashMapStateStore<Box<[u8]>>, SinceBegin, NoOpMiddleware<Nanos>>;

/// Counts requests: by worker, or by token for users who are not workers.
pub(crate) struct Rate {
    users: Limiter,
}

/// Time by tokio's clock, as everywhere here.
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
        f.debug_struct("Rate").field("users", &self.users.len()).finish()
    }
}

impl Rate {
    pub(crate) fn new(per_minute: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        // A page that loads sends several requests at once: all of a minute's requests may come together.
        let clock = SinceBegin(Instant::now());
        Self { users: RateLimiter::dashmap_with_clock(Quota::per_minute(per_minute), clock) }
    }

    /// Counts one more request of this user.
    pub(crate) fn check(&self, user: &[u8]) -> Result<(), Problem> {
        if self.users.len() > KNOWN {
            self.users.retain_recent();
        }
        self.users.check_key(&user.into()).map_err(|until| {
            figures::refused("requests");
            let wait = until.wait_time_from(self.users.clock().now());
            Problem::TooMany { seconds: u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX) }
        })
    }
}
