//! Scenarios: what worlds are about.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a world is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// An agent's page is reloaded.
    Refresh,
    /// A page, a browser or a laptop dies without a goodbye.
    Crash,
    /// Agents leave calls on purpose.
    Graceful,
    /// Calls are transferred.
    Transfer,
    /// Supervisors and third parties are on calls.
    Others,
    /// Agents place calls.
    Outbound,
    /// Agents have several tabs.
    Tabs,
    /// Everything happens, and everything goes wrong.
    Mixed,
    /// Many agents and customers.
    Large,
    /// Corner cases that the others hardly ever reach.
    Corners,
    /// Two servers on one store, one of which is suspended for a while.
    TwoServers,
    /// All agents lose their network, or their pages, at once, and the server restarts.
    Storm,
    /// Our server dies at one step of its work.
    Steps,
    /// Clocks of browsers and of our server are set.
    Clocks,
    /// Our server, Twilio or the network between them is out of order for minutes.
    Outages,
    /// An agent's page sends false statements about its own calls and those of others.
    Liar,
    /// Calls of four hours, at whose end all of this happens.
    Long,
    /// Our server's database refuses, is slow, or loses the answers to commits.
    Database,
    /// Our server's database is restored from a backup.
    Restores,
    /// Agents with chats, whose pages go away for seconds or for minutes.
    Chats,
}

impl Scenario {
    /// Scenarios to draw from when none is requested.
    pub const ALL: [Self; 9] = [
        Self::Refresh,
        Self::Crash,
        Self::Graceful,
        Self::Transfer,
        Self::Others,
        Self::Outbound,
        Self::Tabs,
        Self::Mixed,
        Self::Large,
    ];

    /// Scenarios that run only on request, so that a seed keeps its world.
    pub const ASKED_FOR: [Self; 11] = [
        Self::Corners,
        Self::TwoServers,
        Self::Storm,
        Self::Steps,
        Self::Clocks,
        Self::Outages,
        Self::Liar,
        Self::Long,
        Self::Database,
        Self::Restores,
        Self::Chats,
    ];

    /// The scenario's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Crash => "crash",
            Self::Graceful => "graceful",
            Self::Transfer => "transfer",
            Self::Others => "others",
            Self::Outbound => "outbound",
            Self::Tabs => "tabs",
            Self::Mixed => "mixed",
            Self::Large => "large",
            Self::Corners => "corners",
            Self::TwoServers => "two-servers",
            Self::Storm => "storm",
            Self::Steps => "steps",
            Self::Clocks => "clocks",
            Self::Outages => "outages",
            Self::Liar => "liar",
            Self::Long => "long",
            Self::Database => "database",
            Self::Restores => "restores",
            Self::Chats => "chats",
        }
    }

    /// The scenario with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain(Self::ASKED_FOR).find(|scenario| scenario.name() == name)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
