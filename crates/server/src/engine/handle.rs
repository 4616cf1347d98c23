//! How the other parts ask the engine.

use super::{Input, Work};
use crate::error::Error;
use crate::store::{Claim, Store};
use crate::story::Told;
use rejoin_protocol::ConferenceSid;
use rejoin_recovery::{Call, Event, Key, Machine, Policies};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Asks the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    inputs: mpsc::Sender<Input>,
    policies: Policies,
    store: Store,
    tasks_read: broadcast::Sender<ConferenceSid>,
}

impl Handle {
    pub(super) fn new(
        inputs: mpsc::Sender<Input>,
        policies: Policies,
        store: Store,
        tasks_read: broadcast::Sender<ConferenceSid>,
    ) -> Self {
        Self { inputs, policies, store, tasks_read }
    }

    /// Hands in an event. When this returns `Ok`, everything that follows from it is durable.
    pub async fn event(&self, event: Event) -> Result<(), Error> {
        self.ask(Work::of(self.store.now(), event), |_| ()).await
    }

    /// Hands in an event that Event Streams has delivered under this id.
    pub async fn streamed(&self, id: String, event: Event) -> Result<(), Error> {
        self.ask(Work { delivery: Some(id), ..Work::of(self.store.now(), event) }, |_| ()).await
    }

    /// Adds to the stories of calls. Nobody waits until it is durable, and it may be lost with the server.
    pub(crate) async fn tell(&self, told: Vec<Told>) {
        if !told.is_empty() {
            // When the engine has stopped the server does.
            let _ = self
                .inputs
                .send(Input::Work(Work { told, ..Work::nothing(self.store.now()) }, Box::new(|_| ())))
                .await;
        }
    }

    /// Hands in an event and looks at the calls that it concerns afterwards.
    pub async fn event_then<T: Send + 'static>(
        &self,
        event: Event,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(Work::of(self.store.now(), event), read).await
    }

    /// Hands in how a job ended, and what there is to tell of it. The job is closed in the same transaction.
    /// [`Error::Lost`]: it is not ours any more, and nothing was changed but the story.
    pub async fn done(&self, job: Claim, event: Event, told: Vec<Told>) -> Result<(), Error> {
        self.ask(Work { closes: Some(job), told, ..Work::of(self.store.now(), event) }, |_| ()).await
    }

    /// Looks at the calls that share one of these keys, as they were last committed.
    pub async fn look<T>(
        &self,
        keys: impl IntoIterator<Item = Key>,
        read: impl FnOnce(&Machine) -> T,
    ) -> Result<T, Error> {
        let calls = self.store.find(&keys.into_iter().collect()).await?;
        Ok(read(&self.with(calls)))
    }

    /// These calls, to look at.
    pub(crate) fn with(&self, calls: impl IntoIterator<Item = Call>) -> Machine {
        Machine::new(self.policies.clone(), calls)
    }

    /// Calls whose tasks this server reads from now on, each once that is committed.
    pub fn tasks_read(&self) -> broadcast::Receiver<ConferenceSid> {
        self.tasks_read.subscribe()
    }

    /// Returns when everything that was handed in before has been seen to.
    pub async fn settled(&self) -> Result<(), Error> {
        self.ask(Work::nothing(self.store.now()), |_| ()).await
    }

    /// Stops the engine once everything that was handed in before is durable.
    pub async fn stop(&self) {
        // It has stopped already when nobody receives.
        let _ = self.inputs.send(Input::Stop).await;
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: Work,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let after = Box::new(move |machine: Result<&Machine, Error>| {
            // Whoever asked may have gone: what was asked for has happened all the same.
            let _ = reply.send(machine.map(read));
        });
        self.inputs.send(Input::Work(work, after)).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}
