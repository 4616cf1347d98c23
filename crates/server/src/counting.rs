//! Counts recoveries that have ended into the [history](crate::history), beside the engine.

use crate::store::Store;
use std::time::Duration;

/// How often the lines that are not counted are looked for: how far the history is behind, usually.
const EVERY: Duration = Duration::from_secs(5);
/// After each batch nothing is written for this many times its duration, so that counting what an older version has left takes at
/// most a quarter of the database's writer.
const SHARE: u32 = 3;

/// Counts what has ended. Runs until the task is aborted.
pub(crate) async fn run(store: Store) {
    if !store.has_history() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        loop {
            let begun = tokio::time::Instant::now();
            match store.keep_history().await {
                Ok(0) => break,
                Ok(_) => tokio::time::sleep(begun.elapsed() * SHARE).await,
                Err(error) => {
                    tracing::warn!(%error, "the history of recoveries could not be continued; retrying later. No call is affected");
                    break;
                }
            }
        }
    }
}
