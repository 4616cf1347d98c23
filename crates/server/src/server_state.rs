//! How a server sees itself: what it tells a monitor that has the key.

use rejoin_protocol::Millis;
use serde::{Deserialize, Serialize};

/// The header with the monitor's key.
pub(crate) const KEY: &str = "rejoin-monitor-key";

/// What a server tells. What it cannot read, or what its release does not know, is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerState {
    /// True when the database takes writes.
    pub database: Option<bool>,
    /// True during a storm.
    pub storm: Option<bool>,
    /// True while the failsafe holds back pings and requeues for any agent.
    pub failsafe: Option<bool>,
    /// Number of agents lost lately, or during the storm.
    pub lost: Option<u64>,
    /// Number of jobs that were given up since the server was started.
    pub given_up: Option<u64>,
    /// True while its lease lasts; absent when it has the database alone.
    pub leased: Option<bool>,
    /// How often its lease had ended when it was renewed, since the server was started; absent as before.
    pub leases_lost: Option<u64>,
    /// Number of calls that are open.
    pub calls: Option<u64>,
    /// Number of those whose agent is not known: no page has registered them, and Twilio has not named the agent.
    pub unprotected: Option<u64>,
}

/// From when on something in a state is alerted about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Share of open calls that may be unprotected, in percent.
    pub unprotected_percent: u64,
    /// For how long an alert about something that happened stays open after the last time.
    pub past_for: Millis,
}
