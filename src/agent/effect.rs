use crate::agent::{Dialog, FLEX_UI, Idle, Mistake, PostId, RequestId};
use rejoin_protocol::api::{DeliveryId, Goodbye, GracefulMark, Hello, Registration};
use rejoin_protocol::{ActivitySid, CallSid, Millis, RecoveryId, ReservationSid, WorkerSid};
use std::fmt;

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Something in Flex.
    Desktop(ToDesktop),
    /// The blocking dialog shows this from now on; `None`: it is not there.
    Dialog(Option<Dialog>),
    /// A request to the server. What is repeated has another `id`, and the same [`DeliveryId`].
    Post {
        /// Of the reply.
        id: PostId,
        /// What.
        request: Request,
    },
    /// Listen to what the server says by itself, from now on, across lost connections.
    OpenPush {
        /// Of this page.
        epoch: u64,
    },
    /// Do not listen any more.
    ClosePush,
    /// Wake the machine at this point in time. Setting a timer again replaces it.
    SetTimer {
        /// Which.
        timer: Timer,
        /// Point in time.
        at: Millis,
    },
    /// Not needed any more. Clearing what is not set is no error.
    ClearTimer {
        /// Which.
        timer: Timer,
    },
    /// `POST /v1/goodbye`, in the way that a page which ends can still send.
    Beacon {
        /// Marks that have not been answered.
        marks: Vec<GracefulMark>,
        /// Of a page that leaves legs behind.
        goodbye: Option<Goodbye>,
    },
    /// Keep a request across page loads until it is taken back.
    Keep(Kept),
    /// It is not needed any more.
    Unkeep(DeliveryId),
    /// None of them is, whichever page they are from.
    UnkeepAll,
    /// Become the page that acts in this browser, in place of another one.
    TakeLock,
    /// Does this page act? For whoever wants to know.
    Role {
        /// Does it?
        acts: bool,
    },
    /// Remember across page loads that this reservation has a call.
    Store(Mark),
    /// Remember across page loads which activity the agent wants; `None`: none that is to be restored.
    StoreActivity(Option<ActivitySid>),
    /// Ask the browser for the microphone, let go of it at once, and look what the browser says of it then
    /// ([`crate::agent::FromDesktop::MicrophoneChanged`]).
    TryMicrophone,
    /// Load this page anew. Nothing that comes after it is carried out for long.
    Reload,
    /// Forget it.
    Unstore {
        /// Which.
        reservation: ReservationSid,
    },
}

/// A reservation that has a call, as the next page is to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which.
    pub reservation: ReservationSid,
    /// Has the agent muted the microphone?
    pub muted: bool,
}

/// A request that is repeated until the server has answered it, or it is worth nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The server takes each once.
    pub id: DeliveryId,
    /// Whose it is.
    pub worker: WorkerSid,
    /// When it was made (point in time).
    pub made: Millis,
    /// What is to be delivered.
    pub delivery: Delivery,
}

/// What can be kept. Nothing personal is in it: the worker's name is put in when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// [`Request::Register`].
    Register(Registration),
    /// [`Request::Graceful`].
    Graceful(GracefulMark),
}

/// Timers of the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Say hello (again).
    Hello,
    /// The dialog has gone without news for too long.
    Overdue,
    /// Flex has waited long enough for a leave.
    Leave(RequestId),
    /// A call that was to be left should be.
    Stay(ReservationSid),
    /// Send what failed again.
    Outbox,
    /// Ask how things are, while nothing is told.
    Poll,
    /// Try again to accept.
    Accept(ReservationSid),
    /// A call has been without protection for too long.
    Exposed,
    /// Joining has taken too long.
    Join(ReservationSid),
    /// The browser has had long enough to tell whether there is a microphone.
    Microphone,
    /// Flex's phone has had long enough to look at the devices.
    Devices,
    /// "Reconnected" has stood long enough.
    Rejoined(RecoveryId),
}

/// Requests to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `POST /v1/hello`.
    Hello(Hello),
    /// `POST /v1/calls`.
    Register(Registration),
    /// `POST /v1/graceful`; must survive the end of the page.
    Graceful(GracefulMark),
}

/// What the shim carries out in Flex, in JavaScript `{accept: {…}}` and so on.
#[derive(Clone, Debug, PartialEq)]
pub enum ToDesktop {
    /// Accept a call as the agent would.
    Accept {
        /// Which.
        reservation: ReservationSid,
    },
    /// Accept a ping: it is no task for the agent's eyes.
    AcceptPing {
        /// Which.
        reservation: ReservationSid,
    },
    /// Show a task.
    Select {
        /// Which.
        reservation: ReservationSid,
    },
    /// Answer: go on, with these options added to the conference's.
    AttachConferenceOptions {
        /// Of what.
        request: RequestId,
        /// To merge into the payload's `conferenceOptions`.
        options: ConferenceOptions,
    },
    /// Answer: go on.
    Let {
        /// Of what.
        request: RequestId,
    },
    /// Answer: do not.
    Refuse {
        /// Of what.
        request: RequestId,
    },
    /// From now on, whatever Flex wants of this reservation's `endConferenceOnExit`, it is sent as `false`.
    NeutraliseExitFlag {
        /// Whose.
        reservation: ReservationSid,
    },
    /// Let Flex's own wishes through again.
    ReleaseExitFlag {
        /// Whose.
        reservation: ReservationSid,
    },
    /// Set `endConferenceOnExit`, then report `exitFlagSettled`.
    SetExitFlag {
        /// Whose.
        reservation: ReservationSid,
        /// To what.
        value: bool,
    },
    /// Merge this into the task's attributes, as [`rejoin_protocol::attributes::LEFT`], then report `taskMarked`. `None`: it
    /// is not left after all.
    MarkTask {
        /// Whose.
        reservation: ReservationSid,
        /// How it is left.
        mark: Option<GracefulMark>,
    },
    /// While this holds, the end of the page does not hang up. It does until this is said.
    KeepLegs {
        /// Does it hold?
        keep: bool,
    },
    /// Join the conference again, where the leg of an earlier page stands; then report `joined` or `joinFailed`.
    JoinCall {
        /// Of which call.
        reservation: ReservationSid,
    },
    /// Make the conference outlive this leg of the worker: joining set that otherwise.
    ClearExitFlag {
        /// Of which call.
        reservation: ReservationSid,
        /// Which leg.
        leg: CallSid,
    },
    /// Mute the microphone, if it is not.
    Mute {},
    /// Play what the browser refused to play before the agent clicked. It is in a click that this is said.
    PlaySound {},
    /// Set the agent's activity.
    SetActivity {
        /// To this.
        activity: ActivitySid,
    },
    /// Have the browser ask before the page is left, or not any more. It does not until this is said.
    PromptOnLeave {
        /// Shall it?
        on: bool,
    },
    /// Tell the agent beside the call that it is about.
    Notify {
        /// Of which call.
        reservation: ReservationSid,
        /// What.
        notice: Notice,
    },
    /// Tell the agent, in passing, that an open call would not come back if the page went away; or take it back.
    TellUnprotected {
        /// Is it so?
        unprotected: bool,
    },
    /// Stay out of it: nothing else will come.
    StandBy {
        /// Why.
        reason: Idle,
        /// Is it what somebody wants?
        wanted: bool,
    },
    /// Tell the developer, in the console.
    Log {
        /// What.
        notice: Complaint,
    },
}

/// What is added to a call's conference (<https://www.twilio.com/docs/taskrouter/api/reservations>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceOptions {
    /// Our webhook.
    pub conference_status_callback: String,
    /// `POST`.
    pub conference_status_callback_method: &'static str,
    /// One text, separated by commas.
    pub conference_status_callback_event: &'static str,
    /// The conference outlives the agent's leg.
    pub end_conference_on_exit: bool,
}

/// Something for the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The offered call was interrupted with another agent.
    TakeOver {
        /// Who lost the call, when it is known.
        name: Option<String>,
        /// How long ago.
        seconds: u64,
    },
    /// The same, when it is not known how long ago.
    TakeOverUndated {
        /// Who lost the call, when it is known.
        name: Option<String>,
    },
    /// The offered call was interrupted with this worker, and any agent may take it.
    TakeOverOwn,
}

/// Something for the developer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Complaint {
    /// The configuration is not as it should be.
    Configuration(Mistake),
    /// Rejoin is not made for this version of Flex UI.
    FlexUi,
    /// Somebody else has set a conference status callback: without ours the call cannot be recovered.
    ForeignCallback,
    /// This Flex lacks what leaving a call standing over a reload needs: every recovery goes through the queue.
    NotInPlace,
    /// The server has said what this version does not understand.
    Garbled,
    /// An open call would not come back if the page went away, and has been like that for a while.
    Unprotected,
    /// The server does not accept this desktop's requests.
    Refused {
        /// HTTP status.
        status: u16,
    },
}

/// For the console, in English like Flex's own lines.
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(mistake) => mistake.fmt(f),
            Self::FlexUi => write!(
                f,
                "this version of Flex UI is not supported; {FLEX_UI} is. What the plugin does here has not been tried."
            ),
            Self::ForeignCallback => f.write_str(
                "another conferenceStatusCallback is set on this call, so it cannot be recovered. Remove it, or let it pass the events on.",
            ),
            Self::NotInPlace => f.write_str(
                "this Flex UI cannot leave a call standing over a reload, so every interrupted call goes through the queue.",
            ),
            Self::Garbled => f.write_str(
                "the server says what this version of the plugin does not understand. Is it another version?",
            ),
            Self::Unprotected => f.write_str(
                "an open call is not protected: the server does not answer, or does not know the call.",
            ),
            Self::Refused { status } => write!(
                f,
                "the server refuses requests of this desktop (HTTP {status}). Check its account and worker.",
            ),
        }
    }
}
