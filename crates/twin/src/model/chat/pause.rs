//! Flex's pause: an agent gives a conversation back for a while, and gets it again by themselves
//! (<https://www.twilio.com/docs/flex/end-user-guide/leave-and-pause>).

use super::{InviteRouting, state::ChannelStatus};
use crate::model::{
    ApiError, Model, Reply,
    requests::{Answer, ok},
    state::ReservationStatus,
};
use rejoin_protocol::{ConversationSid, ReservationSid, WorkerSid};
use serde_json::{Value, json};

impl Model {
    /// The agent who pauses, with the attributes of their task.
    pub(super) fn pausing(&self, conversation: &ConversationSid) -> Option<(WorkerSid, String)> {
        let seat = self.chats.get(conversation)?.present().find_map(|it| it.agent.as_ref())?;
        Some((seat.worker.clone(), self.tasks.get(&seat.task)?.attributes.text().to_string()))
    }

    /// The worker who has paused it has it again, without being asked.
    pub(super) fn resume(&mut self, conversation: &ConversationSid, worker: &WorkerSid) -> Answer {
        let paused = self.chat(conversation)?.paused.clone();
        let Some((_, attributes)) = paused.filter(|(by, _)| by == worker) else {
            return Err(ApiError::bad_request("The channel is not paused by this worker"));
        };
        let mut routing = self.flow_routing(conversation);
        routing = InviteRouting { worker: Some(worker.clone()), attributes: Some(attributes), ..routing };
        let invite = self.invite(conversation, &routing)?;
        let task = self.chat(conversation)?.invites.get(&invite).cloned();
        self.route();
        let offered = self.reservations.iter().find(|(_, reservation)| {
            Some(&reservation.task) == task.as_ref() && reservation.status == ReservationStatus::Pending
        });
        let offered: Option<ReservationSid> = offered.map(|(sid, _)| sid.clone());
        if let Some(chat) = self.chats.get_mut(conversation) {
            chat.paused = None;
        }
        match offered {
            Some(reservation) => self.answer_invite(conversation, &invite, worker, true, &reservation)?,
            // No room now: it is offered as soon as there is.
            None => ok(Value::Null, Value::Null),
        };
        self.set_status(conversation, ChannelStatus::Active);
        Ok(self.channel_reply(conversation))
    }

    pub(super) fn paused_list(&self, worker: &WorkerSid) -> Reply {
        let own = self.chats.iter().filter_map(|(sid, chat)| {
            let (by, attributes) = chat.paused.as_ref()?;
            let shown = json!({
                "sid": chat.channel, "interaction_sid": chat.interaction, "media_sid": sid, "type": "web",
                "status": chat.status.as_str(), "attributes": attributes,
            });
            (by == worker).then_some(shown)
        });
        let own: Vec<Value> = own.collect();
        let meta = json!({ "previous_token": null, "next_token": null });
        ok(Value::Null, json!({ "content": own, "meta": meta }))
    }
}
