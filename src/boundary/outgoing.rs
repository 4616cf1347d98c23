//! Outgoing values: for the server and the browser's storage in the format of [`rejoin_protocol::api`], and for the
//! shim.
//!
//! Written by hand, like the parsers: what serde derives would be much more to load. Tests compare the two.

use super::{Fields, Value};
use crate::agent::{ConferenceOptions, Delivery, Kept, Notice, ToDesktop};
use rejoin_protocol::ReservationSid;
use rejoin_protocol::api::{
    Beacon, ConversationClaim, Conversations, DeliveryId, Goodbye, GracefulMark, Hello, Holding, Registration,
};
use rejoin_protocol::call_message::ANSWERS;

/// The only kind of call messages (<https://www.twilio.com/docs/voice/sdks/call-message-events>).
const MESSAGE_TYPE: &str = "user-defined-message";

fn new() -> Fields {
    Fields::default()
}

fn number(number: u64) -> Value {
    Value::Number(number as f64)
}

fn of(reservation: &ReservationSid) -> Fields {
    new().with("reservation", reservation.as_str().into())
}

/// `POST /v1/hello`.
pub fn hello(hello: &Hello) -> Value {
    let holding = |holding: &Holding| {
        let facts = of(&holding.reservation).with("task", holding.task.as_str().into());
        let facts = facts.with("wrapping", Value::Flag(holding.wrapping));
        let facts = facts.with("canJoin", Value::Flag(holding.can_join));
        facts.with("otherBrowser", Value::Flag(holding.other_browser)).into()
    };
    let holdings = hello.holdings.iter().map(holding).collect();
    let facts = new().with("epoch", number(hello.epoch)).with("holdings", Value::List(holdings));
    let facts = facts.with("unavailable", Value::Flag(hello.unavailable));
    if hello.accepts_ping { facts.with("acceptsPing", Value::Flag(true)) } else { facts }.into()
}

/// `POST /v1/calls`.
pub fn registration(call: &Registration) -> Value {
    let queue = call.queue.as_ref();
    let facts = of(&call.reservation)
        .with("id", id(call.id))
        .with("epoch", number(call.epoch))
        .with("task", call.task.as_str().into())
        .with("workflow", call.workflow.as_str().into())
        .with("queue", queue.map_or(Value::Nothing, |queue| queue.as_str().into()))
        .with("conference", call.conference.as_str().into())
        .with("workerLeg", call.worker_leg.as_str().into())
        .with("customerLeg", call.customer_leg.as_str().into())
        .with("workerName", call.worker_name.as_str().into());
    if call.answers_messages { facts.with("answersMessages", Value::Flag(true)) } else { facts }.into()
}

/// `POST /v1/graceful`.
pub fn mark(mark: &GracefulMark) -> Value {
    of(&mark.reservation)
        .with("id", id(mark.id))
        .with("task", mark.task.as_str().into())
        .with("reason", mark.reason.name().into())
        .into()
}

/// `POST /v1/goodbye`.
pub fn beacon(beacon: &Beacon) -> Value {
    let goodbye = |goodbye: &Goodbye| {
        let tasks = goodbye.tasks.iter().map(|task| task.as_str().into()).collect();
        new().with("epoch", number(goodbye.epoch)).with("tasks", Value::List(tasks)).into()
    };
    new()
        .with("token", beacon.token.as_str().into())
        .with("marks", Value::List(beacon.marks.iter().map(mark).collect()))
        .with("goodbye", beacon.goodbye.as_ref().map_or(Value::Nothing, goodbye))
        .with("gone", beacon.gone.map_or(Value::Nothing, number))
        .into()
}

/// `POST /v1/conversations`.
pub fn claim(claim: &Conversations) -> Value {
    let one = |claim: &ConversationClaim| {
        new()
            .with("conversation", claim.conversation.as_str().into())
            .with("interaction", claim.interaction.as_str().into())
            .with("channel", claim.channel.as_str().into())
            .into()
    };
    let all = claim.conversations.iter().map(one).collect();
    new().with("epoch", number(claim.epoch)).with("conversations", Value::List(all)).into()
}

/// For the browser's storage; [`super::stored::kept`] reads it.
pub fn kept(kept: &Kept) -> Value {
    let delivery = match &kept.delivery {
        Delivery::Register(call) => new().with("register", registration(call)),
        Delivery::Graceful(left) => new().with("graceful", mark(left)),
    };
    new()
        .with("id", id(Some(kept.id)))
        .with("worker", kept.worker.as_str().into())
        .with("made", number(kept.made.0))
        .with("delivery", delivery.into())
        .into()
}

fn id(id: Option<DeliveryId>) -> Value {
    id.map_or(Value::Nothing, |id| Value::Text(id.into()))
}

/// To merge into a payload's `conferenceOptions`.
pub fn options(options: &ConferenceOptions) -> Value {
    new()
        .with("conferenceStatusCallback", options.conference_status_callback.as_str().into())
        .with("conferenceStatusCallbackMethod", options.conference_status_callback_method.into())
        .with("conferenceStatusCallbackEvent", options.conference_status_callback_event.into())
        .with("endConferenceOnExit", Value::Flag(options.end_conference_on_exit))
        .into()
}

/// For the shim: `{nameOfTheEffect: {…}}`. `None` for an answer, which goes to whoever has asked.
pub fn effect(effect: &ToDesktop) -> Option<Value> {
    let (name, details) = match effect {
        ToDesktop::AttachConferenceOptions { .. } | ToDesktop::Let { .. } | ToDesktop::Refuse { .. } => {
            return None;
        }
        ToDesktop::Accept { reservation } => ("accept", of(reservation)),
        ToDesktop::AcceptPing { reservation } => ("acceptPing", of(reservation)),
        ToDesktop::Select { reservation } => ("select", of(reservation)),
        ToDesktop::NeutraliseExitFlag { reservation } => ("neutraliseExitFlag", of(reservation)),
        ToDesktop::ReleaseExitFlag { reservation } => ("releaseExitFlag", of(reservation)),
        ToDesktop::SetExitFlag { reservation, value } => {
            ("setExitFlag", of(reservation).with("value", Value::Flag(*value)))
        }
        ToDesktop::MarkTask { reservation, mark: left } => {
            ("markTask", of(reservation).with("mark", left.as_ref().map_or(Value::Nothing, mark)))
        }
        ToDesktop::KeepLegs { keep } => ("keepLegs", new().with("keep", Value::Flag(*keep))),
        ToDesktop::JoinCall { reservation } => ("joinCall", of(reservation)),
        ToDesktop::ClearExitFlag { reservation, leg } => {
            ("clearExitFlag", of(reservation).with("leg", leg.as_str().into()))
        }
        ToDesktop::AnswerMessage { leg, question } => {
            let content = new().with(ANSWERS, question.as_str().into());
            let message = new().with("content", content.into()).with("messageType", MESSAGE_TYPE.into());
            ("answerMessage", new().with("leg", leg.as_str().into()).with("message", message.into()))
        }
        ToDesktop::Mute {} => ("mute", new()),
        ToDesktop::Measure { servers } => {
            let servers = servers.iter().map(|server| server.as_str().into()).collect();
            ("measure", new().with("servers", Value::List(servers)))
        }
        ToDesktop::PlaySound {} => ("playSound", new()),
        ToDesktop::SetActivity { activity } => {
            ("setActivity", new().with("activity", activity.as_str().into()))
        }
        ToDesktop::PromptOnLeave { on } => ("promptOnLeave", new().with("on", Value::Flag(*on))),
        ToDesktop::Notify { reservation, notice } => {
            ("notify", of(reservation).with("notice", words(notice)))
        }
        ToDesktop::TellUnprotected { unprotected } => {
            ("tellUnprotected", new().with("unprotected", Value::Flag(*unprotected)))
        }
        ToDesktop::LinkConsole { server } => {
            let server = server.as_deref().map_or(Value::Nothing, Value::from);
            ("linkConsole", new().with("server", server))
        }
        ToDesktop::StandBy { reason, wanted } => {
            let reason = reason.text().into();
            ("standBy", new().with("reason", reason).with("wanted", Value::Flag(*wanted)))
        }
        ToDesktop::Log { notice } => ("log", new().with("notice", Value::Text(notice.text()))),
    };
    Some(new().with(name, details.into()).into())
}

fn words(notice: &Notice) -> Value {
    let name = |name: &Option<String>| name.as_deref().map_or(Value::Nothing, Value::from);
    let words = match notice {
        Notice::TakeOver { name: who, seconds } => {
            new().with("kind", "takeOver".into()).with("name", name(who)).with("seconds", number(*seconds))
        }
        Notice::TakeOverUndated { name: who } => {
            new().with("kind", "takeOverUndated".into()).with("name", name(who))
        }
        Notice::TakeOverOwn => new().with("kind", "takeOverOwn".into()),
    };
    words.into()
}
