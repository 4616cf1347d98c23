use rejoin_protocol::api::{Goodbye, GracefulMark, Hello, Registration};
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, RecoveryId, ReservationSid, TaskQueueSid, TaskSid, WorkerSid,
    WorkflowSid,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{Action, ParticipantFlags, PollAnswer, TaskEvent, Timer, UnreportedAgent};

/// An event from outside the machine, with an identity by which duplicates are recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A conference status callback. Identity: conference and sequence number.
    Conference(ConferenceEvent),
    /// A page registers a call. Idempotent.
    Registered {
        /// The agent, from the token.
        worker: WorkerSid,
        /// The registration.
        registration: Registration,
    },
    /// A page sends a graceful mark. Idempotent.
    Graceful {
        /// The agent, from the token.
        worker: WorkerSid,
        /// The mark.
        mark: GracefulMark,
    },
    /// A page of the agent has loaded. Idempotent by epoch.
    Hello {
        /// The agent, from the token.
        worker: WorkerSid,
        /// What the page has found in Flex.
        hello: Hello,
        /// True if the push channel of an older page of this agent is still open: that page may have the call.
        older_page_connected: bool,
    },
    /// A page has gone away and left its legs standing. Idempotent by epoch.
    Goodbye {
        /// The agent, from the token.
        worker: WorkerSid,
        /// The page's epoch, and its calls.
        goodbye: Goodbye,
    },
    /// The push channel of a page ended without a goodbye, and the page was not back within 1.25 s. Sent again 45 s after the end of the channel. This is only a
    /// suspicion: the call is polled. Idempotent.
    PushLost {
        /// The agent, from the token.
        worker: WorkerSid,
        /// The page's epoch.
        epoch: u64,
    },
    /// The push channel of a page is open again: the page lives. Idempotent.
    PushBack {
        /// The agent, from the token.
        worker: WorkerSid,
        /// The page's epoch.
        epoch: u64,
    },
    /// A page has answered a call message over its leg: the page lives. Idempotent.
    PageAnswered {
        /// The leg's conference.
        conference: ConferenceSid,
        /// The leg.
        leg: CallSid,
    },
    /// Twilio fetches the waiting music of a requeued call: the customer has entered the queue.
    EnteredQueue {
        /// The recovery.
        recovery: RecoveryId,
        /// The customer's leg, which must be the one that was sent.
        customer: CallSid,
    },
    /// Twilio fetches the document that follows the queue, or replaces it. If the customer was neither bridged nor has hung up,
    /// that document sends them into the queue again, for any agent.
    LeftQueue {
        /// The recovery.
        recovery: RecoveryId,
        /// The customer's leg.
        customer: CallSid,
        /// True if Twilio's `QueueResult` is `bridged` or `bridging-in-process`: the customer has an agent.
        bridged: bool,
        /// True if it is `hangup`: the customer hung up.
        hung_up: bool,
        /// Twilio's idempotency token, which is the same in each attempt of one request. The identity of the event; without one
        /// it has none.
        token: Option<String>,
    },
    /// TaskRouter reports an event of a task. Identity: the event's id.
    Task(TaskEvent),
    /// Twilio fetches our action URL: the document that follows the conference of a caller who had an agent.
    /// [`crate::Machine::next`] decides on the answer.
    ActionUrlFetched {
        /// The caller's leg.
        customer: CallSid,
    },
    /// The call was restored from a backup of the database, and no server has run since: Twilio and an earlier server went on
    /// meanwhile. Idempotent.
    Restored {
        /// The call's conference.
        conference: ConferenceSid,
        /// Twilio's answer to [`Call::poll_after_restore`](crate::Call::poll_after_restore), asked after the restore.
        seen: Box<PollAnswer>,
    },
    /// An action has succeeded, or failed for good.
    Done {
        /// The call's conference.
        conference: ConferenceSid,
        /// The action.
        action: Action,
        /// The outcome.
        outcome: Outcome,
    },
    /// A timer that the machine set is due.
    Timer {
        /// The call's conference.
        conference: ConferenceSid,
        /// The timer.
        timer: Timer,
    },
}

/// A conference status callback (<https://www.twilio.com/docs/voice/twiml/conference#attributes-statusCallbackEvent>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceEvent {
    /// The conference.
    pub conference: ConferenceSid,
    /// The conference's friendly name, which in Flex is its task; `None` if it is no task.
    pub task: Option<TaskSid>,
    /// The sequence number, which grows by one with every event of the conference. Callbacks arrive out of order, and twice.
    pub sequence: u64,
    /// `ParticipantLabel` of the event's leg, if there is one.
    #[serde(default)]
    pub label: Option<String>,
    /// The reservation by which the call was accepted with these callbacks, and its agent.
    #[serde(default)]
    pub owner: Option<(ReservationSid, WorkerSid)>,
    /// The recovery whose announcement has ended; `None` if Twilio does not name it, and for other events.
    #[serde(default)]
    pub announced: Option<RecoveryId>,
    /// What happened.
    pub kind: ConferenceEventKind,
}

impl ConferenceEvent {
    /// A callback that says no more than this: of a leg without a label, and without the owner in its address.
    pub fn new(
        conference: ConferenceSid,
        task: Option<TaskSid>,
        sequence: u64,
        kind: ConferenceEventKind,
    ) -> Self {
        Self { conference, task, sequence, label: None, owner: None, announced: None, kind }
    }
}

/// What happened in a conference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConferenceEventKind {
    /// `conference-start`.
    Start,
    /// `conference-end`.
    End,
    /// `participant-join`.
    Join {
        /// The participant's leg.
        leg: CallSid,
        /// Its flags.
        flags: ParticipantFlags,
    },
    /// `participant-leave`.
    Leave {
        /// The participant's leg.
        leg: CallSid,
        /// Twilio's `ReasonParticipantLeft`.
        reason: LeaveReason,
    },
    /// `participant-modify`, `-hold`, `-unhold`, `-mute`, `-unmute`.
    Modify {
        /// The participant's leg.
        leg: CallSid,
        /// Its flags after the change.
        flags: ParticipantFlags,
    },
    /// `announcement-end` or `announcement-fail` of an announcement to the whole conference.
    AnnouncementEnd,
}

/// `ReasonParticipantLeft` (<https://www.twilio.com/docs/voice/twiml/conference>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaveReason {
    /// `participant_hung_up`: the person hung up, or the page went away.
    HungUp,
    /// `participant_updated_via_api`: moved or removed by a REST request.
    UpdatedViaApi,
    /// `conference_ended_via_api`.
    ConferenceEndedViaApi,
    /// `moderator_ended_conference`: a participant with `endConferenceOnExit` left.
    ModeratorEnded,
    /// `participant_add_failed`.
    AddFailed,
    /// No reason, or an unknown one.
    Unknown,
}

/// Facts about a call from a look-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookUpAnswer {
    /// The task's workflow, to which a requeue goes.
    pub workflow: WorkflowSid,
    /// The task's queue.
    #[serde(default)]
    pub queue: Option<TaskQueueSid>,
    /// The customer's leg: `attributes.conference.participants.customer`, else `attributes.call_sid`.
    pub customer_leg: Option<CallSid>,
    /// The worker's leg: `attributes.conference.participants.worker`, else `attributes.worker_call_sid`.
    pub worker_leg: Option<CallSid>,
    /// The accepted or wrapping reservation; a completed one if the task is over.
    pub reservation: Option<ReservationSid>,
    /// True if the reservation is accepted, so that its agent's leg is on the line: Twilio moves it to `wrapping` when that leg has
    /// left (<https://www.twilio.com/docs/taskrouter/api/reservations>).
    #[serde(default)]
    pub is_accepted: bool,
    /// The reservation's agent, with the worker's friendly name.
    pub worker: Option<(WorkerSid, String)>,
    /// The task's attributes, JSON text.
    pub attributes: String,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The action succeeded, without a result.
    Ok,
    /// [`Action::CreatePing`]: the ping's task.
    PingCreated(TaskSid),
    /// [`Action::ReadTask`], [`Action::MarkTask`]: the task as it was read.
    TaskRead {
        /// The task's attributes, JSON text.
        attributes: String,
        /// The task's `ETag`: while it holds, the task can be written without another read.
        version: Option<String>,
        /// The task's workflow; `None` if it was not read, or Twilio does not report it.
        #[serde(default)]
        workflow: Option<WorkflowSid>,
    },
    /// [`Action::LookUpTask`].
    TaskLookedUp(Box<LookUpAnswer>),
    /// [`Action::ReadReservations`].
    ReservationsRead {
        /// The agents of the task's reservations.
        owners: BTreeMap<ReservationSid, WorkerSid>,
        /// True if the conference is the task's, or was not asked for.
        is_of_task: bool,
    },
    /// [`Action::ReadActivity`].
    Activity {
        /// The agent's activity.
        activity: ActivitySid,
        /// True if it receives tasks.
        available: bool,
    },
    /// [`Action::CheckNumber`].
    Number {
        /// True if the customer's number is on the allow list.
        allowed: bool,
    },
    /// [`Action::PollConference`].
    Polled(Box<PollAnswer>),
    /// [`Action::Requeue`]: not done, because an unreported agent is with the customer.
    AgentFound(Box<UnreportedAgent>),
    /// Not done, because the action is no longer wanted ([`crate::Machine::wants`]).
    Overtaken,
    /// The action's subject is gone: the conference or call is over, the participant has left, the task is deleted.
    Gone,
    /// Twilio refused for good, or the deadline passed.
    Failed {
        /// The reason, without personal data.
        reason: String,
    },
}

/// How an action ended, whatever its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It succeeded.
    Done,
    /// As [`Outcome::Overtaken`].
    Overtaken,
    /// As [`Outcome::Gone`].
    Gone,
    /// As [`Outcome::Failed`].
    Failed,
}

impl Outcome {
    pub(crate) fn end(&self) -> End {
        match self {
            Self::Overtaken => End::Overtaken,
            Self::Gone => End::Gone,
            Self::Failed { .. } => End::Failed,
            Self::Ok
            | Self::PingCreated(_)
            | Self::TaskRead { .. }
            | Self::TaskLookedUp(_)
            | Self::ReservationsRead { .. }
            | Self::Activity { .. }
            | Self::Number { .. }
            | Self::Polled(_)
            | Self::AgentFound(_) => End::Done,
        }
    }
}
