//! What the server must know about an action besides how to carry it out.

use super::Rank;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an action is paced, repeated, looked up and dropped: [`Action::traits`](super::Action::traits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits<'a> {
    /// Its priority among everything that waits to be sent.
    pub rank: Rank,
    /// The part of Twilio's API that its first request goes to.
    pub api: Api,
    /// The key under which the action is accepted only once; `None`: any number of times.
    pub once: Option<Once>,
    /// What comes before a retry when a request may have been carried out and its reply is lost.
    pub lost_reply: LostReply<'a>,
    /// How long after the deadline the server still looks up whether the action was carried out, if it can be looked up.
    pub looked_up_for: Millis,
    /// What must be true of the call when the action is carried out; otherwise it is overtaken.
    pub wanted: Wanted<'a>,
    /// True if the action takes a customer out of a conference or a queue, or ends a call. It is carried out only after the store
    /// has confirmed that it is still wanted.
    pub needs_store: bool,
    /// True if its requests are built from the call's record, which is read even for a job that was just committed.
    pub needs_call: bool,
    /// True if a failure leaves something behind for good. Neither a refusal nor the end of the call ends the retries.
    pub tidies_up: bool,
    /// True if the action is among the first for a customer whose agent is lost: these actions are counted to detect a
    /// storm.
    pub shows_loss: bool,
}

/// `looked_up_for` of most actions.
const LOOKED_UP_FOR: Millis = Millis::seconds(10);

impl Traits<'_> {
    /// The traits of most actions on calls and conferences.
    pub(super) fn voice(rank: Rank) -> Self {
        Self {
            rank,
            api: Api::Voice,
            once: None,
            lost_reply: LostReply::Repeat,
            looked_up_for: LOOKED_UP_FOR,
            wanted: Wanted::Always,
            needs_store: false,
            needs_call: false,
            tidies_up: false,
            shows_loss: false,
        }
    }

    /// The traits of most actions on tasks, reservations and workers.
    pub(super) fn task_router(rank: Rank) -> Self {
        Self { api: Api::TaskRouter, ..Self::voice(rank) }
    }
}

/// The key of an action that is asked for once. Its text is stored, and never changes its form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Once {
    /// The customer of this recovery is sent to the queue.
    Requeue {
        /// The recovery.
        recovery: RecoveryId,
        /// The agent who is to get the call; `None`: any.
        target: Option<WorkerSid>,
        /// How often the customer was sent there before.
        resent: u32,
    },
    /// The agent of this recovery is asked by a ping whether they are back.
    Ping(RecoveryId),
    /// The task's attributes state that its agent was lost at this point in time.
    Mark {
        /// The task.
        task: TaskSid,
        /// When the agent was lost.
        at: Millis,
    },
    /// This ping's task is ended.
    EndPing(TaskSid),
    /// This reservation is completed.
    Complete(ReservationSid),
    /// This leg follows the customer.
    Move(CallSid),
    /// The customer of this recovery hears that no agent was found, and the call ends.
    GiveUp(RecoveryId),
}

impl fmt::Display for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requeue { recovery, target, resent } => {
                write!(f, "requeue {recovery} {}", target.as_ref().map_or("any", WorkerSid::as_str))?;
                if *resent > 0 { write!(f, " again {resent}") } else { Ok(()) }
            }
            Self::Ping(recovery) => write!(f, "ping {recovery}"),
            Self::EndPing(task) => write!(f, "end {task}"),
            Self::Mark { task, at } => write!(f, "mark {task} {}", at.0),
            Self::Complete(reservation) => write!(f, "complete {reservation}"),
            Self::Move(leg) => write!(f, "move {leg}"),
            Self::GiveUp(recovery) => write!(f, "give up {recovery}"),
        }
    }
}

/// A part of Twilio's API, with its own rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Calls and conferences.
    Voice,
    /// Tasks, reservations and workers.
    TaskRouter,
}

/// What comes before a retry when a request may have been carried out and its reply is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReply<'a> {
    /// Nothing: the action is idempotent.
    Repeat,
    /// Nothing, but the action counts as carried out: if it is overtaken before the retry, the outcome is a failure, so that the
    /// machine undoes a possible effect.
    RepeatOrUndo,
    /// A search for the ping of this recovery.
    FindPing(&'a RecoveryId),
    /// A check of where the customer is.
    FindCustomer(Sent<'a>),
    /// A check whether this leg is still in the conference.
    FindLeg(&'a CallSid),
}

impl LostReply<'_> {
    /// True if Twilio is asked before the retry, because the action is not idempotent.
    pub fn is_looked_up(self) -> bool {
        match self {
            Self::Repeat | Self::RepeatOrUndo => false,
            Self::FindPing(_) | Self::FindCustomer(_) | Self::FindLeg(_) => true,
        }
    }
}

/// A customer who may have been sent into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<'a> {
    /// The recovery.
    pub recovery: &'a RecoveryId,
    /// The customer's leg.
    pub customer: &'a CallSid,
    /// The conference that the customer was sent from.
    pub conference: &'a ConferenceSid,
    /// The agent who is to get the call; `None`: any.
    pub target: Option<&'a WorkerSid>,
    /// Number of earlier requests, see [`Action::Requeue`](super::Action::Requeue).
    pub resent: u32,
}

/// What must be true of the call when an action is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Nothing.
    Always,
    /// A recovery is open.
    Recovering,
    /// This recovery is open, and its requeue has not begun.
    BeforeRequeue(&'a RecoveryId),
    /// This requeue is the current one, and no agent is with the customer.
    Requeueing {
        /// The recovery.
        recovery: &'a RecoveryId,
        /// The agent who is to get the call; `None`: any.
        target: Option<&'a WorkerSid>,
        /// Number of earlier requests, see [`Action::Requeue`](super::Action::Requeue).
        resent: u32,
    },
    /// The customer of this recovery waits for any agent.
    WaitingForAny(&'a RecoveryId),
    /// The page of this leg is being asked whether it lives.
    Asking(&'a CallSid),
    /// Our hold is to begin.
    HoldBegins,
    /// Our hold is to end.
    HoldEnds,
    /// The agent left on purpose, and the customer is alone in the conference.
    LeftAlone,
    /// No mark has arrived, and the task may have one.
    MarkAwaited,
    /// A poll is outstanding and still useful.
    Polling,
    /// This leg is in the conference, on hold.
    OnHold(&'a CallSid),
    /// This leg is in the conference, and was on hold in the conference that it came from.
    HoldCarriedOver(&'a CallSid),
    /// The supervisor coaches, and the agent's new leg is in the conference.
    Coaching {
        /// The supervisor's leg.
        coach: &'a CallSid,
        /// The agent's new leg.
        agent: &'a CallSid,
    },
}
