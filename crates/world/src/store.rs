//! What the world's servers share: the store in memory, or SQLite on a disk.

use crate::run::Unfit;
use crate::world::BEGIN;
use rejoin_recovery::Call;
use rejoin_server::Error;
use rejoin_server::explain::{Story, Subject};
use rejoin_server::history::Recovered;
use rejoin_server::store::{Backup, Disk, Memory, Store};
use rejoin_server::surroundings::Surroundings;
use std::fmt;

/// What a world's store runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// In memory, which is fast.
    #[default]
    Memory,
    /// SQLite in a temporary folder, with real transactions.
    Sqlite,
}

impl StoreKind {
    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Memory, Self::Sqlite].into_iter().find(|kind| kind.to_string() == name)
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        })
    }
}

/// What outlives each server.
#[derive(Debug)]
pub(crate) enum Kept {
    Memory(Memory),
    Disk(Disk),
}

impl Kept {
    /// `shared` when several servers use it.
    pub(crate) fn new(kind: StoreKind, shared: bool) -> Result<Self, Unfit> {
        Ok(match kind {
            StoreKind::Memory => Self::Memory(Memory::new(BEGIN, shared)),
            StoreKind::Sqlite if shared => {
                return Err(Unfit::of("SQLite is for one server: play worlds of several in memory"));
            }
            StoreKind::Sqlite => Self::Disk(Disk::new().map_err(Unfit::of)?),
        })
    }

    /// Lets a server that has lost its jobs still write to them.
    pub(crate) fn unfence(&self) {
        if let Self::Memory(memory) = self {
            memory.unfence();
        }
    }

    /// Sets the store's clock by this many milliseconds. A file has none of its own.
    pub(crate) fn set_clock(&self, by: i64) {
        if let Self::Memory(memory) = self {
            memory.set_clock(by);
        }
    }

    /// Opens the store for a server that starts.
    pub(crate) async fn open(&self, surroundings: Surroundings) -> Result<Store, Error> {
        match self {
            Self::Memory(memory) => Store::in_memory(memory, surroundings).await,
            Self::Disk(disk) => Store::on_disk(disk, surroundings).await,
        }
    }

    /// All calls as last committed.
    pub(crate) fn calls(&self) -> Result<Vec<Call>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.calls()),
            Self::Disk(disk) => disk.calls(),
        }
    }

    /// True if this holds for a call as last committed.
    pub(crate) fn any_call(&self, holds: impl FnMut(&Call) -> bool) -> Result<bool, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.any_call(holds)),
            Self::Disk(disk) => Ok(disk.calls()?.iter().any(holds)),
        }
    }

    /// Number of jobs that have not ended.
    pub(crate) fn open_jobs(&self) -> Result<usize, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.open_jobs()),
            Self::Disk(disk) => disk.open_jobs(),
        }
    }

    /// The stories of all calls that lost an agent, as the database has them; none in memory.
    pub(crate) fn stories(&self) -> Result<Vec<(Subject, Story)>, Error> {
        match self {
            Self::Memory(_) => Ok(vec![]),
            Self::Disk(disk) => disk.stories(),
        }
    }

    /// The recoveries that have ended, as the history of a server counts them; none in memory.
    pub(crate) fn recoveries(&self) -> Result<Vec<Recovered>, Error> {
        match self {
            Self::Memory(_) => Ok(vec![]),
            Self::Disk(disk) => disk.recoveries(),
        }
    }

    /// A copy of all that is stored. `None`: worlds on SQLite have no backups; the server's tests do that.
    pub(crate) fn backup(&self) -> Option<Backup> {
        match self {
            Self::Memory(memory) => Some(memory.backup()),
            Self::Disk(_) => None,
        }
    }

    /// Replaces all that is stored by a copy.
    pub(crate) fn restore(&self, backup: Backup) {
        if let Self::Memory(memory) = self {
            memory.restore(backup);
        }
    }

    /// Loses jobs, timers or calls.
    pub(crate) fn lose(&self, jobs: bool, timers: bool, calls: bool) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => {
                memory.lose(jobs, timers, calls);
                Ok(())
            }
            Self::Disk(disk) => disk.lose(jobs, timers, calls),
        }
    }
}
