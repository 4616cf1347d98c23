//! The interface of the engine for other parts.

use super::pulse::Pulse;
use super::{Input, Work};
use crate::error::Error;
use crate::store::{Claim, Store};
use crate::story::Told;
use rejoin_protocol::ConferenceSid;
use rejoin_recovery::{Call, Event, Key, Machine, Policies};
use std::pin::pin;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// A handle of the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    inputs: mpsc::Sender<Input>,
    policies: Policies,
    store: Store,
    tasks_read: broadcast::Sender<ConferenceSid>,
    pulse: Pulse,
}

impl Handle {
    pub(super) fn new(
        inputs: mpsc::Sender<Input>,
        policies: Policies,
        store: Store,
        tasks_read: broadcast::Sender<ConferenceSid>,
        pulse: Pulse,
    ) -> Self {
        Self { inputs, policies, store, tasks_read, pulse }
    }

    /// True when the engine has come to its next step within three of the store's deadlines. Each step takes at most
    /// one of them, even without a database, and an idle step takes a second. An engine that does not is stuck.
    pub fn is_alive(&self) -> bool {
        let deadline = self.store.answers().map_or(Store::DEADLINE, |(deadline, _)| deadline);
        self.pulse.rests() <= deadline * 3
    }

    /// Hands in an event. When this returns `Ok`, everything that follows from it is durable.
    pub async fn event(&self, event: Event) -> Result<(), Error> {
        self.ask(Work::of(self.store.now(), event), |_| ()).await
    }

    /// Hands in an event that Event Streams has delivered under this id.
    pub async fn streamed(&self, id: String, event: Event) -> Result<(), Error> {
        self.ask(Work { delivery: Some(id), ..Work::of(self.store.now(), event) }, |_| ()).await
    }

    /// Adds entries to the stories of calls, without waiting until they are durable. They may be lost with the
    /// server.
    pub(crate) async fn tell(&self, told: Vec<Told>) {
        if !told.is_empty() {
            // When the engine has stopped, so does the server.
            let _ = self
                .inputs
                .send(Input::Work(Work { told, ..Work::nothing(self.store.now()) }, Box::new(|_| ())))
                .await;
        }
    }

    /// Hands in an event, and reads the calls that it concerns afterwards.
    pub async fn event_then<T: Send + 'static>(
        &self,
        event: Event,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(Work::of(self.store.now(), event), read).await
    }

    /// Hands in the outcome of a job, with entries for stories. The job is closed in the same transaction.
    /// [`Error::Lost`]: the job is no longer ours, and only the story was changed.
    pub async fn done(&self, job: Claim, event: Event, told: Vec<Told>) -> Result<(), Error> {
        self.ask(Work { closes: Some(job), told, ..Work::of(self.store.now(), event) }, |_| ()).await
    }

    /// Reads the calls that share one of these keys, as last committed.
    pub async fn look<T>(
        &self,
        keys: impl IntoIterator<Item = Key>,
        read: impl FnOnce(&Machine) -> T,
    ) -> Result<T, Error> {
        let calls = self.store.find(&keys.into_iter().collect()).await?;
        Ok(read(&self.with(calls)))
    }

    /// A machine with these calls, for reading.
    pub(crate) fn with(&self, calls: impl IntoIterator<Item = Call>) -> Machine {
        Machine::new(self.policies.clone(), calls)
    }

    /// Reads the calls of these conferences, without unreadable ones.
    pub(crate) async fn look_at_readable<T>(
        &self,
        conferences: impl IntoIterator<Item = ConferenceSid>,
        read: impl FnOnce(&Machine) -> T,
    ) -> Result<T, Error> {
        let keys = conferences.into_iter().map(Key::Conference).collect();
        Ok(read(&self.with(self.store.find_readable(&keys).await?)))
    }

    /// Gives back a job of a call that is held back; it is taken up again later.
    pub(crate) async fn set_job_aside(&self, job: Claim) {
        if let Err(error) = self.store.set_job_aside(job).await {
            tracing::debug!(job = job.job.0, %error, "a job that is set aside stays this server's");
        }
    }

    /// Releases a quarantined call, so that Twilio is polled at once. True if it was quarantined.
    pub async fn release(&self, conference: ConferenceSid) -> Result<bool, Error> {
        let (reply, answer) = oneshot::channel();
        self.inputs.send(Input::Release(conference, reply)).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// Calls whose tasks this server reads from now on, each once that is committed.
    pub fn tasks_read(&self) -> broadcast::Receiver<ConferenceSid> {
        self.tasks_read.subscribe()
    }

    /// Returns when all earlier inputs have been handled.
    pub async fn settled(&self) -> Result<(), Error> {
        self.ask(Work::nothing(self.store.now()), |_| ()).await
    }

    /// Stops the engine once all earlier inputs are durable.
    pub async fn stop(&self) {
        // Without a receiver it has stopped already.
        let _ = self.inputs.send(Input::Stop).await;
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: Work,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let after = Box::new(move |machine: Result<&Machine, Error>| {
            // The sender may be gone: the event has happened nevertheless.
            let _ = reply.send(machine.map(read));
        });
        let begun = Instant::now();
        let mut asked = pin!(async {
            self.inputs.send(Input::Work(work, after)).await.map_err(|_| Error::Stopping)?;
            answer.await.map_err(|_| Error::Stopping)?
        });
        loop {
            let Some((deadline, committed)) = self.store.answers() else { return asked.await };
            // While there are commits, its turn will come.
            let until = begun.max(committed) + deadline;
            if until <= Instant::now() {
                return Err(Error::Busy);
            }
            if let Ok(answer) = timeout_at(until, asked.as_mut()).await {
                return answer;
            }
        }
    }
}
