//! Has SQLite's log written back into the file, beside the engine.

use crate::store::Store;
use std::time::Duration;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Runs until the task is aborted.
pub(crate) async fn run(store: Store) {
    if !store.has_log() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = store.checkpoint().await {
            tracing::debug!(%error, "the database's log was not written back; the next change does it if need be");
        }
    }
}
