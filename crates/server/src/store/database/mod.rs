//! SQLite (embedded, one server, held by a lock file; WAL, `synchronous=FULL`) and PostgreSQL (any number of servers). There
//! is one implementation for both; where their SQL differs is said in `sql.rs`.

mod early;
pub(crate) mod hosts;
mod jobs;
mod open;
mod push;
mod read;
mod retain;
mod schema;
mod servers;
mod sql;
mod transact;

pub(super) use push::Listener;

use super::Disk;
use crate::clock::Skew;
use crate::error::Error;
use crate::surroundings::Surroundings;
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
    /// SQLite in a world on a clock of its own.
    disk: Option<Disk>,
    dialect: Dialect,
    sql: Sql,
    place: Place,
    /// How long an answer is waited for.
    deadline: Duration,
    /// When something was committed last.
    committed: Mutex<Instant>,
    /// Of the database's clock against ours.
    skew: Mutex<Option<Skew>>,
    /// This server, as long as it runs.
    server: String,
    /// SQLite, held as long as the store is open: a second server on the same calls would do everything twice.
    lock: Mutex<Option<File>>,
}

/// Where its connections lead.
#[derive(Debug)]
enum Place {
    File {
        /// The one connection that writes.
        writing: AnyPool,
        reading: AnyPool,
    },
    Servers(Arc<Servers>),
}

/// What is to be dropped for a database to be closed.
pub(super) type Connections = Option<[AnyPool; 2]>;

impl Database {
    /// Asks it.
    pub(super) async fn answer<T>(&self, question: impl Future<Output = T>) -> T {
        match &self.disk {
            None => question.await,
            Some(disk) => disk.answer(&self.surroundings, question).await,
        }
    }

    /// The same with a deadline. What passes it may still happen: its connection is thrown away, and so are all others of
    /// that time, as they lead to the same host. In a world the disk answers in no time.
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

    /// The number of the connections that are used now.
    fn connections_in_use(&self) -> Option<u64> {
        match &self.place {
            Place::File { .. } => None,
            Place::Servers(servers) => servers.number(),
        }
    }

    /// Throws away the connections of this number after an error that says that they are of no use.
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

    /// How long an answer is waited for, and when something was committed last; `None`: in a world.
    pub(super) fn answers(&self) -> Option<(Duration, Instant)> {
        let committed = *self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        self.disk.is_none().then_some((self.deadline, committed))
    }

    /// Something was.
    fn has_committed(&self) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Of the database's clock against ours, as it was when the lease was renewed last; `None`: there is one clock only.
    pub(super) fn skew(&self) -> Option<Skew> {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to read with.
    async fn reading(&self) -> Result<PoolConnection<Any>, Error> {
        match &self.place {
            Place::File { reading, .. } => Ok(reading.acquire().await?),
            Place::Servers(servers) => Box::pin(servers.connection()).await,
        }
    }

    /// A connection to write with.
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

    /// A transaction that sees one moment.
    async fn moment(&self) -> Result<Transaction<'static, Any>, Error> {
        match &self.place {
            Place::File { reading, .. } => Ok(reading.begin_with("begin").await?),
            Place::Servers(servers) => {
                Box::pin(servers.begin_with("begin isolation level repeatable read, read only")).await
            }
        }
    }

    /// After a commit that was not answered nothing is begun before another one was. Where commits wait for a standby
    /// that is gone, each of them holds a connection of the database until the standby is back: all would be used up, and
    /// nobody could mend it. This one is of our lease, so that further ones wait for the first, and are refused.
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

    pub(super) fn connections(&self) -> Connections {
        match &self.place {
            Place::File { writing, reading } => Some([writing.clone(), reading.clone()]),
            Place::Servers(_) => None,
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Closes the connections in order. The file is for others from now on: tasks that still end have the store, but can
    /// do nothing with it.
    pub(super) async fn close(&self) {
        match &self.place {
            Place::File { writing, reading } => {
                reading.close().await;
                writing.close().await;
            }
            Place::Servers(servers) => {
                if timeout(self.deadline, servers.close()).await.is_err() {
                    tracing::warn!("connections to the database do not end, and are left to the system");
                }
            }
        }
        if let Some(lock) = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Closing alone would not do while a program is being started that still has it.
            if let Err(error) = lock.unlock() {
                tracing::warn!(%error, "the database's file is free only when this program has ended");
            }
        }
    }
}
