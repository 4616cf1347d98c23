//! The plan of a world: its events, drawn from a seed, as data that can be printed, stored and shortened.

mod asked_for;
mod chats;
mod chats_draw;
mod corners;
mod draw;
mod fault;
mod scenario;
mod vary;

pub use chats::{ChatAct, ChatDeed, ChatFault, ChatFaultKind, ChatPlan, ChatSetup, Chats};
pub use draw::{WHO_HAS_A_CALL, draw};
pub use fault::{Fault, FaultKind};
pub use scenario::Scenario;
pub use vary::vary;

use serde::{Deserialize, Serialize};

/// Everything that determines a world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Seed of everything random: how long messages take, and which are lost.
    pub seed: u64,
    /// What the world is about.
    pub scenario: Scenario,
    /// The agents.
    pub agents: Vec<AgentPlan>,
    /// The customers.
    pub customers: Vec<CustomerPlan>,
    /// What agents do beside taking calls and ending them.
    pub deeds: Vec<Deed>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How the account and the server are configured.
    pub setup: Setup,
    /// When deeds and faults end (milliseconds since the beginning, as all times here).
    pub until: u64,
    /// The chats, in a world that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chats: Option<Chats>,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPlan {
    /// Number of tabs that are open at the beginning.
    pub tabs: u8,
    /// How long a call rings before the agent accepts it.
    pub accepts: u64,
    /// How long the agent is busy after a call.
    pub wraps: u64,
    /// How long a page takes until Flex is up.
    pub loads: u64,
    /// True when the Rejoin plugin is installed. Without it: an agent whose page never got it.
    pub plugin: bool,
    /// True when another plugin writes `endConferenceOnExit=true` again and again.
    pub foreign: bool,
    /// How far the clock of this agent's machine is ahead, in milliseconds.
    pub skew: i64,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerPlan {
    /// When the customer dials.
    pub dials: u64,
    /// When the customer hangs up, whatever the state; `None`: at the end of the world.
    pub hangs_up: Option<u64>,
}

/// An act that an agent performs if it is possible then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// When it is due.
    pub at: u64,
    /// Index of the agent.
    pub agent: usize,
    /// The act.
    pub act: Act,
}

/// An act of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Presses the hang-up button.
    HangUp,
    /// Presses Flex's "End conference for all".
    EndForAll,
    /// Completes the call's task.
    Complete,
    /// Signs out.
    SignOut,
    /// Puts the customer on hold.
    Hold,
    /// Ends the hold.
    Unhold,
    /// Mutes the microphone, or unmutes it.
    Mute,
    /// Reloads the page.
    Refresh,
    /// The page dies without a goodbye, and is opened again after this many milliseconds.
    Crash(u64),
    /// Closes the tab, and opens it again after this many milliseconds.
    Close(u64),
    /// Closes the browser, and does not come back before the end.
    CloseForGood,
    /// The machine sleeps for this many milliseconds, with all its connections.
    Sleep(u64),
    /// The machine has no network for this many milliseconds.
    Offline(u64),
    /// Opens another tab.
    NewTab,
    /// Opens Flex in another browser.
    NewBrowser,
    /// Transfers the call warm to this agent: hands it over and stays.
    Warm(usize),
    /// Transfers the call cold to this agent: hands it over and goes.
    Cold(usize),
    /// Removes this agent from the call.
    Kick(usize),
    /// Listens to this agent's call.
    Monitor(usize),
    /// Coaches: the monitored agent hears the supervisor, the customer does not.
    Coach,
    /// Rejects the ringing call.
    Refuse,
    /// Adds a third party to the call by phone.
    External,
    /// Places a call, which is answered after this many milliseconds; 0: never.
    Outbound(u64),
    /// Takes no calls for now.
    Unavailable,
    /// Takes calls again.
    Available,
    /// The clock of the agent's machine is set by this many milliseconds.
    Clock(i64),
}

impl Act {
    /// One of each act that ordinary worlds have.
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

    /// The act in words, without its numbers.
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
            Self::External => "adds a third party",
            Self::Outbound(_) => "places a call",
            Self::Unavailable => "takes no calls",
            Self::Available => "takes calls again",
            Self::Clock(_) => "has the clock set",
        }
    }
}

/// How the account and the server are configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// True when a leg is left standing over a reload.
    pub in_place: bool,
    /// True when a customer who is alone hears the announcement on hold.
    pub customer_hold: bool,
    /// How long a dead leg stands at Twilio, in milliseconds.
    pub dead_leg: u64,
    /// True when a leg ends as its browser closes DTLS.
    pub dtls_ends: bool,
    /// True when Twilio refuses a second leg of an agent.
    pub second_leg_refused: bool,
    /// True when the first queue's `action` points to our server.
    pub ended: bool,
    /// True when Event Streams report tasks to our server.
    pub streams: bool,
    /// How far the server's clock is ahead, in milliseconds.
    pub skew: i64,
    /// True when the server has an activity of its own to lend.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lends: bool,
    /// How long a Flex token is valid before the page gets the next one, in milliseconds; 0: for the whole world.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub token_lasts: u64,
    /// True if Twilio reports with `QueueResult=redirected` that a request of ours took a customer out of a queue. Twilio's
    /// documents leave it open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redirects_reported: bool,
    /// True when the addresses that Twilio gets name how often it tries again. False: as by default.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub retries: bool,
    /// Time between two attempts of one webhook, in milliseconds. Twilio's documents do not name it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_pause: u64,
    /// True when a customer who is alone goes on hold with the announcement, not with the goodbye of the agent's page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold_when_told: bool,
    /// True when a proxy in front of the server keeps the push channel of a machine that has no network, as most do for longer than
    /// Twilio keeps the leg, and refuses presence sockets. With them the server hears of it as without a proxy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proxied: bool,
    /// Number of servers that share one store.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub servers: u8,
}

fn yes() -> bool {
    true
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
    /// True when faults can keep our server from knowing who is on a call.
    pub(crate) fn setup_is_blind(&self) -> bool {
        self.faults.iter().any(|fault| {
            matches!(fault.kind, FaultKind::WebhookLost | FaultKind::WebhookLate | FaultKind::RequestLost)
        })
    }
}
