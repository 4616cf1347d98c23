//! Webhooks of conversations (<https://www.twilio.com/docs/conversations/conversations-webhooks>) and of interactions
//! (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api/interaction-webhooks>). Texts are not read.

use crate::resource::parse_time;
use crate::webhook::{Malformed, Params, get, required};
use rejoin_protocol::{
    ConversationSid, InteractionChannelSid, InteractionSid, MemberSid, MessageSid, Millis, ParticipantSid,
    TaskSid,
};

/// Something happened in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationCallback {
    /// The conversation.
    pub conversation: ConversationSid,
    /// What happened.
    pub event: ConversationEvent,
}

/// What happened in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationEvent {
    /// `onMessageAdded`.
    Message {
        /// The message.
        message: MessageSid,
        /// Its place in the conversation, from 0 on.
        index: u32,
        /// The member who has written it; `None` when a program did.
        member: Option<MemberSid>,
        /// When Twilio took it (point in time).
        at: Option<Millis>,
    },
    /// `onConversationStateUpdated`: to `active`, `inactive` or `closed`.
    State(String),
    /// Any other event.
    Other,
}

impl ConversationCallback {
    /// Reads the parameters.
    pub fn parse(params: &Params) -> Result<Self, Malformed> {
        let conversation = sid(params, "ConversationSid", ConversationSid::parse)?;
        let event = match required(params, "EventType")? {
            "onMessageAdded" => ConversationEvent::Message {
                message: sid(params, "MessageSid", MessageSid::parse)?,
                index: required(params, "Index")?.parse().map_err(|_| Malformed::Invalid("Index"))?,
                member: optional(params, "ParticipantSid", MemberSid::parse)?,
                at: get(params, "DateCreated").and_then(parse_time),
            },
            "onConversationStateUpdated" => ConversationEvent::State(required(params, "StateTo")?.to_owned()),
            _ => ConversationEvent::Other,
        };
        Ok(Self { conversation, event })
    }
}

/// Something happened in an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InteractionCallback {
    /// The interaction.
    pub interaction: InteractionSid,
    /// Its channel.
    pub channel: InteractionChannelSid,
    /// The conversation; `None` for a call.
    pub conversation: Option<ConversationSid>,
    /// What happened.
    pub event: InteractionEvent,
}

/// What happened in an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InteractionEvent {
    /// `onParticipantJoined`.
    Joined {
        /// The participant.
        participant: ParticipantSid,
        /// `agent`, `customer`, `supervisor`, `external` or `unknown`.
        kind: String,
        /// An agent's task.
        task: Option<TaskSid>,
    },
    /// `onParticipantLeft`.
    Left {
        /// The participant.
        participant: ParticipantSid,
    },
    /// `onChannelStatusUpdated`. The documentation does not name the parameter that has the new status.
    Status,
    /// Any other event.
    Other,
}

impl InteractionCallback {
    /// Reads the parameters.
    pub fn parse(params: &Params) -> Result<Self, Malformed> {
        let interaction = sid(params, "InteractionSid", InteractionSid::parse)?;
        let channel = sid(params, "ChannelSid", InteractionChannelSid::parse)?;
        let conversation = get(params, "MediaChannelSid").and_then(|sid| ConversationSid::parse(sid).ok());
        let participant = || sid(params, "ParticipantSid", ParticipantSid::parse);
        let event = match required(params, "EventType")? {
            "onParticipantJoined" => InteractionEvent::Joined {
                participant: participant()?,
                kind: get(params, "ParticipantType").unwrap_or("unknown").to_owned(),
                task: optional(params, "TaskSid", TaskSid::parse)?,
            },
            "onParticipantLeft" => InteractionEvent::Left { participant: participant()? },
            "onChannelStatusUpdated" => InteractionEvent::Status,
            _ => InteractionEvent::Other,
        };
        Ok(Self { interaction, channel, conversation, event })
    }
}

fn sid<T, E>(params: &Params, name: &'static str, parse: fn(&str) -> Result<T, E>) -> Result<T, Malformed> {
    parse(required(params, name)?).map_err(|_| Malformed::Invalid(name))
}

/// An empty parameter counts as missing.
fn optional<T, E>(
    params: &Params,
    name: &'static str,
    parse: fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Malformed> {
    let text = get(params, name).filter(|text| !text.is_empty());
    text.map(parse).transpose().map_err(|_| Malformed::Invalid(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::form;

    #[test]
    fn a_message_is_read_without_its_text() {
        let body = b"EventType=onMessageAdded&ConversationSid=CH00000000000000000000000000000001&\
            MessageSid=IM00000000000000000000000000000002&Index=7&DateCreated=2026-11-27T00%3A00%3A00.500Z&\
            Author=customer&Body=A+secret&ParticipantSid=MB00000000000000000000000000000003&Source=SDK&New=1";
        let read = ConversationCallback::parse(&form(body)).expect("readable");
        assert!(!format!("{read:?}").contains("secret"));
        let ConversationEvent::Message { index, member, at, .. } = read.event else { panic!("{read:?}") };
        assert_eq!((index, member), (7, Some(MemberSid::numbered(3))));
        assert_eq!(at, Some(Millis(1_795_737_600_500)));
        let body = b"EventType=onMessageAdded&ConversationSid=CH00000000000000000000000000000001&\
            MessageSid=IM00000000000000000000000000000002&Index=7&ParticipantSid=";
        let read = ConversationCallback::parse(&form(body)).expect("readable");
        assert!(matches!(read.event, ConversationEvent::Message { member: None, at: None, .. }));
    }

    #[test]
    fn malformed_callbacks_are_refused_and_unknown_events_are_not() {
        let conversation = "ConversationSid=CH00000000000000000000000000000001";
        for (body, wanted) in [
            ("", Malformed::Missing("ConversationSid")),
            ("ConversationSid=CH1", Malformed::Invalid("ConversationSid")),
            (conversation, Malformed::Missing("EventType")),
            (&format!("{conversation}&EventType=onMessageAdded"), Malformed::Missing("MessageSid")),
            (&format!("{conversation}&EventType=onConversationStateUpdated"), Malformed::Missing("StateTo")),
        ] {
            assert_eq!(ConversationCallback::parse(&form(body.as_bytes())), Err(wanted), "{body}");
        }
        let read = ConversationCallback::parse(&form(format!("{conversation}&EventType=onNew").as_bytes()));
        assert_eq!(read.expect("readable").event, ConversationEvent::Other);
    }

    #[test]
    fn an_agent_who_joins_an_interaction_is_read_with_their_task() {
        let body = b"EventType=onParticipantJoined&InteractionSid=KD00000000000000000000000000000001&\
            ChannelSid=UO00000000000000000000000000000001&ParticipantSid=UT00000000000000000000000000000004&\
            ParticipantType=agent&TaskSid=WT00000000000000000000000000000005&\
            MediaChannelSid=CH00000000000000000000000000000001&MediaChannelType=web";
        let read = InteractionCallback::parse(&form(body)).expect("readable");
        assert_eq!(read.conversation, Some(ConversationSid::numbered(1)));
        let joined = InteractionEvent::Joined {
            participant: ParticipantSid::numbered(4),
            kind: "agent".into(),
            task: Some(TaskSid::numbered(5)),
        };
        assert_eq!(read.event, joined);
        // A call.
        let body = b"EventType=onChannelStatusUpdated&InteractionSid=KD00000000000000000000000000000001&\
            ChannelSid=UO00000000000000000000000000000001&MediaChannelSid=CF00000000000000000000000000000001";
        let read = InteractionCallback::parse(&form(body)).expect("readable");
        assert_eq!((read.conversation, read.event), (None, InteractionEvent::Status));
    }
}
