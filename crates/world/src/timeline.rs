//! What happened in a world, for people: plain data, the same for the same seed, byte for byte.

use serde::{Deserialize, Serialize};
use std::fmt;

// What the page with lanes draws from: words that say how somebody is from now on.

/// A page is loaded.
pub const LOADS: &str = "loads";
/// Flex is there.
pub const IS_UP: &str = "is up";
/// The page is no more.
pub const IS_GONE: &str = "is gone";
/// The machine sleeps.
pub const SLEEPS: &str = "sleeps";
/// It has no network.
pub const IS_CUT_OFF: &str = "is cut off";
/// It is awake, or has its network again.
pub const IS_BACK: &str = "is back";
/// A server is there.
pub const STARTS: &str = "starts";
/// It has died.
pub const IS_KILLED: &str = "is killed";
/// It was stopped in order.
pub const IS_STOPPED: &str = "is stopped";
/// A customer hears whom this is followed by.
pub const TALKS_TO: &str = "talks to ";
/// A customer is in a silence.
pub const HEARS_NOTHING: &str = "hears nothing";

/// Who is at one end of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lane {
    /// A customer, by number.
    Customer(usize),
    /// An agent as a person.
    Agent(usize),
    /// A page in an agent's browser: the agent, and which page it is of all that this agent has opened.
    Page(usize, usize),
    /// One of our servers, counted from the first start on; 0: whichever.
    Server(usize),
    /// Twilio.
    Twilio,
    /// The world itself: faults, and rules that are broken.
    World,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(number) => write!(f, "customer {number}"),
            Self::Agent(number) => write!(f, "agent {number}"),
            Self::Page(agent, page) => write!(f, "page {agent}.{page}"),
            Self::Server(0) => f.write_str("our servers"),
            Self::Server(number) => write!(f, "server {number}"),
            Self::Twilio => f.write_str("Twilio"),
            Self::World => f.write_str("world"),
        }
    }
}

/// Of what kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// What a person does.
    Person,
    /// What a customer hears from now on.
    Hears,
    /// A request.
    Request,
    /// Its answer.
    Answer,
    /// A webhook, or a document that Twilio fetches.
    Webhook,
    /// What is said over an open connection.
    Push,
    /// What one of them does by itself.
    Does,
    /// What goes wrong.
    Fault,
    /// A rule is broken.
    Broken,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the world began.
    pub at: u64,
    /// Who.
    pub from: Lane,
    /// Whom it reaches; `None`: it stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Lane>,
    /// Of what kind.
    pub kind: Kind,
    /// What, in a few words.
    pub text: String,
    /// It does not arrive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
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
