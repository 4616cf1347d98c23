//! Refuses a pooler that gives a connection away between two transactions.
//!
//! PgBouncer's modes `transaction` and `statement` do that
//! (<https://www.pgbouncer.org/features.html#sql-feature-map-for-pooling-modes>): `LISTEN`, `SET` and prepared statements, all of
//! which the server needs, then reach somebody else's connection. No command of PostgreSQL tells that a pooler is there, so
//! this looks for what it does: a value that was set for one connection is read by another one.

use crate::error::Error;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use std::time::Duration;
use tokio::time::timeout;

/// A setting that PostgreSQL keeps for a connection, and that nobody else uses. Each text is one simple query: a prepared
/// statement would itself reach another connection.
const SET: &str = "set rejoin.connection = 'shared'";
const RESET: &str = "reset rejoin.connection";
const IS_SHARED: &str = "select coalesce(current_setting('rejoin.connection', true), '') = 'shared'";
/// Other clients of a pooler may take the connection that the value was set for.
const ATTEMPTS: usize = 5;

/// Fails with [`Error::Pooler`] if two connections to this URL are one connection to PostgreSQL.
pub(super) async fn refuse(url: &str, within: Duration) -> Result<(), Error> {
    let look = async {
        let mut one = PgConnection::connect(url).await?;
        let mut other = PgConnection::connect(url).await?;
        let mut is_shared = false;
        for _ in 0..ATTEMPTS {
            one.execute(SET).await?;
            is_shared = other.fetch_one(IS_SHARED).await?.try_get(0)?;
            one.execute(RESET).await?;
            if is_shared {
                break;
            }
        }
        one.close().await?;
        other.close().await?;
        Ok(is_shared)
    };
    match timeout(within, look).await {
        Ok(Ok(false)) => Ok(()),
        Ok(Ok(true)) => Err(Error::Pooler),
        Ok(Err(error)) => Err(Error::Database(error)),
        Err(_) => Err(Error::Unanswered(within)),
    }
}
