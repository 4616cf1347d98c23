//! The model's input and output.

use super::Addresses;
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, Millis, ParticipantSid, ReservationSid, TaskQueueSid, TaskSid,
    TransferSid, WorkerSid, WorkflowSid,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Pairs a request with its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Pairs a TwiML fetch with its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(pub u64);

/// A timer of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub u64);

/// A sound that is played to a leg or a conference. Its end is reported with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// An event for the model.
#[derive(Clone, Debug)]
pub enum Event {
    /// A REST request, or a request over a worker's event bridge. Answered by [`Effect::Reply`].
    Request {
        /// Identifies the reply.
        id: RequestId,
        /// The request.
        request: Request,
        /// The form of the reply.
        form: Form,
    },
    /// A customer dials the account's number. The leg has media already.
    CustomerDials {
        /// The new leg; the shell has made its media.
        call: CallSid,
        /// Caller, E.164.
        from: String,
        /// True for a phone of the twin itself, false for a browser's.
        native: bool,
    },
    /// An administrator sets the addresses of one of the account's numbers, or of its TwiML application; they count for calls from
    /// now on.
    NumberAddresses {
        /// The number, E.164.
        number: String,
        /// Its own addresses, or those of its application.
        addresses: Addresses,
    },
    /// The leg's own end hung up: the customer's phone, or the Voice SDK's `hangup`.
    HungUp {
        /// The leg.
        call: CallSid,
    },
    /// The phone has answered and its media is up.
    Answered {
        /// The leg.
        call: CallSid,
    },
    /// The phone could not be reached; or, for an agent's, the call was rejected.
    NotAnswered {
        /// The leg.
        call: CallSid,
    },
    /// An outside phone is busy, or rejects the call.
    Busy {
        /// The leg.
        call: CallSid,
    },
    /// Keys were pressed at the leg's phone.
    Pressed {
        /// The leg.
        call: CallSid,
        /// The keys: `0` to `9`, `*`, `#`.
        keys: String,
    },
    /// The Voice SDK of a client leg has sent a call message.
    Message {
        /// The leg.
        call: CallSid,
        /// JSON text.
        content: String,
        /// `KX…`, as the SDK named it.
        sid: String,
    },
    /// A socket of the Voice SDK's signalling has this client leg from now on, or no longer. The model counts them.
    Signalling {
        /// The leg.
        call: CallSid,
        /// True from now on, false when no longer.
        open: bool,
    },
    /// No packet of the leg for a while, or packets again.
    MediaSilent {
        /// The leg.
        call: CallSid,
        /// True when silent, false when packets flow again.
        silent: bool,
    },
    /// The leg's browser closed DTLS.
    MediaClosed {
        /// The leg.
        call: CallSid,
    },
    /// A sound has been played to its end.
    Played {
        /// The sound.
        play: PlayId,
    },
    /// A sound could not be fetched. Its document goes on with the next verb, however often it was to be repeated.
    NotPlayed {
        /// The sound.
        play: PlayId,
    },
    /// A TwiML document has arrived, or could not be fetched.
    TwimlFetched {
        /// The fetch.
        fetch: FetchId,
        /// The document, or the reason in one line.
        result: Result<String, String>,
    },
    /// A worker's event bridge socket was opened or closed. The model counts them.
    Presence {
        /// The worker.
        worker: WorkerSid,
        /// True when it was opened.
        open: bool,
    },
    /// A timer is due.
    Timer(TimerId),
    /// Changes assumptions about Twilio from now on, so that uncertain ones can be tested both ways.
    Assume(Assumptions),
}

/// Assumptions of [`crate::facts::Facts`] that can be changed while the twin runs. `None`: unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assumptions {
    /// [`crate::facts::Facts::dead_leg_after`], in milliseconds.
    pub dead_leg_after_ms: Option<u64>,
    /// [`crate::facts::Facts::dtls_close_ends_leg`].
    pub dtls_close_ends_leg: Option<bool>,
    /// [`crate::facts::Facts::second_agent_leg_refused`].
    pub second_agent_leg_refused: Option<bool>,
    /// [`crate::facts::Facts::presence_ttl`], in milliseconds.
    pub presence_ttl_ms: Option<u64>,
    /// [`crate::facts::Facts::redirect_requests_action`].
    pub redirect_requests_action: Option<bool>,
    /// [`crate::facts::Facts::retry_pause`], in milliseconds.
    pub retry_pause_ms: Option<u64>,
    /// [`crate::facts::Facts::lost_message_refused`].
    pub lost_message_refused: Option<bool>,
    /// [`crate::facts::Facts::message_callback_is_form`].
    pub message_callback_is_form: Option<bool>,
    /// [`crate::facts::Facts::left_chat_invites_itself`].
    pub left_chat_invites_itself: Option<bool>,
    /// [`crate::facts::Facts::inactive_is_told`].
    pub inactive_is_told: Option<bool>,
    /// [`crate::facts::Facts::transfer_keeps_agent`].
    pub transfer_keeps_agent: Option<bool>,
}

/// An event of TaskRouter.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    /// `EV…`.
    pub id: String,
    /// `reservation.accepted` and the like.
    pub name: String,
    /// When it happened (point in time).
    pub at: Millis,
    /// What the event is about.
    pub payload: serde_json::Map<String, Value>,
}

/// The form of a reply that the requester reads; the other one is not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The REST API's form.
    Rest,
    /// The event bridge's form.
    Bridge,
    /// Both, when the requester is not known.
    Both,
}

/// A request to Twilio. REST API and event bridge are translated into these.
#[derive(Clone, Debug)]
pub enum Request {
    // --- api.twilio.com ---
    /// `GET Calls/{CA}`.
    FetchCall(CallSid),
    /// `POST Calls`: a phone is called, and runs a document once it is answered.
    CreateCall(NewCall),
    /// `POST Calls/{CA}`.
    UpdateCall {
        /// The call.
        call: CallSid,
        /// `Url`, wins over `Twiml`.
        url: Option<String>,
        /// `Method`.
        method: Option<String>,
        /// `FallbackUrl`.
        fallback_url: Option<String>,
        /// `FallbackMethod`.
        fallback_method: Option<String>,
        /// `Twiml`.
        twiml: Option<String>,
        /// `Status`: `completed` or `canceled`.
        status: Option<String>,
    },
    /// `GET Calls?Status=&From=&To=`.
    ListCalls {
        /// `Status`.
        status: Option<String>,
    },
    /// `POST Calls/{CA}/UserDefinedMessages`.
    SendMessage {
        /// A client leg.
        call: CallSid,
        /// `Content`, JSON text.
        content: String,
        /// `IdempotencyKey`.
        key: Option<String>,
    },
    /// `POST Calls/{CA}/UserDefinedMessageSubscriptions`.
    SubscribeToMessages {
        /// A client leg.
        call: CallSid,
        /// `Callback`.
        callback: String,
        /// `Method`, default POST.
        method: Option<String>,
        /// `IdempotencyKey`.
        key: Option<String>,
    },
    /// `DELETE Calls/{CA}/UserDefinedMessageSubscriptions/{ZY}`.
    UnsubscribeFromMessages {
        /// The leg.
        call: CallSid,
        /// `ZY…`.
        subscription: String,
    },
    /// `GET Conferences/{CF}`.
    FetchConference(ConferenceSid),
    /// `GET Conferences?FriendlyName=&Status=`.
    ListConferences {
        /// Exact.
        friendly_name: Option<String>,
        /// `init`, `in-progress` or `completed`.
        status: Option<String>,
    },
    /// `POST Conferences/{CF}`.
    UpdateConference {
        /// The conference.
        conference: ConferenceSid,
        /// `Status`: `completed`.
        status: Option<String>,
        /// `AnnounceUrl`.
        announce_url: Option<String>,
        /// `AnnounceMethod`.
        announce_method: Option<String>,
    },
    /// `GET Conferences/{CF}/Participants`.
    ListParticipants(ConferenceSid),
    /// `GET Conferences/{CF}/Participants/{CA}`.
    FetchParticipant(ConferenceSid, CallSid),
    /// `POST Conferences/{CF}/Participants/{CA}`.
    UpdateParticipant {
        /// The conference.
        conference: ConferenceSid,
        /// The participant.
        call: CallSid,
        /// The changes.
        change: ParticipantChange,
    },
    /// `POST Conferences/{CF or friendly name}/Participants`: an outside phone rings.
    CreateParticipant {
        /// SID or friendly name.
        conference: String,
        /// The participant.
        new: NewParticipant,
    },
    /// `DELETE Conferences/{CF}/Participants/{CA}`.
    RemoveParticipant(ConferenceSid, CallSid),

    // --- taskrouter.twilio.com ---
    /// `POST Tasks`.
    CreateTask(NewTask),
    /// `GET Tasks/{WT}`.
    FetchTask(TaskSid),
    /// `GET Tasks?…`.
    ListTasks {
        /// `AssignmentStatus`, comma separated.
        assignment_status: Option<String>,
        /// `WorkflowSid`.
        workflow: Option<WorkflowSid>,
        /// `EvaluateTaskAttributes`.
        expression: Option<String>,
    },
    /// `POST Tasks/{WT}`.
    UpdateTask {
        /// The task.
        task: TaskSid,
        /// Header `If-Match`.
        if_match: Option<String>,
        /// `Attributes`, JSON text.
        attributes: Option<String>,
        /// `AssignmentStatus`.
        assignment_status: Option<String>,
        /// `Reason`.
        reason: Option<String>,
        /// `Priority`.
        priority: Option<u32>,
    },
    /// `DELETE Tasks/{WT}`.
    DeleteTask {
        /// The task.
        task: TaskSid,
        /// Header `If-Match`.
        if_match: Option<String>,
    },
    /// `GET Tasks/{WT}/Reservations`, `GET Workers/{WK}/Reservations`.
    ListReservations {
        /// Only of this task.
        task: Option<TaskSid>,
        /// Only of this worker.
        worker: Option<WorkerSid>,
        /// `ReservationStatus`; the event bridge's `Active` is `pending,accepted,wrapping`.
        status: Option<String>,
    },
    /// `GET …/Reservations/{WR}`.
    FetchReservation(ReservationSid),
    /// `POST …/Reservations/{WR}`.
    UpdateReservation {
        /// The reservation.
        reservation: ReservationSid,
        /// `ReservationStatus`: `accepted`, `rejected`, `wrapping`, `completed`.
        status: Option<String>,
        /// `Instruction`: only `conference` is supported; everything else is refused.
        instruction: Option<ConferenceInstruction>,
    },
    /// `GET Workers/{WK}`.
    FetchWorker(WorkerSid),
    /// `POST Workers/{WK}`.
    UpdateWorker {
        /// The worker.
        worker: WorkerSid,
        /// `ActivitySid`.
        activity: Option<ActivitySid>,
        /// `Attributes`, JSON text.
        attributes: Option<String>,
        /// `RejectPendingReservations`.
        reject_pending: bool,
    },
    /// `DELETE Workers/{WK}`.
    DeleteWorker(WorkerSid),
    /// `POST Workers/{WK}/Channels/{WC}`.
    UpdateWorkerChannel {
        /// The worker.
        worker: WorkerSid,
        /// `WC…`.
        channel: String,
        /// `Capacity`.
        capacity: Option<u32>,
    },
    /// `GET Workers?FriendlyName=`.
    ListWorkers {
        /// Exact.
        friendly_name: Option<String>,
    },
    /// `GET Events`.
    ListEvents {
        /// `TaskSid`.
        task: Option<TaskSid>,
        /// `EventType`, as in `task.created`.
        kind: Option<String>,
        /// `Minutes`: how far back.
        minutes: Option<u32>,
    },
    /// `GET Activities`.
    ListActivities,
    /// `GET Workflows`.
    ListWorkflows,
    /// `GET TaskQueues`.
    ListTaskQueues,
    /// What an administrator sets up.
    SetUp(super::SetUp),
    /// `GET Workers/{WK}/WorkerChannels`.
    ListWorkerChannels(WorkerSid),

    /// Conversations and interactions, of the REST APIs, Flex and the Conversations SDK.
    Chat(super::ChatRequest),

    // --- as Flex requests it, over the event bridge ---
    /// `POST …/WorkerParticipant {ReservationSid, …}`: the worker's own leg.
    UpdateWorkerParticipant {
        /// The reservation of the leg.
        reservation: ReservationSid,
        /// The changes.
        change: ParticipantChange,
    },
    /// `POST …/CustomerParticipant {TaskSid, …}`.
    UpdateCustomerParticipant {
        /// The task.
        task: TaskSid,
        /// The changes.
        change: ParticipantChange,
    },
    /// `GET Interactions/KD…/Channels`.
    ListChannels(TaskSid),
    /// `GET Interactions/KD…/Channels/UO…/Participants`.
    ListChannelParticipants(TaskSid),
    /// `POST Interactions/KD…/Channels/UO…/Participants {"type":"agent"}`: Flex's "Join Call". Rings the worker's
    /// phone; the leg joins the task's conference when it is answered.
    AddAgentParticipant {
        /// The task of the conference.
        task: TaskSid,
        /// The worker's reservation of the task.
        reservation: ReservationSid,
        /// `coordinates.to`, `client:…`.
        to: String,
        /// `coordinates.from`.
        from: String,
    },
    /// `POST …/Transfers {ReservationSid, TaskSid, To, Mode}`.
    Transfer {
        /// The requesting worker.
        worker: WorkerSid,
        /// The reservation of the worker who hands the task over.
        reservation: ReservationSid,
        /// `To`: a worker or a queue.
        to: String,
        /// `Mode`: `WARM` or `COLD`; default `WARM`.
        mode: Option<String>,
        /// New `Attributes` of the task, JSON text.
        attributes: Option<String>,
    },
    /// `POST …/Transfers/TT… {TaskSid, TransferStatus}`: `canceled`.
    UpdateTransfer {
        /// The requesting worker.
        worker: WorkerSid,
        /// The transfer.
        transfer: TransferSid,
        /// `TransferStatus`.
        status: String,
    },
    /// `POST …/KickWorkerParticipant {TaskSid, TargetWorkerSid}`.
    KickWorker {
        /// The task of the conference.
        task: TaskSid,
        /// The worker to remove.
        worker: WorkerSid,
    },
    /// `POST …/HoldWorkerParticipant {TaskSid, TargetWorkerSid, Hold}`.
    HoldWorker {
        /// The task of the conference.
        task: TaskSid,
        /// The worker to put on hold.
        worker: WorkerSid,
        /// The changes.
        change: ParticipantChange,
    },
    /// `POST Tasks/WT…/Reservations/WR… {"Instruction":"supervise"}`: Flex's "Monitor Call". Rings the supervisor's
    /// phone; the leg joins the task's conference, muted.
    Supervise {
        /// The reservation of the monitored agent.
        reservation: ReservationSid,
        /// The supervisor.
        supervisor: WorkerSid,
        /// `To`: `client:…`.
        to: String,
    },
    /// `POST Interactions/KD…/Channels/UO…/Participants {"type":"external"}`: a third party is dialled.
    AddExternalParticipant {
        /// The task of the conference.
        task: TaskSid,
        /// `coordinates.from`.
        from: String,
        /// `coordinates.to`.
        to: String,
    },
    /// `POST Interactions/KD…/Channels/UO… {"status":"closed"}`: Flex's "End conference for all".
    CloseChannel(TaskSid),
    /// `POST Interactions/KD…/Channels/UO…/Participants/UT…`.
    UpdateChannelParticipant {
        /// The task.
        task: TaskSid,
        /// The participant.
        participant: ParticipantSid,
        /// The changes.
        change: ParticipantChange,
        /// `status=closed`: remove the leg.
        close: bool,
    },
}

/// Changes of a participant's flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParticipantChange {
    /// `Muted`.
    pub muted: Option<bool>,
    /// `Hold`.
    pub hold: Option<bool>,
    /// `HoldUrl`.
    pub hold_url: Option<String>,
    /// `HoldMethod`.
    pub hold_method: Option<String>,
    /// `EndConferenceOnExit`.
    pub end_conference_on_exit: Option<bool>,
    /// `Coaching`, and `CallSidToCoach`: only this leg hears the participant; `Some(None)`: everybody does.
    pub coaches: Option<Option<CallSid>>,
    /// `AnnounceUrl`.
    pub announce_url: Option<String>,
    /// `AnnounceMethod`.
    pub announce_method: Option<String>,
}

/// `POST Calls` (<https://www.twilio.com/docs/voice/api/call-resource#create-a-call>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewCall {
    /// `To`: a number.
    pub to: String,
    /// `From`: a number of the account.
    pub from: String,
    /// `Url`, wins over `Twiml`.
    pub url: Option<String>,
    /// `Method`, default POST.
    pub method: Option<String>,
    /// `FallbackUrl`.
    pub fallback_url: Option<String>,
    /// `FallbackMethod`, default POST.
    pub fallback_method: Option<String>,
    /// `Twiml`.
    pub twiml: Option<String>,
    /// `Timeout`: for how long the phone rings, seconds.
    pub timeout: Option<u64>,
    /// `TimeLimit`: when the call is ended after it was answered, seconds.
    pub time_limit: Option<u64>,
}

/// `POST Conferences/…/Participants`
/// (<https://www.twilio.com/docs/voice/api/conference-participant-resource#create-a-participant>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewParticipant {
    /// `From`.
    pub from: String,
    /// `To`: a number or a SIP address.
    pub to: String,
    /// `Label`.
    pub label: Option<String>,
    /// `Timeout`, seconds.
    pub timeout: Option<u64>,
    /// `Muted`.
    pub muted: bool,
    /// `StartConferenceOnEnter`, default true.
    pub start_conference_on_enter: bool,
    /// `EndConferenceOnExit`, default false.
    pub end_conference_on_exit: bool,
    /// `ConferenceStatusCallback`.
    pub status_callback: Option<String>,
    /// `ConferenceStatusCallbackMethod`, default POST.
    pub status_callback_method: Option<String>,
    /// `ConferenceStatusCallbackEvent`, comma separated.
    pub status_callback_event: Option<String>,
}

/// `POST Tasks`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTask {
    /// `Attributes`, JSON text.
    pub attributes: String,
    /// `WorkflowSid`.
    pub workflow: Option<WorkflowSid>,
    /// `TaskChannel`, unique name or SID.
    pub channel: Option<String>,
    /// `Priority`.
    pub priority: u32,
    /// `Timeout`, seconds.
    pub timeout: Option<u64>,
    /// `TaskQueueSid`: replaces the workflow's queue.
    pub queue: Option<TaskQueueSid>,
    /// `RoutingTarget`.
    pub routing_target: Option<WorkerSid>,
    /// `IgnoreCapacity`.
    pub ignore_capacity: Option<bool>,
}

/// `Instruction=conference` with the options that are supported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceInstruction {
    /// `To`: `client:…`, possibly with `?parameters`.
    pub to: Option<String>,
    /// `From`.
    pub from: Option<String>,
    /// `EndConferenceOnExit` of the agent's leg.
    pub end_conference_on_exit: bool,
    /// `EndConferenceOnCustomerExit`.
    pub end_conference_on_customer_exit: bool,
    /// `ConferenceStatusCallback`.
    pub status_callback: Option<String>,
    /// `ConferenceStatusCallbackMethod`, default POST.
    pub status_callback_method: Option<String>,
    /// `ConferenceStatusCallbackEvent`, comma or space separated.
    pub status_callback_event: Option<String>,
}

/// A reply: Twilio's JSON, and for tasks and reservations its `ETag`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// HTTP status, 200, 201 or 204.
    pub status: u16,
    /// The body; `Null` with 204, and when only the event bridge's form is wanted.
    pub body: Value,
    /// The `ETag`, a number.
    pub etag: Option<u64>,
    /// The body in the event bridge's form for Flex: dates in epoch seconds, attributes as text, reservations with
    /// their `task`, lists as `{"contents":[…],"after_sid":null}`, channels and participants of interactions in their
    /// own form. `Null` for what Flex never requests, and when only the REST API's form is wanted.
    pub bridge: Value,
}

/// A refusal in Twilio's form: `{"code":…,"message":…,"more_info":…,"status":…}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Twilio's error code.
    pub code: u32,
    /// Text.
    pub message: String,
}

/// An effect of the model on its surroundings.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answers a request.
    Reply {
        /// The request.
        id: RequestId,
        /// The reply, in the REST API's and the event bridge's form, or the refusal.
        result: Result<Reply, ApiError>,
    },
    /// Fetches TwiML with a signed request. The result comes back as [`Event::TwimlFetched`].
    FetchTwiml {
        /// Identifies the document.
        fetch: FetchId,
        /// The address.
        url: String,
        /// `GET` or `POST`.
        method: String,
        /// Parameters, as Twilio sends them.
        params: Vec<(String, String)>,
    },
    /// A signed webhook whose answer is ignored.
    Webhook {
        /// The address.
        url: String,
        /// `GET` or `POST`.
        method: String,
        /// Parameters, as Twilio sends them.
        params: Vec<(String, String)>,
    },
    /// The same with its parameters in JSON, if it is a `POST`.
    JsonWebhook {
        /// The address.
        url: String,
        /// `GET` or `POST`.
        method: String,
        /// Parameters, as Twilio sends them: all of them are texts.
        params: Vec<(String, String)>,
    },
    /// Sends a call message to the Voice SDK of a client leg. It is lost when no signalling of the client has the call.
    Message {
        /// The leg.
        call: CallSid,
        /// JSON text.
        content: String,
        /// `KX…`.
        sid: String,
    },
    /// Sends an event to a worker's open pages (TaskRouter event bridge).
    Tell {
        /// The worker.
        worker: WorkerSid,
        /// `reservation.created`, `participant.added`, …
        event_type: String,
        /// The payload in the event bridge's form.
        payload: Value,
    },
    /// An event for subscribers of Event Streams.
    Stream(StreamEvent),
    /// A change of what the Conversations SDK sees.
    Sync(super::SyncChange),
    /// Rings a worker's phone: the shell makes the media and sends the Voice SDK's `invite`.
    Ring {
        /// The agent's leg.
        call: CallSid,
        /// The worker.
        worker: WorkerSid,
        /// `From` of the invite.
        from: String,
        /// `To` of the invite.
        to: String,
    },
    /// Rings an outside phone.
    Dial {
        /// The leg.
        call: CallSid,
        /// The caller id.
        from: String,
        /// The number, or a SIP address.
        to: String,
    },
    /// Ends a leg: its media, and the phone or page behind it is notified.
    Drop {
        /// The leg.
        call: CallSid,
    },
    /// Puts the leg's audio into this conference; `None`: into none.
    Place {
        /// The leg.
        call: CallSid,
        /// The conference.
        conference: Option<ConferenceSid>,
    },
    /// Mutes the leg, or unmutes it.
    Mute {
        /// The leg.
        call: CallSid,
        /// True to mute.
        muted: bool,
    },
    /// Only the coached leg hears this leg; `None`: everybody does.
    Coach {
        /// The leg.
        call: CallSid,
        /// The coached leg.
        coached: Option<CallSid>,
    },
    /// Puts the leg on hold, where it neither hears the conference nor is heard; or ends the hold.
    Hold {
        /// The leg.
        call: CallSid,
        /// True to put on hold.
        hold: bool,
        /// True when Twilio's own music plays. Otherwise there is silence, and what is played to
        /// [`Audience::OnHold`].
        music: bool,
    },
    /// Plays a sound to a leg, or to everybody in a conference.
    Play {
        /// Comes back as [`Event::Played`].
        play: PlayId,
        /// The audience.
        to: Audience,
        /// The sound.
        what: Sound,
    },
    /// Stops what plays to a leg alone: its document was replaced.
    StopPlaying {
        /// The leg.
        call: CallSid,
    },
    /// Sets a timer.
    SetTimer {
        /// The timer.
        timer: TimerId,
        /// When it is due (point in time).
        at: Millis,
    },
    /// A line for the twin's log.
    Log(String),
}

/// The audience of a sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One leg.
    Leg(CallSid),
    /// One leg, while it is on hold.
    OnHold(CallSid),
    /// Everybody in the conference.
    Conference(ConferenceSid),
}

/// A sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// `<Say>`: spoken text.
    Say(String),
    /// `<Play>`: audio from this address (WAV or MP3), fetched by the shell.
    Url(String),
    /// `<Pause>`: silence of this length.
    Silence(Millis),
}
