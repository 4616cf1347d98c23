//! One batch of inputs is one transaction.
//!
//! The engine takes all waiting inputs as one batch, and the store finds and locks the calls that it concerns. The
//! machine handles each input with those calls, everything that follows is committed, and only then the engine
//! answers, pushes, and starts jobs. No call is kept in memory: another server may handle the next event. If a commit
//! fails nothing has happened, and the senders get an error.

mod decide;
mod handle;
mod piece;
mod pulse;
mod quarantine;
mod steps;
mod unheard;

pub use handle::Handle;

use crate::error::Error;
use crate::jobs::Door;
use crate::push::Pushes;
use crate::store::{Batch, Claim, Store};
use crate::story::Told;
use decide::{Decided, decide};
use piece::Piece;
use pulse::Pulse;
use quarantine::{caught, quarantine, release};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use rejoin_recovery::{Action, Event, Key, Machine, Policies};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use unheard::Unheard;

/// Maximum number of events that are committed together.
const BATCH: usize = 512;
/// Maximum number of waiting events; more make their senders wait.
const WAITING: usize = 4096;
/// How long the engine pauses after the timers could not be read, or a commit with timers failed.
const PAUSE: Millis = Millis(500);
/// How often the engine tries to poll calls that missed a callback because it could not be stored.
const RETRY: Millis = Millis(250);
/// How often the timers of servers that are gone, and the clock, are checked.
const LOOK_EVERY: Millis = Millis(1000);

/// Runs after the commit with the batch's calls in their new state, or with the reason why nothing happened.
type After = Box<dyn FnOnce(Result<&Machine, Error>) + Send>;

enum Input {
    Work(Work, After),
    /// Releases a quarantined call.
    Release(ConferenceSid, oneshot::Sender<Result<bool, Error>>),
    Stop,
}

/// An input.
struct Work {
    at: Millis,
    event: Option<Box<Event>>,
    /// The id under which Event Streams has delivered it.
    delivery: Option<String>,
    closes: Option<Claim>,
    /// Additional entries for stories.
    told: Vec<Told>,
}

impl Work {
    fn nothing(at: Millis) -> Self {
        Self { at, event: None, delivery: None, closes: None, told: vec![] }
    }

    fn of(at: Millis, event: Event) -> Self {
        Self { event: Some(Box::new(event)), ..Self::nothing(at) }
    }
}

impl Work {
    /// The call whose task has been read, or cannot be read.
    fn reads_task(&self) -> Option<&ConferenceSid> {
        match self.event.as_deref() {
            Some(Event::Done { conference, action: Action::MarkTask { .. }, .. }) => Some(conference),
            _ => None,
        }
    }
}

/// A line was added to the timeline of this customer, or of an unknown one.
pub type LineAdded = Option<CallSid>;

/// Where the engine sends what follows from a commit.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// Pushes to desktops.
    pub pushes: Pushes,
    /// Notifications of readers of timelines.
    pub lines: broadcast::Sender<LineAdded>,
    /// Jobs for the queue. Those for which it has no room stay in the store, for any server.
    pub jobs: Door,
}

/// The state of the engine's task.
#[derive(Debug)]
pub struct Engine {
    policies: Policies,
    store: Store,
    outlets: Outlets,
    inputs: mpsc::Receiver<Input>,
    /// When the store must next be asked for timers (point in time).
    look_at: Millis,
    tasks_read: broadcast::Sender<ConferenceSid>,
    /// Callbacks that could not be stored and are not repeated.
    unheard: Unheard,
    pulse: Pulse,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Work(..) => "Work",
            Self::Release(..) => "Release",
            Self::Stop => "Stop",
        })
    }
}

impl Engine {
    /// Starts an engine that continues from the store.
    pub fn start(
        policies: Policies,
        store: Store,
        outlets: Outlets,
    ) -> (Handle, tokio::task::JoinHandle<()>) {
        let (sender, inputs) = mpsc::channel(WAITING);
        let (tasks_read, _) = broadcast::channel(2 * BATCH);
        let pulse = Pulse::new();
        let handle = Handle::new(sender, policies.clone(), store.clone(), tasks_read.clone(), pulse.clone());
        let (look_at, unheard) = (Millis(0), Unheard::default());
        let engine = Self { policies, store, outlets, inputs, look_at, tasks_read, unheard, pulse };
        let surroundings = engine.store.surroundings().clone();
        (handle, tokio::spawn(surroundings.task(engine.run())))
    }

    async fn run(mut self) {
        loop {
            self.pulse.beat();
            // The clock may be set meanwhile: a long sleep would miss that.
            let longest = if self.unheard.is_empty() { LOOK_EVERY } else { RETRY };
            let timers = self.store.now().until(self.look_at).min(longest);
            let timers = Duration::from_millis(timers.0);
            let first = tokio::select! {
                biased;
                input = self.inputs.recv() => Some(input.unwrap_or(Input::Stop)),
                () = tokio::time::sleep(timers) => None,
            };
            let mut batch = vec![];
            let mut stopping = false;
            let mut next = first.or_else(|| self.inputs.try_recv().ok());
            while let Some(input) = next {
                match input {
                    Input::Work(work, after) => batch.push((work, after)),
                    Input::Release(conference, answer) => {
                        let released = release(&self.store, &conference, self.store.now()).await;
                        self.look_at = Millis(0);
                        // The operator may be gone.
                        let _ = answer.send(released);
                    }
                    Input::Stop => {
                        stopping = true;
                        break;
                    }
                }
                next = if batch.len() < BATCH { self.inputs.try_recv().ok() } else { None };
            }
            let due = self.due().await;
            self.pulse.beat();
            if !batch.is_empty() || !due.is_empty() {
                self.step(batch, due).await;
            }
            if stopping {
                return;
            }
        }
    }

    /// Calls with timers that are due.
    async fn due(&mut self) -> Vec<ConferenceSid> {
        match self.store.catch_up().await {
            Ok(true) => self.look_at = Millis(0),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "calls cannot be read yet; retrying"),
        }
        if !self.unheard.is_empty() {
            if !self.unheard.look(&self.store).await {
                // The store could not say which timers are due, either. Without the pause a due timer would be asked
                // for again and again.
                self.look_at = self.look_at.max(self.store.now() + RETRY);
                return vec![];
            }
            self.look_at = Millis(0);
        }
        self.pulse.beat();
        let now = self.store.now();
        if now < self.look_at {
            return vec![];
        }
        match self.store.next_timers(BATCH).await {
            Ok(timers) => {
                let (due, later): (Vec<_>, Vec<_>) = timers.into_iter().partition(|(_, at)| *at <= now);
                let next = later.into_iter().map(|(_, at)| at).min();
                // Others may set timers, and go. Operators may release calls that are held back.
                let others = self.store.is_shared() || self.store.holds_back();
                let latest = if others { now + LOOK_EVERY } else { Millis(u64::MAX) };
                // There may be more of them than were asked for.
                let more = due.len() == BATCH;
                self.look_at = if more { now } else { next.map_or(latest, |at| at.min(latest)) };
                due.into_iter().map(|(conference, _)| conference).collect()
            }
            Err(error) => {
                tracing::error!(%error, "timers cannot be read; retrying");
                self.look_at = now + PAUSE;
                vec![]
            }
        }
    }

    /// One batch: all its events, and the timers that are due. An input that came before a timer was due is handled
    /// before it, however long it had to wait. If something in it cannot be handled, or the database refuses it, the
    /// rest is retried without it.
    async fn step(&mut self, batch: Vec<(Work, After)>, due: Vec<ConferenceSid>) {
        // More inputs from before the timers were due may be waiting.
        let timers_by = match batch.last() {
            Some((last, _)) if batch.len() >= BATCH => last.at,
            _ => self.store.now(),
        };
        let mut pieces = vec![Piece::new(batch, due, timers_by)];
        while let Some(piece) = pieces.pop() {
            self.pulse.beat();
            let mut culprit = None;
            let error = match self.attempt((&piece.works, &piece.due), piece.timers_by, &mut culprit).await {
                Ok(decided) => {
                    self.store.timers_written(&piece.due);
                    self.look_at = decided.first_timer.map_or(self.look_at, |at| at.min(self.look_at));
                    self.tell(piece, decided);
                    continue;
                }
                Err(error) => error,
            };
            let is_of_one = matches!(error, Error::Defect) || error.is_refusal();
            match if is_of_one { piece.split() } else { Err(piece) } {
                Ok((first, second)) => pieces.extend([second, first]),
                Err(piece) if matches!(error, Error::Defect) => {
                    let piece = if culprit.is_some() { piece.without_later_timers() } else { Err(piece) };
                    match piece {
                        Ok(piece) => pieces.push(piece),
                        Err(piece) => pieces.extend(self.without(piece, culprit).await),
                    }
                }
                Err(piece) => self.refuse(piece, &error),
            }
        }
    }

    /// One transaction. `culprit`: the timer that was being handled last, if it was one.
    async fn attempt(
        &self,
        (works, due): (&[Work], &[ConferenceSid]),
        timers_by: Millis,
        culprit: &mut Option<Event>,
    ) -> Result<Decided, Error> {
        let batch = concerned(works, due);
        if batch.keys.is_empty() && works.iter().all(|work| work.told.is_empty()) {
            return Ok(Decided::nothing(&self.policies));
        }
        let (policies, jobs) = (&self.policies, &self.outlets.jobs);
        let surroundings = self.store.surroundings();
        let decide = |found| {
            let decided = || decide(policies, jobs, surroundings, works, timers_by, found, culprit);
            caught(decided).and_then(|decided| decided)
        };
        let done = self.store.transact(&batch, decide).await;
        surroundings.reach(|| format!("committed {}", steps::named(works, due))).await;
        done.map(|(committed, decided)| decided.committed(committed))
    }

    fn tell(&mut self, piece: Piece, decided: Decided) {
        let Ok(told) = caught(|| decided.tell(&self.outlets, self.store.now())) else {
            // All of it is stored, and may be repeated.
            return piece.answers.into_iter().for_each(|answer| answer(Err(Error::NotCommitted)));
        };
        for conference in piece.works.iter().filter_map(Work::reads_task) {
            // There may be no receiver.
            let _ = self.tasks_read.send(conference.clone());
        }
        for number in &told.held_back {
            // A server that can handle it must poll Twilio for what the callback reported.
            piece.works.get(*number).into_iter().for_each(|work| self.unheard.missed(work, &self.store));
        }
        for (number, answer) in piece.answers.into_iter().enumerate() {
            let answered = caught(|| {
                answer(match () {
                    () if told.lost.contains(&number) => Err(Error::Lost),
                    () if told.held_back.contains(&number) => Err(Error::HeldBack),
                    () => Ok(&told.calls),
                });
            });
            if answered.is_err() {
                tracing::error!(
                    "a reply could not be built, which is a defect of rejoin; the event itself is stored"
                );
            }
        }
    }

    /// Handling one event, or the timers of one call, ended in a panic. Returns what is still to be done.
    async fn without(&mut self, piece: Piece, timer: Option<Event>) -> Option<Piece> {
        let of_timer = timer.is_some();
        let event = timer.or_else(|| piece.works.first().and_then(|work| work.event.as_deref().cloned()));
        let Some(event) = event else {
            self.refuse(piece, &Error::Defect);
            return None;
        };
        match quarantine(&self.store, &self.policies, &event, self.store.now()).await {
            // The rest goes on without that call.
            Ok(calls) if of_timer && !calls.is_empty() => return Some(piece),
            Ok(_) => self.refuse(piece, &Error::Defect),
            Err(error) => {
                tracing::error!(%error, "a call could not be quarantined yet");
                self.refuse(piece, &error);
            }
        }
        None
    }

    /// Refuses the events: nothing of them has happened.
    fn refuse(&mut self, piece: Piece, error: &Error) {
        let may_have_happened = error.may_have_happened();
        match may_have_happened {
            true => tracing::error!(%error, "unknown whether a commit succeeded"),
            false => tracing::error!(%error, "a commit failed; nothing was written"),
        }
        let is_of_one = matches!(error, Error::Defect | Error::HeldBack);
        for work in piece.works.iter().filter(|_| !is_of_one) {
            self.unheard.missed(work, &self.store);
        }
        for answer in piece.answers {
            answer(Err(match error {
                Error::Defect => Error::Defect,
                Error::HeldBack => Error::HeldBack,
                _ if may_have_happened => Error::Busy,
                _ => Error::NotCommitted,
            }));
        }
        // If it was committed after all it may have set timers.
        if !piece.due.is_empty() || may_have_happened {
            if is_of_one || error.is_refusal() {
                self.store.set_timers_aside(&piece.due);
            }
            self.look_at = self.store.now() + PAUSE;
        }
    }
}

/// Handles one event outside of a running engine, without timers: before servers start. Its jobs are left to them. Returns
/// the calls that it concerns.
pub(crate) async fn apply(store: &Store, policies: &Policies, event: Event) -> Result<Machine, Error> {
    let works = [Work::of(store.now(), event)];
    let (nowhere, _) = Door::new(0);
    let handle = |found| {
        caught(|| decide(policies, &nowhere, store.surroundings(), &works, Millis(0), found, &mut None))?
    };
    let (_, decided) = store.transact(&concerned(&works, &[]), handle).await?;
    Ok(decided.machine())
}

/// The keys that a batch concerns.
fn concerned(works: &[Work], due: &[ConferenceSid]) -> Batch {
    let mut batch = Batch::default();
    for work in works {
        if let Some(event) = &work.event {
            batch.keys.extend(event.keys());
            match &**event {
                Event::Conference(event) if event.task.is_some() => {
                    batch.begins.insert(event.conference.clone());
                }
                Event::Registered { registration, .. } => {
                    batch.begins.insert(registration.conference.clone());
                }
                Event::Conference(_)
                | Event::Graceful { .. }
                | Event::Hello { .. }
                | Event::Goodbye { .. }
                | Event::PushLost { .. }
                | Event::PushBack { .. }
                | Event::PageAnswered { .. }
                | Event::EnteredQueue { .. }
                | Event::LeftQueue { .. }
                | Event::ActionUrlFetched { .. }
                | Event::Restored { .. }
                | Event::Task(_)
                | Event::Done { .. }
                | Event::Timer { .. } => {}
            }
        }
        batch.closes.extend(work.closes);
    }
    batch.keys.extend(due.iter().cloned().map(Key::Conference));
    batch
}
