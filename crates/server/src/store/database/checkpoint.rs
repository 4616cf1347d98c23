//! Writing SQLite's log back into the file, beside the connection that writes: that one would stand still meanwhile, and all webhooks
//! with it (<https://www.sqlite.org/wal.html#ckpt>).

use super::open::BUSY_TIMEOUT;
use super::{Database, Place};
use crate::error::Error;
use sqlx::{Executor as _, Row as _};

/// Pages of the log from which the connection that writes does it itself: nobody else does.
pub(super) const BY_THE_WRITER: u32 = 4_000;
/// The same beside somebody who does: 160 MB.
pub(super) const AT_LAST: u32 = 40_000;
/// Pages of the log from which it is begun anew: 40 MB. While there is always a change on its way it would grow for ever.
const BEGUN_ANEW: i64 = 10_000;
/// The connection that writes does that, with the little that came meanwhile. It waits at most 20 ms until nobody reads the log; else it
/// is tried again later.
const ANEW: &str = "pragma busy_timeout = 20; pragma wal_checkpoint(restart)";

impl Database {
    /// Writes what is in the log back into the file. Nothing is done on PostgreSQL.
    pub(in crate::store) async fn checkpoint(&self) -> Result<(), Error> {
        let Place::File { writing, aside, .. } = &self.place else { return Ok(()) };
        let mut connection = aside.acquire().await?;
        let done = sqlx::query("pragma wal_checkpoint(passive)").fetch_one(&mut *connection).await?;
        let pages: i64 = done.try_get(1)?;
        if pages >= BEGUN_ANEW {
            let mut connection = writing.acquire().await?;
            let anew = connection.execute(ANEW).await;
            connection.execute(BUSY_TIMEOUT).await?;
            anew?;
        }
        Ok(())
    }
}
