//! Limits of connections and requests before their senders are authenticated.

use clap::Args;
use ipnet::IpNet;
use std::net::{AddrParseError, IpAddr};
use std::str::FromStr;
use std::time::Duration;

/// Limits of connections and requests.
#[derive(Clone, Debug, Args)]
pub struct Limits {
    /// Maximum number of open connections; further ones wait until one closes. Each page keeps one open, and a WebSocket, which does not count.
    #[arg(long, env = "REJOIN_CONNECTIONS", default_value = "16384")]
    pub connections: usize,
    /// Maximum number of open connections from one address (IPv6: one /64); further ones are closed. Agents of one
    /// office may share an address. Not applied to trusted proxies.
    #[arg(long, env = "REJOIN_CONNECTIONS_PER_ADDRESS", default_value = "2048")]
    pub connections_per_address: usize,
    /// Proxies in front of the server, as addresses or networks such as 10.0.0.0/8, comma separated: a client's address
    /// is then the last one in `X-Forwarded-For` that is not a proxy's own. Empty: connections from this machine are
    /// taken for those of a proxy that does not name its clients, and limits per address do not apply to them.
    #[arg(long, env = "REJOIN_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
    /// Maximum number of bytes in memory from requests whose sender is not verified yet.
    #[arg(long, env = "REJOIN_UNVERIFIED_BYTES", default_value = "33554432")]
    pub unverified_bytes: usize,
    /// Maximum number of those bytes from one address.
    #[arg(long, env = "REJOIN_UNVERIFIED_BYTES_PER_ADDRESS", default_value = "4194304")]
    pub unverified_bytes_per_address: usize,
    /// Maximum time for a request's head, and for an idle connection, in milliseconds.
    #[arg(long, env = "REJOIN_HEAD_WITHIN_MS", default_value = "20000")]
    pub head_within_ms: u64,
    /// Maximum time for a client's machine to acknowledge what was sent to it, and for a page to answer a ping, in milliseconds. A
    /// desktop whose network is gone is noticed by it.
    #[arg(long, env = "REJOIN_ACKNOWLEDGED_WITHIN_MS", default_value = "2000")]
    pub acknowledged_within_ms: u64,
    /// Silence on a push channel after which a comment is sent, and time between two pings, in milliseconds: at most 10,000. A page gives up a channel
    /// that is silent for four times as long, and at least 2 s.
    #[arg(long, env = "REJOIN_HEARTBEAT_MS", default_value = "500", value_parser = clap::value_parser!(u64).range(100..=10_000))]
    pub heartbeat_ms: u64,
    /// Maximum time for a whole request body, in milliseconds.
    #[arg(long, env = "REJOIN_BODY_WITHIN_MS", default_value = "10000")]
    pub body_within_ms: u64,
    /// Maximum number of requests per minute from one worker, whether in a burst or spread out.
    #[arg(long, env = "REJOIN_REQUESTS_PER_MINUTE", default_value = "300")]
    pub requests_per_minute: u32,
}

/// An address, or a network; `None` for an empty list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Option<IpNet>);

impl FromStr for Network {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(None));
        }
        text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map(|network| Self(Some(network)))
    }
}

impl Limits {
    /// True if this is the address of a trusted proxy.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies().any(|network| network.contains(&address))
    }

    /// True if the settings name a proxy.
    pub(crate) fn names_proxies(&self) -> bool {
        self.proxies().next().is_some()
    }

    fn proxies(&self) -> impl Iterator<Item = &IpNet> {
        self.trusted_proxies.iter().filter_map(|network| network.0.as_ref())
    }

    /// Limits of the operators' listener, which few clients need.
    pub(crate) fn for_operators(&self) -> Self {
        Self { connections: 256, connections_per_address: 256, ..self.clone() }
    }

    pub(crate) fn head_within(&self) -> Duration {
        Duration::from_millis(self.head_within_ms)
    }

    pub(crate) fn acknowledged_within(&self) -> Duration {
        Duration::from_millis(self.acknowledged_within_ms).min(self.head_within())
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(crate) fn body_within(&self) -> Duration {
        Duration::from_millis(self.body_within_ms)
    }
}
