//! The clock. The model has none: it is given the time.

use rejoin_protocol::Millis;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
