//! What survives a restart: calls, jobs, timers, timelines and pushes to desktops.
//!
//! Servers keep no call in memory. A batch of inputs is one transaction: the calls that it concerns are found by
//! their keys and locked, the machine decides, and the result is written ([`Store::transact`]). So the number of
//! servers does not matter, as long as they share the database.
//!
//! Jobs belong to servers: a server holds a lease, which it renews while it runs, and a job belongs to the server
//! that has taken it. When a lease ends, the jobs of that server are free. Each time that a job is taken its fencing
//! token grows, so that a slow server can neither go on with it nor close it any more.
//!
//! A store is on a `database` (SQLite or PostgreSQL) or, in simulations, on a [`Memory`] or a [`Disk`]. All of them
//! pass the same tests.

mod change;
mod conversations;
mod database;
mod disk;
mod heard;
mod held_back;
mod leases;
mod memory;

pub use change::{
    Batch, CallCounts, Changes, Claim, Committed, Found, JobId, Line, NewJob, OpenJobs, StoredJob, Tenure,
};
pub(crate) use change::{Seen, SeenConversations, SeenServer};
pub(crate) use conversations::{BegunAction, ConversationBatch, ConversationChanges, FoundConversations};
pub(crate) use database::{hosts, newest_tables, sums};
pub use disk::Disk;
pub use heard::{Begun, Heard, PushId, Pushed};
pub(crate) use heard::{CameFrom, Hint, Hints};
pub(crate) use held_back::direct;
pub use held_back::{HeldBack, Why};
pub use memory::{Backup, Memory};

use crate::clock::Skew;
use crate::error::Error;
use crate::explain::{Explained, Subject};
use crate::figures;
use crate::given_up::GivenUp;
use crate::held_back::Listed;
use crate::history::{Asked, Hellos, Recovered, Sums};
use crate::pace::Crowd;
use crate::surroundings::Surroundings;
use crate::switches::{Switch, Switches};
use database::Database;
use held_back::SetAside;
use rejoin_conversations::{Conversation, Desk};
use rejoin_protocol::api::Push;
use rejoin_protocol::{AccountSid, CallSid, ConferenceSid, ConversationSid, Millis, WorkerSid};
use rejoin_recovery::{Call, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a server's lease lasts when it is not renewed.
pub const LEASE: Millis = Millis(4500);
/// In the last part of a lease nothing is sent: a request should have arrived before another server looks up its
/// effect.
const LAST_PART: Duration = Duration::from_secs(1);
/// After a time without a server to hear Twilio the calls are polled one after the other, this far apart: Twilio does
/// not repeat callbacks. It is a quarter of the default rate for the Voice API, with one request for a call.
pub(crate) const LOOKS_APART: Millis = Millis(100);
/// How much later than its own timers a server handles those that another one has set: the other one goes first.
const TIMERS_OF_OTHERS: Millis = Millis(300);

/// All calls of a store.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Those that can be read, and are not quarantined.
    pub(crate) calls: Vec<Call>,
    /// Number of the others.
    pub(crate) held_back: usize,
}

/// An open store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    surroundings: Surroundings,
    place: Place,
    leased: Mutex<Lease>,
    set_aside: Mutex<SetAside>,
    switches: Switches,
    hellos: Hellos,
}

#[derive(Debug)]
enum Place {
    Database(Box<Database>),
    Memory(memory::Server),
}

/// Asks the store's implementation. A killed server gets no answer, and one that is cut off from its database is
/// refused. A database has a deadline for each answer; a question in parts has one for each part.
macro_rules! ask {
    ($store:ident, $place:ident => $question:ident $arguments:tt) => {
        ask!($store, $place => $question $arguments, $place.limited($place.$question $arguments))
    };
    ($store:ident, $place:ident => $question:ident $arguments:tt in parts) => {
        ask!($store, $place => $question $arguments, $place.$question $arguments)
    };
    ($store:ident, $place:ident => $question:ident $arguments:tt, $limited:expr) => {{
        let surroundings = &$store.0.surroundings;
        if surroundings.pass(|| concat!("asking the store to ", stringify!($question)).to_owned()).await {
            return Err(Error::Database(sqlx::Error::PoolTimedOut));
        }
        let answer = match &$store.0.place {
            Place::Database($place) => $place.answer($limited).await,
            Place::Memory($place) => $place.$question $arguments.await,
        };
        surroundings.alive().await;
        answer
    }};
}

/// This server's lease.
#[derive(Debug, Default)]
struct Lease {
    /// Lower bound of its end, by this machine's clock.
    until: Option<Instant>,
    /// The same by the wall clock. In a suspended machine the first one may stand still
    /// (<https://doc.rust-lang.org/std/time/struct.Instant.html>).
    until_by_wall: Millis,
    tenure: Tenure,
    /// The last known number of running servers; 0: unknown.
    servers: u64,
    /// True when callbacks may have been lost, and the calls have not been polled since.
    missed: bool,
}

impl Lease {
    /// True when it lasts for this time, by both clocks.
    fn lasts(&self, now: Millis, time: Duration) -> bool {
        let by_wall = now.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.until.is_some_and(|until| Instant::now() + time < until) && by_wall < self.until_by_wall.0
    }
}

impl Store {
    /// Default timeout of a database's answer.
    pub const DEADLINE: Duration = Duration::from_secs(5);

    /// Opens the database (`sqlite:path` or `postgres://…`), creates the file if needed and migrates the tables.
    ///
    /// Fails when another server has the file, or the database cannot be used.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_in(url, Self::DEADLINE, Surroundings::system()).await
    }

    /// The same with another timeout, and in surroundings with another clock.
    pub async fn open_in(url: &str, deadline: Duration, surroundings: Surroundings) -> Result<Self, Error> {
        let database = Database::open(url, deadline, surroundings.clone(), None).await?;
        Self::on(Place::Database(Box::new(database)), surroundings).await
    }

    /// Continues with the committed data of this disk.
    ///
    /// Fails when another running server has it, or the file cannot be used.
    pub async fn on_disk(disk: &Disk, surroundings: Surroundings) -> Result<Self, Error> {
        let database = disk.open(&surroundings).await?;
        Self::on(Place::Database(Box::new(database)), surroundings).await
    }

    /// Continues with the data of this memory.
    ///
    /// Fails when another running server has it, and it is not shared.
    pub async fn in_memory(memory: &Memory, surroundings: Surroundings) -> Result<Self, Error> {
        let server = memory.open(surroundings.clone())?;
        Self::on(Place::Memory(server), surroundings).await
    }

    async fn on(place: Place, surroundings: Surroundings) -> Result<Self, Error> {
        let store = Self(Arc::new(Inner {
            surroundings,
            place,
            leased: Mutex::default(),
            set_aside: Mutex::default(),
            switches: Switches::default(),
            hellos: Hellos::default(),
        }));
        store.renew().await?;
        store.servers().await?;
        Ok(store)
    }

    /// The server's surroundings.
    pub fn surroundings(&self) -> &Surroundings {
        &self.0.surroundings
    }

    /// The time by its server's clock.
    pub fn now(&self) -> Millis {
        self.0.surroundings.now()
    }

    /// True when other servers may have the same calls.
    pub fn is_shared(&self) -> bool {
        match &self.0.place {
            Place::Database(database) => database.is_shared(),
            Place::Memory(memory) => memory.is_shared(),
        }
    }

    /// Hands this server's jobs over: other servers need not wait for the end of its lease.
    pub async fn hand_over(&self) {
        if let Err(error) = self.leave().await {
            tracing::warn!(%error, "this server's lease could not be released; other servers wait until it expires");
        }
    }

    async fn leave(&self) -> Result<(), Error> {
        ask!(self, place => leave())
    }

    /// Closes it gracefully, and hands this server's jobs over. Tasks that still end hold the store, but can do
    /// nothing with it.
    pub async fn close(&self) {
        if let Err(error) = self.keep_switches().await {
            tracing::warn!(%error, "the last switches could not be written: the report lacks them");
        }
        self.hand_over().await;
        match &self.0.place {
            Place::Database(database) => database.answer(database.close()).await,
            Place::Memory(memory) => memory.close(),
        }
    }

    /// Finds and locks the calls of a batch, lets `decide` choose the changes, and writes them: all or nothing,
    /// durable when this returns. After a conflict with other servers it is begun again, and `decide` is called
    /// again, with the new state.
    pub async fn transact<T>(
        &self,
        batch: &Batch,
        mut decide: impl FnMut(Found) -> Result<(Changes, T), Error>,
    ) -> Result<(Committed, T), Error> {
        // A lease that ends meanwhile is not the one in which its jobs were taken.
        let tenure = self.lease().tenure;
        let decide = |found: Found| {
            let mut set_aside = self.set_aside();
            if !found.held_back.is_empty() || !set_aside.is_empty() {
                set_aside.found(&found.held_back, found.calls.iter().map(|call| &call.conference));
            }
            drop(set_aside);
            decide(found)
        };
        ask!(self, place => transact(batch, decide, tenure))
    }

    /// Finds and locks the conversations of a batch, lets `decide` choose the changes, and writes them: all or nothing, durable
    /// when this returns. The actions that begin come back with their numbers.
    pub(crate) async fn transact_conversations<T>(
        &self,
        batch: &ConversationBatch,
        decide: impl FnMut(FoundConversations) -> Result<(ConversationChanges, T), Error>,
    ) -> Result<(Vec<BegunAction>, T), Error> {
        ask!(self, place => transact_conversations(batch, decide))
    }

    /// Conversations that are due by now, at most `most`, and when the next one is due (point in time).
    pub(crate) async fn due_conversations(
        &self,
        most: usize,
    ) -> Result<(Vec<ConversationSid>, Option<Millis>), Error> {
        let now = self.now();
        ask!(self, place => due_conversations(now, most))
    }

    /// Takes over actions for conversations of servers that are gone, and own ones that are not among these.
    pub(crate) async fn take_over_conversations(
        &self,
        held: &BTreeSet<i64>,
    ) -> Result<Vec<BegunAction>, Error> {
        ask!(self, place => take_over_conversations(held))
    }

    /// A conversation; `None`: it is not known, or cannot be read.
    pub(crate) async fn conversation(&self, sid: &ConversationSid) -> Result<Option<Conversation>, Error> {
        ask!(self, place => conversation(sid))
    }

    /// The desks of all workers.
    pub(crate) async fn open_desks(&self) -> Result<FoundConversations, Error> {
        ask!(self, place => open_desks())
    }

    /// All conversations and desks, 10,000 at most, for the console.
    pub(crate) async fn conversations(&self) -> Result<FoundConversations, Error> {
        ask!(self, place => conversations())
    }

    /// Takes up to `most` free jobs of these crowds, the most important first. `held`: jobs that this server already
    /// has.
    pub async fn claim(
        &self,
        held: impl IntoIterator<Item = JobId>,
        crowds: &[Crowd],
        most: usize,
    ) -> Result<Vec<StoredJob>, Error> {
        let tenure = self.lease().tenure;
        let held = held.into_iter().chain(self.set_aside().jobs_now());
        let (jobs, unreadable) = ask!(self, place => claim(held, crowds, most, tenure))?;
        self.set_aside().unreadable(&unreadable);
        Ok(jobs)
    }

    /// Gives back a job of a call that is held back: no server has a claim to it then, and this one takes it up only
    /// later.
    pub(crate) async fn set_job_aside(&self, claim: Claim) -> Result<(), Error> {
        self.set_aside().job(claim.job);
        ask!(self, place => give_back(claim))
    }

    /// The database refuses the changes of these calls' timers: they are retried later.
    pub(crate) fn set_timers_aside(&self, calls: &[ConferenceSid]) {
        calls.iter().for_each(|call| self.set_aside().refused(call));
    }

    /// The changes of these calls' timers are written.
    pub(crate) fn timers_written(&self, calls: &[ConferenceSid]) {
        let mut set_aside = self.set_aside();
        if !set_aside.is_empty() {
            calls.iter().for_each(|call| set_aside.written(call));
        }
    }

    /// True while this server holds calls back.
    pub(crate) fn holds_back(&self) -> bool {
        !self.set_aside().is_empty()
    }

    /// Number of calls that this server holds back, by reason, and of jobs that it cannot read.
    pub(crate) fn count_held_back(&self) -> (BTreeMap<&'static str, usize>, usize) {
        self.set_aside().count()
    }

    /// Everything stored that is held back, whether or not this server has met it.
    pub async fn held_back(&self) -> Result<Listed, Error> {
        ask!(self, place => held_back())
    }

    fn set_aside(&self) -> MutexGuard<'_, SetAside> {
        self.0.set_aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call of a job; the outer `None` when the job is no longer ours, the inner one when its call is forgotten.
    /// [`Error::HeldBack`]: the call is held back now.
    pub async fn call_of(&self, claim: Claim) -> Result<Option<Option<Call>>, Error> {
        ask!(self, place => call_of(claim))
    }

    /// Binds the database to this account, if it is bound to none.
    ///
    /// Fails when it is bound to another one: with that account's credentials Twilio finds none of the calls, and they would
    /// count as over.
    pub async fn belongs_to(&self, account: &AccountSid) -> Result<(), Error> {
        match ask!(self, place => account(account))? {
            other if other != account.as_str() => {
                Err(Error::OtherAccount { database: other, setting: account.clone() })
            }
            _ => Ok(()),
        }
    }

    /// All calls.
    pub(crate) async fn stored(&self) -> Result<Stored, Error> {
        ask!(self, place => stored())
    }

    /// Ends the restore of a backup. Time passes until a server starts: before all that was due since the backup, each call
    /// is polled again. Jobs count as begun. Pages have heard numbers of messages that this store does not know.
    pub(crate) async fn after_restore(&self) -> Result<(), Error> {
        ask!(self, place => after_restore())
    }

    /// Renews this server's lease.
    pub async fn renew(&self) -> Result<(), Error> {
        // The database counts from when it receives the request, which is later.
        let (asked, asked_by_wall) = (Instant::now(), self.now());
        ask!(self, place => renew())?;
        let until = asked + Duration::from_millis(LEASE.0);
        let now = self.now();
        let mut lease = self.lease();
        // By now the database may have found the previous lease ended, and another server may have its jobs.
        if lease.until.is_some() && !lease.lasts(now, Duration::ZERO) {
            lease.tenure.0 += 1;
            lease.missed = true;
            figures::lease_lost();
        }
        lease.until_by_wall = asked_by_wall + LEASE;
        lease.until = Some(lease.until.map_or(until, |other| other.max(until)));
        Ok(())
    }

    /// Timeout of the database's answer, and the time of the last commit; `None` in a simulation.
    pub(crate) fn answers(&self) -> Option<(Duration, Instant)> {
        match &self.0.place {
            Place::Database(database) => database.answers(),
            Place::Memory(_) => None,
        }
    }

    /// Skew of the database's clock against ours, as of the last renewal of the lease; `None`: there is only one
    /// clock.
    pub fn skew(&self) -> Option<Skew> {
        match &self.0.place {
            Place::Database(database) => database.skew(),
            Place::Memory(_) => None,
        }
    }

    /// Number of running servers, including this one. Looks up their leases: their work is not taken while these last.
    pub async fn servers(&self) -> Result<u64, Error> {
        let count = 1 + self.other_servers().await?;
        let mut lease = self.lease();
        // This server was started where no other one runs, or another one has gone. Whether those were in order is
        // unknown.
        lease.missed |= count < lease.servers || (lease.servers == 0 && count == 1);
        lease.servers = count;
        Ok(count)
    }

    /// Number of other servers with a lease that lasts. Looks up their leases. A server that was killed, or that the database does not
    /// hear any more, counts until its lease ends: [`LEASE`] after its last renewal, or twice that where the database's clock was set
    /// back.
    pub(crate) async fn other_servers(&self) -> Result<u64, Error> {
        match self.is_shared() {
            true => ask!(self, place => count_others()),
            false => Ok(0),
        }
    }

    /// Schedules one poll of all watched calls, if callbacks may have been lost: the server was down or suspended, another
    /// one has gone, or a standby of the database was promoted. Calls that would wait longest come first. True when there
    /// is anything to do.
    pub async fn catch_up(&self) -> Result<bool, Error> {
        if let Place::Database(database) = &self.0.place {
            if let Some(switch) = database.take_host_switch() {
                self.switched(switch);
            }
            if database.is_on_another_timeline()
                && let Some(switch) = database.limited(database.follow_timeline()).await?
            {
                self.switched(switch);
                return Ok(true);
            }
        }
        if !std::mem::take(&mut self.lease().missed) {
            return Ok(false);
        }
        let asked: Result<(), Error> = ask!(self, place => look_at_all());
        if asked.is_err() {
            self.lease().missed = true;
        }
        asked.map(|()| true)
    }

    /// The tenure in which something may be sent now: its lease lasts for as long as a request takes. `None`: the
    /// lease was not renewed for too long, and another server may have its jobs.
    pub fn leased(&self) -> Option<Tenure> {
        let now = self.now();
        let lease = self.lease();
        let lasts = lease.lasts(now, LAST_PART);
        (lasts || !self.is_shared() || !self.is_fenced()).then_some(lease.tenure)
    }

    /// False only in a store for tests.
    fn is_fenced(&self) -> bool {
        match &self.0.place {
            Place::Database(_) => true,
            Place::Memory(memory) => memory.is_fenced(),
        }
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.0.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls that share one of these keys, with the other calls of their customers, as last committed, including
    /// quarantined ones. [`Error::HeldBack`]: a call that the keys name cannot be read.
    pub async fn find(&self, keys: &BTreeSet<Key>) -> Result<Vec<Call>, Error> {
        let (calls, unreadable) = ask!(self, place => find(keys))?;
        let named = keys.iter().filter(|key| !matches!(key, Key::Worker(_)));
        match unreadable.iter().any(|call| call.has_any(named.clone())) {
            true => Err(Error::HeldBack),
            false => Ok(calls),
        }
    }

    /// The same without unreadable ones.
    pub(crate) async fn find_readable(&self, keys: &BTreeSet<Key>) -> Result<Vec<Call>, Error> {
        ask!(self, place => find(keys)).map(|(calls, _)| calls)
    }

    /// Schedules a poll of the watched calls with these keys for now: a callback about them could not be stored.
    pub async fn look_at(&self, keys: &BTreeSet<Key>) -> Result<(), Error> {
        ask!(self, place => look_at(keys))
    }

    /// More calls than can be remembered may have missed something: all of them are polled ([`Self::catch_up`]).
    pub(crate) fn look_at_all_soon(&self) {
        self.lease().missed = true;
    }

    /// The next timers: their calls, and when this server has to handle them. Without those of calls that it holds
    /// back for now.
    pub async fn next_timers(&self, most: usize) -> Result<Vec<(ConferenceSid, Millis)>, Error> {
        let without = self.set_aside().calls_now();
        ask!(self, place => next_timers(most, &without))
    }

    /// The timeline of a customer: all lines of the customer's conferences, oldest first, with their numbers.
    pub async fn timeline(&self, customer: &CallSid) -> Result<Vec<(i64, Line)>, Error> {
        ask!(self, place => timeline(customer))
    }

    /// Jobs that were given up lately, last one first.
    pub async fn given_up(&self) -> Result<Vec<GivenUp>, Error> {
        ask!(self, place => given_up())
    }

    /// Open jobs.
    pub async fn open_jobs(&self) -> Result<OpenJobs, Error> {
        ask!(self, place => open_jobs())
    }

    /// What the operators' console shows; at most `most` calls with a recovery are read. It has a deadline of its own.
    pub(crate) async fn seen(&self, most: usize) -> Result<Seen, Error> {
        ask!(self, place => seen(most) in parts)
    }

    /// The story of a call or a conversation for the operators' console. `None`: there is nothing about it. It has a deadline of
    /// its own.
    pub async fn explain(&self, subject: &Subject) -> Result<Option<Explained>, Error> {
        ask!(self, place => explain(subject) in parts)
    }

    /// Open calls.
    pub async fn count_calls(&self) -> Result<CallCounts, Error> {
        ask!(self, place => count_calls())
    }

    /// How often the lease had ended when it was renewed.
    pub(crate) fn leases_lost(&self) -> u64 {
        self.lease().tenure.0
    }

    /// Makes an alert this server's, by its key. False: another running server has it, or this one has it already.
    pub(crate) async fn claim_alert(&self, key: &str) -> Result<bool, Error> {
        match &self.0.place {
            Place::Database(database) => database.answer(database.limited(database.claim_alert(key))).await,
            // Simulations have no monitor.
            Place::Memory(_) => Ok(true),
        }
    }

    /// Forgets an alert. False: another running server has it, or it is not there.
    pub(crate) async fn release_alert(&self, key: &str) -> Result<bool, Error> {
        match &self.0.place {
            Place::Database(database) => database.answer(database.limited(database.release_alert(key))).await,
            Place::Memory(_) => Ok(true),
        }
    }

    /// True when no running server has the alert.
    pub(crate) async fn is_alert_free(&self, key: &str) -> Result<bool, Error> {
        match &self.0.place {
            Place::Database(database) => database.answer(database.limited(database.is_alert_free(key))).await,
            Place::Memory(_) => Ok(true),
        }
    }

    /// Keys of the alerts that some server has, or had when it ended.
    pub(crate) async fn alerts(&self) -> Result<BTreeSet<String>, Error> {
        match &self.0.place {
            Place::Database(database) => database.answer(database.limited(database.alerts())).await,
            Place::Memory(_) => Ok(BTreeSet::new()),
        }
    }

    /// When a page last answered a call message (point in time), as far as some server has stored it; 0: none has.
    pub(crate) async fn call_message_answered(&self) -> Result<Millis, Error> {
        ask!(self, place => call_message_answered())
    }

    /// Stores that a page has answered a call message.
    pub(crate) async fn keep_call_message_answered(&self, at: Millis) -> Result<(), Error> {
        ask!(self, place => keep_call_message_answered(at))
    }

    /// Tells pages of this worker on other servers that one of this epoch acts.
    pub(crate) async fn say_newer_page(&self, worker: &WorkerSid, epoch: u64) -> Result<(), Error> {
        if !self.is_shared() || epoch == 0 {
            return Ok(());
        }
        ask!(self, place => say_newer_page(worker, epoch))
    }

    /// Tells other servers that this page is lost.
    pub(crate) async fn say_lost_page(&self, worker: &WorkerSid, epoch: u64) -> Result<(), Error> {
        ask!(self, place => say_lost_page(worker, epoch))
    }

    /// Tells other servers that the page of this session does not answer.
    pub(crate) async fn say_silent_page(&self, worker: &WorkerSid, session: i64) -> Result<(), Error> {
        ask!(self, place => say_silent_page(worker, session))
    }

    /// Listens to other servers; `None`: there are none.
    pub(crate) async fn listen(&self) -> Result<Option<Hints>, Error> {
        self.0.surroundings.alive().await;
        match &self.0.place {
            Place::Database(database) => Ok(database.limited(database.listen()).await?.map(Hints::Database)),
            Place::Memory(memory) => Ok(memory.listen().map(Hints::Memory)),
        }
    }

    /// What a page of this worker at the position `since` must receive: text of a [`PushId`], `None` for a new page.
    pub async fn heard(&self, worker: &WorkerSid, since: Option<&str>) -> Result<Heard, Error> {
        ask!(self, place => heard(worker, since))
    }

    /// Identifies the database to which the numbers of pushes belong, where that can change while a server runs; `None`
    /// where it cannot.
    pub(crate) async fn instance(&self) -> Result<Option<i64>, Error> {
        match &self.0.place {
            Place::Database(database) if database.is_shared() => {
                Ok(Some(database.limited(database.instance()).await?))
            }
            Place::Database(_) | Place::Memory(_) => Ok(None),
        }
    }

    /// Stored pushes to a worker after this number.
    pub async fn pushes_since(&self, worker: &WorkerSid, number: u64) -> Result<Vec<(u64, Push)>, Error> {
        ask!(self, place => pushes_since(worker, number))
    }

    /// The number of the last push to each of these workers.
    pub(crate) async fn last_pushes(&self, workers: &[WorkerSid]) -> Result<Vec<(WorkerSid, u64)>, Error> {
        ask!(self, place => last_pushes(workers))
    }

    /// Forgets pushes that are too old for any page to need.
    pub async fn forget_pushes(&self) -> Result<(), Error> {
        ask!(self, place => forget_pushes() in parts)
    }

    /// Registers a page's session for other servers; `None`: there are none.
    pub(crate) async fn begin_session(&self, worker: &WorkerSid, epoch: u64) -> Result<Option<Begun>, Error> {
        ask!(self, place => begin_session(worker, epoch))
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, id: i64) -> Result<(), Error> {
        ask!(self, place => end_session(id))
    }

    /// Epochs of the worker's pages on other running servers; 0 for a page that names none.
    pub(crate) async fn sessions_elsewhere(&self, worker: &WorkerSid) -> Result<Vec<u64>, Error> {
        ask!(self, place => sessions_elsewhere(worker))
    }

    /// Counts a switch. It is written by [`Self::keep_switches`].
    pub(crate) fn switched(&self, switch: Switch) {
        figures::switched(switch.cause, switch.took, switch.calls);
        self.0.switches.count(self.now(), switch);
    }

    /// Writes the switches that were counted since. A simulation has no report, and keeps none.
    pub(crate) async fn keep_switches(&self) -> Result<(), Error> {
        let switches = self.0.switches.take();
        let Place::Database(database) = &self.0.place else { return Ok(()) };
        if switches.is_empty() || database.is_simulated() {
            return Ok(());
        }
        let kept = database.limited(database.add_switches(&switches)).await;
        // Whether an unanswered commit counts them is unknown: rather too few than too many.
        if kept.as_ref().is_err_and(|error| !error.may_have_happened()) {
            self.0.switches.put_back(switches);
        }
        kept
    }

    /// A page with this version of the plugin has said hello. It is written by [`Self::keep_history`].
    pub(crate) fn said_hello(&self, version: &str) {
        self.0.hellos.count(self.now(), version);
    }

    /// False in a simulation: nobody looks at its history.
    pub(crate) fn has_history(&self) -> bool {
        matches!(&self.0.place, Place::Database(database) if !database.is_simulated())
    }

    /// True on SQLite, not in a simulation: there the connection that writes does it.
    pub(crate) fn has_log(&self) -> bool {
        matches!(&self.0.place, Place::Database(database) if !database.is_shared() && !database.is_simulated())
    }

    /// Writes what is in the database's log back into the file, beside the engine.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        let Place::Database(database) = &self.0.place else { return Ok(()) };
        database.answer(database.checkpoint()).await
    }

    /// Counts a batch of the recoveries that have ended, and the pages that said hello. Returns the number of those recoveries; 0:
    /// none is left that no other server is counting.
    pub async fn keep_history(&self) -> Result<u64, Error> {
        let Place::Database(database) = &self.0.place else { return Ok(0) };
        if database.is_simulated() {
            return Ok(0);
        }
        let hellos = self.0.hellos.take();
        if !hellos.is_empty()
            && let Err(error) = database.add_versions(&hellos).await
        {
            // Whether an unanswered commit counts them is unknown: rather too few than too many.
            if !error.may_have_happened() {
                self.0.hellos.put_back(hellos);
            }
            return Err(error);
        }
        database.keep_history().await
    }

    /// The history of recoveries.
    pub async fn history(&self, asked: &Asked) -> Result<Sums, Error> {
        match &self.0.place {
            Place::Database(database) => database.answer(database.history(asked)).await,
            Place::Memory(_) => Ok(Sums::default()),
        }
    }

    /// Stores conversations and desks that were not those of this database: to fill one for measurements.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn add_conversations(
        &self,
        saved: Vec<Conversation>,
        desks: BTreeMap<WorkerSid, Desk>,
    ) -> Result<(), Error> {
        let changes = ConversationChanges { saved, desks, ..ConversationChanges::default() };
        let batch = ConversationBatch::default();
        self.transact_conversations(&batch, |_| Ok((changes.clone(), ()))).await.map(|_| ())
    }

    /// Adds recoveries to the history that were not those of this database: to fill one for measurements.
    pub async fn add_recoveries(&self, recoveries: &[Recovered]) -> Result<(), Error> {
        match &self.0.place {
            Place::Database(database) => database.add_recoveries(recoveries).await,
            Place::Memory(_) => Ok(()),
        }
    }

    /// Deletes what is older than this. Recoveries leave figures ([`crate::report`]).
    pub async fn tidy(&self, keep: Millis) -> Result<(), Error> {
        ask!(self, place => tidy(keep) in parts)
    }
}
