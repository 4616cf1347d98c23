//! What survives a restart: calls, jobs, timers, timelines and what was said to desktops.
//!
//! No call is kept in memory. A batch of inputs is one transaction: the calls that it concerns are found by their keys
//! and locked, the machine decides, and what follows is written ([`Store::transact`]). So it does not matter how many
//! servers there are, as long as they have the same database.
//!
//! There is one implementation for both databases: SQLite (embedded, one server, held by a lock file; WAL,
//! `synchronous=FULL`) and PostgreSQL (any number of servers). Where their SQL differs is said in `sql.rs`.

mod change;
mod early;
mod jobs;
mod open;
mod push;
mod read;
mod retain;
mod schema;
mod sql;
mod transact;

pub use change::{Batch, Changes, Claim, Found, JobId, Line, NewJob, StoredJob, Tenure};
pub use jobs::LEASE;
pub use push::{Heard, PushId, Pushed};
pub(crate) use push::{Hint, Hints};
pub use read::OpenJobs;
pub use transact::Committed;

use rejoin_protocol::Millis;
use sql::{Dialect, Sql};
use sqlx::AnyPool;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// So much later than its own a server takes care of timers that another one has set: that one is nearer.
const TIMERS_OF_OTHERS: Millis = Millis(300);

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dialect: Dialect,
    sql: Sql,
    /// SQLite: the one connection that writes.
    writing: AnyPool,
    reading: AnyPool,
    /// This server, as long as it runs.
    server: String,
    /// Where servers hear each other; `None`: there is one only.
    shared: Option<String>,
    leased: Mutex<Lease>,
    /// SQLite, held as long as the store is open: a second server on the same calls would do everything twice.
    lock: Mutex<Option<File>>,
}

/// This server's.
#[derive(Debug, Default)]
struct Lease {
    /// Until when it lasts for sure, by this machine's clock.
    until: Option<Instant>,
    tenure: Tenure,
}

impl Store {
    /// May other servers have the same database?
    pub fn is_shared(&self) -> bool {
        self.0.dialect == Dialect::Postgres
    }

    /// What this server had begun is for others from now on: they need not wait for the end of its lease.
    pub async fn hand_over(&self) {
        if let Err(error) = self.leave().await {
            tracing::warn!(%error, "the database could not be told that this server stops; others wait for its lease to end");
        }
    }

    /// Closes the connections in order. What this server had begun is for others from now on, and so is its file: tasks
    /// that still end have the store, but can do nothing with it.
    pub async fn close(&self) {
        self.hand_over().await;
        self.0.reading.close().await;
        self.0.writing.close().await;
        if let Some(lock) = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Closing alone would not do while a program is being started that still has it.
            if let Err(error) = lock.unlock() {
                tracing::warn!(%error, "the database's file is free only when this program has ended");
            }
        }
    }
}
