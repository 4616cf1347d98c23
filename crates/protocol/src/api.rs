//! The plugin's requests and the server's messages: JSON in camelCase.
//!
//! Every request carries the Flex user's token as `Authorization: Bearer …`; only that token says who the worker is,
//! never a body.
//!
//! | request | body | reply |
//! | --- | --- | --- |
//! | `POST /v1/hello` | [`Hello`] | [`HelloReply`] |
//! | `POST /v1/calls` | [`Registration`] | 204 |
//! | `POST /v1/graceful` | [`GracefulMark`] | 204 |
//! | `POST /v1/conversations` | [`Conversations`] | 204 |
//! | `POST /v1/goodbye` | [`Beacon`], as `text/plain`: a page that goes away can set no header | 204 |
//! | `GET /v1/calls/{conference}` | | [`CallView`]: for the call's agents, supervisors and administrators |
//! | `GET /v1/push?epoch=…` | | `text/event-stream` of [`Push`], one JSON object a `data:` line |
//!
//! Registrations and marks may carry a [`DeliveryId`], which makes them idempotent.
//!
//! Each event of the stream has an `id`. A page that reconnects with it as `Last-Event-ID` receives what it missed,
//! or [`Push::Ask`] when that is no longer known.
//!
//! Errors are `application/problem+json`: [`Problem`].

use crate::{
    CallSid, ConferenceSid, ConversationSid, InteractionChannelSid, InteractionSid, Millis, RecoveryId,
    ReservationSid, TaskQueueSid, TaskSid, WorkflowSid,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Identifies a request that is repeated until it is answered, so that it counts once: `{epoch}-{number}` of the page
/// that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DeliveryId {
    /// Epoch of the page.
    pub epoch: u64,
    /// Grows with every request of the page.
    pub number: u32,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl From<DeliveryId> for String {
    fn from(id: DeliveryId) -> Self {
        // `join` would be more for the plugin to load.
        let mut text = id.epoch.to_string();
        text.push('-');
        text.push_str(&id.number.to_string());
        text
    }
}

impl DeliveryId {
    /// Parses what [`fmt::Display`] wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        // `split_once` would be 1 kB more for the plugin to load.
        let hyphen = text.bytes().position(|byte| byte == b'-')?;
        let (epoch, number) = (text.get(..hyphen)?, text.get(hyphen + 1..)?);
        Some(Self { epoch: epoch.parse().ok()?, number: number.parse().ok()? })
    }
}

impl TryFrom<String> for DeliveryId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("an id has the form epoch-number")
    }
}

/// How long a push channel may be silent at most before the server sends a comment line as a heartbeat.
pub const HEARTBEAT: Millis = Millis::seconds(10);

/// The header of `GET /v1/push` with the heartbeat of this server, in milliseconds. Servers before it have [`HEARTBEAT`].
pub const HEARTBEAT_HEADER: &str = "rejoin-heartbeat";

/// The header of `GET /v1/push` with the ticket for the page's presence socket. Servers before it have none.
pub const PRESENCE_HEADER: &str = "rejoin-presence";

/// Number of heartbeats after which a silent push channel is dead.
pub const HEARTBEATS: u64 = 4;

/// A push channel that is silent for longer than this is dead, whatever its server's heartbeat.
pub const SILENCE: Millis = Millis(HEARTBEATS * HEARTBEAT.0);

/// A page connects again within this time after its server is back, however long that was away.
pub const RECONNECTS_WITHIN: Millis = Millis::seconds(12);

/// How far the clock of a page's machine may be ahead: one that is further off makes every certificate invalid (they
/// last at most 398 days: <https://cabforum.org/working-groups/server/baseline-requirements/>).
const CLOCK_AHEAD: Millis = Millis::seconds(400 * 24 * 3600);

/// True when a page can have this epoch: milliseconds since the Unix epoch by the clock of the page's machine. A
/// later epoch would shut out the agent's later pages.
pub fn is_plausible_epoch(now: Millis, epoch: u64) -> bool {
    epoch <= (now + CLOCK_AHEAD).0
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for DeliveryId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        crate::schema::text("^[0-9]+-[0-9]+$")
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for DeliveryId {}

/// A page reports that it is there: when it starts, when it takes over from another page, and again whenever it polls. It proves the agent
/// reachable. It proves nothing about older pages: one may live in another tab or browser ([`Holding::other_browser`]).
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Grows with every page load of a worker: milliseconds since the Unix epoch, at least one more than the last.
    pub epoch: u64,
    /// Voice reservations that the page found and has no call for.
    pub holdings: Vec<Holding>,
    /// True when the worker's activity receives no tasks.
    #[serde(default)]
    pub unavailable: bool,
    /// True when this page has just accepted a ping. An older page than the one that had the call may do so, which proves the agent
    /// reachable although the older page's other hellos do not: they may be late deliveries.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepts_ping: bool,
}

/// A voice reservation of this worker that the page has found without a call for it, at its start or later.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// The reservation's task.
    pub task: TaskSid,
    /// The reservation.
    pub reservation: ReservationSid,
    /// True when the reservation is already wrapping. Otherwise the old leg may still stand.
    pub wrapping: bool,
    /// True when the old leg stands, as far as Flex knows, and this page can join its conference again
    /// (`task.joinCall()`). False also when that was tried and failed.
    #[serde(default)]
    pub can_join: bool,
    /// True when nothing in this browser says that an earlier page of it had the call. A page in another browser may
    /// then have it, and live.
    #[serde(default)]
    pub other_browser: bool,
}

/// A page goes away without hanging up: its legs stand for a while, unattended.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Goodbye {
    /// Epoch of the page that goes.
    pub epoch: u64,
    /// Tasks whose legs the page leaves standing: its own, and those that it was joining.
    pub tasks: Vec<TaskSid>,
}

/// The last words of a page, with the token in the body. It has no `Debug`, so that the token is never printed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beacon {
    /// The Flex user's token.
    pub token: String,
    /// Marks that have not been answered yet. They count before the goodbye.
    #[serde(default)]
    pub marks: Vec<GracefulMark>,
    /// Absent from a page that leaves no leg behind.
    #[serde(default)]
    pub goodbye: Option<Goodbye>,
    /// Epoch of the page that goes, if it has conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<u64>,
}

/// The conversations of a page's agent, all of them. What Twilio says of them decides; this says where to look.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversations {
    /// Epoch of the page.
    pub epoch: u64,
    /// Those that the agent has. At most 200.
    #[serde(default)]
    pub conversations: Vec<ConversationClaim>,
    /// Those that the agent leaves on purpose, from now on. At most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<ConversationLeave>,
}

/// A conversation that an agent has, as the attributes of its task name it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationClaim {
    /// The conversation.
    pub conversation: ConversationSid,
    /// Its interaction.
    pub interaction: InteractionSid,
    /// The interaction's channel.
    pub channel: InteractionChannelSid,
}

/// A conversation that an agent leaves on purpose.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationLeave {
    /// The conversation.
    pub conversation: ConversationSid,
    /// How.
    pub how: LeavingConversation,
}

/// Ways to leave a conversation on purpose, by Flex's own buttons.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeavingConversation {
    /// The conversation waits until the customer writes.
    Leave,
    /// The agent gets it back by themselves.
    Pause,
    /// Another agent or a queue is to have it.
    Transfer,
    /// The agent wraps up or completes.
    WrapUp,
}

/// What the server knows about the worker's calls. Empty: nothing to recover.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloReply {
    /// Recoveries of the holdings, and open ones that the page did not mention.
    pub recoveries: Vec<RecoveryView>,
    /// True when rejoining in place is enabled. A page that goes away then says goodbye and leaves its legs standing.
    #[serde(default)]
    pub in_place: bool,
    /// True when a newer page of this worker is connected in another browser. That page acts, and this one
    /// waits.
    #[serde(default)]
    pub superseded: bool,
    /// True when this user may look at the operators' console, and it is at the address that answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub console: bool,
}

/// A call is up: the page has seen its own leg and the customer's in the conference. A registration with an id takes
/// back an earlier mark: the agent has stayed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Makes the registration idempotent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<DeliveryId>,
    /// Epoch of the page that registers; 0 when the server found the call without a page.
    pub epoch: u64,
    /// The task of the conference.
    pub task: TaskSid,
    /// This worker's reservation of the task.
    pub reservation: ReservationSid,
    /// The workflow of the task; a requeue goes there.
    pub workflow: WorkflowSid,
    /// The queue from which the agent got the task: durations may differ by queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<TaskQueueSid>,
    /// The conference.
    pub conference: ConferenceSid,
    /// This worker's leg.
    pub worker_leg: CallSid,
    /// The customer's leg.
    pub customer_leg: CallSid,
    /// The worker's name as Flex shows it, for the agent who may have to take over. At most 200 characters.
    pub worker_name: String,
    /// True when the page answers [call messages](crate::call_message) over this leg. Older plugins do not, nor do pages
    /// with a Voice SDK before 2.2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers_messages: bool,
}

impl Registration {
    /// Epoch of the page that registers; `None` when the server found the call without a page.
    pub fn page(&self) -> Option<u64> {
        Some(self.epoch).filter(|epoch| *epoch > 0)
    }
}

/// The agent leaves on purpose. Sent before Flex acts.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GracefulMark {
    /// Makes the mark idempotent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<DeliveryId>,
    /// The task that the agent leaves.
    pub task: TaskSid,
    /// This worker's reservation of the task.
    pub reservation: ReservationSid,
    /// How the agent leaves.
    pub reason: GracefulReason,
}

/// Ways to leave a call on purpose. An unknown one is read as [`GracefulReason::UNKNOWN`].
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GracefulReason {
    /// The hang-up button.
    HangUp,
    /// Transferred to another agent or queue; the first agent leaves at once.
    ColdTransfer,
    /// Transferred to another agent or queue after a talk.
    WarmTransfer,
    /// Removed by another participant.
    Kick,
    /// Flex's "End conference for all".
    EndConference,
    /// The agent signed out.
    SignOut,
    /// The task was wrapped up or completed by hand.
    Complete,
}

impl<'de> Deserialize<'de> for GracefulReason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Self::try_from(name).unwrap_or(Self::UNKNOWN))
    }
}

impl GracefulReason {
    /// How a reason is read that a newer plugin has sent. The agent leaves on purpose, so it begins no recovery. How
    /// the call goes on is not known: a transfer is the only reason after which the server never ends the customer's
    /// conference, and after which it recovers the customer once TaskRouter says that nobody has the task. So neither
    /// a false recovery nor a dropped customer follows.
    pub const UNKNOWN: Self = Self::WarmTransfer;

    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::HangUp,
        Self::ColdTransfer,
        Self::WarmTransfer,
        Self::Kick,
        Self::EndConference,
        Self::SignOut,
        Self::Complete,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::HangUp => "hang-up",
            Self::ColdTransfer => "cold-transfer",
            Self::WarmTransfer => "warm-transfer",
            Self::Kick => "kick",
            Self::EndConference => "end-conference",
            Self::SignOut => "sign-out",
            Self::Complete => "complete",
        }
    }
}

impl TryFrom<String> for GracefulReason {
    type Error = &'static str;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|reason| reason.name() == name).ok_or("no way to leave a call")
    }
}

/// A recovery as the server knows it, for the dialog.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryView {
    /// Identifies the recovery.
    pub id: RecoveryId,
    /// The task that the agent was lost from.
    pub task: TaskSid,
    /// The reservation that the agent was lost from.
    pub reservation: ReservationSid,
    /// How far the recovery is.
    pub stage: Stage,
    /// Milliseconds until the server takes the next rung by itself, measured when this was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<u64>,
    /// True when the customer has been lost so often lately that another agent takes the call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub too_often: bool,
}

/// The recoveries of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// The call's task.
    pub task: TaskSid,
    /// The call's recoveries, open and ended.
    pub recoveries: Vec<RecoveryView>,
}

/// How far a recovery is.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", try_from = "AnyStage")]
pub enum Stage {
    /// The agent's page or leg is gone; the customer is kept on the line, and told if it takes longer; the agent is awaited.
    Interrupted,
    /// The agent is back and the old leg still stands: the page should join the same conference again.
    InPlace,
    /// The agent is back; the customer is on the way into the queue, for this agent.
    Requeueing,
    /// The customer waits in the queue for this agent.
    Queued,
    /// The agent is back on the call.
    Rejoined,
    /// The agent was not back in time; the customer waits for any agent.
    WaitingForOther,
    /// Another agent has the customer now.
    #[serde(rename_all = "camelCase")]
    HandedOver {
        /// That agent's name, if known.
        worker_name: Option<String>,
    },
    /// Another agent was on the call all the time.
    Covered,
    /// The customer hung up.
    CustomerLeft,
    /// The agent had left on purpose after all.
    Graceful,
    /// The recovery failed for good.
    #[serde(rename_all = "camelCase")]
    Failed {
        /// Why it failed.
        reason: Failure,
    },
}

/// Why a recovery failed for good.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "String")]
pub enum Failure {
    /// No agent took the call within the time that a recovery may take; the customer stays in the queue.
    NobodyTookIt,
    /// Twilio did not take the customer's call back into the queue.
    NotRequeued,
    /// A reason that this version does not know.
    Other,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        match text.as_str() {
            "nobodyTookIt" => Self::NobodyTookIt,
            "notRequeued" => Self::NotRequeued,
            _ => Self::Other,
        }
    }
}

/// A [`Stage`] as it is deserialised. What serde derives for a tagged enum is several times as much code, and
/// browsers load it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyStage {
    name: String,
    worker_name: Option<String>,
    reason: Option<String>,
}

impl TryFrom<AnyStage> for Stage {
    type Error = &'static str;
    fn try_from(any: AnyStage) -> Result<Self, Self::Error> {
        Self::named(&any.name, any.worker_name, any.reason).ok_or("a stage that this version does not know")
    }
}

impl Stage {
    /// The stage with this name on the wire, with its fields. `None` for an unknown name, or when a field is missing.
    pub fn named(name: &str, worker_name: Option<String>, reason: Option<String>) -> Option<Self> {
        Some(match name {
            "interrupted" => Self::Interrupted,
            "inPlace" => Self::InPlace,
            "requeueing" => Self::Requeueing,
            "queued" => Self::Queued,
            "rejoined" => Self::Rejoined,
            "waitingForOther" => Self::WaitingForOther,
            "handedOver" => Self::HandedOver { worker_name },
            "covered" => Self::Covered,
            "customerLeft" => Self::CustomerLeft,
            "graceful" => Self::Graceful,
            "failed" => Self::Failed { reason: reason.unwrap_or_default().into() },
            _ => return None,
        })
    }

    /// True when the recovery has ended.
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::Interrupted | Self::InPlace | Self::Requeueing | Self::Queued | Self::WaitingForOther
        )
    }
}

/// What the server sends over the push channel.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "push", rename_all = "camelCase")]
pub enum Push {
    /// A recovery of this worker has changed. A new connection first repeats the open ones.
    #[serde(rename_all = "camelCase")]
    Recovery {
        /// The recovery's current state.
        recovery: RecoveryView,
    },
    /// Messages since the last connection are no longer known: the page should say hello.
    Ask,
    /// A newer page of this worker has connected in another browser: from now on that one acts.
    Superseded,
    /// This server stops: a page that has another one should move there now.
    Move,
}

/// An error reply (RFC 9457).
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Stable name of the error, for programs.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// What happened, what it means for the call, what to do.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_have_the_documented_wire_format() {
        let view = RecoveryView {
            id: RecoveryId::numbered(1),
            task: TaskSid::numbered(2),
            reservation: ReservationSid::numbered(3),
            stage: Stage::HandedOver { worker_name: Some("Bo".into()) },
            remaining_ms: None,
            too_often: false,
        };
        let json = serde_json::to_value(Push::Recovery { recovery: view }).expect("serialises");
        assert_eq!(json["push"], "recovery");
        assert_eq!(json["recovery"]["stage"], serde_json::json!({"name": "handedOver", "workerName": "Bo"}));
        assert!(json["recovery"].get("remainingMs").is_none());
    }

    #[test]
    fn delivery_ids_survive_a_round_trip() {
        let id = DeliveryId { epoch: 1_700_000_000_000, number: 3 };
        let text = serde_json::to_string(&id).expect("serialises");
        assert_eq!(text, r#""1700000000000-3""#);
        assert_eq!(serde_json::from_str::<DeliveryId>(&text).expect("is read"), id);
        for text in [r#""""#, r#""1""#, r#""1-""#, r#""-1""#, r#""1-2-3""#, r#""a-b""#, "7", "null"] {
            assert!(serde_json::from_str::<DeliveryId>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reasons_have_their_wire_names() {
        for reason in GracefulReason::ALL {
            assert_eq!(serde_json::to_value(reason).expect("serialises"), reason.name());
            assert_eq!(GracefulReason::try_from(reason.name().to_owned()), Ok(reason));
        }
        assert!(GracefulReason::try_from(String::from("weather")).is_err());
    }

    #[test]
    fn stages_survive_a_round_trip() {
        let stages = [
            Stage::Interrupted,
            Stage::InPlace,
            Stage::Requeueing,
            Stage::Queued,
            Stage::Rejoined,
            Stage::WaitingForOther,
            Stage::HandedOver { worker_name: None },
            Stage::HandedOver { worker_name: Some("Bo".into()) },
            Stage::Covered,
            Stage::CustomerLeft,
            Stage::Graceful,
            Stage::Failed { reason: Failure::NobodyTookIt },
            Stage::Failed { reason: Failure::NotRequeued },
            Stage::Failed { reason: Failure::Other },
        ];
        for stage in stages {
            let text = serde_json::to_string(&stage).expect("serialises");
            assert_eq!(serde_json::from_str::<Stage>(&text).expect("is read"), stage, "{text}");
        }
        for text in [r#"{"name":"failed"}"#, r#"{"name":"failed","reason":"The moon was full."}"#] {
            let other = Stage::Failed { reason: Failure::Other };
            assert_eq!(serde_json::from_str::<Stage>(text).expect("is read"), other, "{text}");
        }
        for text in [r#"{"name":"weather"}"#, "{}", "null"] {
            assert!(serde_json::from_str::<Stage>(text).is_err(), "{text}");
        }
    }
}
