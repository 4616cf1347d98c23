//! Interactions and conversations, as far as they are read. Texts of people are not among it, but for a message's attributes,
//! in which our own messages are known again.

use crate::resource::point_in_time;
use rejoin_protocol::{
    ConversationSid, InteractionChannelSid, InteractionSid, InviteSid, MemberSid, MessageSid, Millis,
    ParticipantSid, ReservationSid, TaskSid, WorkerSid,
};
use serde::Deserialize;

/// A channel of an interaction (<https://www.twilio.com/docs/flex/developer/conversations/interactions-api/channels-subresource>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InteractionChannel {
    /// The channel's SID.
    pub sid: InteractionChannelSid,
    /// The interaction's SID.
    pub interaction_sid: InteractionSid,
    /// Such as `web`, `sms` or `voice`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `setup`, `active`, `failed`, `closed`, `inactive`, `pause` or `transfer`.
    pub status: String,
}

/// A participant of an interaction's channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InteractionParticipant {
    /// The participant's SID.
    pub sid: ParticipantSid,
    /// `agent`, `customer`, `supervisor`, `external` or `unknown`.
    #[serde(rename = "type")]
    pub kind: String,
    /// An agent's task.
    #[serde(default)]
    pub routing_properties: Option<RoutingProperties>,
}

/// By which task an agent is in a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RoutingProperties {
    /// The task.
    #[serde(default)]
    pub task_sid: Option<TaskSid>,
    /// The worker.
    #[serde(default)]
    pub worker_sid: Option<WorkerSid>,
    /// The reservation.
    #[serde(default)]
    pub reservation_sid: Option<ReservationSid>,
}

/// An invite: a task that asks an agent into a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Invite {
    /// The invite's SID.
    pub sid: InviteSid,
    /// What Twilio says of its routing.
    #[serde(default)]
    routing: Routing,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Routing {
    #[serde(default)]
    properties: RoutingProperties,
}

impl Invite {
    /// The task that Twilio has made for it. `None`: Twilio does not say.
    pub fn task(&self) -> Option<&TaskSid> {
        self.routing.properties.task_sid.as_ref()
    }
}

/// A conversation (<https://www.twilio.com/docs/conversations/api/conversation-resource>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Conversation {
    /// The conversation's SID.
    pub sid: ConversationSid,
    /// `initializing`, `active`, `inactive` or `closed`.
    pub state: String,
}

/// A member of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// The member's SID.
    pub sid: MemberSid,
    /// A chat user's identity: an agent's is that of their Voice SDK client. `None` for SMS and the like.
    #[serde(default)]
    pub identity: Option<String>,
}

/// A message, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// The message's SID.
    pub sid: MessageSid,
    /// Its place in the conversation, from 0 on.
    pub index: u32,
    /// The member who has written it; `None` when a program did.
    #[serde(default)]
    pub participant_sid: Option<MemberSid>,
    /// JSON text.
    #[serde(default)]
    pub attributes: Option<String>,
    /// When Twilio took it (point in time).
    #[serde(default, deserialize_with = "point_in_time")]
    pub date_created: Option<Millis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_parsed_as_twilios_helper_library_reads_them() {
        let participant: InteractionParticipant = serde_json::from_str(
            r#"{"sid":"UT00000000000000000000000000000001","type":"agent","url":"https://x",
            "interaction_sid":"KD00000000000000000000000000000001","routing_properties":{
            "task_sid":"WT00000000000000000000000000000002","worker_sid":"WK00000000000000000000000000000003",
            "reservation_sid":"WR00000000000000000000000000000004","something":1}}"#,
        )
        .expect("readable");
        let routing = participant.routing_properties.expect("routing");
        assert_eq!(routing.worker_sid, Some(WorkerSid::numbered(3)));
        let customer: InteractionParticipant = serde_json::from_str(
            r#"{"sid":"UT00000000000000000000000000000001","type":"customer","routing_properties":null}"#,
        )
        .expect("readable");
        assert_eq!(customer.routing_properties, None);
        let invite: Invite = serde_json::from_str(
            r#"{"sid":"KG00000000000000000000000000000001","routing":{"properties":{
            "workspace_sid":"WS00000000000000000000000000000001"}}}"#,
        )
        .expect("readable");
        assert_eq!(invite.task(), None);
        let message: Message = serde_json::from_str(
            r#"{"sid":"IM00000000000000000000000000000001","index":7,"author":"system","body":"x",
            "participant_sid":null,"date_created":"2026-11-27T00:00:00Z","attributes":"{}"}"#,
        )
        .expect("readable");
        assert_eq!((message.index, message.participant_sid), (7, None));
        assert_eq!(message.date_created, Some(Millis(1_795_737_600_000)));
    }
}
