//! What a batch asks of the store, and what it changes.

use super::heard::Pushed;
use super::held_back::HeldBack;
use crate::story::Told;
use rejoin_protocol::api::Push;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, WorkerSid};
use rejoin_recovery::{Action, Call, EarlyMark, EarlyMarkKey, Key, Note, Timer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Number of a job in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// A server's right to a job: whoever takes the job next gets a higher fence, and this one is worth nothing from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// Which job.
    pub job: JobId,
    /// How often it was taken.
    pub fence: i64,
}

/// What a batch is about.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// By what the calls are found.
    pub keys: BTreeSet<Key>,
    /// Conferences whose call may begin now.
    pub begins: BTreeSet<ConferenceSid>,
    /// Jobs that are to be closed.
    pub closes: BTreeSet<Claim>,
}

/// What was found, and is nobody else's until the transaction ends.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The calls.
    pub calls: Vec<Call>,
    /// Calls that nothing may be done about. They stay as they are.
    pub held_back: Vec<HeldBack>,
    /// Their timers, due or not.
    pub timers: Vec<(ConferenceSid, Timer, Millis)>,
    /// Marks of these workers and tasks, and of the calls' tasks, that wait for their call.
    pub early: Vec<EarlyMark>,
    /// Jobs out of [`Batch::closes`] that are open and still ours.
    pub held: BTreeSet<Claim>,
}

impl Found {
    /// A call, which may be quarantined.
    pub(super) fn add(&mut self, call: Call) {
        match call.quarantine.clone() {
            None => self.calls.push(call),
            Some(quarantine) => self.held_back.push(HeldBack::quarantined(call, quarantine)),
        }
    }

    /// Calls that cannot be read.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &ConferenceSid> {
        self.held_back.iter().filter(|held| held.call.is_none()).map(|held| &held.conference)
    }
}

/// What is to be written, all or none.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub(super) saved: BTreeMap<ConferenceSid, Saved>,
    pub(super) forgotten: BTreeSet<ConferenceSid>,
    /// `None`: cleared.
    pub(super) timers: BTreeMap<(ConferenceSid, Timer), Option<Millis>>,
    pub(super) jobs: Vec<NewJob>,
    /// `None`: it waits no longer.
    pub(super) early: Vec<(EarlyMarkKey, Option<EarlyMark>)>,
    /// With the reason, if it was given up.
    pub(super) closed: BTreeMap<JobId, Option<String>>,
    pub(super) lines: Vec<(Option<CallSid>, Line)>,
    pub(super) pushes: Vec<(WorkerSid, Push)>,
    pub(super) told: Vec<Told>,
    /// Calls whose stories go.
    pub(super) untold: BTreeSet<ConferenceSid>,
}

#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub(super) call: Call,
    pub(super) keys: BTreeSet<Key>,
}

/// A job that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Of which call.
    pub conference: ConferenceSid,
    /// What to do.
    pub action: Action,
    /// When it no longer makes sense (point in time).
    pub deadline: Millis,
    /// Does this server carry it out at once? Otherwise it is for whoever has time.
    pub mine: bool,
}

impl Changes {
    /// A call as it is now.
    pub fn save(&mut self, call: &Call) {
        let saved = Saved { call: call.clone(), keys: call.keys() };
        self.saved.insert(call.conference.clone(), saved);
    }

    /// A call is over for good: it goes, and its timers. To be said before a new call of that conference is saved.
    pub fn forget(&mut self, conference: &ConferenceSid) {
        self.saved.remove(conference);
        self.timers.retain(|(of, _), _| of != conference);
        self.forgotten.insert(conference.clone());
    }

    /// A job, unless one that may be done only once is there already.
    pub fn add_job(&mut self, job: NewJob) {
        self.jobs.push(job);
    }

    /// A job has ended.
    pub fn close_job(&mut self, job: JobId) {
        self.closed.insert(job, None);
    }

    /// A job was given up, and why, in words without anything personal.
    pub fn give_up_job(&mut self, job: JobId, reason: String) {
        self.closed.insert(job, Some(reason));
    }

    /// A timer; replaces the one that is set.
    pub fn set_timer(&mut self, conference: ConferenceSid, timer: Timer, at: Millis) {
        self.timers.insert((conference, timer), Some(at));
    }

    /// No timer any more.
    pub fn clear_timer(&mut self, conference: ConferenceSid, timer: Timer) {
        self.timers.insert((conference, timer), None);
    }

    /// Marks whose waiting for their call has begun or ended (`None`).
    pub fn early_marks(&mut self, changed: impl IntoIterator<Item = (EarlyMarkKey, Option<EarlyMark>)>) {
        self.early.extend(changed);
    }

    /// A line of a timeline; the customer's leg, when known.
    pub fn add_line(&mut self, customer: Option<CallSid>, line: Line) {
        self.lines.push((customer, line));
    }

    /// Something for the story of a call.
    pub fn tell(&mut self, told: impl IntoIterator<Item = Told>) {
        self.told.extend(told);
    }

    /// Nobody has to understand later what happened to this call.
    pub fn untell(&mut self, conference: &ConferenceSid) {
        self.told.retain(|told| &told.conference != conference);
        self.untold.insert(conference.clone());
    }

    /// Something to say to a worker's desktops.
    pub fn push(&mut self, worker: WorkerSid, push: Push) {
        self.pushes.push((worker, push));
    }

    /// When the first of the timers is due that are set.
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

/// A job as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJob {
    /// Our right to it; without one it is for whoever has time.
    pub claim: Claim,
    /// Of which call.
    pub conference: ConferenceSid,
    /// What to do.
    pub action: Action,
    /// When it no longer makes sense (point in time).
    pub deadline: Millis,
    /// Under which lease of this server it was taken.
    pub tenure: Tenure,
}

impl StoredJob {
    /// Did somebody have it before us? Then it may have had its effect.
    pub fn begun_before(&self) -> bool {
        self.claim.fence > 1
    }
}

/// A lease of this server that has not ended in between: each that begins after the end of the one before has the next
/// number. What was taken under another one may be somebody else's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenure(pub(super) u64);

/// A line of a timeline, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When (point in time).
    pub at: Millis,
    /// In which conference.
    pub conference: ConferenceSid,
    /// What happened.
    pub note: Note,
}

/// What the store has made of the changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Jobs that were stored: for each one that was wanted, in order, or `None` when it was there already.
    pub jobs: Vec<Option<StoredJob>>,
    /// Pushes with their numbers, those of each worker in order.
    pub pushes: Vec<Pushed>,
}

/// Jobs that have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenJobs {
    /// How many.
    pub count: u64,
    /// The first of their deadlines (point in time).
    pub first: Option<Millis>,
    /// Since when the oldest is wanted, or with the server that took it over (point in time, by the database's clock).
    pub oldest: Option<Millis>,
}
