use crate::agent::Timer;
use rejoin_protocol::api::{ConversationClaim, GracefulReason, HelloReply, RecoveryView};
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskQueueSid, TaskSid,
    WorkerSid, WorkflowSid,
};

/// Pairs a question of the desktop with its one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// Pairs a request to the server with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostId(pub u32);

/// An input of the machine.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "events come one at a time; in wasm it is not even large")]
pub enum Event {
    /// Something in Flex.
    Desktop(FromDesktop),
    /// The agent pressed the dialog's button.
    DialogButton,
    /// A request to the server has succeeded or failed.
    Reply {
        /// The request.
        id: PostId,
        /// The outcome.
        result: Result<Answer, PostError>,
    },
    /// The server reports the state of a recovery.
    Push(RecoveryView),
    /// The server no longer knows the messages since the last connection.
    Ask,
    /// The server reports that a newer page of this worker acts in another browser.
    Superseded,
    /// The server in use stops, and sends its pages away.
    Move,
    /// This page is the acting page of its browser from now on.
    Elected {
        /// True when another page, which lives, has lost the lock to this one.
        taken: bool,
        /// Higher than that of every earlier page; the server orders pages by it.
        epoch: u64,
    },
    /// Another page of this browser acts from now on.
    Deposed,
    /// The browser shows this page again from its back/forward cache.
    Restored {
        /// As in [`Event::Elected`].
        epoch: u64,
        /// True when Flex's phone was destroyed as the page went into the cache. It stays so.
        phone_gone: bool,
    },
    /// The conversations of the agent's accepted tasks, all of them: reported when they change.
    Conversations(Vec<ConversationClaim>),
    /// The push channel was opened or lost.
    PushState {
        /// True when it was opened.
        up: bool,
    },
    /// The server has sent what this version does not understand.
    Garbled,
    /// A timer that the machine set is due.
    Timer(Timer),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a hello.
    Hello(HelloReply),
    /// The request was accepted.
    Accepted,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostError {
    /// No answer: network, timeout, or an unreadable body.
    Unreachable,
    /// An answer with this HTTP status.
    Status(u16),
}

impl PostError {
    /// True when the same request can succeed later. Flex replaces a token that has expired, so 401 counts.
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
        /// The worker.
        worker: WorkerSid,
        /// The worker's name as Flex shows it.
        worker_name: String,
        /// True when the phone can take calls.
        phone_registered: bool,
        /// All reservations of the worker.
        tasks: Vec<TaskFacts>,
        /// True when another page of this worker acts in this browser; this one waits until it is elected.
        waits: bool,
    },
    /// A task or its reservation is new or has changed.
    TaskChanged(TaskFacts),
    /// The conference of a task has changed.
    ConferenceChanged(ConferenceFacts),
    /// A task is about to be accepted. Needs an answer.
    BeforeAccept {
        /// Identifies the answer.
        request: RequestId,
        /// The task.
        task: TaskFacts,
        /// A conference status callback that the payload already has.
        callback: Option<String>,
    },
    /// The agent is about to leave a call on purpose. Needs an answer.
    BeforeLeave {
        /// Identifies the answer.
        request: RequestId,
        /// The call; `None`: all calls.
        reservation: Option<ReservationSid>,
        /// How the agent leaves.
        reason: GracefulReason,
    },
    /// A task is about to be wrapped up or completed by hand. Needs an answer.
    BeforeComplete {
        /// Identifies the answer.
        request: RequestId,
        /// The reservation.
        reservation: ReservationSid,
    },
    /// The phone can take calls now, or no longer.
    PhoneChanged {
        /// True when it can.
        registered: bool,
    },
    /// The browser's report on the microphone has changed; it begins with [`Microphone::Unknown`].
    MicrophoneChanged {
        /// The new state.
        microphone: Microphone,
    },
    /// The devices have changed.
    DevicesChanged {
        /// True when Flex's phone will report that it has checked them ([`FromDesktop::PhoneLooked`]).
        phone_tells: bool,
    },
    /// Flex's phone has checked the devices.
    PhoneLooked {},
    /// How fast the servers answer, see [`ToDesktop::Measure`](super::ToDesktop::Measure).
    Measured {
        /// The round trip to each, in their order. `None`: no answer within two seconds, or it cannot work.
        took: Vec<Option<Millis>>,
    },
    /// The browser refuses to play the call's sound before the agent clicks, or plays it now.
    SoundChanged {
        /// True when it refuses.
        blocked: bool,
    },
    /// The agent's activity, first reported when the page starts.
    ActivityChanged(Activity),
    /// This Flex has its own prompt before a page is left.
    FlexPrompts {},
    /// `SetExitFlag` has been carried out, or has failed.
    ExitFlagSettled {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// `MarkTask` has been carried out, or has failed.
    TaskMarked {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// `Accept` or `AcceptPing` has failed.
    AcceptFailed {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// `JoinCall` has been carried out.
    Joined {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// `JoinCall` has failed.
    JoinFailed {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// The server asks over the signalling of a call ([`rejoin_protocol::call_message`]).
    Asked {
        /// The leg of the call.
        leg: CallSid,
        /// The value that the answer must have.
        question: String,
    },
    /// Flex has a new token for the user.
    TokenChanged {},
    /// Flex's own connection is back: events in between may have been missed.
    Reconnected {},
    /// The agent has signed out.
    SignedOut {},
    /// The page ends, or goes into the browser's back/forward cache.
    PageHide {
        /// True when the browser may show it again ([`Event::Restored`]). Browsers also say so of pages that they
        /// then do not keep.
        may_return: bool,
    },
}

/// Whether this page can use a microphone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Microphone {
    /// It can.
    Granted,
    /// The agent, or the browser's administrator, does not allow it.
    Denied,
    /// There is no microphone.
    Missing,
    /// The browser does not say, or will ask.
    #[default]
    Unknown,
}

impl Microphone {
    /// From the state of the browser's permission
    /// (<https://developer.mozilla.org/docs/Web/API/PermissionStatus/state>), and whether a microphone is listed.
    pub fn seen(permission: &str, listed: bool) -> Self {
        match permission {
            "denied" => Self::Denied, // whether or not it is listed
            _ if !listed => Self::Missing,
            "granted" => Self::Granted,
            _ => Self::Unknown,
        }
    }
}

/// The activity of an agent (<https://www.twilio.com/docs/taskrouter/api/activity>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The activity.
    pub sid: ActivitySid,
    /// True for the activity of an agent without a desktop.
    pub offline: bool,
    /// True when it receives no tasks.
    pub unavailable: bool,
}

/// A reservation of this worker and its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFacts {
    /// The task.
    pub task: TaskSid,
    /// The reservation.
    pub reservation: ReservationSid,
    /// Status of the reservation.
    pub status: ReservationStatus,
    /// True for a call.
    pub voice: bool,
    /// The task's workflow.
    pub workflow: Option<WorkflowSid>,
    /// The task's queue.
    pub queue: Option<TaskQueueSid>,
    /// `contact_uri` of the worker: where calls ring.
    pub contact_uri: Option<String>,
    /// True when this page has an open call for it.
    pub live_call: bool,
    /// The leg of this page's open call.
    pub own_leg: Option<CallSid>,
    /// True when the page listens to the call messages of this leg, and can answer them.
    pub answers_messages: bool,
    /// True when the microphone is muted in it.
    pub muted: bool,
    /// True when the task has the public method that joins its conference again.
    pub joinable: bool,
    /// True when the phone has the public method that can be kept from hanging up with the page.
    pub keepable: bool,
    /// The task's attributes that matter here.
    pub attributes: Attributes,
}

impl TaskFacts {
    /// True when the worker's leg lives in a browser. The end of a page does not affect calls on other phones.
    pub fn in_browser(&self) -> bool {
        self.contact_uri.as_deref().is_none_or(|uri| uri.starts_with("client:"))
    }
}

/// Status of a reservation (<https://www.twilio.com/docs/taskrouter/api/reservations>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationStatus {
    /// Offered.
    Pending,
    /// Accepted.
    Accepted,
    /// The call is over, the agent has not completed the task.
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

/// Attributes that recoveries put on tasks. Anybody may write attributes, so unfit values count as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `true` on the task that brings a customer back.
    pub is_reconnect: Option<bool>,
    /// The recovery that a ping or reconnect task belongs to.
    pub rejoin_recovery_id: Option<RecoveryId>,
    /// The worker who should get the customer back.
    pub target_worker_sid: Option<WorkerSid>,
    /// The worker who was lost.
    pub disconnected_worker_sid: Option<WorkerSid>,
    /// That worker's name.
    pub disconnected_worker_name: Option<String>,
    /// When the agent was lost: milliseconds since the Unix epoch.
    pub disconnected_time: Option<u64>,
    /// The customer's leg, as named by TaskRouter or when the call began.
    pub customer_leg: Option<CallSid>,
}

/// The conference of a task as Flex sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceFacts {
    /// The reservation.
    pub reservation: ReservationSid,
    /// The conference, once it exists.
    pub conference: Option<ConferenceSid>,
    /// Its participants, past and present.
    pub legs: Vec<Leg>,
}

/// A participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its call, once known.
    pub call: Option<CallSid>,
    /// Its kind: Flex's `participantType`.
    pub kind: LegKind,
    /// True for a leg of this worker.
    pub mine: bool,
    /// True while it is in the conference.
    pub joined: bool,
    /// Flex's count of changes; the higher of two is the younger leg.
    pub sequence: Option<u64>,
}

/// The kind of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegKind {
    /// An agent. Flex shows TaskRouter's `agent` as `worker`.
    Worker,
    /// The customer.
    Customer,
    /// A supervisor, a third party, the target of an open transfer, or something new.
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
