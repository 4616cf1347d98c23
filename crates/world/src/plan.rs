//! What is to happen in a world: data, drawn from a seed, so that it can be printed, stored and made shorter.

mod asked_for;
mod corners;
mod draw;
mod fault;
mod scenario;

pub use draw::{WHO_HAS_A_CALL, draw};
pub use fault::{Fault, FaultKind};
pub use scenario::Scenario;

use serde::{Deserialize, Serialize};

/// Everything that makes one world what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of what is left to chance: how long messages take, which of them are lost.
    pub seed: u64,
    /// What it is about.
    pub scenario: Scenario,
    /// Who works there.
    pub agents: Vec<AgentPlan>,
    /// Who calls.
    pub customers: Vec<CustomerPlan>,
    /// What agents do beside taking calls and ending them.
    pub deeds: Vec<Deed>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How it is configured.
    pub setup: Setup,
    /// When deeds and faults are over (milliseconds from the beginning, as all times here).
    pub until: u64,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPlan {
    /// How many tabs are open at the beginning.
    pub tabs: u8,
    /// How long a call rings before the agent takes it.
    pub accepts: u64,
    /// How long the agent is busy after a call.
    pub wraps: u64,
    /// How long a page takes until Flex is up.
    pub loads: u64,
    /// Is the rejoin plugin there? Without it: an agent whose page never got it.
    pub plugin: bool,
    /// Does another plugin write `endConferenceOnExit=true` again and again?
    pub foreign: bool,
    /// How much the clock of this agent's machine is ahead, in milliseconds.
    pub skew: i64,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerPlan {
    /// When he dials.
    pub dials: u64,
    /// When he hangs up, whatever there is; `None`: at the end of the world.
    pub hangs_up: Option<u64>,
}

/// Something that an agent does, if it can be done then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// When.
    pub at: u64,
    /// Who.
    pub agent: usize,
    /// What.
    pub act: Act,
}

/// What an agent can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The hang-up button.
    HangUp,
    /// Flex's "End conference for all".
    EndForAll,
    /// Completes the task that the call belongs to.
    Complete,
    /// Signs out.
    SignOut,
    /// Puts the customer on hold.
    Hold,
    /// Ends the hold.
    Unhold,
    /// Mutes the microphone, or not any more.
    Mute,
    /// Loads the page anew.
    Refresh,
    /// The page is gone without a word, and is opened again after so many milliseconds.
    Crash(u64),
    /// Closes the tab, and opens it again after so many milliseconds.
    Close(u64),
    /// Closes the browser, and does not come back before the end.
    CloseForGood,
    /// The page comes to a stop for so many milliseconds, with all its connections.
    Sleep(u64),
    /// There is no network for so many milliseconds.
    Offline(u64),
    /// Opens another tab.
    NewTab,
    /// Opens Flex in another browser.
    NewBrowser,
    /// Hands the call over to this agent and stays.
    Warm(usize),
    /// Hands the call over to this agent and goes.
    Cold(usize),
    /// Takes this agent out of the call.
    Kick(usize),
    /// Listens to this agent's call.
    Monitor(usize),
    /// Is heard by the agent to whom she listens, and not by the customer.
    Coach,
    /// Refuses the call that rings.
    Refuse,
    /// Dials somebody from outside into the call.
    External,
    /// Places a call, which is answered after so many milliseconds; 0: never.
    Outbound(u64),
    /// Takes no calls for now.
    Unavailable,
    /// Takes calls again.
    Available,
    /// The clock of the agent's machine is set by so many milliseconds.
    Clock(i64),
}

impl Act {
    /// One of each that is done in ordinary worlds.
    pub const ALL: [Self; 25] = [
        Self::HangUp,
        Self::EndForAll,
        Self::Complete,
        Self::SignOut,
        Self::Hold,
        Self::Unhold,
        Self::Mute,
        Self::Refresh,
        Self::Crash(0),
        Self::Close(0),
        Self::CloseForGood,
        Self::Sleep(0),
        Self::Offline(0),
        Self::NewTab,
        Self::NewBrowser,
        Self::Warm(0),
        Self::Cold(0),
        Self::Kick(0),
        Self::Monitor(0),
        Self::Coach,
        Self::Refuse,
        Self::External,
        Self::Outbound(0),
        Self::Unavailable,
        Self::Available,
    ];

    /// What it is, without its numbers.
    pub fn name(self) -> &'static str {
        match self {
            Self::HangUp => "hangs up",
            Self::EndForAll => "ends the call for all",
            Self::Complete => "completes the task",
            Self::SignOut => "signs out",
            Self::Hold => "puts the customer on hold",
            Self::Unhold => "ends the hold",
            Self::Mute => "mutes or unmutes",
            Self::Refresh => "refreshes",
            Self::Crash(_) => "crashes",
            Self::Close(_) => "closes the tab",
            Self::CloseForGood => "closes the browser for good",
            Self::Sleep(_) => "closes the lid",
            Self::Offline(_) => "has no network",
            Self::NewTab => "opens another tab",
            Self::NewBrowser => "opens another browser",
            Self::Warm(_) => "transfers warm",
            Self::Cold(_) => "transfers cold",
            Self::Kick(_) => "kicks another agent",
            Self::Monitor(_) => "listens in",
            Self::Coach => "coaches",
            Self::Refuse => "refuses the call",
            Self::External => "adds somebody from outside",
            Self::Outbound(_) => "places a call",
            Self::Unavailable => "takes no calls",
            Self::Available => "takes calls again",
            Self::Clock(_) => "has her clock set",
        }
    }
}

/// How the account and the server are configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Is a leg left standing over a reload?
    pub in_place: bool,
    /// Is a customer who is alone told on hold?
    pub customer_hold: bool,
    /// How long a dead leg stands at Twilio.
    pub dead_leg: u64,
    /// Does a leg end when its browser closes DTLS?
    pub dtls_ends: bool,
    /// Is a second leg of an agent refused?
    pub second_leg_refused: bool,
    /// Does the first queue's `action` come to our server?
    pub ended: bool,
    /// Do Event Streams tell our server of tasks?
    pub streams: bool,
    /// How much the server's clock is ahead, in milliseconds.
    pub skew: i64,
    /// Has the server an activity of its own that it may lend?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lends: bool,
    /// How long a Flex token is good before the page gets the next one, in milliseconds; 0: for the whole world.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub token_lasts: u64,
    /// True if Twilio reports with `QueueResult=redirected` that a request of ours took a customer out of a queue. Twilio's
    /// documents leave it open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redirects_reported: bool,
    /// How many servers there are on one store.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub servers: u8,
}

fn one() -> u8 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_one(number: &u8) -> bool {
    *number == 1
}

impl Plan {
    /// Can our server not know who is on a call, because its knowledge does not reach it?
    pub(crate) fn setup_is_blind(&self) -> bool {
        self.faults.iter().any(|fault| {
            matches!(fault.kind, FaultKind::WebhookLost | FaultKind::WebhookLate | FaultKind::RequestLost)
        })
    }
}
