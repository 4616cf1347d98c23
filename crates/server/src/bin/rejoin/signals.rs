//! Signals that stop the program.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT.
pub(crate) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    pub(crate) fn new() -> Self {
        let both = signal(SignalKind::terminate()).and_then(|t| Ok((t, signal(SignalKind::interrupt())?)));
        Self(
            both.inspect_err(
                |error| tracing::warn!(%error, "signals cannot shut this server down gracefully"),
            )
            .ok(),
        )
    }

    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some((terminate, interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            None => std::future::pending().await,
        }
    }
}
