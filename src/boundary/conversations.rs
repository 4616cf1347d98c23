//! Conversations: what the shim and Flex say of them, and what is kept of them in the browser's storage.

use super::{Fields, Unfit, Value};
use crate::agent::ReservationStatus;
use crate::chats::{Draft, Effect, Event, Facts, LONGEST, Message, Notice, Outcome};
use rejoin_protocol::{ConversationSid, Millis};

/// Key of an effect that concerns no conversation, for the shim.
const HEADER: &str = "header";

/// How sending a message has ended: `{sent: {id, stored}}`. `None`: it is another event.
///
/// # Errors
/// When it is malformed.
pub fn sent(said: &Value) -> Option<Result<Event, Unfit>> {
    let mut said = said.get("sent").clone().fields("sent").ok()?;
    let outcome = match said.flag("stored") {
        Ok(true) => Outcome::Stored,
        _ => Outcome::Failed,
    };
    Some(said.parsed("id").map(|id| Event::Sent { id, outcome }))
}

/// The payload of `SetInputText`, whose text may be absent.
///
/// # Errors
/// When it names no conversation, or is about an e-mail.
pub fn typed(mut said: Fields) -> Result<Event, Unfit> {
    Ok(Event::Typed {
        conversation: said.parsed("conversation")?,
        text: said.text("text")?,
        start: said.small("start").unwrap_or_default(),
        end: said.small("end").unwrap_or_default(),
    })
}

/// A conversation of a task.
///
/// # Errors
/// When the task is not about a conversation.
pub fn facts(mut said: Fields) -> Result<Facts, Unfit> {
    Ok(Facts {
        conversation: said.parsed("conversation")?,
        status: said.text("status").map(ReservationStatus::from)?,
        email: said.text("channel").is_ok_and(|channel| channel == "email"),
        loaded: said.flag("loaded").unwrap_or_default(),
        open: said.flag("open").unwrap_or_default(),
        text: said.text("text").unwrap_or_default(),
        files: names(&mut said),
    })
}

/// The message of an action's payload.
///
/// # Errors
/// When it is none that could be sent again: without text, as an e-mail, or with attributes that are not an object or have
/// our name in them already.
pub fn message(mut said: Fields) -> Result<Message, Unfit> {
    let attributes = match said.fields("attributes") {
        Ok(attributes) if attributes.iter().any(|(name, _)| name == ATTRIBUTE) => {
            return Err(Unfit { field: ATTRIBUTE });
        }
        Ok(attributes) => attributes,
        Err(_) if said.flag("plain")? => Fields::default(),
        Err(unfit) => return Err(unfit),
    };
    let body = said.text("body")?;
    if body.is_empty() || body.len() > LONGEST {
        return Err(Unfit { field: "body" });
    }
    Ok(Message {
        id: said.parsed("id")?,
        conversation: said.parsed("conversation")?,
        at: Millis(said.whole("at")?),
        body,
        attributes: attributes.into(),
        files: names(&mut said),
        after: said.whole("after").ok(),
        returned: said.flag("returned").unwrap_or_default(),
    })
}

/// The attribute of a message that has its id.
pub const ATTRIBUTE: &str = "rejoin";

/// The attributes of a message, with its id.
pub fn attributes(of: &Message) -> Value {
    match &of.attributes {
        Value::Object(others) => others.clone().with(ATTRIBUTE, of.id.as_str().into()).into(),
        _ => Fields::default().with(ATTRIBUTE, of.id.as_str().into()).into(),
    }
}

fn names(said: &mut Fields) -> Vec<String> {
    let name = |name| if let Value::Text(name) = name { Some(name) } else { None };
    said.list("files").unwrap_or_default().into_iter().filter_map(name).collect()
}

fn told_names(names: &[String]) -> Value {
    Value::List(names.iter().map(|name| name.as_str().into()).collect())
}

/// A kept draft of this conversation.
///
/// # Errors
/// When it is malformed: another version, or somebody else, wrote it.
pub fn stored_draft(conversation: ConversationSid, stored: Value) -> Result<Draft, Unfit> {
    let mut stored = stored.fields("draft")?;
    Ok(Draft {
        conversation,
        at: Millis(stored.whole("at")?),
        text: stored.text("text")?,
        start: stored.small("start")?,
        end: stored.small("end")?,
        files: names(&mut stored),
    })
}

/// For the browser's storage; [`stored_draft`] reads it.
pub fn told_draft(draft: &Draft) -> Value {
    Fields::default()
        .with("at", Value::Number(draft.at.0 as f64))
        .with("text", draft.text.as_str().into())
        .with("start", Value::Number(draft.start.into()))
        .with("end", Value::Number(draft.end.into()))
        .with("files", told_names(&draft.files))
        .into()
}

/// A kept message.
///
/// # Errors
/// When it is malformed: another version, or somebody else, wrote it.
pub fn stored_message(stored: Value) -> Result<Message, Unfit> {
    message(stored.fields("message")?)
}

/// For the browser's storage; [`stored_message`] reads it.
pub fn told_message(message: &Message) -> Value {
    Fields::default()
        .with("id", message.id.as_str().into())
        .with("conversation", message.conversation.as_str().into())
        .with("at", Value::Number(message.at.0 as f64))
        .with("body", message.body.as_str().into())
        .with("attributes", message.attributes.clone())
        .with("files", told_names(&message.files))
        .with("after", message.after.map_or(Value::Nothing, |after| Value::Number(after as f64)))
        .with("returned", Value::Flag(message.returned))
        .into()
}

/// For the shim: `{nameOfTheEffect: {…}}`. `None` for what the shell does itself.
pub fn effect(effect: &Effect) -> Option<Value> {
    let new = Fields::default;
    let (name, details) = match effect {
        Effect::Select { reservation } => ("select", new().with("reservation", reservation.as_str().into())),
        Effect::Notify { conversation, notice } => {
            let place = conversation.as_ref().map_or(HEADER, |it| it.as_str());
            let notice = notice.as_ref().map_or_else(new, |notice| {
                let (kind, name, text) = match notice {
                    Notice::Waiting { text } => ("waiting", "text", text),
                    Notice::Sent { text } => ("sent", "text", text),
                    Notice::NotSent { text } => ("notSent", "text", text),
                    Notice::Files { names } => ("files", "files", names),
                };
                new().with("kind", kind.into()).with(name, text.as_str().into())
            });
            ("notify", new().with("reservation", place.into()).with("notice", notice.into()))
        }
        _ => return None,
    };
    Some(new().with(name, details.into()).into())
}
