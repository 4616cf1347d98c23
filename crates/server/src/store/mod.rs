//! What survives a restart: calls, jobs, timers, timelines and what was said to desktops.
//!
//! No call is kept in a server. A batch of inputs is one transaction: the calls that it concerns are found by their keys
//! and locked, the machine decides, and what follows is written ([`Store::transact`]). So it does not matter how many
//! servers there are, as long as they have the same database.
//!
//! Who carries out which job: a server holds a lease, which it renews while it runs; a job belongs to the server that has
//! taken it. When a lease ends, the jobs of that server are free. Each time that a job is taken its fence grows, so that a
//! server that was only slow can neither go on with it nor close it any more.
//!
//! A store is on a `database` (SQLite or PostgreSQL) or, where a whole world runs in one program, on a [`Memory`] or a
//! [`Disk`]. All of them keep to the same tests.

mod change;
mod database;
mod disk;
mod heard;
mod memory;

pub use change::{Batch, Changes, Claim, Committed, Found, JobId, Line, NewJob, OpenJobs, StoredJob, Tenure};
pub use disk::Disk;
pub use heard::{Heard, PushId, Pushed};
pub(crate) use heard::{Hint, Hints};
pub use memory::Memory;

use crate::error::Error;
use crate::given_up::GivenUp;
use crate::pace::Crowd;
use crate::surroundings::Surroundings;
use database::Database;
use rejoin_protocol::api::Push;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, WorkerSid};
use rejoin_recovery::{Call, Key};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a server's lease lasts when it is not renewed.
pub const LEASE: Millis = Millis(4500);
/// Nothing is sent in the last part of a lease: it is to have arrived before somebody else looks what became of it.
const LAST_PART: Duration = Duration::from_secs(1);
/// After a time in which nobody heard Twilio the calls are looked at, one after the other, so far apart: what callbacks would have
/// told then is not told again. It is a quarter of what goes to the Voice API by default, one request for a call.
const LOOKS_APART: Millis = Millis(100);
/// So much later than its own a server takes care of timers that another one has set: that one is nearer.
const TIMERS_OF_OTHERS: Millis = Millis(300);

/// An open store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    surroundings: Surroundings,
    place: Place,
    leased: Mutex<Lease>,
}

#[derive(Debug)]
enum Place {
    Database(Box<Database>),
    Memory(memory::Server),
}

/// Asks whatever it is on. A server that was killed gets no answer, and one that is cut off from its database is refused.
macro_rules! ask {
    ($store:ident, $place:ident => $question:ident $arguments:tt) => {{
        let surroundings = &$store.0.surroundings;
        if surroundings.pass(|| concat!("asking the store to ", stringify!($question)).to_owned()).await {
            return Err(Error::Database(sqlx::Error::PoolTimedOut));
        }
        let answer = match &$store.0.place {
            Place::Database($place) => $place.answer($place.$question $arguments).await,
            Place::Memory($place) => $place.$question $arguments.await,
        };
        surroundings.alive().await;
        answer
    }};
}

/// This server's.
#[derive(Debug, Default)]
struct Lease {
    /// Until when it lasts for sure, by this machine's clock.
    until: Option<Instant>,
    /// The same by the clock on the wall. In a machine that is suspended the first one may stand still
    /// (<https://doc.rust-lang.org/std/time/struct.Instant.html>).
    until_by_wall: Millis,
    tenure: Tenure,
    /// How many servers ran when that was asked last; 0: it was not asked yet.
    servers: u64,
    /// May callbacks have come to nobody, and have the calls not been looked at since?
    missed: bool,
}

impl Lease {
    /// Does it last for so long, by both clocks?
    fn lasts(&self, now: Millis, time: Duration) -> bool {
        let by_wall = now.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.until.is_some_and(|until| Instant::now() + time < until) && by_wall < self.until_by_wall.0
    }
}

impl Store {
    /// Opens the database (`sqlite:path` or `postgres://…`), creates the file if needed and brings the tables up to date.
    ///
    /// Fails when another server has the file, or the database cannot be used.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let surroundings = Surroundings::system();
        let database = Database::open(url, surroundings.clone(), None).await?;
        Self::on(Place::Database(Box::new(database)), surroundings).await
    }

    /// Goes on with what was committed to this disk.
    ///
    /// Fails when another server has it that is still there, or the file cannot be used.
    pub async fn on_disk(disk: &Disk, surroundings: Surroundings) -> Result<Self, Error> {
        let database = disk.open(&surroundings).await?;
        Self::on(Place::Database(Box::new(database)), surroundings).await
    }

    /// Goes on with what is in this memory.
    ///
    /// Fails when another server has it that is still there, and it is not for several.
    pub async fn in_memory(memory: &Memory, surroundings: Surroundings) -> Result<Self, Error> {
        let server = memory.open(surroundings.clone())?;
        Self::on(Place::Memory(server), surroundings).await
    }

    async fn on(place: Place, surroundings: Surroundings) -> Result<Self, Error> {
        let store = Self(Arc::new(Inner { surroundings, place, leased: Mutex::default() }));
        store.renew().await?;
        store.servers().await?;
        Ok(store)
    }

    /// What its server lives in.
    pub fn surroundings(&self) -> &Surroundings {
        &self.0.surroundings
    }

    /// The time by its server's clock.
    pub fn now(&self) -> Millis {
        self.0.surroundings.now()
    }

    /// May other servers have the same calls?
    pub fn is_shared(&self) -> bool {
        match &self.0.place {
            Place::Database(database) => database.is_shared(),
            Place::Memory(memory) => memory.is_shared(),
        }
    }

    /// What this server had begun is for others from now on: they need not wait for the end of its lease.
    pub async fn hand_over(&self) {
        if let Err(error) = self.leave().await {
            tracing::warn!(%error, "the database could not be told that this server stops; others wait for its lease to end");
        }
    }

    async fn leave(&self) -> Result<(), Error> {
        ask!(self, place => leave())
    }

    /// Closes it in order. What this server had begun is for others from now on. Tasks that still end have the store, but
    /// can do nothing with it.
    pub async fn close(&self) {
        self.hand_over().await;
        match &self.0.place {
            Place::Database(database) => database.answer(database.close()).await,
            Place::Memory(memory) => memory.close(),
        }
    }

    /// Finds and locks the calls that a batch is about, lets `decide` say what is to change, and writes it: all or
    /// nothing, durable when this returns. If other servers were in the way it is begun again, and `decide` is asked
    /// again, with what is known then.
    pub async fn transact<T>(
        &self,
        batch: &Batch,
        decide: impl FnMut(Found) -> Result<(Changes, T), Error>,
    ) -> Result<(Committed, T), Error> {
        // A lease that ends meanwhile is not the one under which its jobs were taken.
        let tenure = self.lease().tenure;
        ask!(self, place => transact(batch, decide, tenure))
    }

    /// Takes up to `most` jobs of these crowds that nobody has, the most important first. `held`: those that this server
    /// has already.
    pub async fn claim(
        &self,
        held: impl IntoIterator<Item = JobId>,
        crowds: &[Crowd],
        most: usize,
    ) -> Result<Vec<StoredJob>, Error> {
        let tenure = self.lease().tenure;
        ask!(self, place => claim(held, crowds, most, tenure))
    }

    /// The call of a job; the outer `None` when the job is not ours any more, the inner one when its call is forgotten.
    pub async fn call_of(&self, claim: Claim) -> Result<Option<Option<Call>>, Error> {
        ask!(self, place => call_of(claim))
    }

    /// Renews this server's lease.
    pub async fn renew(&self) -> Result<(), Error> {
        // The database counts from when it hears of it, which is later.
        let (asked, asked_by_wall) = (Instant::now(), self.now());
        ask!(self, place => renew())?;
        let until = asked + Duration::from_millis(LEASE.0);
        let now = self.now();
        let mut lease = self.lease();
        // By now the database may have found the one before at its end, and somebody else its jobs.
        if lease.until.is_some() && !lease.lasts(now, Duration::ZERO) {
            lease.tenure.0 += 1;
            lease.missed = true;
        }
        lease.until_by_wall = asked_by_wall + LEASE;
        lease.until = Some(lease.until.map_or(until, |other| other.max(until)));
        Ok(())
    }

    /// How many servers run, this one among them.
    pub async fn servers(&self) -> Result<u64, Error> {
        let count = match self.is_shared() {
            true => ask!(self, place => count_servers())?.max(1),
            false => 1,
        };
        let mut lease = self.lease();
        // It was started where no other one runs, or another one has gone. Nobody knows which of them were in order.
        lease.missed |= count < lease.servers || (lease.servers == 0 && count == 1);
        lease.servers = count;
        Ok(count)
    }

    /// Lets all calls that are watched be looked at soon, once, if callbacks may have come to nobody: the server was down,
    /// stood still, or another one has gone. Who would wait longest comes first. Is there anything to do?
    pub async fn catch_up(&self) -> Result<bool, Error> {
        if !std::mem::take(&mut self.lease().missed) {
            return Ok(false);
        }
        let asked: Result<(), Error> = ask!(self, place => look_at_all());
        if asked.is_err() {
            self.lease().missed = true;
        }
        asked.map(|()| true)
    }

    /// The lease under which something may be sent now: it lasts for as long as a request takes. `None`: the database has
    /// not heard of this server for too long, and another one may have its jobs.
    pub fn leased(&self) -> Option<Tenure> {
        let now = self.now();
        let lease = self.lease();
        let lasts = lease.lasts(now, LAST_PART);
        (lasts || !self.is_shared() || !self.is_fenced()).then_some(lease.tenure)
    }

    /// Only a test's store is not.
    fn is_fenced(&self) -> bool {
        match &self.0.place {
            Place::Database(_) => true,
            Place::Memory(memory) => memory.is_fenced(),
        }
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.0.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls that share one of these keys, with the other calls of their customers, as they were last committed.
    pub async fn find(&self, keys: &BTreeSet<Key>) -> Result<Vec<Call>, Error> {
        ask!(self, place => find(keys))
    }

    /// The next timers: whose they are, and when this server has to take care of them.
    pub async fn next_timers(&self, most: usize) -> Result<Vec<(ConferenceSid, Millis)>, Error> {
        ask!(self, place => next_timers(most))
    }

    /// The timeline of a customer: all lines of the conferences that he was in, oldest first, with their numbers.
    pub async fn timeline(&self, customer: &CallSid) -> Result<Vec<(i64, Line)>, Error> {
        ask!(self, place => timeline(customer))
    }

    /// What was given up lately, the last one first.
    pub async fn given_up(&self) -> Result<Vec<GivenUp>, Error> {
        ask!(self, place => given_up())
    }

    /// Jobs that have not ended.
    pub async fn open_jobs(&self) -> Result<OpenJobs, Error> {
        ask!(self, place => open_jobs())
    }

    /// Pages of this worker at other servers are to hear that one of this epoch acts.
    pub(crate) async fn say_newer_page(&self, worker: &WorkerSid, epoch: u64) -> Result<(), Error> {
        if !self.is_shared() || epoch == 0 {
            return Ok(());
        }
        ask!(self, place => say_newer_page(worker, epoch))
    }

    /// Hears what other servers say; `None`: there are no others.
    pub(crate) async fn listen(&self) -> Result<Option<Hints>, Error> {
        self.0.surroundings.alive().await;
        match &self.0.place {
            Place::Database(database) => Ok(database.listen().await?.map(Hints::Database)),
            Place::Memory(memory) => Ok(memory.listen().map(Hints::Memory)),
        }
    }

    /// What a page of this worker is to be told that has heard as far as `since`: text of a [`PushId`], `None` for a new
    /// page.
    pub async fn heard(&self, worker: &WorkerSid, since: Option<&str>) -> Result<Heard, Error> {
        ask!(self, place => heard(worker, since))
    }

    /// What was said to a worker after this number, as far as it is kept.
    pub async fn pushes_since(&self, worker: &WorkerSid, number: u64) -> Result<Vec<(u64, Push)>, Error> {
        ask!(self, place => pushes_since(worker, number))
    }

    /// The number of the last push to each of these workers.
    pub(crate) async fn last_pushes(&self, workers: &[WorkerSid]) -> Result<Vec<(WorkerSid, u64)>, Error> {
        ask!(self, place => last_pushes(workers))
    }

    /// Forgets pushes that no page comes back for.
    pub async fn forget_pushes(&self) -> Result<(), Error> {
        ask!(self, place => forget_pushes())
    }

    /// Other servers are to know that this page is connected here; `None`: there are no others.
    pub(crate) async fn begin_session(&self, worker: &WorkerSid, epoch: u64) -> Result<Option<i64>, Error> {
        ask!(self, place => begin_session(worker, epoch))
    }

    /// The page is gone.
    pub(crate) async fn end_session(&self, id: i64) -> Result<(), Error> {
        ask!(self, place => end_session(id))
    }

    /// Epochs of the worker's pages at other servers that run; 0: one that has not said its own.
    pub(crate) async fn sessions_elsewhere(&self, worker: &WorkerSid) -> Result<Vec<u64>, Error> {
        ask!(self, place => sessions_elsewhere(worker))
    }

    /// Lets what is older than this go. Of recoveries figures remain ([`crate::report`]).
    pub async fn tidy(&self, keep: Millis) -> Result<(), Error> {
        ask!(self, place => tidy(keep))
    }
}
