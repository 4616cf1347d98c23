//! What happened in a world, for readers: plain data, the same for the same seed, byte for byte.

pub use rejoin_timeline::Kind;

use std::fmt;

// Texts that the page's overview is drawn from: each begins a state that lasts.

/// A page is loaded.
pub const LOADS: &str = "loads";
/// Flex is up.
pub const IS_UP: &str = "is up";
/// The page is gone.
pub const IS_GONE: &str = "is gone";
/// The machine sleeps.
pub const SLEEPS: &str = "sleeps";
/// The machine has no network.
pub const IS_CUT_OFF: &str = "is cut off";
/// The machine is awake, or has its network again.
pub const IS_BACK: &str = "is back";
/// A server starts.
pub const STARTS: &str = "starts";
/// A server has died.
pub const IS_KILLED: &str = "is killed";
/// A server was stopped gracefully.
pub const IS_STOPPED: &str = "is stopped";
/// A customer talks to the person whose name follows.
pub const TALKS_TO: &str = "talks to ";
/// A customer is in silence.
pub const HEARS_NOTHING: &str = "hears nothing";

/// The source or the target of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A customer, by number.
    Customer(usize),
    /// A chat: its customer, by number.
    Chat(usize),
    /// An agent as a person.
    Agent(usize),
    /// A page in an agent's browser: the agent, and the index of the page among those that this agent has opened.
    Page(usize, usize),
    /// One of our servers, counted from the first start on; 0: any.
    Server(usize),
    /// Twilio.
    Twilio,
    /// The world itself: faults, and broken rules.
    World,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(number) => write!(f, "customer {number}"),
            Self::Chat(number) => write!(f, "chat {number}"),
            Self::Agent(number) => write!(f, "agent {number}"),
            Self::Page(agent, page) => write!(f, "page {agent}.{page}"),
            Self::Server(0) => f.write_str("our servers"),
            Self::Server(number) => write!(f, "server {number}"),
            Self::Twilio => f.write_str("Twilio"),
            Self::World => f.write_str("world"),
        }
    }
}

/// An entry of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Milliseconds since the world began.
    pub at: u64,
    /// Who causes it.
    pub from: Lane,
    /// Whom it reaches; `None`: it concerns only `from`.
    pub to: Option<Lane>,
    /// Kind of the entry.
    pub kind: Kind,
    /// What happened, in a few words.
    pub text: String,
    /// True when the message does not arrive.
    pub lost: bool,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3} s  {}", self.at as f64 / 1000.0, self.from)?;
        if let Some(to) = self.to {
            write!(f, " → {to}")?;
        }
        write!(f, "{}: {}", if self.lost { " (lost)" } else { "" }, self.text)
    }
}
