//! Every implementation of a store: a database, a memory, or a simulation's disk.

use crate::database::Database;
use crate::support::now;
use rejoin_protocol::ConferenceSid;
use rejoin_server::Error;
use rejoin_server::store::{Disk, Memory, Store};
use rejoin_server::surroundings::{Listener, Surroundings, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A new store for one test.
pub(crate) enum Place {
    Database(Database),
    /// In a simulation.
    World {
        of: World,
        /// True when writes are refused.
        is_full: Arc<AtomicBool>,
        /// Number of servers so far.
        servers: AtomicU64,
    },
}

pub(crate) enum World {
    Memory(Memory),
    Disk(Disk),
}

impl Place {
    pub(crate) fn memory(is_shared: bool) -> Self {
        Self::world(World::Memory(Memory::new(now(), is_shared)))
    }

    pub(crate) fn disk() -> Self {
        Self::world(World::Disk(Disk::new().unwrap()))
    }

    fn world(of: World) -> Self {
        Self::World { of, is_full: Arc::default(), servers: AtomicU64::default() }
    }

    /// Opens it for another server.
    pub(crate) async fn open(&self) -> Result<Store, Error> {
        match self {
            Self::Database(database) => Store::open(&database.url).await,
            Self::World { is_full, .. } => {
                let is_full = Arc::clone(is_full);
                let refuses = move |step: &str| step == "written" && is_full.load(Ordering::Relaxed);
                let verdict = move |step: &str| if refuses(step) { Verdict::Refuse } else { Verdict::GoOn };
                self.open_where(verdict).await
            }
        }
    }

    /// Opens it for a server of a simulation with this verdict on its steps.
    pub(crate) async fn open_where(
        &self,
        verdict: impl Fn(&str) -> Verdict + Send + Sync + 'static,
    ) -> Result<Store, Error> {
        let seeded = |seed| Surroundings::seeded(now(), seed, Some(Arc::new(verdict)));
        self.open_in(seeded).await
    }

    /// Opens it for a server of a simulation with a listener to handled events.
    pub(crate) async fn open_heard_by(&self, listener: Listener) -> Result<Store, Error> {
        self.open_in(|seed| Surroundings::seeded(now(), seed, None).listened_to(listener)).await
    }

    async fn open_in(&self, surroundings: impl FnOnce(u64) -> Surroundings) -> Result<Store, Error> {
        let Self::World { of, servers, .. } = self else { panic!("nothing becomes of steps here") };
        let surroundings = surroundings(servers.fetch_add(1, Ordering::Relaxed));
        match of {
            World::Memory(memory) => Store::in_memory(memory, surroundings).await,
            World::Disk(disk) => Store::on_disk(disk, surroundings).await,
        }
    }

    /// Ends all leases.
    pub(crate) async fn end_leases(&self) {
        match self {
            Self::World { of: World::Memory(memory), .. } => memory.end_leases(),
            Self::World { of: World::Disk(disk), .. } => disk.end_leases().unwrap(),
            Self::Database(database) => {
                let beside = database.beside().await;
                sqlx::query("delete from servers").execute(&beside).await.unwrap();
                beside.close().await;
            }
        }
    }

    /// Overwrites a call's stored state.
    pub(crate) async fn put_state(&self, conference: &ConferenceSid, state: &str) {
        match self {
            Self::World { of: World::Memory(memory), .. } => memory.put_state(conference, state),
            Self::World { of: World::Disk(disk), .. } => disk.put_state(conference, state).unwrap(),
            Self::Database(database) => database.put_state(conference, state).await,
        }
    }

    /// Makes it refuse every row of this table, or every commit.
    pub(crate) async fn refuse(&self, table: &str) {
        match self {
            Self::Database(database) => database.refuse(table).await,
            Self::World { is_full, .. } => is_full.store(true, Ordering::Relaxed),
        }
    }

    /// Makes it accept everything again.
    pub(crate) async fn accept(&self, table: &str) {
        match self {
            Self::Database(database) => database.accept(table).await,
            Self::World { is_full, .. } => is_full.store(false, Ordering::Relaxed),
        }
    }
}

/// Runs the same tests on all of them.
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
        mod in_shared_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&$crate::places::Place::memory(true)).await;
            })*
        }
        $crate::places::in_worlds!($($name,)*);
    };
}
pub(crate) use on_all;

/// Runs the same tests on the stores of simulations.
macro_rules! in_worlds {
    ($($name:ident,)*) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&$crate::places::Place::memory(false)).await;
            })*
        }
        mod on_disk {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&$crate::places::Place::disk()).await;
            })*
        }
    };
}
pub(crate) use in_worlds;
