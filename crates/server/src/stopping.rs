//! Whether the server is to stop. Those who wait for it go on in the order in which they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Says it; at the latest when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Stop(Stopping);

/// Hears it. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_said: AtomicBool,
    said: Notify,
}

impl Stop {
    /// For those who are to hear it.
    pub(crate) fn stopping(&self) -> Stopping {
        self.0.clone()
    }

    /// The server is to stop.
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
    /// Returns when it is to.
    pub(crate) async fn said(&self) {
        // Made before the look, so that nothing is missed in between.
        let said = self.0.said.notified();
        if !self.0.is_said.load(Ordering::Acquire) {
            said.await;
        }
    }
}
