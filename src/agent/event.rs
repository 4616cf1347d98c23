use crate::agent::Timer;
use rejoin_protocol::api::{GracefulReason, HelloReply, RecoveryView};
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, RecoveryId, ReservationSid, TaskQueueSid, TaskSid, WorkerSid,
    WorkflowSid,
};

/// Pairs a question of the desktop with its one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// Pairs a request to the server with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostId(pub u32);

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "events come one at a time; in wasm it is not even large")]
pub enum Event {
    /// Something in Flex.
    Desktop(FromDesktop),
    /// The dialog's button was pressed.
    DialogButton,
    /// The server has answered a request, or not.
    Reply {
        /// Which request.
        id: PostId,
        /// How it ended.
        result: Result<Answer, PostError>,
    },
    /// The server says how far a recovery is.
    Push(RecoveryView),
    /// The server does not know any more what it said while the channel was down.
    Ask,
    /// The server says that a newer page of this worker acts, in another browser.
    Superseded,
    /// This page is the one that acts in this browser from now on.
    Elected {
        /// Was it taken from another page, which lives?
        taken: bool,
        /// Higher than that of every page before: the server goes by it.
        epoch: u64,
    },
    /// Another page of this browser has taken that over.
    Deposed,
    /// The browser shows this page again, out of its back/forward cache.
    Restored {
        /// As of [`Event::Elected`].
        epoch: u64,
        /// Flex's phone was destroyed when the page went into the cache. It stays so.
        phone_gone: bool,
    },
    /// The push channel was opened or lost.
    PushState {
        /// Opened?
        up: bool,
    },
    /// The server has said what this version does not understand.
    Garbled,
    /// A timer that the machine set is due.
    Timer(Timer),
}

/// What a request brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a hello.
    Hello(HelloReply),
    /// The request was accepted; there is nothing more to say.
    Accepted,
}

/// Why a request brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostError {
    /// No answer: network, time limit, a body that could not be read.
    Unreachable,
    /// An answer with this HTTP status.
    Status(u16),
}

impl PostError {
    /// Can the same request succeed later? A token that ran out is replaced by Flex, so 401 counts.
    pub fn is_passing(self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Status(status) => matches!(status, 401 | 408 | 425 | 429 | 500..),
        }
    }
}

/// What the shim reports of Flex, in JavaScript `{taskChanged: {…}}` and so on.
#[derive(Clone, Debug, PartialEq)]
pub enum FromDesktop {
    /// The plugin has started; the desktop's tasks are known.
    Started {
        /// Who works here.
        worker: WorkerSid,
        /// As Flex shows it.
        worker_name: String,
        /// Can the phone take calls?
        phone_registered: bool,
        /// Everything that is reserved for the worker.
        tasks: Vec<TaskFacts>,
        /// Another page of this worker acts in this browser; this one waits until it is elected.
        waits: bool,
    },
    /// A task or its reservation is new or has changed.
    TaskChanged(TaskFacts),
    /// The conference of a task has changed.
    ConferenceChanged(ConferenceFacts),
    /// A task is about to be accepted. Wants an answer.
    BeforeAccept {
        /// Of the answer.
        request: RequestId,
        /// Which.
        task: TaskFacts,
        /// A conference status callback that somebody has already asked for.
        callback: Option<String>,
    },
    /// A call is about to be left on purpose. Wants an answer.
    BeforeLeave {
        /// Of the answer.
        request: RequestId,
        /// Which call; `None`: all of them.
        reservation: Option<ReservationSid>,
        /// In what way.
        reason: GracefulReason,
    },
    /// A task is about to be wrapped up or completed by hand. Wants an answer.
    BeforeComplete {
        /// Of the answer.
        request: RequestId,
        /// Which.
        reservation: ReservationSid,
    },
    /// The phone can take calls now, or cannot any more.
    PhoneChanged {
        /// Can it?
        registered: bool,
    },
    /// What the browser says of the microphone has changed; it begins with [`Microphone::Unknown`].
    MicrophoneChanged {
        /// What it says.
        microphone: Microphone,
    },
    /// The browser has found other devices than before.
    DevicesChanged {
        /// Will Flex's phone say when it has looked at them ([`FromDesktop::PhoneLooked`])?
        phone_tells: bool,
    },
    /// Flex's phone has looked at the devices.
    PhoneLooked {},
    /// The browser refuses to play the call's sound before the agent clicks, or plays it now.
    SoundChanged {
        /// Does it refuse?
        blocked: bool,
    },
    /// The agent's activity, told first when the page starts.
    ActivityChanged(Activity),
    /// This Flex has a prompt of its own before a page is left.
    FlexPrompts {},
    /// `SetExitFlag` has been carried out, or could not be.
    ExitFlagSettled {
        /// Whose.
        reservation: ReservationSid,
    },
    /// `MarkTask` has been carried out, or could not be.
    TaskMarked {
        /// Whose.
        reservation: ReservationSid,
    },
    /// `Accept` or `AcceptPing` could not be carried out.
    AcceptFailed {
        /// Which.
        reservation: ReservationSid,
    },
    /// `JoinCall` has been carried out.
    Joined {
        /// Of which call.
        reservation: ReservationSid,
    },
    /// `JoinCall` could not be carried out.
    JoinFailed {
        /// Of which call.
        reservation: ReservationSid,
    },
    /// Flex has another token of the user's.
    TokenChanged {},
    /// Flex's own connection is back: what happened meanwhile may have been missed.
    Reconnected {},
    /// The agent has signed out.
    SignedOut {},
    /// The page ends, or goes into the browser's back/forward cache.
    PageHide {
        /// The browser may show it again ([`Event::Restored`]). It tells so of pages, too, that it then does not keep.
        may_return: bool,
    },
}

/// Can this page get at a microphone?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Microphone {
    /// Yes.
    Granted,
    /// The agent, or whoever runs the browser, does not allow it.
    Denied,
    /// There is none.
    Missing,
    /// The browser does not tell, or will ask.
    #[default]
    Unknown,
}

impl Microphone {
    /// By the state of the browser's permission
    /// (<https://developer.mozilla.org/docs/Web/API/PermissionStatus/state>), and whether one is listed.
    pub fn seen(permission: &str, listed: bool) -> Self {
        match permission {
            "denied" => Self::Denied, // it may be listed or not
            _ if !listed => Self::Missing,
            "granted" => Self::Granted,
            _ => Self::Unknown,
        }
    }
}

/// What an agent is at (<https://www.twilio.com/docs/taskrouter/api/activity>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Which.
    pub sid: ActivitySid,
    /// Is it the one that stands for an agent without a desktop?
    pub offline: bool,
    /// Does it receive no tasks?
    pub unavailable: bool,
}

/// A reservation of this worker and its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFacts {
    /// The task.
    pub task: TaskSid,
    /// The reservation.
    pub reservation: ReservationSid,
    /// How far the reservation is.
    pub status: ReservationStatus,
    /// Is it a call?
    pub voice: bool,
    /// Where the task came from.
    pub workflow: Option<WorkflowSid>,
    /// The queue that it came from.
    pub queue: Option<TaskQueueSid>,
    /// `contact_uri` of the worker: where calls ring.
    pub contact_uri: Option<String>,
    /// Has this page an open call for it?
    pub live_call: bool,
    /// The leg that this page's open call is.
    pub own_leg: Option<CallSid>,
    /// Is the microphone muted in it?
    pub muted: bool,
    /// Has the task the public method that joins its conference again?
    pub joinable: bool,
    /// Has the phone the public method that can be kept from hanging up with the page?
    pub keepable: bool,
    /// What matters here of the task's attributes.
    pub attributes: Attributes,
}

impl TaskFacts {
    /// Does the worker's leg live in a browser? Calls on other phones are not touched by what becomes of a page.
    pub fn in_browser(&self) -> bool {
        self.contact_uri.as_deref().is_none_or(|uri| uri.starts_with("client:"))
    }
}

/// How far a reservation is (<https://www.twilio.com/docs/taskrouter/api/reservations>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationStatus {
    /// Offered.
    Pending,
    /// Taken.
    Accepted,
    /// The call is over, the agent is not finished.
    Wrapping,
    /// Completed, canceled, rejected, rescinded, timed out.
    Over,
}

impl From<String> for ReservationStatus {
    fn from(text: String) -> Self {
        match text.as_str() {
            "pending" => Self::Pending,
            "accepted" => Self::Accepted,
            "wrapping" => Self::Wrapping,
            _ => Self::Over,
        }
    }
}

/// Attributes that recoveries put on tasks. Anybody may write attributes: what does not fit counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `true` on the task that brings a customer back.
    pub is_reconnect: Option<bool>,
    /// The recovery that a ping or reconnect task belongs to.
    pub rejoin_recovery_id: Option<RecoveryId>,
    /// The worker who is to get the customer back.
    pub target_worker_sid: Option<WorkerSid>,
    /// The worker who was lost.
    pub disconnected_worker_sid: Option<WorkerSid>,
    /// His or her name.
    pub disconnected_worker_name: Option<String>,
    /// When that was: milliseconds since the Unix epoch.
    pub disconnected_time: Option<u64>,
    /// The customer's leg as TaskRouter or the call's beginning named it.
    pub customer_leg: Option<CallSid>,
}

/// The conference of a task as Flex sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceFacts {
    /// Whose.
    pub reservation: ReservationSid,
    /// The conference, once it is there.
    pub conference: Option<ConferenceSid>,
    /// Who is, or was, in it.
    pub legs: Vec<Leg>,
}

/// One participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its call, once it is known.
    pub call: Option<CallSid>,
    /// What it is: Flex's `participantType`.
    pub kind: LegKind,
    /// Is it this worker's?
    pub mine: bool,
    /// Is it in the conference now?
    pub joined: bool,
    /// Flex's count of changes; the higher of two is the younger.
    pub sequence: Option<u64>,
}

/// What a participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegKind {
    /// An agent. Flex shows TaskRouter's `agent` as `worker`.
    Worker,
    /// The customer.
    Customer,
    /// A supervisor, somebody from outside, a transfer under way, or something new.
    Other,
}

impl From<String> for LegKind {
    fn from(text: String) -> Self {
        match text.as_str() {
            "worker" | "agent" => Self::Worker,
            "customer" => Self::Customer,
            _ => Self::Other,
        }
    }
}
