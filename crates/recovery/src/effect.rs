use crate::Action;
use rejoin_protocol::api::RecoveryView;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, WorkerSid};
use serde::{Deserialize, Serialize};

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Something for Twilio, through the durable queue. At most once per call and action where the action says so.
    Act {
        /// The conference that it is done for.
        conference: ConferenceSid,
        /// What.
        action: Action,
        /// When it no longer makes sense (point in time).
        deadline: Millis,
    },
    /// Wake the machine at this point in time. Setting a timer again replaces it.
    SetTimer {
        /// The conference that it is for.
        conference: ConferenceSid,
        /// Which one.
        timer: Timer,
        /// Point in time.
        at: Millis,
    },
    /// Not needed any more. Clearing what is not set is no error.
    ClearTimer {
        /// The conference that it was for.
        conference: ConferenceSid,
        /// Which one.
        timer: Timer,
    },
    /// Tell a worker's desktop. Lost when none listens: a hello repeats what is open.
    Push {
        /// Whose desktop.
        worker: WorkerSid,
        /// What it shows.
        view: RecoveryView,
    },
    /// A line of the call's timeline.
    Note {
        /// The conference that it is about.
        conference: ConferenceSid,
        /// The customer's leg, when known: timelines are asked for by it, because it outlives the conference.
        customer: Option<CallSid>,
        /// What happened.
        note: Note,
    },
    /// The call is over and long closed: forget it.
    Forget {
        /// Its conference.
        conference: ConferenceSid,
    },
}

/// Timers of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timer {
    /// A mark "on purpose" may still come.
    Grace,
    /// The customer is to be told.
    Announce,
    /// A leg should have left: Twilio says that it is gone, and its leave may only be late, or Flex was to close it.
    Leave,
    /// The agent is awaited.
    Ping,
    /// The requeued customer should be on a call.
    Rejoin,
    /// An agent whose page is gone is awaited, while another one has the customer.
    Beside,
    /// A conference that was left on purpose should have ended.
    Orphan,
    /// The plugin should have registered.
    Learn,
    /// Twilio should have said by itself whose the reservations are.
    Owners,
    /// Nothing was heard of the call for a while.
    Watch,
    /// What was told while no server was there to hear it is to be asked for. The server sets it itself, for all calls that are
    /// watched.
    Missed,
    /// A closed call is kept for late events.
    Forget,
}

impl Timer {
    /// All.
    pub const ALL: [Self; 12] = [
        Self::Grace,
        Self::Announce,
        Self::Leave,
        Self::Ping,
        Self::Rejoin,
        Self::Beside,
        Self::Orphan,
        Self::Learn,
        Self::Owners,
        Self::Watch,
        Self::Missed,
        Self::Forget,
    ];
}

/// A line of a call's timeline. Nothing personal in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Note {
    /// Customer and agent are on the call and the server knows both.
    Connected,
    /// The agent's page is gone, not on purpose as far as is known; the leg stands with nobody at it.
    PageGone,
    /// The agent's desktop is back and joins the same conference again.
    JoiningInPlace,
    /// That did not work.
    NotInPlace,
    /// The agent's leg is gone, not on purpose as far as is known.
    AgentLost,
    /// The agent left on purpose.
    AgentLeft,
    /// The conference has ended under the customer, whose call goes on.
    ConferenceLost,
    /// Announcement and ping are on their way.
    HoldingTheLine,
    /// The agent's desktop is back.
    AgentBack,
    /// The agent was not back in time.
    AgentNotBack,
    /// The customer is sent to the queue, for the same agent or for any.
    Requeueing {
        /// For the agent who was lost?
        same_agent: bool,
    },
    /// The customer is in the queue.
    Queued,
    /// Twilio was asked how the call stands, and said what had not been told.
    LookedUp,
    /// Flex had set `endConferenceOnExit` again; it was undone.
    ExitFlagUndone,
    /// The recovery has ended.
    Ended {
        /// `rejoined`, `handed-over`, `covered`, `customer-left`, `graceful` or `failed`.
        outcome: String,
        /// From the loss to the end.
        after: Millis,
    },
    /// The call has ended without a recovery being open.
    CallEnded,
    /// The customer's number is not on the allow list, or cannot be found out: the call is left alone.
    NotAllowed,
    /// Something did not work, and what that means.
    Trouble {
        /// One sentence without anything personal.
        text: String,
    },
}
