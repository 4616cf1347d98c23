//! Connections to PostgreSQL, and when they are dropped.
//!
//! A host that vanishes sends no notice: a connection to it stays open, and an operation waits for its answer for as
//! long as the kernel retransmits, a quarter of an hour. So each operation has a deadline of ours
//! ([`super::Database::limited`]). An operation that misses it, or that finds a server that accepts no writes, drops
//! all connections of that time, with the operations that still wait on them, and searches for the server that
//! accepts writes. The driver would put a connection back only after another answer on it, which for a vanished host
//! comes after that quarter of an hour.

use super::hosts::{Hosts, IS_READ_ONLY};
use super::timeline::{self, Timeline};
use crate::error::{self, Error};
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

/// Maximum number of connections.
const MOST: u32 = 8;
/// Maximum number of connections for what the engine does not wait for.
const ASIDE: u32 = 2;
/// Pause between searches after no server was found.
const PAUSE: Duration = Duration::from_millis(500);

/// The database checks whether we are still there, and drops a server that has vanished. The driver has no such
/// options for our side of a connection, which has its deadlines.
pub(super) const KEEPALIVE: &str = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; \
                         set tcp_user_timeout = 15000";

/// Why there is no server that accepts writes.
#[derive(Clone, Debug)]
pub(super) enum Away {
    /// All that answer are standbys, or refuse writes for another reason.
    ReadOnly,
    /// One answers, and refuses this server: its settings, or the database's, are wrong.
    Refused(String),
    /// None answers.
    Lost(String),
}

impl Away {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        // A password or user that is refused, and a database that does not exist
        // (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
        let is_refused = matches!(error, sqlx::Error::Configuration(_))
            || error::code(error).is_some_and(|code| code.starts_with("28") || code.starts_with("3D"));
        let why = error.to_string();
        if is_refused { Self::Refused(why) } else { Self::Lost(why) }
    }

    pub(super) fn unanswered(within: Duration) -> Self {
        Self::Lost(format!("no answer within {} ms", within.as_millis()))
    }
}

impl From<Away> for Error {
    fn from(away: Away) -> Self {
        match away {
            Away::ReadOnly => Self::ReadOnly,
            Away::Refused(why) => Self::Refused(why),
            Away::Lost(why) => Self::Away(why),
        }
    }
}

/// The connections in use.
#[derive(Clone)]
struct Current {
    /// Changes each time that connections are dropped.
    number: u64,
    pool: AnyPool,
    aside: AnyPool,
    url: Arc<str>,
}

/// The time without connections, and where they led before.
#[derive(Debug, Default)]
struct Outage {
    since: Option<Instant>,
    /// The last one.
    lasted: Option<Duration>,
    /// The URL of the last server. It may contain a password.
    url: Option<Arc<str>>,
    /// The last one ended with another server, which has not been told yet.
    is_elsewhere: bool,
}

impl Outage {
    fn begins(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    fn ends_with(&mut self, url: &Arc<str>) {
        self.lasted = self.since.take().map(|since| since.elapsed());
        let before = self.url.replace(Arc::clone(url));
        self.is_elsewhere |= before.is_some_and(|before| before != *url);
    }
}

/// The servers of a URL, and connections to the one that accepts writes.
pub(super) struct Servers {
    hosts: Hosts,
    /// Timeout for one connection, or one search for a server.
    within: Duration,
    setup: String,
    current: Mutex<Option<Current>>,
    /// Held by the task that searches for a server; the result of the last failed search.
    looking: tokio::sync::Mutex<Option<(Instant, Away)>>,
    number: Mutex<u64>,
    timeline: Arc<Timeline>,
    outage: Mutex<Outage>,
    in_doubt: AtomicBool,
    is_closed: AtomicBool,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("in_doubt", &self.in_doubt).finish_non_exhaustive()
    }
}

impl Servers {
    /// `deadline` applies to each operation.
    pub(super) fn new(hosts: Hosts, deadline: Duration) -> Self {
        // A search and a connection after a first attempt fit into the deadline.
        let within = (deadline * 2 / 5).min(Duration::from_secs(2));
        // An operation that holds locks and does nothing, because its server was suspended in the middle, is not
        // waited for.
        // Everything that is asked while calls go on is found by an index. The planner, which knows a young or quickly growing
        // table as a small one, would rather read all of it, and keep that plan. Compiling a plan that it takes for an expensive
        // one takes longer than any of them.
        let setup = format!(
            "set lock_timeout = {}; set statement_timeout = {}; set idle_in_transaction_session_timeout = 4000; \
             set enable_seqscan = off; set jit = off",
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
            timeline: Arc::default(),
            outage: Mutex::default(),
            in_doubt: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The history of the server that the connections lead to.
    pub(super) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long there were no connections before those in use; `None`: they are the first ones, or were not dropped.
    pub(super) fn was_away(&self) -> Option<Duration> {
        self.outage().lasted
    }

    /// True, once, when connections lead to another server than before.
    pub(super) fn take_elsewhere(&self) -> bool {
        std::mem::take(&mut self.outage().is_elsewhere)
    }

    /// The number of the connections in use; `None`: there are none.
    pub(super) fn number(&self) -> Option<u64> {
        self.current().as_ref().map(|current| current.number)
    }

    /// The URL of the server that accepts writes. Searches for it if that is not known.
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
        // Another task may have found it meanwhile.
        if let Some(current) = self.current().clone() {
            return Ok(current);
        }
        if let Some((at, away)) = &*looking
            && at.elapsed() < PAUSE
        {
            return Err(away.clone().into());
        }
        let known = self.timeline.seen_last();
        match self.hosts.writable(self.within, known.as_deref()).await {
            Ok(url) => {
                let new = self.connections(url)?;
                let mut current = self.current();
                // The task that closes it reads the current connections under the same lock.
                if self.is_closed.load(Ordering::Acquire) {
                    return Err(sqlx::Error::PoolClosed.into());
                }
                let current = current.insert(new).clone();
                self.outage().ends_with(&current.url);
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
        let options = AnyConnectOptions::from_str(&url)?;
        let pool = self.pool(MOST, self.setup.clone(), options.clone());
        // Sums are over many rows: the planner may read a table as a whole.
        let aside = self.pool(ASIDE, format!("{}; set enable_seqscan = on", self.setup), options);
        Ok(Current { number, pool, aside, url: url.into() })
    }

    fn pool(&self, most: u32, setup: String, options: AnyConnectOptions) -> AnyPool {
        let seen = Arc::clone(&self.timeline);
        AnyPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(self.within)
            .before_acquire(|connection, _| {
                // A transaction that could not even be rolled back, because the disk was full, would never end.
                let is_free = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_free) })
            })
            .after_connect(move |connection, _| {
                let (setup, seen) = (sqlx::AssertSqlSafe(setup.clone()), Arc::clone(&seen));
                Box::pin(async move {
                    connection.execute(setup).await?;
                    if let Err(error) = connection.execute(KEEPALIVE).await {
                        tracing::debug!(%error, "the database cannot check whether connections are alive");
                    }
                    if connection.fetch_one(IS_READ_ONLY).await?.try_get(0)? {
                        // The driver would retry at once, and again. The waiting operation gives up in a moment, and
                        // searches for another server.
                        return pending().await;
                    }
                    match timeline::read(connection).await {
                        Ok(timeline) => seen.seen(timeline),
                        Err(error) => tracing::debug!(%error, "the database does not name its timeline"),
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(options)
    }

    /// Connections that the engine does not wait for, to the same server.
    pub(super) async fn aside(&self) -> Result<AnyPool, Error> {
        Ok(self.found().await?.aside)
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

    /// A transaction that begins with this statement.
    pub(super) async fn begin_with(&self, begin: &'static str) -> Result<Transaction<'static, Any>, Error> {
        let current = self.found().await?;
        match current.pool.begin_with(begin).await {
            // Nothing was sent yet.
            Err(error) if is_gone(&error) => {
                self.throw_away(Some(current.number), "unavailable");
                Ok(self.found().await?.pool.begin_with(begin).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Drops the connections of this number, unless that is done already.
    pub(super) fn throw_away(&self, number: Option<u64>, why: &'static str) {
        let thrown = {
            let mut current = self.current();
            let is_meant = current.as_ref().is_some_and(|current| Some(current.number) == number);
            if is_meant { current.take() } else { None }
        };
        if let Some(thrown) = thrown {
            self.outage().begins();
            metrics::counter!(figures::CONNECTIONS_DROPPED, "why" => why).increment(1);
            tracing::warn!(why, "dropping all connections to the database and reconnecting");
            // Nothing is put back from now on. Each connection ends with the operation that uses it last.
            drop(thrown.aside.close());
            drop(thrown.pool.close());
        }
    }

    /// An operation missed its deadline: a commit may still be in progress, possibly forever.
    pub(super) fn doubt(&self) {
        self.in_doubt.store(true, Ordering::Release);
    }

    /// True when an unanswered commit may be in progress.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Acquire)
    }

    /// A commit was answered since.
    pub(super) fn trust(&self) {
        self.in_doubt.store(false, Ordering::Release);
    }

    /// Closes all connections; no new ones are made.
    pub(super) async fn close(&self) {
        let current = {
            let mut current = self.current();
            self.is_closed.store(true, Ordering::Release);
            current.take()
        };
        if let Some(current) = current {
            current.aside.close().await;
            current.pool.close().await;
        }
    }
}

/// True when no connection is available.
fn is_gone(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_)
    ) || is_read_only(error)
}

/// True when the server accepts no writes. <https://www.postgresql.org/docs/current/errcodes-appendix.html>:
/// `read_only_sql_transaction`.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    error::code(error).as_deref() == Some("25006")
}
