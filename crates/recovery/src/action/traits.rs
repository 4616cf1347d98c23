//! What the program has to know about an action beside how it is carried out.

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
    /// The key under which it is accepted once and never again. `None`: it may be asked for as often as it is wanted.
    pub once: Option<Once>,
    /// What comes before a repetition when a request may have been carried out and its reply is lost.
    pub lost_reply: LostReply<'a>,
    /// How long after its deadline it is still tried to find out whether it was carried out, when that is possible.
    pub looked_up_for: Millis,
    /// What must be true of the call when it is carried out; otherwise it is overtaken.
    pub wanted: Wanted<'a>,
    /// True for what takes a customer out of a conference or a queue, or ends a call. It is carried out only while the store
    /// says that it is still wanted; until then the customer is kept.
    pub needs_store: bool,
    /// True if its requests are made of the call's record, so that even one that was just committed is not begun without it.
    pub needs_call: bool,
    /// True if something stands for good when it does not work. A refusal does not end it, and neither does the end of its call.
    pub tidies_up: bool,
    /// True for what is done first for a customer whose agent is lost: by these actions agents who are lost are counted, to
    /// notice a storm.
    pub shows_loss: bool,
}

/// How long after its deadline an action is looked up, unless the table says otherwise.
const LOOKED_UP_FOR: Millis = Millis::seconds(10);

impl Traits<'_> {
    /// What is true of most actions on calls and conferences.
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

    /// What is true of most actions on tasks, reservations and workers.
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
    /// The task says that its agent was lost at this point in time.
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
    /// The customer of this recovery is told that it did not work.
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

/// A part of Twilio's API. Each has limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Calls and conferences.
    Voice,
    /// Tasks, reservations and workers.
    TaskRouter,
}

/// What comes before a repetition when a request may have been carried out and its reply is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReply<'a> {
    /// Nothing: twice does no harm.
    Repeat,
    /// Nothing, but it counts as carried out: if it is overtaken before the repetition, the outcome is a failure, so that the
    /// machine undoes what may stand.
    RepeatOrUndo,
    /// A search for the ping of this recovery.
    FindPing(&'a RecoveryId),
    /// A look at where the customer is.
    FindCustomer(Sent<'a>),
    /// A look at whether this leg is still in the conference.
    FindLeg(&'a CallSid),
}

impl LostReply<'_> {
    /// True if Twilio is asked before the repetition, because twice does harm.
    pub fn is_looked_up(self) -> bool {
        match self {
            Self::Repeat | Self::RepeatOrUndo => false,
            Self::FindPing(_) | Self::FindCustomer(_) | Self::FindLeg(_) => true,
        }
    }
}

/// A customer who was sent into the queue.
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
    /// How often the customer was sent there before.
    pub resent: u32,
}

/// What must be true of the call when an action is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Nothing.
    Always,
    /// A recovery is open.
    Recovering,
    /// This recovery is open, and the customer was not sent on yet.
    BeforeRequeue(&'a RecoveryId),
    /// The customer is to be sent on like this, and nobody has come.
    Requeueing {
        /// The recovery.
        recovery: &'a RecoveryId,
        /// For whom; `None`: any agent.
        target: Option<&'a WorkerSid>,
        /// How often the customer was sent there before.
        resent: u32,
    },
    /// The customer of this recovery waits for any agent.
    WaitingForAny(&'a RecoveryId),
    /// The customer is to be held by us.
    HoldBegins,
    /// Our hold is to end.
    HoldEnds,
    /// The conference was left on purpose, with the customer alone in it.
    Orphaned,
    /// Whether the agent left on purpose is not known, and the task may say so.
    MarkMissing,
    /// A poll is awaited, and of use.
    Polling,
    /// This leg is here, on hold.
    OnHold(&'a CallSid),
    /// This leg is here, and was on hold where it comes from.
    HoldCarriedOver(&'a CallSid),
    /// The supervisor coaches here, and the agent is here by the new leg.
    Coaching {
        /// The supervisor's leg.
        coach: &'a CallSid,
        /// The agent's new leg.
        agent: &'a CallSid,
    },
}
