//! Connections to PostgreSQL, and when they are thrown away.
//!
//! A host that vanishes tells nobody: a connection to it stays open, and an operation waits for its answer for as long as
//! the kernel sends again, a quarter of an hour. So each operation has a deadline of ours ([`super::Database::limited`]). What
//! passes it, and what finds a server that takes no writes, throws away all connections of that time, with the operations
//! that still wait for them, and looks for the server that takes writes anew. The driver would put a connection back only
//! after it has answered once more, which one to a host that is gone does after that quarter of an hour.

use super::hosts::{Hosts, IS_READ_ONLY};
use crate::error::Error;
use crate::figures;
use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{AnyPool, Connection as _, Executor as _, Row as _, Transaction};
use std::fmt;
use std::future::pending;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Connections at most.
const MOST: u32 = 8;
/// After no server was found, nobody looks again for so long.
const PAUSE: Duration = Duration::from_millis(500);

/// The database looks whether we are still there, and lets go of a server that vanished. The driver has no such options for
/// our side of a connection, which has its deadlines.
const KEEPALIVE: &str = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; \
                         set tcp_user_timeout = 15000";

/// Why there is no server that takes writes.
#[derive(Clone, Debug)]
pub(super) enum Away {
    /// Those that answer are standbys, or take no writes for another reason.
    ReadOnly,
    /// None answers.
    Lost(String),
}

impl Away {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        Self::Lost(error.to_string())
    }

    pub(super) fn unanswered(within: Duration) -> Self {
        Self::Lost(format!("no answer within {} ms", within.as_millis()))
    }
}

impl From<Away> for Error {
    fn from(away: Away) -> Self {
        match away {
            Away::ReadOnly => Self::ReadOnly,
            Away::Lost(why) => Self::Away(why),
        }
    }
}

/// The connections that are used now.
#[derive(Clone)]
struct Current {
    /// Another one each time that connections are thrown away.
    number: u64,
    pool: AnyPool,
    url: Arc<str>,
}

/// The servers of a URL, and connections to the one that takes writes.
pub(super) struct Servers {
    hosts: Hosts,
    /// For one connection, or one look for a server.
    within: Duration,
    setup: String,
    current: Mutex<Option<Current>>,
    /// The task that looks for a server, and what the last look has found wrong.
    looking: tokio::sync::Mutex<Option<(Instant, Away)>>,
    number: Mutex<u64>,
    in_doubt: AtomicBool,
    is_closed: AtomicBool,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("in_doubt", &self.in_doubt).finish_non_exhaustive()
    }
}

impl Servers {
    /// `deadline`: for each operation.
    pub(super) fn new(hosts: Hosts, deadline: Duration) -> Self {
        // A search and a connection after a first attempt fit into the deadline.
        let within = (deadline * 2 / 5).min(Duration::from_secs(2));
        // An operation that holds calls and does nothing, because it was stopped in the middle, is not waited for.
        let setup = format!(
            "set lock_timeout = {}; set statement_timeout = {}; set idle_in_transaction_session_timeout = 4000",
            within.as_millis(),
            deadline.as_millis(),
        );
        Self {
            hosts,
            within,
            setup,
            current: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            number: Mutex::default(),
            in_doubt: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connections that are used now; `None`: there are none.
    pub(super) fn number(&self) -> Option<u64> {
        self.current().as_ref().map(|current| current.number)
    }

    /// Where the server is that takes writes. Looks for it if that is not known.
    pub(super) async fn url(&self) -> Result<Arc<str>, Error> {
        Ok(self.url_and_number().await?.0)
    }

    /// The same, with the number of the connections to it.
    pub(super) async fn url_and_number(&self) -> Result<(Arc<str>, u64), Error> {
        let current = self.found().await?;
        Ok((current.url, current.number))
    }

    async fn found(&self) -> Result<Current, Error> {
        if let Some(current) = self.current().clone() {
            return Ok(current);
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(sqlx::Error::PoolClosed.into());
        }
        let mut looking = self.looking.lock().await;
        // Somebody else may have looked meanwhile.
        if let Some(current) = self.current().clone() {
            return Ok(current);
        }
        if let Some((at, away)) = &*looking
            && at.elapsed() < PAUSE
        {
            return Err(away.clone().into());
        }
        match self.hosts.writable(self.within).await {
            Ok(url) => {
                let new = self.connections(url)?;
                let mut current = self.current();
                // The task that closes it takes what is there under the same lock.
                if self.is_closed.load(Ordering::Acquire) {
                    return Err(sqlx::Error::PoolClosed.into());
                }
                let current = current.insert(new).clone();
                *looking = None;
                Ok(current)
            }
            Err(away) => {
                *looking = Some((Instant::now(), away.clone()));
                Err(away.into())
            }
        }
    }

    fn connections(&self, url: String) -> Result<Current, Error> {
        let number = {
            let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
            *number += 1;
            *number
        };
        let (setup, options) = (self.setup.clone(), AnyConnectOptions::from_str(&url)?);
        let pool = AnyPoolOptions::new()
            .max_connections(MOST)
            .acquire_timeout(self.within)
            .before_acquire(|connection, _| {
                // A transaction that could not even be rolled back, because the disk was full, would never be over.
                let is_free = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_free) })
            })
            .after_connect(move |connection, _| {
                let setup = sqlx::AssertSqlSafe(setup.clone());
                Box::pin(async move {
                    connection.execute(setup).await?;
                    if let Err(error) = connection.execute(KEEPALIVE).await {
                        tracing::debug!(%error, "the database does not look whether connections are alive");
                    }
                    if connection.fetch_one(IS_READ_ONLY).await?.try_get(0)? {
                        // The driver would try it again at once, and again. The operation that waits gives up
                        // in a moment, and looks for another server.
                        return pending().await;
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        Ok(Current { number, pool, url: url.into() })
    }

    /// A connection.
    pub(super) async fn connection(&self) -> Result<PoolConnection<Any>, Error> {
        let current = self.found().await?;
        match current.pool.acquire().await {
            Err(error) if is_gone(&error) => {
                self.throw_away(Some(current.number), "unavailable");
                Ok(self.found().await?.pool.acquire().await?)
            }
            answer => Ok(answer?),
        }
    }

    /// A transaction.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>, Error> {
        self.begin_with("begin").await
    }

    /// A transaction that begins like this.
    pub(super) async fn begin_with(&self, begin: &'static str) -> Result<Transaction<'static, Any>, Error> {
        let current = self.found().await?;
        match current.pool.begin_with(begin).await {
            // Nothing was asked yet.
            Err(error) if is_gone(&error) => {
                self.throw_away(Some(current.number), "unavailable");
                Ok(self.found().await?.pool.begin_with(begin).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Throws away the connections of this number, unless that is done already.
    pub(super) fn throw_away(&self, number: Option<u64>, why: &'static str) {
        let thrown = {
            let mut current = self.current();
            let is_meant = current.as_ref().is_some_and(|current| Some(current.number) == number);
            if is_meant { current.take() } else { None }
        };
        if let Some(thrown) = thrown {
            metrics::counter!(figures::CONNECTIONS_DROPPED, "why" => why).increment(1);
            tracing::warn!(why, "all connections to the database are thrown away, looking for it anew");
            // From now on nothing comes back to it. Each connection ends with the operation that uses it last.
            drop(thrown.pool.close());
        }
    }

    /// Something was not answered in time: a commit may still be under way, or for ever.
    pub(super) fn doubt(&self) {
        self.in_doubt.store(true, Ordering::Release);
    }

    /// May a commit be under way that was not answered?
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Acquire)
    }

    /// A commit was answered since.
    pub(super) fn trust(&self) {
        self.in_doubt.store(false, Ordering::Release);
    }

    /// Ends all connections; no new ones are made.
    pub(super) async fn close(&self) {
        let current = {
            let mut current = self.current();
            self.is_closed.store(true, Ordering::Release);
            current.take()
        };
        if let Some(current) = current {
            current.pool.close().await;
        }
    }
}

/// Is there no connection to be had?
fn is_gone(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_)
    ) || is_read_only(error)
}

/// Does the server take no writes?
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>: `read_only_sql_transaction`.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("25006"))
}
