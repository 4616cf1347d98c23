//! The single writer: the one task that owns the recovery machine and the connection that writes.
//!
//! It takes whatever waits as one batch, lets the machine handle each event, commits all changes in one transaction,
//! and only then answers, pushes, and lets jobs run. If a commit fails nothing has happened: the machine is read again
//! from the store, and whoever asked is told.

use crate::error::Error;
use crate::figures;
use crate::push::Pushes;
use crate::queue::Job;
use crate::store::{Change, JobId, Line, Store, Stored};
use crate::timers::Timers;
use rejoin_protocol::api::Push;
use rejoin_protocol::{CallSid, Millis, WorkerSid};
use rejoin_recovery::{Effect, Event, Machine, Policies};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc, oneshot};

/// At most so many events are committed together.
const BATCH: usize = 512;
/// So many events may wait; more make their senders wait.
const WAITING: usize = 4096;
/// How long the engine pauses after a commit that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Milliseconds since the Unix epoch.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Runs after the commit, with the machine as it is then, or with the reason why nothing happened.
type After = Box<dyn FnOnce(Result<&Machine, Error>) + Send>;

enum Input {
    Work { at: Millis, event: Option<Box<Event>>, closes: Option<JobId>, after: After },
    Stop,
}

/// A line was added to a timeline: of this customer, or of one who is not known yet.
pub type LineAdded = Option<CallSid>;

/// Asks the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    inputs: mpsc::Sender<Input>,
}

impl Handle {
    /// Hands in an event. When this returns `Ok`, everything that follows from it is durable.
    pub async fn event(&self, event: Event) -> Result<(), Error> {
        self.ask(Some(event), None, |_| ()).await
    }

    /// Hands in an event and reads the machine afterwards.
    pub async fn event_then<T: Send + 'static>(
        &self,
        event: Event,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(Some(event), None, read).await
    }

    /// Hands in how a job ended. The job is closed in the same transaction.
    pub async fn done(&self, job: JobId, event: Event) -> Result<(), Error> {
        self.ask(Some(event), Some(job), |_| ()).await
    }

    /// Reads the machine, in order with everything that was handed in before.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(None, None, read).await
    }

    /// Stops the engine once everything that was handed in before is durable.
    pub async fn stop(&self) {
        // It has stopped already when nobody receives.
        let _ = self.inputs.send(Input::Stop).await;
    }

    async fn ask<T: Send + 'static>(
        &self,
        event: Option<Event>,
        closes: Option<JobId>,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let after: After = Box::new(move |machine| {
            // Whoever asked may have gone: what was asked for has happened all the same.
            let _ = reply.send(machine.map(read));
        });
        let input = Input::Work { at: now(), event: event.map(Box::new), closes, after };
        self.inputs.send(input).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}

/// What the engine tells after each commit.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// To desktops.
    pub pushes: Pushes,
    /// To readers of timelines.
    pub lines: broadcast::Sender<LineAdded>,
    /// To the queue.
    pub jobs: mpsc::UnboundedSender<Job>,
}

/// The task's state.
#[derive(Debug)]
pub struct Engine {
    policies: Policies,
    machine: Machine,
    store: Store,
    timers: Timers,
    outlets: Outlets,
    inputs: mpsc::Receiver<Input>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Work { .. } => "Work",
            Self::Stop => "Stop",
        })
    }
}

impl Engine {
    /// An engine that goes on where the last one on this store stopped. Jobs that had not ended go to the queue, which
    /// looks what became of them.
    pub async fn start(
        policies: Policies,
        mut store: Store,
        outlets: Outlets,
    ) -> Result<(Handle, tokio::task::JoinHandle<Result<(), Error>>), Error> {
        let stored = store.load().await?;
        tracing::info!(
            calls = stored.calls.len(),
            jobs = stored.jobs.len(),
            timers = stored.timers.len(),
            "going on with what was stored"
        );
        let (sender, inputs) = mpsc::channel(WAITING);
        let machine = Machine::new(policies.clone(), stored.calls);
        for job in stored.jobs {
            let job = Job::new(&machine, job.id, job.conference, job.action, job.deadline, true);
            let _ = outlets.jobs.send(job);
        }
        let engine = Self { policies, machine, store, timers: Timers::new(stored.timers), outlets, inputs };
        Ok((Handle { inputs: sender }, tokio::spawn(engine.run())))
    }

    async fn run(mut self) -> Result<(), Error> {
        loop {
            let first = tokio::select! {
                input = self.inputs.recv() => Some(input.unwrap_or(Input::Stop)),
                () = self.timers.due(now()) => None,
            };
            let mut batch = vec![];
            let mut stopping = false;
            let mut next = first.or_else(|| self.inputs.try_recv().ok());
            while let Some(input) = next {
                if matches!(input, Input::Stop) {
                    stopping = true;
                    break;
                }
                batch.push(input);
                next = if batch.len() < BATCH { self.inputs.try_recv().ok() } else { None };
            }
            self.step(batch).await;
            if stopping {
                return self.store.close().await;
            }
        }
    }

    /// One batch: all events of it, and the timers that are due. What came before a timer was due is handled before it,
    /// however long it had to wait.
    async fn step(&mut self, batch: Vec<Input>) {
        let mut effects = Effects::default();
        let mut answers = vec![];
        let all = batch.len() < BATCH;
        for input in batch {
            let Input::Work { at, event, closes, after } = input else { continue };
            self.handle_due(&mut effects, at);
            effects.changes.extend(closes.map(Change::CloseJob));
            if let Some(event) = event {
                self.handle(&mut effects, at, *event);
            }
            answers.push(after);
        }
        if all {
            self.handle_due(&mut effects, now());
        }
        let committed = match effects.save(&mut self.machine) {
            Ok(()) if effects.changes.is_empty() => Ok(vec![]),
            Ok(()) => self.store.commit(now(), &effects.changes).await,
            Err(error) => Err(error),
        };
        match committed {
            Ok(added) => {
                self.tell(effects, added);
                for answer in answers {
                    answer(Ok(&self.machine));
                }
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed, nothing of it happened");
                for answer in answers {
                    answer(Err(Error::NotCommitted));
                }
                self.read_again().await;
            }
        }
    }

    /// The timers that were due by then.
    fn handle_due(&mut self, effects: &mut Effects, by: Millis) {
        while let Some((conference, timer)) = self.timers.take_due(by) {
            effects.changes.push(Change::ClearTimer { conference: conference.clone(), timer });
            self.handle(effects, now(), Event::Timer { conference, timer });
        }
    }

    /// Timers follow at once: what an event clears does not go off any more. They are read again if the commit fails.
    fn handle(&mut self, effects: &mut Effects, at: Millis, event: Event) {
        let before = effects.changes.len();
        effects.handle(&mut self.machine, at, event);
        self.timers.apply(effects.changes.get(before..).unwrap_or_default());
    }

    /// After a commit that failed: the machine and the timers as the store has them.
    async fn read_again(&mut self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            match self.store.load().await {
                Ok(Stored { calls, timers, jobs: _ }) => {
                    // The jobs of the store are in the queue already.
                    self.machine = Machine::new(self.policies.clone(), calls);
                    self.timers = Timers::new(timers);
                    return;
                }
                Err(error) => tracing::error!(%error, "the store cannot be read, trying again"),
            }
        }
    }

    fn tell(&self, effects: Effects, added: Vec<Option<JobId>>) {
        for change in &effects.changes {
            if let Change::AddLine { line, .. } = change {
                let call = self.machine.call(&line.conference);
                let lost_at = call.and_then(|call| call.recovery.as_ref()).map(|recovery| recovery.lost_at);
                figures::noted(line.at, lost_at, &line.note);
            }
        }
        let wanted = effects.changes.into_iter().filter_map(|change| match change {
            Change::AddJob { conference, action, deadline } => Some((conference, action, deadline)),
            _ => None,
        });
        for ((conference, action, deadline), id) in wanted.zip(added) {
            let Some(id) = id else {
                tracing::info!(%conference, "an action that was done already is not done again");
                continue;
            };
            // Nobody takes jobs any more when the server stops: they are stored.
            let _ = self.outlets.jobs.send(Job::new(&self.machine, id, conference, action, deadline, false));
        }
        for (worker, push) in effects.pushes {
            self.outlets.pushes.publish(&worker, &push);
        }
        for customer in effects.lines {
            // Nobody may be reading.
            let _ = self.outlets.lines.send(customer);
        }
    }
}

/// What follows from a batch.
#[derive(Default)]
struct Effects {
    changes: Vec<Change>,
    pushes: Vec<(WorkerSid, Push)>,
    lines: BTreeSet<LineAdded>,
}

impl Effects {
    fn handle(&mut self, machine: &mut Machine, now: Millis, event: Event) {
        for effect in machine.handle(now, event) {
            match effect {
                Effect::Act { conference, action, deadline } => {
                    self.changes.push(Change::AddJob { conference, action, deadline });
                }
                Effect::SetTimer { conference, timer, at } => {
                    self.changes.push(Change::SetTimer { conference, timer, at });
                }
                Effect::ClearTimer { conference, timer } => {
                    self.changes.push(Change::ClearTimer { conference, timer });
                }
                Effect::Push { worker, view } => {
                    self.pushes.push((worker, Push::Recovery { recovery: view }));
                }
                Effect::Note { conference, customer, note } => {
                    let recovery = machine.call(&conference).and_then(|call| call.recovery.as_ref());
                    let recovery = recovery.map(|recovery| tracing::field::display(&recovery.id));
                    let known = customer.as_ref().map(CallSid::as_str);
                    tracing::info!(%conference, customer = known, recovery, ?note, "timeline");
                    self.lines.insert(customer.clone());
                    self.changes.push(Change::AddLine { customer, line: Line { at: now, conference, note } });
                }
                Effect::Forget { conference } => {
                    self.changes.push(Change::Forget(conference));
                }
            }
        }
    }

    /// Adds the calls as they are after the whole batch.
    fn save(&mut self, machine: &mut Machine) -> Result<(), Error> {
        for call in machine.take_dirty() {
            let state = serde_json::to_string(call)?;
            self.changes.push(Change::SaveCall { conference: call.conference.clone(), state });
        }
        Ok(())
    }
}
