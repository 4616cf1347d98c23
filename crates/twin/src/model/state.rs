//! The model's state.

use super::{
    api::ConferenceInstruction,
    attributes::Attributes,
    conference::Joins,
    twiml::{Callback, Link, Verb},
    workflow::Target,
};
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, Millis, ParticipantSid, ReservationSid, TaskQueueSid, TaskSid,
    TransferSid, WorkerSid, WorkflowSid,
};
use std::collections::VecDeque;

/// A leg.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) kind: CallKind,
    pub(super) status: CallStatus,
    pub(super) created: Millis,
    pub(super) ended: Option<Millis>,
    pub(super) doing: Doing,
    /// The remaining verbs of its document.
    pub(super) verbs: VecDeque<Verb>,
    /// The document's address; empty for inline documents.
    pub(super) base: String,
    /// Tried when a document fails.
    pub(super) fallback: Option<Link>,
}

/// Whose leg it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    Customer {
        native: bool,
    },
    Agent(WorkerSid),
    /// A phone outside that Twilio has dialled.
    Dialled,
    /// At a number of the account: the other end of a call that the account has placed.
    Line,
}

/// As in `CallStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStatus {
    Ringing,
    InProgress,
    Completed,
    NoAnswer,
    Busy,
    Canceled,
}

impl CallStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::NoAnswer => "no-answer",
            Self::Busy => "busy",
            Self::Canceled => "canceled",
        }
    }
}

/// What a leg currently does.
#[derive(Debug)]
pub(super) enum Doing {
    /// Nothing: between two activities, or ended.
    Nothing,
    /// A phone rings.
    Ringing(Joining),
    /// A document is being fetched.
    Fetching,
    /// `<Say>`, `<Play>` or `<Pause>` of its document.
    Sounding,
    /// In a queue.
    Queued(Box<Queued>),
    /// In a conference.
    Conference(ConferenceSid, Then),
}

/// Why a phone rings.
#[derive(Clone, Debug)]
pub(super) enum Joining {
    /// `Instruction=conference`.
    Reservation(ReservationSid, ConferenceInstruction),
    /// Flex's "Join Call".
    Participant { task: TaskSid, reservation: ReservationSid, participant: ParticipantSid },
    /// `Instruction=supervise`.
    Supervise { task: TaskSid, supervisor: WorkerSid },
    /// An outside phone is dialled.
    Dialled(Box<Dialled>),
    /// A call placed by REST, which then runs a document.
    Document(Box<Begins>),
}

/// How a call begins that was placed by REST.
#[derive(Clone, Debug)]
pub(super) struct Begins {
    pub(super) at: BeginsWith,
    pub(super) time_limit: Option<Millis>,
}

/// The document of a call that was placed by REST.
#[derive(Clone, Debug)]
pub(super) enum BeginsWith {
    Url(Link),
    Inline(String),
}

/// Where an outside phone joins when it is answered.
#[derive(Clone, Debug)]
pub(super) struct Dialled {
    pub(super) conference: ConferenceSid,
    pub(super) joins: Joins,
    /// For an outbound call: the reservation that is accepted when the customer answers.
    pub(super) reservation: Option<ReservationSid>,
    /// The task whose agents wait for the answer.
    pub(super) task: Option<TaskSid>,
}

/// A place in a queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) task: TaskSid,
    pub(super) workflow: WorkflowSid,
    pub(super) entered: Millis,
    pub(super) action: Option<Link>,
    /// `waitUrl`: requested again whenever its verbs run out.
    pub(super) wait_link: Option<Link>,
    /// What the caller hears; `None`: nothing, or Twilio's music.
    pub(super) wait: Option<Wait>,
    /// True while Twilio's music plays, because there is no `waitUrl`.
    pub(super) music: bool,
}

/// A document that plays to a waiting leg.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) verbs: Vec<Verb>,
    pub(super) at: usize,
    pub(super) base: String,
    /// True while none of it has sounded.
    pub(super) silent: bool,
}

/// What a leg does after its conference.
#[derive(Clone, Debug)]
pub(super) enum Then {
    /// The call ends: it was made for the conference.
    HangUp,
    /// Continues after `<Enqueue>`.
    Enqueue { action: Option<Link>, workflow: WorkflowSid, entered: Millis },
    /// Continues after `<Dial>`.
    Dial { action: Option<Link> },
}

/// A document that is being fetched.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) of: FetchFor,
    pub(super) url: String,
    /// True when it is the fallback.
    pub(super) fallback: bool,
}

/// What a document is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FetchFor {
    Document(CallSid),
    Wait(CallSid),
    Announcement(ConferenceSid),
    Hold(CallSid),
}

/// A conference.
#[derive(Debug)]
pub(super) struct Conference {
    pub(super) name: String,
    pub(super) status: ConferenceStatus,
    pub(super) created: Millis,
    pub(super) updated: Millis,
    /// Sequence number of its last event.
    pub(super) sequence: u64,
    /// Set by the first participant; later ones are ignored.
    pub(super) callback: Option<Callback>,
    /// All participants, past and present.
    pub(super) participants: Vec<Participant>,
    pub(super) announcements: VecDeque<Announcement>,
    pub(super) ended: Option<ConferenceEnd>,
}

/// As in `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConferenceStatus {
    Init,
    InProgress,
    Completed,
}

impl ConferenceStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
        }
    }
}

/// Why a conference ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConferenceEnd {
    Api,
    /// `kicked`: removed by API.
    Moderator {
        call: CallSid,
        kicked: bool,
    },
    Last {
        call: CallSid,
        kicked: bool,
    },
}

impl ConferenceEnd {
    /// `ReasonConferenceEnded`.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Api => "conference-ended-via-api",
            Self::Moderator { kicked: false, .. } => "participant-with-end-conference-on-exit-left",
            Self::Moderator { kicked: true, .. } => "participant-with-end-conference-on-exit-kicked",
            Self::Last { kicked: false, .. } => "last-participant-left",
            Self::Last { kicked: true, .. } => "last-participant-kicked",
        }
    }

    /// `Reason`.
    pub(super) fn text(&self) -> &'static str {
        match self {
            Self::Api => "Conference ended via API",
            Self::Moderator { kicked: false, .. } => "Participant with endConferenceOnExit left",
            Self::Moderator { kicked: true, .. } => "Participant with endConferenceOnExit was kicked",
            Self::Last { kicked: false, .. } => "Last participant left",
            Self::Last { kicked: true, .. } => "Last participant was kicked",
        }
    }

    pub(super) fn call(&self) -> Option<&CallSid> {
        match self {
            Self::Api => None,
            Self::Moderator { call, .. } | Self::Last { call, .. } => Some(call),
        }
    }
}

/// `ReasonParticipantLeft`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    HungUp,
    UpdatedViaApi,
    Kicked,
    /// By a cold transfer of their own.
    Transferred,
    ModeratorEnded,
    EndedViaApi,
}

/// A participant of a conference.
#[derive(Clone, Debug)]
pub(super) struct Participant {
    pub(super) sid: ParticipantSid,
    pub(super) call: CallSid,
    pub(super) kind: ParticipantKind,
    pub(super) label: Option<String>,
    pub(super) hold: bool,
    pub(super) muted: bool,
    /// The only leg that hears it.
    pub(super) coaches: Option<CallSid>,
    pub(super) end_on_exit: bool,
    pub(super) start_on_enter: bool,
    pub(super) joined: Millis,
    pub(super) updated: Millis,
    pub(super) left: Option<Millis>,
    /// Sequence number of its last event.
    pub(super) sequence: u64,
    pub(super) event: &'static str,
}

/// As Flex sees a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ParticipantKind {
    Customer,
    Agent { worker: WorkerSid, reservation: Option<ReservationSid> },
    Supervisor(WorkerSid),
    External,
}

impl ParticipantKind {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent { .. } => "agent",
            Self::Supervisor(_) => "supervisor",
            Self::External => "external",
        }
    }

    pub(super) fn reservation(&self) -> Option<&ReservationSid> {
        match self {
            Self::Agent { reservation, .. } => reservation.as_ref(),
            Self::Customer | Self::Supervisor(_) | Self::External => None,
        }
    }
}

/// An announcement, waiting or playing.
#[derive(Debug)]
pub(super) struct Announcement {
    pub(super) link: Link,
    /// `None`: to everybody.
    pub(super) call: Option<CallSid>,
    pub(super) verbs: VecDeque<Verb>,
    pub(super) base: String,
    pub(super) started: bool,
}

/// A task.
#[derive(Debug)]
pub(super) struct Task {
    /// A JSON object.
    pub(super) attributes: Attributes,
    pub(super) status: TaskStatus,
    pub(super) reason: Option<String>,
    pub(super) priority: u32,
    pub(super) created: Millis,
    pub(super) updated: Millis,
    pub(super) timeout: Millis,
    /// Index into the account's task channels.
    pub(super) channel: usize,
    pub(super) workflow: WorkflowSid,
    pub(super) queue: Option<TaskQueueSid>,
    pub(super) queue_entered: Option<Millis>,
    pub(super) routing_target: Option<WorkerSid>,
    pub(super) ignore_capacity: bool,
    pub(super) version: u64,
    /// The remaining steps, the current one first.
    pub(super) targets: VecDeque<Target>,
    /// When the current step ends.
    pub(super) target_ends: Option<Millis>,
    /// Workers who rejected the task at this step.
    pub(super) rejected_by: Vec<WorkerSid>,
    /// The call, for a call in a queue.
    pub(super) call: Option<CallSid>,
    /// True when the TTL ran out while an agent's phone rang.
    pub(super) expired: bool,
    /// True after a cold transfer, until somebody accepts the task.
    pub(super) handed_on: bool,
}

/// As in `assignment_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskStatus {
    Pending,
    Reserved,
    Assigned,
    Wrapping,
    Completed,
    Canceled,
}

impl TaskStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reserved => "reserved",
            Self::Assigned => "assigned",
            Self::Wrapping => "wrapping",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
        }
    }

    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled)
    }
}

/// A task offered to a worker.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) task: TaskSid,
    pub(super) worker: WorkerSid,
    pub(super) status: ReservationStatus,
    pub(super) created: Millis,
    pub(super) updated: Millis,
    pub(super) version: u64,
    /// The phone that rings for it, the agent's or that of an outbound call's customer: timeouts are suspended
    /// meanwhile.
    pub(super) ringing: Option<CallSid>,
    /// `canceled_reason_code`.
    pub(super) canceled_code: Option<u32>,
    /// The transfer that it came by.
    pub(super) transfer: Option<TransferSid>,
}

/// A transfer of a task from one worker to another.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) task: TaskSid,
    /// The reservation of the worker who hands over.
    pub(super) reservation: ReservationSid,
    pub(super) worker: WorkerSid,
    pub(super) queue: Option<TaskQueueSid>,
    pub(super) workflow: WorkflowSid,
    pub(super) to: TransferTo,
    pub(super) mode: TransferMode,
    pub(super) status: TransferStatus,
    /// Why it failed.
    pub(super) failed: Option<&'static str>,
    pub(super) created: Millis,
    pub(super) updated: Millis,
}

/// The target, as in `transfer_type` and `transfer_to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TransferTo {
    Worker(WorkerSid),
    /// One worker of the queue after the other.
    Queue(TaskQueueSid),
}

impl TransferTo {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Worker(_) => "WORKER",
            Self::Queue(_) => "QUEUE",
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Worker(sid) => sid.as_str(),
            Self::Queue(sid) => sid.as_str(),
        }
    }
}

/// As in `transfer_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferMode {
    /// The first worker stays on the call.
    Warm,
    /// The first worker leaves at once.
    Cold,
}

impl TransferMode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "WARM",
            Self::Cold => "COLD",
        }
    }
}

/// As in `transfer_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferStatus {
    Initiated,
    Complete,
    Canceled,
    Failed,
}

impl TransferStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Complete => "complete",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }

    /// The last part of the event's name.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Complete => "completed",
            _ => self.as_str(),
        }
    }
}

/// As in `reservation_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReservationStatus {
    Pending,
    Accepted,
    Rejected,
    Timeout,
    Canceled,
    Wrapping,
    Completed,
}

impl ReservationStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Wrapping => "wrapping",
            Self::Completed => "completed",
        }
    }

    /// The last part of the event's name.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Pending => "created",
            Self::Wrapping => "wrapup",
            _ => self.as_str(),
        }
    }

    /// True when it takes capacity.
    pub(super) fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Accepted | Self::Wrapping)
    }
}

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) identity: String,
    pub(super) attributes: Attributes,
    pub(super) activity: ActivitySid,
    /// Per channel, in the order of the account's channels.
    pub(super) capacity: Vec<u32>,
    pub(super) created: Millis,
    pub(super) updated: Millis,
    pub(super) status_changed: Millis,
    pub(super) version: u64,
    /// Number of open event bridge sockets.
    pub(super) sockets: u32,
    /// Grows whenever the last socket closes, so that a stale timer does nothing.
    pub(super) absences: u64,
    /// When a task was last reserved: the worker idle for longest is next.
    pub(super) last_reserved: Millis,
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A step of a workflow ends.
    Target(TaskSid),
    TaskTimeout(TaskSid),
    TaskDeletion(TaskSid),
    Reservation(ReservationSid),
    RingTimeout(CallSid),
    DeadLeg(CallSid),
    TimeLimit(CallSid),
    /// No key was pressed in time.
    Keys(CallSid),
    Presence(WorkerSid, u64),
}
