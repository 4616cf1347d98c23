//! A store without a database, for simulations: what was committed survives the server, nothing else.
//!
//! It has the databases' guarantees, and is simpler: one transaction runs after the other, in a deterministic order.

mod batch;
mod conversations;
mod data;
mod jobs;
mod push;
mod read;

pub(super) use push::Listener;

use super::heard::Hint;
use super::leases::Leases;
use crate::error::Error;
use crate::surroundings::Surroundings;
use data::Data;
use rejoin_protocol::Millis;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Maximum number of hints that a server may lag behind.
const HINTS: usize = 1024;

/// The data that servers share. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

/// A copy of the data of a [`Memory`].
#[derive(Debug)]
pub struct Backup(Box<Data>);

struct Shared {
    /// True when several servers use it.
    is_shared: bool,
    /// The time at the beginning, and the beginning by tokio's clock: its own time, which no server's clock changes.
    first: Millis,
    begun: Instant,
    /// How far the clock by which leases end was set forward, in milliseconds.
    set: AtomicI64,
    data: Mutex<Data>,
    /// The right to write.
    turn: tokio::sync::Mutex<()>,
    /// True when a job belongs to one server only.
    is_fenced: AtomicBool,
    /// Hints, with their senders.
    hints: broadcast::Sender<(String, Hint)>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("is_shared", &self.0.is_shared).finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty store, for one server or for several; `first` is the current time.
    pub fn new(first: Millis, is_shared: bool) -> Self {
        Self(Arc::new(Shared {
            is_shared,
            first,
            begun: Instant::now(),
            set: AtomicI64::new(0),
            data: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            is_fenced: AtomicBool::new(true),
            // A single server has no listeners.
            hints: broadcast::channel(if is_shared { HINTS } else { 1 }).0,
        }))
    }

    /// All calls as last committed, for observers of a simulation.
    pub fn calls(&self) -> Vec<rejoin_recovery::Call> {
        let data = self.data();
        data.calls.keys().filter_map(|conference| data.call(conference)).collect()
    }

    /// True if this holds for a call as last committed, for observers of a simulation.
    pub fn any_call(&self, holds: impl FnMut(&rejoin_recovery::Call) -> bool) -> bool {
        self.data().calls.values().any(holds)
    }

    /// Overwrites a call's stored state, as another version or a damaged disk would: for tests of how it is handled.
    pub fn put_state(&self, conference: &rejoin_protocol::ConferenceSid, state: &str) {
        self.data().put_state(conference, state);
    }

    /// Number of open jobs.
    pub fn open_jobs(&self) -> usize {
        self.data().jobs.open.len()
    }

    /// Loses jobs, timers or calls, as a store that is not durable would: for tests of the tests.
    pub fn lose(&self, jobs: bool, timers: bool, calls: bool) {
        let mut data = self.data();
        if jobs {
            data.jobs = data::Jobs::default();
        }
        if timers {
            data.timers = data::Timers::default();
        }
        if calls {
            data.calls.clear();
        }
    }

    /// A copy of what is stored now.
    pub fn backup(&self) -> Backup {
        Backup(Box::new(self.data().clone()))
    }

    /// Replaces what is stored by a copy. No server may be running.
    pub fn restore(&self, backup: Backup) {
        let mut data = self.data();
        let mut then = *backup.0;
        // Pages have heard these numbers. A database gets another instance then.
        then.workers = std::mem::take(&mut data.workers);
        then.servers.clear();
        then.holder = None;
        *data = then;
    }

    /// Lets every server that ever took a job keep it, as in a store without fencing tokens and leases: for tests of
    /// the tests.
    pub fn unfence(&self) {
        self.0.is_fenced.store(false, Ordering::Relaxed);
    }

    /// Ends all leases, as if no server had renewed its own: their jobs are free.
    pub fn end_leases(&self) {
        self.data().servers.clear();
    }

    /// Sets the clock by which leases end by this many milliseconds: the database's own.
    pub fn set_clock(&self, by: i64) {
        self.0.set.fetch_add(by, Ordering::Relaxed);
    }

    /// Opens it for another server.
    pub(super) fn open(&self, surroundings: Surroundings) -> Result<Server, Error> {
        let name = surroundings.server();
        let now = self.now();
        let mut data = self.data();
        if !self.0.is_shared {
            if data.holder.as_ref().is_some_and(|(_, holder)| !holder.is_killed()) {
                return Err(Error::InUse);
            }
            // No other server can be running: what an earlier one had is free at once.
            data.servers.clear();
            data.holder = Some((name.clone(), surroundings.clone()));
        }
        data.read_again();
        data.forget_servers(now);
        drop(data);
        Ok(Server { memory: self.clone(), name, surroundings, leases: Mutex::default() })
    }

    fn now(&self) -> Millis {
        let since = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = self.0.first.0.saturating_add(since);
        Millis(now.saturating_add_signed(self.0.set.load(Ordering::Relaxed)))
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        // A panic elsewhere leaves the data consistent.
        self.0.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server's access to it.
#[derive(Debug)]
pub(super) struct Server {
    memory: Memory,
    name: String,
    surroundings: Surroundings,
    /// The leases of the other servers.
    leases: Mutex<Leases>,
}

impl Server {
    pub(super) fn is_shared(&self) -> bool {
        self.memory.0.is_shared
    }

    /// True when jobs are fenced off from other servers.
    pub(super) fn is_fenced(&self) -> bool {
        self.memory.0.is_fenced.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        let mut data = self.memory.data();
        if data.holder.as_ref().is_some_and(|(holder, _)| *holder == self.name) {
            data.holder = None;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}
