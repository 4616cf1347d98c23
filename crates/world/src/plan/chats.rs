//! What a plan says of chats: data, as all of a plan.

use serde::{Deserialize, Serialize};

/// The chats of a world. Agents, deeds that concern a whole page, and faults between page, server and Twilio are those of the
/// plan: they strike calls and chats alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chats {
    /// The chats, each with its customer.
    pub chats: Vec<ChatPlan>,
    /// What agents do in their chats beside answering.
    pub deeds: Vec<ChatDeed>,
    /// What goes wrong in chats alone.
    pub faults: Vec<ChatFault>,
    /// How account and server are configured.
    pub setup: ChatSetup,
}

/// A chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPlan {
    /// When the customer begins it.
    pub begins: u64,
    /// When the customer writes again.
    pub writes: Vec<u64>,
    /// When customer and agent are done, and the agent wraps up; `None`: not before the end of the world.
    pub ends: Option<u64>,
}

/// An act of an agent in one of their chats, if it is possible then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatDeed {
    /// When it is due.
    pub at: u64,
    /// Index of the agent.
    pub agent: usize,
    /// The act.
    pub act: ChatAct,
}

/// An act in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChatAct {
    /// Types, and does not send.
    Type,
    /// Types and sends, whether the customer has written or not.
    Write,
    /// Leaves by Flex's button: the chat waits until the customer writes.
    Leave,
    /// Pauses by Flex's button.
    Pause,
    /// Goes on with a paused chat.
    Resume,
    /// Wraps up.
    WrapUp,
}

impl ChatAct {
    /// The act in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "types",
            Self::Write => "writes",
            Self::Leave => "leaves the chat",
            Self::Pause => "pauses the chat",
            Self::Resume => "goes on with the chat",
            Self::WrapUp => "wraps the chat up",
        }
    }
}

/// Something that goes wrong in chats, between two points in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatFault {
    /// From when on.
    pub from: u64,
    /// Until when.
    pub to: u64,
    /// What goes wrong.
    pub kind: ChatFaultKind,
    /// In how many of a thousand cases.
    pub rate: u32,
}

/// A kind of fault of chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChatFaultKind {
    /// The SDK's socket is cut as a message is sent: the SDK says so at once, and nothing was stored.
    SocketCut,
    /// The message is stored, its reply is lost, and the SDK says that sending has failed.
    ReplyLost,
    /// The socket is silent: the SDK says after 30 s that sending has failed, and nothing was stored.
    SocketSilent,
    /// The browser's storage takes nothing.
    StorageFails,
    /// A program cancels a task that looks for an agent.
    TaskCanceled,
    /// A program removes an agent from a chat.
    ParticipantRemoved,
    /// Our server dies after a commit, before it carries out the actions that have begun with it.
    DiesAfterCommit,
    /// Our server dies after an answer of Twilio, before it has stored the outcome.
    DiesAfterAnswer,
    /// The last agent's page claims chats of others, with a good token.
    Liar,
}

impl ChatFaultKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::SocketCut,
        Self::ReplyLost,
        Self::SocketSilent,
        Self::StorageFails,
        Self::TaskCanceled,
        Self::ParticipantRemoved,
        Self::DiesAfterCommit,
        Self::DiesAfterAnswer,
        Self::Liar,
    ];

    /// The fault in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::SocketCut => "chat socket cut",
            Self::ReplyLost => "reply to a chat message lost",
            Self::SocketSilent => "chat socket silent",
            Self::StorageFails => "browser's storage fails",
            Self::TaskCanceled => "chat task canceled by a program",
            Self::ParticipantRemoved => "agent removed from a chat by a program",
            Self::DiesAfterCommit => "server dies after a commit about a chat",
            Self::DiesAfterAnswer => "server dies after an answer about a chat",
            Self::Liar => "a page claims chats of others",
        }
    }
}

/// How the account and the server are configured for chats; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSetup {
    /// `goodbye_ms`.
    pub goodbye: u64,
    /// `push_closed_ms`.
    pub push_closed: u64,
    /// `unanswered_ms`.
    pub unanswered: u64,
    /// `deadline_ms`.
    pub deadline: u64,
    /// `invite_within_ms`.
    pub invite_within: u64,
    /// True when an unattended chat is parked unless the customer waits for an answer.
    pub parks: bool,
    /// True when a chat is closed at the deadline instead of parked.
    pub closes: bool,
    /// How long the workflow tries the agent that a task names.
    pub known_agent: u64,
    /// How long a reservation lasts.
    pub reservation: u64,
    /// How long the first task of a chat looks for an agent.
    pub task: u64,
    /// True when Flex itself makes a task for the customer's message into a chat that nobody has: Twilio's default.
    pub own_task: bool,
    /// How long an agent who was set offline takes to become available again.
    pub back: u64,
    /// `alert_ms`, `second_alert_ms` and `close_ms`; 0: off.
    #[serde(default)]
    pub silence: [u64; 3],
}
