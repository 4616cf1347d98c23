use rejoin_protocol::api::{Goodbye, GracefulMark, Hello, Registration};
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, RecoveryId, ReservationSid, TaskQueueSid, TaskSid, WorkerSid,
    WorkflowSid,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{Action, Met, ParticipantFlags, Seen, TaskEvent, Timer};

/// What can happen. Each comes from outside, with an identity by which a second delivery is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A conference status callback. Identity: conference and sequence number.
    Conference(ConferenceEvent),
    /// The plugin says that a call is up. Idempotent.
    Registered {
        /// From the token.
        worker: WorkerSid,
        /// The call.
        registration: Registration,
    },
    /// The plugin says that the agent leaves on purpose. Idempotent.
    Graceful {
        /// From the token.
        worker: WorkerSid,
        /// Which call, and in what way.
        mark: GracefulMark,
    },
    /// A page of the worker has loaded. Idempotent by epoch.
    Hello {
        /// From the token.
        worker: WorkerSid,
        /// What the page found.
        hello: Hello,
        /// Is a push channel of an older page of this worker still open? Then that page may have the call.
        older_page_connected: bool,
    },
    /// A page has gone and left its legs standing. Idempotent by epoch.
    Goodbye {
        /// From the token.
        worker: WorkerSid,
        /// Which page, and whose calls.
        goodbye: Goodbye,
    },
    /// The push channel of a page ended without a goodbye, and the page did not come back within a few seconds. It is a
    /// suspicion and no more: the call is polled. Idempotent.
    PushLost {
        /// From the token.
        worker: WorkerSid,
        /// Which page.
        epoch: u64,
    },
    /// Twilio asked for the waiting music of a requeued call: the customer has entered the queue.
    EnteredQueue {
        /// Of which recovery.
        recovery: RecoveryId,
        /// The customer's leg, which must be the one that was sent.
        customer: CallSid,
    },
    /// Twilio asked what comes after the queue, or instead of it. Neither bridged nor hung up: the document that is
    /// the answer sends the customer into the queue again, for any agent.
    LeftQueue {
        /// Of which recovery.
        recovery: RecoveryId,
        /// The customer's leg.
        customer: CallSid,
        /// Twilio's `QueueResult`: was the customer bridged to an agent (`bridged`, `bridging-in-process`)?
        bridged: bool,
        /// Did the customer hang up (`hangup`)?
        hung_up: bool,
    },
    /// TaskRouter says what became of a task. Identity: the event's id.
    Task(TaskEvent),
    /// Twilio asks what comes next for somebody whose conference has ended after the queue. [`crate::Machine::next`]
    /// is the answer.
    Released {
        /// Whose leg.
        customer: CallSid,
    },
    /// An action has ended, well or for good badly.
    Done {
        /// The conference that it was done for.
        conference: ConferenceSid,
        /// What was done.
        action: Action,
        /// How it ended.
        outcome: Outcome,
    },
    /// A timer that the machine set is due.
    Timer {
        /// The conference that it was set for.
        conference: ConferenceSid,
        /// Which one.
        timer: Timer,
    },
}

/// One conference status callback (<https://www.twilio.com/docs/voice/twiml/conference#attributes-statusCallbackEvent>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceEvent {
    /// Where.
    pub conference: ConferenceSid,
    /// The conference's friendly name is its task in Flex; `None` when it is something else.
    pub task: Option<TaskSid>,
    /// Grows by one with every event of the conference; deliveries may come in any order and twice.
    pub sequence: u64,
    /// `ParticipantLabel` of the leg that it is about, if there is one.
    #[serde(default)]
    pub label: Option<String>,
    /// Who has accepted the call and asked for the callbacks: whose reservation it is.
    #[serde(default)]
    pub owner: Option<(ReservationSid, WorkerSid)>,
    /// What happened.
    pub kind: ConferenceEventKind,
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
        /// Who.
        leg: CallSid,
        /// With what flags.
        flags: ParticipantFlags,
    },
    /// `participant-leave`.
    Leave {
        /// Who.
        leg: CallSid,
        /// Twilio's `ReasonParticipantLeft`.
        reason: LeaveReason,
    },
    /// `participant-modify`, `-hold`, `-unhold`, `-mute`, `-unmute`.
    Modify {
        /// Who.
        leg: CallSid,
        /// The flags as they are now.
        flags: ParticipantFlags,
    },
    /// `announcement-end` or `announcement-fail` of an announcement to the whole conference.
    AnnouncementEnd,
}

/// `ReasonParticipantLeft` (<https://www.twilio.com/docs/voice/twiml/conference>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaveReason {
    /// `participant_hung_up`: a button, or a page that went away.
    HungUp,
    /// `participant_updated_via_api`: moved or removed by REST.
    UpdatedViaApi,
    /// `conference_ended_via_api`.
    ConferenceEndedViaApi,
    /// `moderator_ended_conference`: somebody with `endConferenceOnExit` left.
    ModeratorEnded,
    /// `participant_add_failed`.
    AddFailed,
    /// Not said, or something new.
    Unknown,
}

/// Facts about a call that the server looked up itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Where a requeue goes.
    pub workflow: WorkflowSid,
    /// The queue that the task is in.
    #[serde(default)]
    pub queue: Option<TaskQueueSid>,
    /// The customer's leg: `attributes.conference.participants.customer`, else `attributes.call_sid`.
    pub customer_leg: Option<CallSid>,
    /// The worker's leg: `attributes.conference.participants.worker`, else `attributes.worker_call_sid`.
    pub worker_leg: Option<CallSid>,
    /// The accepted or wrapping reservation; of a task that is over, a completed one.
    pub reservation: Option<ReservationSid>,
    /// Whose reservation it is, with the name that Twilio knows.
    pub worker: Option<(WorkerSid, String)>,
    /// The task's attributes, JSON text.
    pub attributes: String,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done, and nothing more to say.
    Ok,
    /// [`Action::CreatePing`]: the ping's task.
    PingCreated(TaskSid),
    /// [`Action::ReadTask`], [`Action::MarkTask`]: the attributes that were read, JSON text.
    TaskRead {
        /// JSON text.
        attributes: String,
        /// The task's `ETag` with them: what was not changed since need not be read again to be written.
        version: Option<String>,
        /// Where the task came from. `None`: it was not asked, or Twilio does not say.
        #[serde(default)]
        workflow: Option<WorkflowSid>,
    },
    /// [`Action::Learn`].
    Learnt(Box<Registered>),
    /// [`Action::FindOwners`].
    Owners {
        /// Whose the task's reservations are.
        owners: BTreeMap<ReservationSid, WorkerSid>,
        /// Is the conference the task's, if that was asked?
        is_of_task: bool,
    },
    /// [`Action::ReadActivity`].
    Activity {
        /// The agent's activity.
        activity: ActivitySid,
        /// Does it receive tasks?
        available: bool,
    },
    /// [`Action::CheckNumber`].
    Number {
        /// Is the customer's number on the list?
        allowed: bool,
    },
    /// [`Action::Look`].
    Looked(Box<Seen>),
    /// [`Action::Requeue`]: not done, because an agent is with the customer of whom nobody has told.
    Met(Box<Met>),
    /// Not done, because it is not wanted any more ([`crate::Machine::wants`]).
    Overtaken,
    /// The thing is gone: the conference is over, the participant or call has left, the task is deleted.
    Gone,
    /// Refused for good, or the deadline passed while it was retried.
    Failed {
        /// Without anything personal.
        reason: String,
    },
}
