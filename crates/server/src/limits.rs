//! What anybody may ask of the server at most, before it is known who asks.

use clap::Args;
use std::time::Duration;

/// Limits of connections and requests.
#[derive(Clone, Debug, Args)]
pub struct Limits {
    /// How many connections may be open at once; more wait until one closes. Each desktop has one open all the time.
    #[arg(long, env = "REJOIN_CONNECTIONS", default_value = "16384")]
    pub connections: usize,
    /// How long a request's head may take, how long a connection may be idle, and how long a client may take nothing of
    /// what is sent to it, in milliseconds.
    #[arg(long, env = "REJOIN_HEAD_WITHIN_MS", default_value = "20000")]
    pub head_within_ms: u64,
    /// How long a request's body may take altogether, in milliseconds.
    #[arg(long, env = "REJOIN_BODY_WITHIN_MS", default_value = "10000")]
    pub body_within_ms: u64,
    /// How many requests one worker may make in a minute, whether at once or one after the other.
    #[arg(long, env = "REJOIN_REQUESTS_PER_MINUTE", default_value = "300")]
    pub requests_per_minute: u32,
}

impl Limits {
    pub(crate) fn head_within(&self) -> Duration {
        Duration::from_millis(self.head_within_ms)
    }

    pub(crate) fn body_within(&self) -> Duration {
        Duration::from_millis(self.body_within_ms)
    }
}
