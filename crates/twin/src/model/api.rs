//! What goes into the model and what comes out of it.

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

/// Something that is played: to a leg or to a conference. Its end is reported with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// What can happen to the stand-in.
#[derive(Clone, Debug)]
pub enum Event {
    /// A REST request, or a request over a worker's event bridge. Answered by [`Effect::Reply`].
    Request {
        /// Of the reply.
        id: RequestId,
        /// What is wanted.
        request: Request,
        /// In which form the reply is read.
        form: Form,
    },
    /// Somebody dials the number of the account. The leg has media already.
    CustomerDials {
        /// The new leg; the shell has made its media.
        call: CallSid,
        /// Caller, E.164.
        from: String,
        /// Is it a phone of the twin itself, or a browser's?
        native: bool,
    },
    /// A leg's own end hung up: the customer's phone, or the Voice SDK's `hangup`.
    HungUp {
        /// Which leg.
        call: CallSid,
    },
    /// The phone has answered and its media is up.
    Answered {
        /// Which leg.
        call: CallSid,
    },
    /// The phone could not be reached; an agent's: or refused.
    NotAnswered {
        /// Which leg.
        call: CallSid,
    },
    /// A phone outside is engaged, or its owner refuses.
    Busy {
        /// Which leg.
        call: CallSid,
    },
    /// No packet of the leg for a while, or packets again.
    MediaSilent {
        /// Which leg.
        call: CallSid,
        /// Silent, or flowing again?
        silent: bool,
    },
    /// The leg's browser closed DTLS.
    MediaClosed {
        /// Which leg.
        call: CallSid,
    },
    /// Something has been played to its end.
    Played {
        /// What.
        play: PlayId,
    },
    /// A TwiML document has come, or not.
    TwimlFetched {
        /// Which fetch.
        fetch: FetchId,
        /// The document, or the reason in one line.
        result: Result<String, String>,
    },
    /// A worker's event bridge socket was opened or closed. The model counts them.
    Presence {
        /// Whose.
        worker: WorkerSid,
        /// Opened?
        open: bool,
    },
    /// A timer is due.
    Timer(TimerId),
    /// From now on Twilio behaves otherwise in these points: what nobody knows for sure is tried both ways.
    Assume(Assumptions),
}

/// Points of [`crate::facts::Facts`] that can be changed while the twin runs. `None`: as it is.
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
}

/// One event of TaskRouter's.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    /// `EV…`.
    pub id: String,
    /// `reservation.accepted` and the like.
    pub name: String,
    /// When (point in time).
    pub at: Millis,
    /// What the event is about.
    pub payload: serde_json::Map<String, Value>,
}

/// In which form a reply is read: the other one is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the REST API has it.
    Rest,
    /// As the event bridge has it.
    Bridge,
    /// It is not known who asks.
    Both,
}

/// What somebody wants of Twilio. REST and event bridge are mapped onto these.
#[derive(Clone, Debug)]
pub enum Request {
    // --- api.twilio.com ---
    /// `GET Calls/{CA}`.
    FetchCall(CallSid),
    /// `POST Calls/{CA}`.
    UpdateCall {
        /// Which.
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
        /// Which.
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
        /// Where.
        conference: ConferenceSid,
        /// Who.
        call: CallSid,
        /// What changes.
        change: ParticipantChange,
    },
    /// `POST Conferences/{CF or friendly name}/Participants`: a phone outside rings.
    CreateParticipant {
        /// SID or friendly name.
        conference: String,
        /// Who.
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
        /// Which.
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
        /// Which.
        task: TaskSid,
        /// Header `If-Match`.
        if_match: Option<String>,
    },
    /// `GET Tasks/{WT}/Reservations`, `GET Workers/{WK}/Reservations`.
    ListReservations {
        /// Of this task.
        task: Option<TaskSid>,
        /// Of this worker.
        worker: Option<WorkerSid>,
        /// `ReservationStatus`; the event bridge's `Active` is `pending,accepted,wrapping`.
        status: Option<String>,
    },
    /// `GET …/Reservations/{WR}`.
    FetchReservation(ReservationSid),
    /// `POST …/Reservations/{WR}`.
    UpdateReservation {
        /// Which.
        reservation: ReservationSid,
        /// `ReservationStatus`: `accepted`, `rejected`, `wrapping`, `completed`.
        status: Option<String>,
        /// `Instruction`: `conference` is known; everything else is refused.
        instruction: Option<ConferenceInstruction>,
    },
    /// `GET Workers/{WK}`.
    FetchWorker(WorkerSid),
    /// `POST Workers/{WK}`.
    UpdateWorker {
        /// Whose.
        worker: WorkerSid,
        /// `ActivitySid`.
        activity: Option<ActivitySid>,
        /// `Attributes`, JSON text.
        attributes: Option<String>,
        /// `RejectPendingReservations`.
        reject_pending: bool,
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
    /// `GET Workers/{WK}/WorkerChannels`.
    ListWorkerChannels(WorkerSid),

    // --- as Flex asks for it, over the event bridge ---
    /// `POST …/WorkerParticipant {ReservationSid, …}`: the worker's own leg.
    UpdateWorkerParticipant {
        /// Whose leg.
        reservation: ReservationSid,
        /// What changes.
        change: ParticipantChange,
    },
    /// `POST …/CustomerParticipant {TaskSid, …}`.
    UpdateCustomerParticipant {
        /// Of which task.
        task: TaskSid,
        /// What changes.
        change: ParticipantChange,
    },
    /// `GET Interactions/KD…/Channels`.
    ListChannels(TaskSid),
    /// `GET Interactions/KD…/Channels/UO…/Participants`.
    ListChannelParticipants(TaskSid),
    /// `POST Interactions/KD…/Channels/UO…/Participants {"type":"agent"}`: Flex's "Join Call". Rings the worker's
    /// phone; the leg joins the task's conference when it is answered.
    AddAgentParticipant {
        /// To which task's conference.
        task: TaskSid,
        /// The worker's reservation of it.
        reservation: ReservationSid,
        /// `coordinates.to`, `client:…`.
        to: String,
        /// `coordinates.from`.
        from: String,
    },
    /// `POST …/Transfers {ReservationSid, TaskSid, To, Mode}`.
    Transfer {
        /// Who asks.
        worker: WorkerSid,
        /// Of the worker who hands the task over.
        reservation: ReservationSid,
        /// `To`: a worker or a queue.
        to: String,
        /// `Mode`: `WARM` or `COLD`; default `WARM`.
        mode: Option<String>,
        /// `Attributes` that the task is to have from now on, JSON text.
        attributes: Option<String>,
    },
    /// `POST …/Transfers/TT… {TaskSid, TransferStatus}`: `canceled`.
    UpdateTransfer {
        /// Who asks.
        worker: WorkerSid,
        /// Which.
        transfer: TransferSid,
        /// `TransferStatus`.
        status: String,
    },
    /// `POST …/KickWorkerParticipant {TaskSid, TargetWorkerSid}`.
    KickWorker {
        /// From which task's conference.
        task: TaskSid,
        /// Whom.
        worker: WorkerSid,
    },
    /// `POST …/HoldWorkerParticipant {TaskSid, TargetWorkerSid, Hold}`.
    HoldWorker {
        /// In which task's conference.
        task: TaskSid,
        /// Whom.
        worker: WorkerSid,
        /// What changes.
        change: ParticipantChange,
    },
    /// `POST Tasks/WT…/Reservations/WR… {"Instruction":"supervise"}`: Flex's "Monitor Call". Rings the supervisor's
    /// phone; the leg joins the task's conference, muted.
    Supervise {
        /// Of the agent who is listened to.
        reservation: ReservationSid,
        /// Who listens.
        supervisor: WorkerSid,
        /// `To`: `client:…`.
        to: String,
    },
    /// `POST Interactions/KD…/Channels/UO…/Participants {"type":"external"}`: somebody outside is dialled.
    AddExternalParticipant {
        /// To which task's conference.
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
        /// Of which task.
        task: TaskSid,
        /// Who.
        participant: ParticipantSid,
        /// What changes.
        change: ParticipantChange,
        /// `status=closed`: remove the leg.
        close: bool,
    },
}

/// Flags of a participant that are to change.
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
    /// `Coaching`, and `CallSidToCoach`: is heard by this leg alone; `Some(None)`: by everybody, as ever.
    pub coaches: Option<Option<CallSid>>,
    /// `AnnounceUrl`.
    pub announce_url: Option<String>,
    /// `AnnounceMethod`.
    pub announce_method: Option<String>,
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
    /// `TaskQueueSid`: instead of the workflow's.
    pub queue: Option<TaskQueueSid>,
    /// `RoutingTarget`.
    pub routing_target: Option<WorkerSid>,
    /// `IgnoreCapacity`.
    pub ignore_capacity: Option<bool>,
}

/// `Instruction=conference` with the options that are honoured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceInstruction {
    /// `To`: `client:…`, maybe with `?parameters`.
    pub to: Option<String>,
    /// `From`.
    pub from: Option<String>,
    /// `EndConferenceOnExit`, of the agent's leg.
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
    /// The body; `Null` with 204, and where only the event bridge's form is wanted.
    pub body: Value,
    /// The `ETag`, a number.
    pub etag: Option<u64>,
    /// The same as Flex gets it over the event bridge: dates in epoch seconds, attributes as text, reservations
    /// with their `task`, lists as `{"contents":[…],"after_sid":null}`, channels and participants of
    /// interactions in their own form. `Null` for what Flex never asks for, and where only the REST API's form is wanted.
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

/// What the stand-in does to the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answers a request.
    Reply {
        /// Which.
        id: RequestId,
        /// With what, as in Twilio's REST API and as over the event bridge.
        result: Result<Reply, ApiError>,
    },
    /// Asks for TwiML, signed. The result comes back as [`Event::TwimlFetched`].
    FetchTwiml {
        /// Of the document.
        fetch: FetchId,
        /// Where.
        url: String,
        /// `GET` or `POST`.
        method: String,
        /// Parameters, as Twilio sends them.
        params: Vec<(String, String)>,
    },
    /// A webhook whose answer does not matter, signed.
    Webhook {
        /// Where.
        url: String,
        /// `GET` or `POST`.
        method: String,
        /// Parameters, as Twilio sends them.
        params: Vec<(String, String)>,
    },
    /// Tell a worker's open pages (TaskRouter event bridge).
    Tell {
        /// Whom.
        worker: WorkerSid,
        /// `reservation.created`, `participant.added`, …
        event_type: String,
        /// In the event bridge's form.
        payload: Value,
    },
    /// Event Streams tells it to whoever has subscribed to it.
    Stream(StreamEvent),
    /// Ring a worker's phone: the shell makes the media and sends the Voice SDK's `invite`.
    Ring {
        /// The agent's leg.
        call: CallSid,
        /// Whose phone.
        worker: WorkerSid,
        /// `From` of the invite.
        from: String,
        /// `To` of the invite.
        to: String,
    },
    /// Ring a phone outside.
    Dial {
        /// The leg.
        call: CallSid,
        /// Caller id.
        from: String,
        /// The number, or a SIP address.
        to: String,
    },
    /// End a leg: its media, and the phone or page behind it is told.
    Drop {
        /// Which.
        call: CallSid,
    },
    /// The leg hears, and is heard in, this conference; `None`: in none.
    Place {
        /// Which leg.
        call: CallSid,
        /// Where.
        conference: Option<ConferenceSid>,
    },
    /// The leg's voice is not passed on, or is again.
    Mute {
        /// Which leg.
        call: CallSid,
        /// Muted?
        muted: bool,
    },
    /// The leg is heard by this one alone; `None`: by everybody, as ever.
    Coach {
        /// Which leg.
        call: CallSid,
        /// By whom.
        coached: Option<CallSid>,
    },
    /// The leg hears the hold music and not the conference, and is not heard; or is back.
    Hold {
        /// Which leg.
        call: CallSid,
        /// On hold?
        hold: bool,
        /// Is Twilio's own music heard meanwhile? If not: silence, and what is played to [`Audience::OnHold`].
        music: bool,
    },
    /// Play to a leg, or to everybody in a conference.
    Play {
        /// Comes back as [`Event::Played`].
        play: PlayId,
        /// To whom.
        to: Audience,
        /// What.
        what: Sound,
    },
    /// Stop what plays to a leg alone: its document was replaced.
    StopPlaying {
        /// Which leg.
        call: CallSid,
    },
    /// Wake the model at this point in time.
    SetTimer {
        /// Which.
        timer: TimerId,
        /// Point in time.
        at: Millis,
    },
    /// A line for the twin's log: what a stand-in for Twilio did, in plain words.
    Log(String),
}

/// Who hears something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One leg.
    Leg(CallSid),
    /// One leg, as long as it is on hold.
    OnHold(CallSid),
    /// Everybody in the conference.
    Conference(ConferenceSid),
}

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// `<Say>`: spoken text.
    Say(String),
    /// `<Play>`: audio from this address (WAV or MP3), fetched by the shell.
    Url(String),
    /// `<Pause>`: so much silence.
    Silence(Millis),
}
