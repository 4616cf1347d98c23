//! How the other parts ask the engine.

use super::{Input, Work, now};
use crate::error::Error;
use crate::store::{Claim, Store};
use rejoin_recovery::{Event, Key, Machine, Policies};
use tokio::sync::{mpsc, oneshot};

/// Asks the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    inputs: mpsc::Sender<Input>,
    policies: Policies,
    store: Store,
}

impl Handle {
    pub(super) fn new(inputs: mpsc::Sender<Input>, policies: Policies, store: Store) -> Self {
        Self { inputs, policies, store }
    }

    /// Hands in an event. When this returns `Ok`, everything that follows from it is durable.
    pub async fn event(&self, event: Event) -> Result<(), Error> {
        self.ask(Some(event), None, |_| ()).await
    }

    /// Hands in an event and looks at the calls that it concerns afterwards.
    pub async fn event_then<T: Send + 'static>(
        &self,
        event: Event,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(Some(event), None, read).await
    }

    /// Hands in how a job ended. The job is closed in the same transaction. [`Error::Lost`]: it is not ours any more, and
    /// nothing was changed.
    pub async fn done(&self, job: Claim, event: Event) -> Result<(), Error> {
        self.ask(Some(event), Some(job), |_| ()).await
    }

    /// Looks at the calls that share one of these keys, as they were last committed.
    pub async fn look<T>(
        &self,
        keys: impl IntoIterator<Item = Key>,
        read: impl FnOnce(&Machine) -> T,
    ) -> Result<T, Error> {
        let calls = self.store.find(&keys.into_iter().collect()).await?;
        Ok(read(&Machine::new(self.policies.clone(), calls)))
    }

    /// Returns when everything that was handed in before has been seen to.
    pub async fn settled(&self) -> Result<(), Error> {
        self.ask(None, None, |_| ()).await
    }

    /// Stops the engine once everything that was handed in before is durable.
    pub async fn stop(&self) {
        // It has stopped already when nobody receives.
        let _ = self.inputs.send(Input::Stop).await;
    }

    async fn ask<T: Send + 'static>(
        &self,
        event: Option<Event>,
        closes: Option<Claim>,
        read: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let after = Box::new(move |machine: Result<&Machine, Error>| {
            // Whoever asked may have gone: what was asked for has happened all the same.
            let _ = reply.send(machine.map(read));
        });
        let work = Work { at: now(), event: event.map(Box::new), closes };
        self.inputs.send(Input::Work(work, after)).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}
