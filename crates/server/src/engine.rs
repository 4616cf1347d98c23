//! One batch of inputs is one transaction.
//!
//! The engine takes whatever waits as one batch, and the store finds and locks the calls that it concerns. The machine
//! handles each input with those calls, all that follows is committed, and only then the engine answers, pushes, and lets
//! jobs run. No call is kept in memory: another server may be at the next event. If a commit fails nothing has happened,
//! and whoever asked is told.

mod decide;
mod handle;
mod steps;

pub use handle::Handle;

use crate::error::Error;
use crate::push::Pushes;
use crate::queue::Door;
use crate::store::{Batch, Claim, Store};
use crate::story::Told;
use decide::{Decided, decide};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use rejoin_recovery::{Action, Event, Key, Machine, Policies};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

/// At most so many events are committed together.
const BATCH: usize = 512;
/// So many events may wait; more make their senders wait.
const WAITING: usize = 4096;
/// How long the engine pauses after the timers could not be read, or a commit with timers failed.
const PAUSE: Millis = Millis(500);
/// So often it is looked for timers of servers that are gone, and at the clock.
const LOOK_EVERY: Millis = Millis(1000);

/// Runs after the commit, with the batch's calls as they are then, or with the reason why nothing happened.
type After = Box<dyn FnOnce(Result<&Machine, Error>) + Send>;

enum Input {
    Work(Work, After),
    Stop,
}

/// Something that was handed in.
struct Work {
    at: Millis,
    event: Option<Box<Event>>,
    /// The id under which Event Streams has delivered it.
    delivery: Option<String>,
    closes: Option<Claim>,
    /// What there is to tell beside that.
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
    /// The call whose task has been read, or cannot be.
    fn reads_task(&self) -> Option<&ConferenceSid> {
        match self.event.as_deref() {
            Some(Event::Done { conference, action: Action::MarkTask { .. }, .. }) => Some(conference),
            _ => None,
        }
    }
}

/// A line was added to a timeline: of this customer, or of one who is not known yet.
pub type LineAdded = Option<CallSid>;

/// What the engine tells after each commit.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// To desktops.
    pub pushes: Pushes,
    /// To readers of timelines.
    pub lines: broadcast::Sender<LineAdded>,
    /// To the queue. Jobs for which it has no room stay in the store, for whoever has.
    pub jobs: Door,
}

/// The task's state.
#[derive(Debug)]
pub struct Engine {
    policies: Policies,
    store: Store,
    outlets: Outlets,
    inputs: mpsc::Receiver<Input>,
    /// When the store is to be asked for timers the next time (point in time).
    look_at: Millis,
    tasks_read: broadcast::Sender<ConferenceSid>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Work(..) => "Work",
            Self::Stop => "Stop",
        })
    }
}

impl Engine {
    /// An engine that goes on where the last one on this store stopped.
    pub fn start(
        policies: Policies,
        store: Store,
        outlets: Outlets,
    ) -> (Handle, tokio::task::JoinHandle<()>) {
        let (sender, inputs) = mpsc::channel(WAITING);
        let (tasks_read, _) = broadcast::channel(2 * BATCH);
        let handle = Handle::new(sender, policies.clone(), store.clone(), tasks_read.clone());
        let engine = Self { policies, store, outlets, inputs, look_at: Millis(0), tasks_read };
        let surroundings = engine.store.surroundings().clone();
        (handle, tokio::spawn(surroundings.task(engine.run())))
    }

    async fn run(mut self) {
        loop {
            // The clock may be set meanwhile: whoever sleeps for long does not see it.
            let timers = self.store.now().until(self.look_at).min(LOOK_EVERY);
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
                    Input::Stop => {
                        stopping = true;
                        break;
                    }
                }
                next = if batch.len() < BATCH { self.inputs.try_recv().ok() } else { None };
            }
            let due = self.due().await;
            if !batch.is_empty() || !due.is_empty() {
                self.step(batch, due).await;
            }
            if stopping {
                return;
            }
        }
    }

    /// Calls that have timers that are due.
    async fn due(&mut self) -> Vec<ConferenceSid> {
        match self.store.catch_up().await {
            Ok(true) => self.look_at = Millis(0),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "calls cannot be looked at yet, trying again"),
        }
        let now = self.store.now();
        if now < self.look_at {
            return vec![];
        }
        match self.store.next_timers(BATCH).await {
            Ok(timers) => {
                let (due, later): (Vec<_>, Vec<_>) = timers.into_iter().partition(|(_, at)| *at <= now);
                let next = later.into_iter().map(|(_, at)| at).min();
                // Others may set timers, and go.
                let latest = if self.store.is_shared() { now + LOOK_EVERY } else { Millis(u64::MAX) };
                // There may be more of them than were asked for.
                let more = due.len() == BATCH;
                self.look_at = if more { now } else { next.map_or(latest, |at| at.min(latest)) };
                due.into_iter().map(|(conference, _)| conference).collect()
            }
            Err(error) => {
                tracing::error!(%error, "the timers cannot be read, trying again");
                self.look_at = now + PAUSE;
                vec![]
            }
        }
    }

    /// One batch: all events of it, and the timers that are due. What came before a timer was due is handled before it,
    /// however long it had to wait.
    async fn step(&mut self, batch: Vec<(Work, After)>, due: Vec<ConferenceSid>) {
        let (works, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let batch = concerned(&works, &due);
        // More may wait that came before the timers were due.
        let timers_by = if works.len() < BATCH {
            self.store.now()
        } else {
            works.last().map_or(Millis(0), |work| work.at)
        };
        let nothing = batch.keys.is_empty() && works.iter().all(|work| work.told.is_empty());
        let done = if nothing {
            Ok(Decided::nothing(&self.policies))
        } else {
            let (policies, jobs) = (&self.policies, &self.outlets.jobs);
            let surroundings = self.store.surroundings();
            let decide = |found| decide(policies, jobs, surroundings, &works, timers_by, found);
            let done = self.store.transact(&batch, decide).await;
            surroundings.reach(|| format!("committed {}", steps::named(&works, &due))).await;
            done.map(|(committed, decided)| decided.committed(committed))
        };
        match done {
            Ok(decided) => {
                self.look_at = decided.first_timer.map_or(self.look_at, |at| at.min(self.look_at));
                let told = decided.tell(&self.outlets, self.store.now());
                for conference in works.iter().filter_map(Work::reads_task) {
                    // Nobody may be waiting for it.
                    let _ = self.tasks_read.send(conference.clone());
                }
                for (number, answer) in answers.into_iter().enumerate() {
                    answer(if told.lost.contains(&number) { Err(Error::Lost) } else { Ok(&told.calls) });
                }
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed, nothing of it happened");
                for answer in answers {
                    answer(Err(Error::NotCommitted));
                }
                if !due.is_empty() {
                    self.look_at = self.store.now() + PAUSE;
                }
            }
        }
    }
}

/// What a batch is about.
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
                | Event::EnteredQueue { .. }
                | Event::LeftQueue { .. }
                | Event::Released { .. }
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
