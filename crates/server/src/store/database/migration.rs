//! Migrates the tables on PostgreSQL. A migration takes as long as it takes, so it has no deadline. Instead the database is asked
//! over another connection whether it still works on it: a host that vanishes sends no notice.

use super::schema::POSTGRES;
use super::servers::KEEPALIVE;
use crate::error::Error;
use crate::surroundings::Surroundings;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const IS_AT_WORK: &str = "select exists (select 1 from pg_stat_activity where pid = $1)";

/// Migrates the tables of the database at this URL. Fails with [`Error::Unanswered`] when the database does not answer within
/// this time, or has forgotten the connection.
pub(super) async fn migrate(url: &str, within: Duration, surroundings: &Surroundings) -> Result<(), Error> {
    let connected = async {
        let mut connection = PgConnection::connect(url).await?;
        // An old or a managed PostgreSQL may not have all of these settings.
        if let Err(error) = connection.execute(KEEPALIVE).await {
            tracing::debug!(%error, "the database cannot check whether connections are alive");
        }
        let pid: i32 = connection.fetch_one("select pg_backend_pid()").await?.try_get(0)?;
        Ok::<_, sqlx::Error>((connection, pid))
    };
    let connected = timeout(within, connected).await;
    let (mut connection, pid) = connected.map_err(|_| Error::Unanswered(within))??;
    // Servers that start at the same time wait for each other here.
    surroundings.reach(|| "migrating".to_owned()).await;
    tokio::select! {
        biased;
        migrated = POSTGRES.run(&mut connection) => migrated?,
        () = forgotten(url, pid, within) => return Err(Error::Unanswered(within)),
    }
    surroundings.reach(|| "migrated".to_owned()).await;
    Ok(connection.close().await?)
}

/// Returns when the database does not answer any more, or not for the connection of this process.
async fn forgotten(url: &str, pid: i32, within: Duration) {
    loop {
        sleep(within).await;
        let is_at_work = async {
            let mut other = PgConnection::connect(url).await?;
            let is_at_work: bool =
                sqlx::query(IS_AT_WORK).bind(pid).fetch_one(&mut other).await?.try_get(0)?;
            other.close().await?;
            Ok::<_, sqlx::Error>(is_at_work)
        };
        match timeout(within, is_at_work).await {
            Ok(Ok(true)) => {}
            // It answers, and has too many connections, for example.
            Ok(Err(sqlx::Error::Database(_))) => {}
            Ok(Ok(false) | Err(_)) | Err(_) => return,
        }
    }
}
