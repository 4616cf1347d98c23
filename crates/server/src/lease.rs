//! Says again and again that this server runs. When nobody hears it any more, others take its jobs.

use crate::store::{LEASE, Store};
use rejoin_protocol::Millis;
use std::time::Duration;

/// So often, that two in a row may be lost.
const EVERY: Millis = Millis(LEASE.0 / 4);

/// Runs until the task is aborted.
pub(crate) async fn run(store: Store) {
    loop {
        tokio::time::sleep(Duration::from_millis(EVERY.0)).await;
        if let Err(error) = store.renew().await {
            tracing::warn!(%error, "the database does not hear that this server runs");
        }
    }
}
