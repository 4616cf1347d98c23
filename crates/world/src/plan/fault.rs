//! What can go wrong.

use serde::{Deserialize, Serialize};

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins.
    pub from: u64,
    /// When it ends.
    pub to: u64,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Probability in permille. For a fault at a step: the number of the step at which it strikes, counted since
    /// `from`.
    pub rate: u32,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A webhook never arrives.
    WebhookLost,
    /// A webhook arrives seconds later, out of order.
    WebhookLate,
    /// A webhook arrives twice.
    WebhookTwice,
    /// A page's request to our server is lost.
    RequestLost,
    /// The answer to a page's request is lost.
    AnswerLost,
    /// A page's request takes seconds.
    RequestLate,
    /// Push channels break.
    PushCut,
    /// Twilio answers 429.
    Throttled,
    /// Twilio answers 5xx and has done nothing.
    Broken,
    /// Twilio answers 5xx although it has carried out the request.
    BrokenDone,
    /// Twilio does not answer and has done nothing.
    Silent,
    /// Twilio does not answer although it has carried out the request.
    SilentDone,
    /// Our server dies at `from` and starts again at `to`.
    ServerDies,
    /// Our server is stopped gracefully at `from`, and started again at `to`.
    ServerRestarts,
    /// Our server dies after a commit, before it acts on it, and starts again at once.
    DiesAfterCommit,
    /// Our server dies between an effect at Twilio and its record, and starts again at once.
    DiesAfterEffect,
    /// Twilio refuses tokens that have expired.
    TokenExpires,
    /// Twilio cannot fetch documents from our server.
    DocumentLost,
    /// Event Streams deliver batches again.
    BatchTwice,
    /// No effect: TaskRouter takes an agent offline whose machine sleeps or has no network. It is still drawn, so
    /// that every seed keeps its world.
    PresenceLost,
    /// One of our servers is suspended at `from`, as by SIGSTOP, and goes on at `to`.
    ServerStands,
    /// One of our servers is suspended at a step, for the time between `from` and `to`.
    StandsAtStep,
    /// One of our servers dies at a step, and starts again after the time between `from` and `to`.
    DiesAtStep,
    /// The clock of our server's machine is set by this many milliseconds at `from`, and corrected at `to`.
    ServerClock(i64),
    /// The database's clock is set by this many milliseconds at `from`, and corrected at `to`.
    DatabaseClock(i64),
    /// A page of the last agent, with a valid token, sends false statements to our server.
    Liar,
    /// The database refuses our server's requests.
    StoreRefuses,
    /// The database takes up to five seconds for each answer.
    StoreStalls,
    /// A commit succeeds, and its answer is lost.
    CommitUnknown,
    /// The database is lost at `to`, and restored from a backup that was made at `from`.
    DatabaseRestored,
}

impl FaultKind {
    /// Faults that are drawn in worlds of every kind. The others belong to scenarios on request.
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

    /// True when the fault has any effect.
    pub fn strikes(self) -> bool {
        self != Self::PresenceLost
    }

    /// The fault in words.
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
            Self::DatabaseClock(_) => "database's clock is set",
            Self::Liar => "an agent lies",
            Self::StoreRefuses => "database refuses",
            Self::StoreStalls => "database is slow",
            Self::CommitUnknown => "answer to a commit lost",
            Self::DatabaseRestored => "database restored from a backup",
        }
    }

    /// True for faults of our server's database.
    pub fn is_of_store(self) -> bool {
        matches!(self, Self::StoreRefuses | Self::StoreStalls | Self::CommitUnknown)
    }

    /// True when it strikes at one step of our server, and its rate is the number of that step.
    pub fn is_at_a_step(self) -> bool {
        matches!(self, Self::StandsAtStep | Self::DiesAtStep)
    }
}
