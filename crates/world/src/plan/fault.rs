//! What can go wrong.

use serde::{Deserialize, Serialize};

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// From when on.
    pub from: u64,
    /// Until when.
    pub to: u64,
    /// What.
    pub kind: FaultKind,
    /// How often: in so many of a thousand cases. What strikes at a step strikes at this one, counted from `from` on.
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
    /// One of our servers stands still at `from`, as by SIGSTOP, and goes on at `to`.
    ServerStands,
    /// One of our servers stands still at a step, for as long as it is from `from` to `to`.
    StandsAtStep,
    /// One of our servers dies at a step, and starts again after as long as it is from `from` to `to`.
    DiesAtStep,
    /// The clock of our server's machine is set by so many milliseconds at `from`, and set right at `to`.
    ServerClock(i64),
    /// A page of the last agent's, with a good token, tells our server what is not so.
    Liar,
    /// The database refuses what our server asks of it.
    StoreRefuses,
    /// The database takes up to five seconds for each answer.
    StoreStalls,
    /// A commit comes through, and its answer is lost.
    CommitUnknown,
}

impl FaultKind {
    /// Those that are drawn in worlds of every kind. What else there is, some scenarios have that are asked for.
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
            Self::ServerStands => "server stands still",
            Self::StandsAtStep => "server stands still at a step",
            Self::DiesAtStep => "server dies at a step",
            Self::ServerClock(_) => "server's clock is set",
            Self::Liar => "an agent lies",
            Self::StoreRefuses => "database refuses",
            Self::StoreStalls => "database is slow",
            Self::CommitUnknown => "answer to a commit lost",
        }
    }

    /// True for faults of our server's database.
    pub fn is_of_store(self) -> bool {
        matches!(self, Self::StoreRefuses | Self::StoreStalls | Self::CommitUnknown)
    }

    /// Does it strike at one step of our server, and is its rate the number of that step?
    pub fn is_at_a_step(self) -> bool {
        matches!(self, Self::StandsAtStep | Self::DiesAtStep)
    }
}
