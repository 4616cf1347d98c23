//! SQLite (embedded, one server, guarded by a lock file; WAL, `synchronous=FULL`) and PostgreSQL (any number of
//! servers). Both share one implementation; differences of their SQL are in `sql.rs`.

mod alerts;
mod call_messages;
mod checkpoint;
mod console;
mod conversations;
mod early;
mod history;
pub(crate) mod hosts;
mod jobs;
mod migration;
mod open;
mod pooler;
mod push;
mod read;
mod retain;
mod schema;
mod servers;
mod sql;
mod timeline;
mod transact;

pub(super) use history::recoveries_of;
pub(crate) use history::sums;
pub(super) use push::Listener;
pub(crate) use schema::newest_tables;

use super::Disk;
use super::leases::Leases;
use crate::clock::Skew;
use crate::error::Error;
use crate::surroundings::Surroundings;
use history::HistorySql;
use servers::{Servers, is_read_only};
use sql::{Dialect, Sql};
use sqlx::any::Any;
use sqlx::pool::PoolConnection;
use sqlx::{AnyPool, Transaction};
use std::fs::File;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    surroundings: Surroundings,
    /// SQLite in a simulation.
    disk: Option<Disk>,
    dialect: Dialect,
    sql: Sql,
    history_sql: HistorySql,
    conversations: conversations::Sql,
    place: Place,
    /// Timeout of an answer.
    deadline: Duration,
    /// Time of the last commit.
    committed: Mutex<Instant>,
    /// Skew of the database's clock against ours.
    skew: Mutex<Option<Skew>>,
    /// The leases of the other servers.
    leases: Mutex<Leases>,
    /// Name of this server, for as long as it runs.
    server: String,
    /// SQLite's lock, held while the store is open: a second server with the same calls would do everything twice.
    lock: Mutex<Option<File>>,
}

/// The connections.
#[derive(Debug)]
enum Place {
    File {
        /// The only connection that writes.
        writing: AnyPool,
        reading: AnyPool,
        /// Connections of the history, which the engine does not wait for.
        aside: AnyPool,
    },
    Servers(Arc<Servers>),
}

/// What must be dropped to close a database.
pub(super) type Connections = Option<[AnyPool; 3]>;

impl Database {
    /// Waits for an answer.
    pub(super) async fn answer<T>(&self, question: impl Future<Output = T>) -> T {
        match &self.disk {
            None => question.await,
            Some(disk) => disk.answer(&self.surroundings, question).await,
        }
    }

    /// The same with a deadline. An operation that misses it may still happen: its connection is dropped, and so are
    /// all others of that time, as they lead to the same host. In a simulation the disk answers in no time.
    pub(super) async fn limited<T>(
        &self,
        question: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if self.disk.is_some() {
            return question.await;
        }
        let connections = self.connections_in_use();
        let mut question = pin!(question);
        let answer = match timeout(self.deadline, question.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Unanswered(self.deadline)),
        };
        // Before the question is dropped, which would put its connection back.
        if let Err(error) = &answer {
            self.notice(error, connections);
        }
        answer
    }

    /// The number of the current connections.
    fn connections_in_use(&self) -> Option<u64> {
        match &self.place {
            Place::File { .. } => None,
            Place::Servers(servers) => servers.number(),
        }
    }

    /// Drops the connections of this number after an error that shows that they are useless.
    fn notice(&self, error: &Error, connections: Option<u64>) {
        let Place::Servers(servers) = &self.place else { return };
        match error {
            Error::Unanswered(_) => {
                servers.doubt();
                servers.throw_away(connections, "unanswered");
            }
            Error::Database(error) if is_read_only(error) => servers.throw_away(connections, "read-only"),
            _ => {}
        }
    }

    /// Timeout of an answer, and the time of the last commit; `None` in a simulation.
    pub(super) fn answers(&self) -> Option<(Duration, Instant)> {
        let committed = *self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        self.disk.is_none().then_some((self.deadline, committed))
    }

    /// Notes a commit.
    fn has_committed(&self) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Skew of the database's clock against ours, as of the last renewal of the lease; `None`: there is only one
    /// clock.
    pub(super) fn skew(&self) -> Option<Skew> {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for reading.
    async fn reading(&self) -> Result<PoolConnection<Any>, Error> {
        match &self.place {
            Place::File { reading, .. } => Ok(reading.acquire().await?),
            Place::Servers(servers) => Box::pin(servers.connection()).await,
        }
    }

    /// A connection for writing.
    async fn writing(&self) -> Result<PoolConnection<Any>, Error> {
        match &self.place {
            Place::File { writing, .. } => Ok(writing.acquire().await?),
            Place::Servers(servers) => {
                Box::pin(self.settle(servers)).await?;
                Box::pin(servers.connection()).await
            }
        }
    }

    /// A transaction that writes.
    async fn begin(&self) -> Result<Transaction<'static, Any>, Error> {
        match &self.place {
            Place::File { writing, .. } => Ok(writing.begin_with("begin immediate").await?),
            Place::Servers(servers) => {
                Box::pin(self.settle(servers)).await?;
                Box::pin(servers.begin()).await
            }
        }
    }

    /// A transaction with a consistent snapshot.
    async fn moment(&self) -> Result<Transaction<'static, Any>, Error> {
        match &self.place {
            Place::File { reading, .. } => Ok(reading.begin_with("begin").await?),
            Place::Servers(servers) => {
                Box::pin(servers.begin_with("begin isolation level repeatable read, read only")).await
            }
        }
    }

    /// A connection for reading that the engine does not wait for.
    async fn reading_aside(&self) -> Result<PoolConnection<Any>, Error> {
        match &self.place {
            Place::File { aside, .. } => Ok(aside.acquire().await?),
            Place::Servers(servers) => Ok(Box::pin(servers.aside()).await?.acquire().await?),
        }
    }

    /// A transaction with a consistent snapshot, on such a connection.
    async fn moment_aside(&self) -> Result<Transaction<'static, Any>, Error> {
        match &self.place {
            Place::File { aside, .. } => Ok(aside.begin_with("begin").await?),
            Place::Servers(servers) => {
                let begin = "begin isolation level repeatable read, read only";
                Ok(Box::pin(servers.aside()).await?.begin_with(begin).await?)
            }
        }
    }

    /// A transaction that writes and that the engine does not wait for, except for its turn on SQLite, where one writes at a time.
    async fn begin_aside(&self) -> Result<Transaction<'static, Any>, Error> {
        match &self.place {
            Place::File { writing, .. } => Ok(writing.begin_with("begin immediate").await?),
            Place::Servers(servers) => {
                Box::pin(self.settle(servers)).await?;
                Ok(Box::pin(servers.aside()).await?.begin().await?)
            }
        }
    }

    /// After an unanswered commit nothing is begun before another commit was answered. When commits wait for a standby that
    /// is gone, each of them holds a connection of the database until the standby is back: all would be used up, and no
    /// repair could connect. This commit renews our lease, so that further ones wait for the first, and are refused.
    async fn settle(&self, servers: &Servers) -> Result<(), Error> {
        if !servers.is_in_doubt() {
            return Ok(());
        }
        match self.renewed(&mut *servers.connection().await?).await {
            Ok(()) => Ok(()),
            // 55P03: lock_not_available.
            Err(Error::Database(sqlx::Error::Database(error)))
                if error.code().as_deref() == Some("55P03") =>
            {
                Err(Error::InDoubt)
            }
            Err(error) => Err(error),
        }
    }

    /// True in a simulation.
    pub(super) fn is_simulated(&self) -> bool {
        self.disk.is_some()
    }

    pub(super) fn connections(&self) -> Connections {
        match &self.place {
            Place::File { writing, reading, aside } => {
                Some([writing.clone(), reading.clone(), aside.clone()])
            }
            Place::Servers(_) => None,
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Closes the connections gracefully. Afterwards another server can use the file: tasks that still end hold the
    /// store, but can do nothing with it.
    pub(super) async fn close(&self) {
        match &self.place {
            Place::File { writing, reading, aside } => {
                aside.close().await;
                reading.close().await;
                writing.close().await;
            }
            Place::Servers(servers) => {
                if timeout(self.deadline, servers.close()).await.is_err() {
                    tracing::warn!("connections to the database do not close and are abandoned");
                }
            }
        }
        if let Some(lock) = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Closing alone would not release it while a child process that is being started still holds it.
            if let Err(error) = lock.unlock() {
                tracing::warn!(%error, "the database file stays locked until this process exits");
            }
        }
    }
}
