//! Everything that a store may be on: a database, or a memory.

use crate::database::Database;
use crate::support::now;
use rejoin_server::Error;
use rejoin_server::store::{Memory, Store};
use rejoin_server::surroundings::{Surroundings, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A new one for one test.
pub(crate) enum Place {
    Database(Database),
    Memory {
        memory: Memory,
        /// Nothing is taken any more.
        is_full: Arc<AtomicBool>,
        /// How many servers it has had.
        servers: AtomicU64,
    },
}

impl Place {
    pub(crate) fn memory(is_shared: bool) -> Self {
        let memory = Memory::new(now(), is_shared);
        Self::Memory { memory, is_full: Arc::default(), servers: AtomicU64::default() }
    }

    /// For one more server.
    pub(crate) async fn open(&self) -> Result<Store, Error> {
        let (memory, is_full, servers) = match self {
            Self::Database(database) => return Store::open(&database.url).await,
            Self::Memory { memory, is_full, servers } => (memory, Arc::clone(is_full), servers),
        };
        let watcher = Arc::new(move |step: &str| {
            let refuses = step == "written" && is_full.load(Ordering::Relaxed);
            if refuses { Verdict::Refuse } else { Verdict::GoOn }
        });
        let seed = servers.fetch_add(1, Ordering::Relaxed);
        Store::in_memory(memory, Surroundings::seeded(now(), seed, Some(watcher))).await
    }

    /// No server has been heard of for too long.
    pub(crate) async fn end_leases(&self) {
        match self {
            Self::Memory { memory, .. } => memory.end_leases(),
            Self::Database(database) => {
                let beside = database.beside().await;
                sqlx::query("update servers set until = 0").execute(&beside).await.unwrap();
                beside.close().await;
            }
        }
    }

    /// Makes every row of this table be refused, or every commit.
    pub(crate) async fn refuse(&self, table: &str) {
        match self {
            Self::Database(database) => database.refuse(table).await,
            Self::Memory { is_full, .. } => is_full.store(true, Ordering::Relaxed),
        }
    }

    /// Nothing is refused any more.
    pub(crate) async fn accept(&self, table: &str) {
        match self {
            Self::Database(database) => database.accept(table).await,
            Self::Memory { is_full, .. } => is_full.store(false, Ordering::Relaxed),
        }
    }
}

/// The same tests on all of them.
macro_rules! on_all {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&$crate::places::Place::Database($crate::database::Database::sqlite())).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&$crate::places::Place::Database($crate::database::Database::postgres().await)).await;
            })*
        }
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&$crate::places::Place::memory(false)).await;
            })*
        }
        mod in_shared_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&$crate::places::Place::memory(true)).await;
            })*
        }
    };
}
pub(crate) use on_all;
