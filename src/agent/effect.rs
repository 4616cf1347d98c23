use crate::agent::{Dialog, FLEX_UI, Idle, Mistake, PostId, RequestId};
use crate::value::joined;
use rejoin_protocol::api::{Conversations, DeliveryId, Goodbye, GracefulMark, Hello, Registration};
use rejoin_protocol::{ActivitySid, CallSid, Millis, RecoveryId, ReservationSid, WorkerSid};

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Something in Flex.
    Desktop(ToDesktop),
    /// The blocking dialog shows this from now on; `None`: it closes.
    Dialog(Option<Dialog>),
    /// A request to the server. A retry has another `id`, and the same [`DeliveryId`].
    Post {
        /// Identifies the reply.
        id: PostId,
        /// The request.
        request: Request,
    },
    /// Open the push channel and keep it open across lost connections.
    OpenPush {
        /// Epoch of this page.
        epoch: u64,
    },
    /// From now on send requests to this server, and open the push channel there instead, if it was opened.
    UseServer {
        /// Base URL, one of [`crate::agent::Config::servers`].
        server: String,
    },
    /// Close the push channel.
    ClosePush,
    /// Wake the machine at this point in time. Setting a timer again replaces it.
    SetTimer {
        /// The timer.
        timer: Timer,
        /// When it is due (point in time).
        at: Millis,
    },
    /// Clear a timer. Clearing one that is not set is not an error.
    ClearTimer {
        /// The timer.
        timer: Timer,
    },
    /// `POST /v1/goodbye` as a beacon, which a page that ends can still send.
    Beacon {
        /// Marks that have not been answered.
        marks: Vec<GracefulMark>,
        /// The goodbye of a page that leaves legs behind.
        goodbye: Option<Goodbye>,
        /// Epoch of this page, if it has conversations.
        gone: Option<u64>,
    },
    /// Keep a request across page loads until [`Effect::Unkeep`].
    Keep(Kept),
    /// Forget a kept request.
    Unkeep(DeliveryId),
    /// Forget all kept requests, whichever page they are from.
    UnkeepAll,
    /// Become the acting page of this browser, in place of another one.
    TakeLock,
    /// Show whether this page acts, for diagnosis.
    Role {
        /// True when it acts.
        acts: bool,
    },
    /// Remember across page loads that this reservation has a call.
    Store(StoredCall),
    /// Remember across page loads which activity the agent wants; `None`: there is none to restore.
    StoreActivity(Option<ActivitySid>),
    /// Ask the browser for the microphone, release it at once, and report what the browser says about it then
    /// ([`crate::agent::FromDesktop::MicrophoneChanged`]).
    TryMicrophone,
    /// Reload this page. Later effects are carried out only briefly.
    Reload,
    /// Forget that this reservation has a call.
    Unstore {
        /// The reservation.
        reservation: ReservationSid,
    },
}

/// A reservation that has a call, as stored for the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCall {
    /// The reservation.
    pub reservation: ReservationSid,
    /// True when the agent has muted the microphone.
    pub muted: bool,
}

/// A request that is retried until the server has answered it, or it is no longer worth delivering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Makes the request idempotent.
    pub id: DeliveryId,
    /// The worker who made it.
    pub worker: WorkerSid,
    /// When it was made (point in time).
    pub made: Millis,
    /// The content of the request.
    pub delivery: Delivery,
}

/// What can be kept. It contains no personal data: the worker's name is added when it is sent.
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
    /// The dialog has been without news for too long.
    Overdue,
    /// Flex has waited long enough for a departure.
    Leave(RequestId),
    /// A call should have been left by now.
    Stay(ReservationSid),
    /// Retry failed requests.
    Outbox,
    /// Poll the server while the push channel is down.
    Poll,
    /// Measure the servers again.
    Server,
    /// Retry to accept.
    Accept(ReservationSid),
    /// A call has been unprotected for too long.
    Exposed,
    /// Joining has taken too long.
    Join(ReservationSid),
    /// The browser has had long enough to report whether there is a microphone.
    Microphone,
    /// Flex's phone has had long enough to check the devices.
    Devices,
    /// "Reconnected" has been shown long enough.
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
    /// `POST /v1/conversations`.
    Claim(Conversations),
}

/// What the shim carries out in Flex, in JavaScript `{accept: {…}}` and so on.
#[derive(Clone, Debug, PartialEq)]
pub enum ToDesktop {
    /// Accept a call as the agent would.
    Accept {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// Accept a ping, which the agent does not see as a task.
    AcceptPing {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// Select a task.
    Select {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// Answer: go on, with these options added to the conference's.
    AttachConferenceOptions {
        /// The question.
        request: RequestId,
        /// To merge into the payload's `conferenceOptions`.
        options: ConferenceOptions,
    },
    /// Answer: go on.
    Let {
        /// The question.
        request: RequestId,
    },
    /// Answer: refuse.
    Refuse {
        /// The question.
        request: RequestId,
    },
    /// From now on, send `false` whenever Flex sets `endConferenceOnExit` of this reservation.
    NeutraliseExitFlag {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// Send Flex's own value again.
    ReleaseExitFlag {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// Set `endConferenceOnExit`, then report `exitFlagSettled`.
    SetExitFlag {
        /// The reservation.
        reservation: ReservationSid,
        /// The value.
        value: bool,
    },
    /// Merge this into the task's attributes, as [`rejoin_protocol::attributes::LEFT`], then report `taskMarked`.
    /// `None`: the agent has not left after all.
    MarkTask {
        /// The reservation.
        reservation: ReservationSid,
        /// The mark.
        mark: Option<GracefulMark>,
    },
    /// While true, the end of the page does not hang up. Initially false.
    KeepLegs {
        /// The new value.
        keep: bool,
    },
    /// Join the conference again in which the leg of an earlier page stands; then report `joined` or `joinFailed`.
    JoinCall {
        /// The reservation.
        reservation: ReservationSid,
    },
    /// Clear `endConferenceOnExit` of this leg of the worker, which joining has set.
    ClearExitFlag {
        /// The reservation.
        reservation: ReservationSid,
        /// The leg.
        leg: CallSid,
    },
    /// Answer a question of the server over the signalling of this call, if the page still has it.
    AnswerMessage {
        /// The leg of the call.
        leg: CallSid,
        /// The value of the question.
        question: String,
    },
    /// Mute the microphone, if it is not muted.
    Mute {},
    /// Play what the browser refused to play before a click. Sent while a click is handled.
    PlaySound {},
    /// Ask each of these servers whether it can work, then report `measured`.
    Measure {
        /// Their base URLs.
        servers: Vec<String>,
    },
    /// Set the agent's activity.
    SetActivity {
        /// The activity.
        activity: ActivitySid,
    },
    /// Make the browser ask before the page is left, or stop it. Initially it does not.
    PromptOnLeave {
        /// True to ask.
        on: bool,
    },
    /// Show a notice beside the call that it is about.
    Notify {
        /// The reservation.
        reservation: ReservationSid,
        /// The notice.
        notice: Notice,
    },
    /// Show a passing notice that an open call would not come back if the page went away; or remove it.
    TellUnprotected {
        /// True while it is so.
        unprotected: bool,
    },
    /// Offer the console of this server to the user, with their token; `None`: offer none. Initially none is offered.
    LinkConsole {
        /// The server's base URL, one of [`crate::agent::Config::servers`].
        server: Option<String>,
    },
    /// Do nothing more: no other effect follows.
    StandBy {
        /// Why.
        reason: Idle,
        /// True when it is intended.
        wanted: bool,
    },
    /// Log to the console, for the developer.
    Log {
        /// The message.
        notice: Complaint,
    },
}

/// Options that are added to a call's conference (<https://www.twilio.com/docs/taskrouter/api/reservations>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceOptions {
    /// Our webhook.
    pub conference_status_callback: String,
    /// `POST`.
    pub conference_status_callback_method: &'static str,
    /// One string, separated by commas.
    pub conference_status_callback_event: &'static str,
    /// The conference outlives the agent's leg.
    pub end_conference_on_exit: bool,
}

/// A notice for the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The offered call was interrupted with another agent.
    TakeOver {
        /// The name of the agent who lost the call, if known.
        name: Option<String>,
        /// How long ago.
        seconds: u64,
    },
    /// The same, when it is not known how long ago.
    TakeOverUndated {
        /// The name of the agent who lost the call, if known.
        name: Option<String>,
    },
    /// The offered call was interrupted with this worker, and any agent may take it.
    TakeOverOwn,
}

/// A message for the developer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Complaint {
    /// A mistake in the configuration.
    Configuration(Mistake),
    /// This version of Flex UI is not supported.
    FlexUi,
    /// Somebody else has set a conference status callback: without ours the call cannot be recovered.
    ForeignCallback,
    /// This Flex lacks what is needed to leave a leg standing over a reload: every recovery goes through the queue.
    NotInPlace,
    /// The server has sent what this version does not understand.
    Garbled,
    /// An open call has been unprotected for a while: it would not come back if the page went away.
    Unprotected,
    /// The server does not accept this desktop's requests.
    Refused {
        /// HTTP status.
        status: u16,
    },
}

/// Texts for the console, in English like Flex's own messages.
impl Complaint {
    /// The message.
    pub fn text(&self) -> String {
        let text = match self {
            Self::Configuration(mistake) => return mistake.text(),
            Self::FlexUi => return joined(&["this Flex UI is not supported; ", FLEX_UI, " is."]),
            Self::ForeignCallback => {
                "another conferenceStatusCallback is set: this call is not recovered. Let that one pass the events on."
            }
            Self::NotInPlace => "this Flex UI ends calls at a reload: they are requeued.",
            Self::Garbled => "the server says what this plugin does not understand. Is it another version?",
            Self::Unprotected => "a call is not protected: the server does not answer, or does not know it.",
            Self::Refused { status } => {
                let status = u64::from(*status).to_string();
                let [before, after] =
                    ["the server refuses this desktop (HTTP ", "). Check its account and worker."];
                return joined(&[before, &status, after]);
            }
        };
        text.to_owned()
    }
}
