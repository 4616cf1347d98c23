//! Deletes old data from the database, a little at a time.

use crate::store::Store;
use rejoin_protocol::Millis;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(60);

/// Keeps data of calls for this time. Runs until the task is aborted.
pub(crate) async fn run(store: Store, keep: Millis) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = store.tidy(keep).await {
            tracing::warn!(%error, "expired data could not be deleted; retrying later");
        }
    }
}
