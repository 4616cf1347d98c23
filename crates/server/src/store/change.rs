//! What a batch needs from the store, and what it changes.

use super::heard::Pushed;
use super::held_back::HeldBack;
use crate::given_up::GivenUp;
use crate::history::About;
use crate::story::Told;
use rejoin_conversations::Conversation;
use rejoin_protocol::api::Push;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, WorkerSid};
use rejoin_recovery::{Action, Call, EarlyMark, EarlyMarkKey, Key, Note, Timer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Number of a job in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// A server's claim to a job, with its fencing token: the next server that takes the job gets a higher one, which
/// invalidates this claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// Which job.
    pub job: JobId,
    /// Fencing token: how often the job was taken.
    pub fence: i64,
}

/// The subject of a batch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Keys that find the calls.
    pub keys: BTreeSet<Key>,
    /// Conferences whose call may begin now.
    pub begins: BTreeSet<ConferenceSid>,
    /// Jobs to close.
    pub closes: BTreeSet<Claim>,
}

/// What was found. It is locked until the transaction ends.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The calls.
    pub calls: Vec<Call>,
    /// Calls that are held back. They stay unchanged.
    pub held_back: Vec<HeldBack>,
    /// Their timers, due or not.
    pub timers: Vec<(ConferenceSid, Timer, Millis)>,
    /// Early marks of these workers and tasks, and of the calls' tasks.
    pub early: Vec<EarlyMark>,
    /// Jobs of [`Batch::closes`] that are open and still ours.
    pub held: BTreeSet<Claim>,
}

impl Found {
    /// Adds a call, which may be quarantined.
    pub(super) fn add(&mut self, call: Call) {
        match call.quarantine.clone() {
            None => self.calls.push(call),
            Some(quarantine) => self.held_back.push(HeldBack::quarantined(call, quarantine)),
        }
    }

    /// The legs that find these calls: their customers'.
    pub(super) fn legs(&self) -> BTreeSet<String> {
        let read = self.calls.iter().flat_map(Call::keys).filter(|key| matches!(key, Key::Leg(_)));
        let held =
            self.held_back.iter().flat_map(|held| &held.keys).filter(|key| key.starts_with(CallSid::PREFIX));
        read.map(|key| key.as_str().to_owned()).chain(held.cloned()).collect()
    }

    /// Calls that cannot be read.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &ConferenceSid> {
        self.held_back.iter().filter(|held| held.call.is_none()).map(|held| &held.conference)
    }
}

/// Changes to write, all or none.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub(super) saved: BTreeMap<ConferenceSid, Saved>,
    pub(super) forgotten: BTreeSet<ConferenceSid>,
    /// `None`: cleared.
    pub(super) timers: BTreeMap<(ConferenceSid, Timer), Option<Millis>>,
    pub(super) jobs: Vec<NewJob>,
    /// `None`: no longer waiting.
    pub(super) early: Vec<(EarlyMarkKey, Option<EarlyMark>)>,
    /// With the reason, if it was given up.
    pub(super) closed: BTreeMap<JobId, Option<String>>,
    pub(super) lines: Vec<(Option<CallSid>, Line, Option<About>)>,
    pub(super) pushes: Vec<(WorkerSid, Push)>,
    pub(super) told: Vec<Told>,
    /// Calls whose stories are dropped.
    pub(super) untold: BTreeSet<ConferenceSid>,
}

#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub(super) call: Call,
    pub(super) keys: BTreeSet<Key>,
}

/// A new job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// The call.
    pub conference: ConferenceSid,
    /// The action.
    pub action: Action,
    /// When it stops making sense (point in time).
    pub deadline: Millis,
    /// True when this server carries it out at once. Otherwise any server may.
    pub mine: bool,
}

impl Changes {
    /// Saves a call.
    pub fn save(&mut self, call: &Call) {
        let saved = Saved { call: call.clone(), keys: call.keys() };
        self.saved.insert(call.conference.clone(), saved);
    }

    /// Forgets a call that is over for good, with its timers. Must precede saving a new call of that conference.
    pub fn forget(&mut self, conference: &ConferenceSid) {
        self.saved.remove(conference);
        self.timers.retain(|(of, _), _| of != conference);
        self.forgotten.insert(conference.clone());
    }

    /// Adds a job, unless one that may be done only once exists already.
    pub fn add_job(&mut self, job: NewJob) {
        self.jobs.push(job);
    }

    /// Closes a job.
    pub fn close_job(&mut self, job: JobId) {
        self.closed.insert(job, None);
    }

    /// Gives a job up. The reason must not contain personal data.
    pub fn give_up_job(&mut self, job: JobId, reason: String) {
        self.closed.insert(job, Some(reason));
    }

    /// Sets a timer, and replaces the one that is set.
    pub fn set_timer(&mut self, conference: ConferenceSid, timer: Timer, at: Millis) {
        self.timers.insert((conference, timer), Some(at));
    }

    /// Clears a timer.
    pub fn clear_timer(&mut self, conference: ConferenceSid, timer: Timer) {
        self.timers.insert((conference, timer), None);
    }

    /// Adds early marks, or removes them (`None`).
    pub fn early_marks(&mut self, changed: impl IntoIterator<Item = (EarlyMarkKey, Option<EarlyMark>)>) {
        self.early.extend(changed);
    }

    /// Adds a line to a timeline; with the customer's leg, if known.
    pub fn add_line(&mut self, customer: Option<CallSid>, line: Line) {
        self.lines.push((customer, line, None));
    }

    /// The same for the end of a recovery: with what is known about it.
    pub(crate) fn add_end(&mut self, customer: Option<CallSid>, line: Line, about: Option<About>) {
        self.lines.push((customer, line, about));
    }

    /// Adds entries to a call's story.
    pub fn tell(&mut self, told: impl IntoIterator<Item = Told>) {
        self.told.extend(told);
    }

    /// Drops the story of a call that needs no explanation.
    pub fn untell(&mut self, conference: &ConferenceSid) {
        self.told.retain(|told| &told.conference != conference);
        self.untold.insert(conference.clone());
    }

    /// Adds a push to a worker's desktops.
    pub fn push(&mut self, worker: WorkerSid, push: Push) {
        self.pushes.push((worker, push));
    }

    /// When the first of the set timers is due.
    pub fn first_timer(&self) -> Option<Millis> {
        self.timers.values().flatten().min().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { saved, forgotten, timers, jobs, early, closed, lines, pushes, told, untold } = self;
        saved.is_empty()
            && forgotten.is_empty()
            && timers.is_empty()
            && jobs.is_empty()
            && early.is_empty()
            && closed.is_empty()
            && lines.is_empty()
            && pushes.is_empty()
            && told.is_empty()
            && untold.is_empty()
    }
}

/// A stored job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJob {
    /// Our claim; without one any server may take the job.
    pub claim: Claim,
    /// The call.
    pub conference: ConferenceSid,
    /// The action.
    pub action: Action,
    /// When it stops making sense (point in time).
    pub deadline: Millis,
    /// The tenure of this server in which it was taken.
    pub tenure: Tenure,
}

impl StoredJob {
    /// True when another server had it before. It may then have had its effect.
    pub fn begun_before(&self) -> bool {
        self.claim.fence > 1
    }
}

/// An uninterrupted lease of this server: each lease that begins after the end of the one before has the next number.
/// Jobs taken in another tenure may belong to another server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenure(pub(super) u64);

/// A line of a timeline, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was written (point in time).
    pub at: Millis,
    /// The conference.
    pub conference: ConferenceSid,
    /// What happened.
    pub note: Note,
}

/// The result of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The stored jobs, one for each requested one, in order; `None` when it existed already.
    pub jobs: Vec<Option<StoredJob>>,
    /// Pushes with their numbers, in order for each worker.
    pub pushes: Vec<Pushed>,
}

/// Number of open calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// All of them.
    pub open: u64,
    /// Those whose agent is not known: no page has registered them, and Twilio has not named the agent.
    pub unprotected: u64,
}

/// What the operators' console shows of the store, as of one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Open calls.
    pub(crate) counts: CallCounts,
    /// Open jobs.
    pub(crate) jobs: OpenJobs,
    /// Jobs that were given up lately, last one first.
    pub(crate) given_up: Vec<GivenUp>,
    /// The servers of the database.
    pub(crate) servers: Vec<SeenServer>,
    /// Number of open calls with a recovery, open or ended.
    pub(crate) recovering: u64,
    /// Those of them that were read.
    pub(crate) calls: Vec<Call>,
    /// True for PostgreSQL, which several servers may share.
    pub(crate) is_shared: bool,
    /// The timeline that PostgreSQL writes, if known.
    pub(crate) timeline: Option<String>,
    /// Conversations.
    pub(crate) conversations: SeenConversations,
}

/// What the console shows of conversations.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenConversations {
    /// Their number, by the name of their attendance; empty: not judged by this version yet.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Number of those that have nobody.
    pub(crate) absent: u64,
    /// Conversations without an agent, the longest absence first; then those that may have none.
    pub(crate) open: Vec<Conversation>,
    /// Those whose absence ended lately, the last one first.
    pub(crate) ended: Vec<Conversation>,
}

/// A server of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenServer {
    /// Its name, for as long as it runs.
    pub(crate) id: String,
    /// True for the one that answers.
    pub(crate) is_this: bool,
    /// How long its lease lasts, in milliseconds; negative: it has ended.
    pub(crate) lease_ms: i64,
    /// Number of its connected pages, where the database has them.
    pub(crate) pages: Option<u64>,
}

/// Open jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenJobs {
    /// Number of open jobs.
    pub count: u64,
    /// The earliest of their deadlines (point in time).
    pub first: Option<Millis>,
    /// Since when the oldest is wanted, or belongs to the server that took it over (point in time, by the database's
    /// clock).
    pub oldest: Option<Millis>,
}
