//! What is to happen in a world: data, drawn from a seed, so that it can be printed, stored and made shorter.

mod corners;
mod draw;

pub use draw::{WHO_HAS_A_CALL, draw};

use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// What the others hardly ever come to. Only where it is asked for.
    Corners,
}

impl Scenario {
    /// All that are drawn where none is asked for.
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
        }
    }

    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Corners]).find(|scenario| scenario.name() == name)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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
    /// Dials somebody from outside into the call.
    External,
    /// Places a call, which is answered after so many milliseconds; 0: never.
    Outbound(u64),
    /// Takes no calls for now.
    Unavailable,
    /// Takes calls again.
    Available,
}

impl Act {
    /// One of each.
    pub const ALL: [Self; 23] = [
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
            Self::External => "adds somebody from outside",
            Self::Outbound(_) => "places a call",
            Self::Unavailable => "takes no calls",
            Self::Available => "takes calls again",
        }
    }
}

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// From when on.
    pub from: u64,
    /// Until when.
    pub to: u64,
    /// What.
    pub kind: FaultKind,
    /// How often: in so many of a thousand cases.
    pub rate: u32,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A webhook never comes.
    WebhookLost,
    /// A webhook comes seconds later, behind others.
    WebhookLate,
    /// A webhook comes twice.
    WebhookTwice,
    /// A page's request to our server is lost.
    RequestLost,
    /// Its answer is.
    AnswerLost,
    /// A page's request takes seconds.
    RequestLate,
    /// Push channels break.
    PushCut,
    /// Twilio answers 429.
    Throttled,
    /// Twilio answers 5xx and has done nothing.
    Broken,
    /// Twilio answers 5xx and has done it.
    BrokenDone,
    /// Twilio does not answer and has done nothing.
    Silent,
    /// Twilio does not answer and has done it.
    SilentDone,
    /// Our server dies at `from` and starts again at `to`.
    ServerDies,
    /// Our server is stopped in order at `from`, and started again at `to`.
    ServerRestarts,
    /// Our server dies after a commit, before anything of it is carried out, and starts again at once.
    DiesAfterCommit,
    /// Our server dies between an effect at Twilio and its report, and starts again at once.
    DiesAfterEffect,
    /// Twilio refuses tokens that have expired.
    TokenExpires,
    /// Documents cannot be fetched from our server.
    DocumentLost,
    /// Event Streams deliver batches again.
    BatchTwice,
    /// Does nothing: TaskRouter takes an agent offline whose machine sleeps or has no network. It is drawn still, so that
    /// every seed stays the world that it is.
    PresenceLost,
}

impl FaultKind {
    /// All that are drawn.
    pub const ALL: [Self; 20] = [
        Self::WebhookLost,
        Self::WebhookLate,
        Self::WebhookTwice,
        Self::RequestLost,
        Self::AnswerLost,
        Self::RequestLate,
        Self::PushCut,
        Self::Throttled,
        Self::Broken,
        Self::BrokenDone,
        Self::Silent,
        Self::SilentDone,
        Self::ServerDies,
        Self::ServerRestarts,
        Self::DiesAfterCommit,
        Self::DiesAfterEffect,
        Self::TokenExpires,
        Self::DocumentLost,
        Self::BatchTwice,
        Self::PresenceLost,
    ];

    /// Does anything come of it?
    pub fn strikes(self) -> bool {
        self != Self::PresenceLost
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebhookLost => "webhook lost",
            Self::WebhookLate => "webhook late",
            Self::WebhookTwice => "webhook twice",
            Self::RequestLost => "page's request lost",
            Self::AnswerLost => "answer to a page lost",
            Self::RequestLate => "page's request late",
            Self::PushCut => "push channel cut",
            Self::Throttled => "429",
            Self::Broken => "5xx without effect",
            Self::BrokenDone => "5xx with effect",
            Self::Silent => "time-out without effect",
            Self::SilentDone => "time-out with effect",
            Self::ServerDies => "server dies",
            Self::ServerRestarts => "server restarts",
            Self::DiesAfterCommit => "server dies after a commit",
            Self::DiesAfterEffect => "server dies after an effect",
            Self::TokenExpires => "token expires",
            Self::DocumentLost => "document lost",
            Self::BatchTwice => "batch twice",
            Self::PresenceLost => "TaskRouter takes an agent offline",
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
}

impl Plan {
    /// Can our server not know who is on a call, because its knowledge does not reach it?
    pub(crate) fn setup_is_blind(&self) -> bool {
        self.faults.iter().any(|fault| {
            matches!(fault.kind, FaultKind::WebhookLost | FaultKind::WebhookLate | FaultKind::RequestLost)
        })
    }
}
