//! What worlds are about.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a world is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// An agent's page is loaded anew.
    Refresh,
    /// A page, a browser or a laptop is gone without a word.
    Crash,
    /// Calls are left on purpose.
    Graceful,
    /// Calls are handed over.
    Transfer,
    /// Supervisors and people from outside are on calls.
    Others,
    /// Calls that agents place.
    Outbound,
    /// Several tabs.
    Tabs,
    /// Everything, and everything goes wrong.
    Mixed,
    /// Many agents and customers.
    Large,
    /// What the others hardly ever come to.
    Corners,
    /// Two servers on one store, one of which stands still for a while.
    TwoServers,
    /// All agents lose their network, or their pages, at once, and the server restarts.
    Storm,
    /// Our server dies at one step of what it does.
    Steps,
    /// Clocks are set, of browsers and of our server.
    Clocks,
    /// Our server, Twilio or what is between them is out of order for minutes.
    Outages,
    /// An agent's page says what is not so, of its own calls and of others'.
    Liar,
    /// Calls of four hours, at whose end all of this happens.
    Long,
    /// Our server's database refuses, is slow, or loses the answers to commits.
    Database,
}

impl Scenario {
    /// Those of which one is drawn when none is asked for.
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

    /// Those that are played only when they are asked for: a seed keeps its meaning.
    pub const ASKED_FOR: [Self; 9] = [
        Self::Corners,
        Self::TwoServers,
        Self::Storm,
        Self::Steps,
        Self::Clocks,
        Self::Outages,
        Self::Liar,
        Self::Long,
        Self::Database,
    ];

    /// As it is written.
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
        }
    }

    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain(Self::ASKED_FOR).find(|scenario| scenario.name() == name)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
