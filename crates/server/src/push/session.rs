//! A page's session in the store, by which other servers know that it is connected here.

use crate::error::Error;
use crate::store::{Begun, CameFrom, Store};
use rejoin_protocol::WorkerSid;

/// While this exists, other servers know of the page.
#[derive(Debug)]
pub struct Session {
    store: Store,
    number: i64,
}

impl Session {
    /// Stores the session, and returns the other server that the page comes from, if one is known; `None`: there are no other
    /// servers.
    pub(super) async fn begin(
        store: &Store,
        worker: &WorkerSid,
        epoch: u64,
    ) -> Result<Option<(Self, Option<CameFrom>)>, Error> {
        let (store, worker) = (store.clone(), worker.clone());
        // In a task of its own, so that it is ended even when the page goes away in the middle of this.
        let begin = tokio::spawn(async move {
            let begun = Box::pin(store.surroundings().part(store.begin_session(&worker, epoch))).await?;
            Ok(begun.map(|Begun { session, came_from }| (Self { store, number: session }, came_from)))
        });
        begin.await.map_err(|_| Error::Stopping)?
    }

    /// Later sessions have higher numbers, on any server.
    pub fn number(&self) -> i64 {
        self.number
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (store, number) = (self.store.clone(), self.number);
        // Without a runtime the server is gone, and its sessions end with its lease.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            match store.surroundings().part(store.end_session(number)).await {
                // A stopping server ends all of its sessions.
                Ok(()) | Err(Error::Database(sqlx::Error::PoolClosed)) => {}
                Err(error) => {
                    tracing::warn!(%error, "a closed page counts as connected until this server stops");
                }
            }
        });
    }
}
