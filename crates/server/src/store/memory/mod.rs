//! A store without a database, for worlds that run in one program: what was committed survives the server, nothing else.
//!
//! It keeps to what the databases keep to, and to less: one transaction runs after the other. There is no order in it that
//! could come out differently the next time.

mod batch;
mod data;
mod jobs;
mod push;
mod read;

pub(super) use push::Listener;

use super::heard::Hint;
use crate::error::Error;
use crate::surroundings::Surroundings;
use data::Data;
use rejoin_protocol::Millis;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio::time::Instant;

/// So many hints a server may be behind with.
const HINTS: usize = 1024;

/// What servers have in common. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    /// Is it for several servers?
    is_shared: bool,
    /// The time at the beginning, and the beginning by tokio's clock: its own time, which no server's clock changes.
    first: Millis,
    begun: Instant,
    data: Mutex<Data>,
    /// Who writes.
    turn: tokio::sync::Mutex<()>,
    /// Is a job only one server's?
    is_fenced: AtomicBool,
    /// Who said what.
    hints: broadcast::Sender<(String, Hint)>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("is_shared", &self.0.is_shared).finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty one, for one server or for several; `first`: what time it is.
    pub fn new(first: Millis, is_shared: bool) -> Self {
        Self(Arc::new(Shared {
            is_shared,
            first,
            begun: Instant::now(),
            data: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            is_fenced: AtomicBool::new(true),
            // Nobody hears what a single server says.
            hints: broadcast::channel(if is_shared { HINTS } else { 1 }).0,
        }))
    }

    /// All calls as they were committed last, for whoever watches a world.
    pub fn calls(&self) -> Vec<rejoin_recovery::Call> {
        let data = self.data();
        data.calls.keys().filter_map(|conference| data.call(conference)).collect()
    }

    /// Stores this of a call, as another version would, or a damaged disk: for tests of what is made of it.
    pub fn put_state(&self, conference: &rejoin_protocol::ConferenceSid, state: &str) {
        self.data().put_state(conference, state);
    }

    /// So many jobs have not ended.
    pub fn open_jobs(&self) -> usize {
        self.data().jobs.open.len()
    }

    /// Loses jobs, timers or calls, as a store that is not durable would: for tests of what tests find.
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

    /// Whoever has ever taken a job has it from now on, as in a store without fences and leases: for tests of what tests find.
    pub fn unfence(&self) {
        self.0.is_fenced.store(false, Ordering::Relaxed);
    }

    /// No server has been heard of for too long: what they have is for whoever comes first.
    pub fn end_leases(&self) {
        self.data().servers.clear();
    }

    /// For one more server.
    pub(super) fn open(&self, surroundings: Surroundings) -> Result<Server, Error> {
        let name = surroundings.server();
        let now = self.now();
        let mut data = self.data();
        if !self.0.is_shared {
            if data.holder.as_ref().is_some_and(|(_, holder)| !holder.is_killed()) {
                return Err(Error::InUse);
            }
            // Nobody else can be there: what an earlier server had is free at once.
            data.servers.clear();
            data.holder = Some((name.clone(), surroundings.clone()));
        }
        data.read_again();
        data.forget_servers(now);
        drop(data);
        Ok(Server { memory: self.clone(), name, surroundings })
    }

    fn now(&self) -> Millis {
        self.0.first + Millis(u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        // Nothing in there is left half done by a panic elsewhere.
        self.0.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One server's way to it.
#[derive(Debug)]
pub(super) struct Server {
    memory: Memory,
    name: String,
    surroundings: Surroundings,
}

impl Server {
    pub(super) fn is_shared(&self) -> bool {
        self.memory.0.is_shared
    }

    /// Is what one server has not another one's?
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
