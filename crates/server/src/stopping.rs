//! The signal to stop. Waiting tasks continue in the order in which they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Sends the signal, at the latest when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Stop(Stopping);

/// Receives the signal. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_said: AtomicBool,
    said: Notify,
}

impl Stop {
    /// A receiver.
    pub(crate) fn stopping(&self) -> Stopping {
        self.0.clone()
    }

    /// Sends the signal.
    pub(crate) fn say(&self) {
        let Stopping(inner) = &self.0;
        inner.is_said.store(true, Ordering::Release);
        inner.said.notify_waiters();
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.say();
    }
}

impl Stopping {
    /// True once the signal was sent.
    pub(crate) fn is_said(&self) -> bool {
        self.0.is_said.load(Ordering::Acquire)
    }

    /// Returns once the signal was sent.
    pub(crate) async fn said(&self) {
        // Created before the check, so that nothing is missed in between.
        let said = self.0.said.notified();
        if !self.is_said() {
            said.await;
        }
    }
}
