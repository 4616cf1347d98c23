//! SQLite (embedded, one server, held by a lock file; WAL, `synchronous=FULL`) and PostgreSQL (any number of servers). There
//! is one implementation for both; where their SQL differs is said in `sql.rs`.

mod early;
mod jobs;
mod open;
mod push;
mod read;
mod retain;
mod schema;
mod sql;
mod transact;

pub(super) use push::Listener;

use super::Disk;
use crate::surroundings::Surroundings;
use sql::{Dialect, Sql};
use sqlx::AnyPool;
use std::fs::File;
use std::sync::{Mutex, PoisonError};

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    surroundings: Surroundings,
    /// SQLite in a world on a clock of its own.
    disk: Option<Disk>,
    dialect: Dialect,
    sql: Sql,
    /// SQLite: the one connection that writes.
    writing: AnyPool,
    reading: AnyPool,
    /// This server, as long as it runs.
    server: String,
    /// Where servers hear each other; `None`: there is one only.
    shared: Option<String>,
    /// SQLite, held as long as the store is open: a second server on the same calls would do everything twice.
    lock: Mutex<Option<File>>,
}

/// What is to be dropped for a database to be closed.
pub(super) type Connections = [AnyPool; 2];

impl Database {
    /// Asks it.
    pub(super) async fn answer<T>(&self, question: impl Future<Output = T>) -> T {
        match &self.disk {
            None => question.await,
            Some(disk) => disk.answer(&self.surroundings, question).await,
        }
    }

    pub(super) fn connections(&self) -> Connections {
        [self.writing.clone(), self.reading.clone()]
    }

    pub(super) fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Closes the connections in order. The file is for others from now on: tasks that still end have the store, but can
    /// do nothing with it.
    pub(super) async fn close(&self) {
        self.reading.close().await;
        self.writing.close().await;
        if let Some(lock) = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Closing alone would not do while a program is being started that still has it.
            if let Err(error) = lock.unlock() {
                tracing::warn!(%error, "the database's file is free only when this program has ended");
            }
        }
    }
}
