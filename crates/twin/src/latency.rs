//! How long the network takes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Latency of REST requests and webhooks, one way. Clones are the same latency, which may change while the twin runs: an
/// account is set up by dozens of requests, which nobody wants to wait for.
#[derive(Clone, Debug, Default)]
pub struct Latency(Arc<AtomicU64>);

impl Latency {
    /// With this latency, in milliseconds.
    pub fn of_ms(ms: u64) -> Self {
        Self(Arc::new(AtomicU64::new(ms)))
    }

    /// Sets the latency from now on, in milliseconds.
    pub fn set_ms(&self, ms: u64) {
        self.0.store(ms, Ordering::Relaxed);
    }

    /// Waits as long as the network takes one way.
    pub async fn pass(&self) {
        match self.0.load(Ordering::Relaxed) {
            0 => {}
            ms => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    }
}
