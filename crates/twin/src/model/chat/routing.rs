//! Invites: how an agent gets into a conversation.

use super::{
    InviteRouting, missing,
    state::{ChannelStatus, Participant, Seat},
};
use crate::model::{
    ApiError, Model, NewTask, Reply,
    requests::{Answer, ok},
    state::ReservationStatus,
    taskrouter::parse_attributes,
    view::list,
};
use rejoin_protocol::{
    ConversationSid, InviteSid, MemberSid, ParticipantSid, ReservationSid, TaskSid, WorkerSid,
};
use serde_json::Value;

impl Model {
    /// Makes the task that asks an agent into the conversation. Twilio's own attributes win over those of the request.
    pub(super) fn invite(
        &mut self,
        conversation: &ConversationSid,
        routing: &InviteRouting,
    ) -> Result<InviteSid, ApiError> {
        let chat = self.chat(conversation)?;
        if chat.status == ChannelStatus::Closed {
            return Err(ApiError { status: 400, code: 45002, message: "The channel is closed".into() });
        }
        let (interaction, channel) = (chat.interaction.clone(), chat.channel.clone());
        let invite = InviteSid::numbered(self.number());
        let mut attributes = parse_attributes(routing.attributes.as_deref().unwrap_or("{}"))?;
        for (name, value) in [
            ("flexInteractionSid", interaction.to_string()),
            ("flexInteractionChannelSid", channel.to_string()),
            ("flexChannelInviteSid", invite.to_string()),
            ("conversationSid", conversation.to_string()),
        ] {
            attributes[name] = value.into();
        }
        if attributes.get("channelType").is_none() {
            attributes["channelType"] = "web".into();
        }
        let task = self.create_task(NewTask {
            attributes: attributes.to_string(),
            workflow: routing.workflow.clone(),
            channel: Some(routing.task_channel.clone().unwrap_or_else(|| "chat".into())),
            priority: routing.priority,
            timeout: routing.timeout,
            queue: routing.queue.clone(),
            routing_target: routing.worker.clone(),
            // One who is invited by name has to have room, too.
            ignore_capacity: Some(false),
        })?;
        if let Some(chat) = self.chats.get_mut(conversation) {
            chat.invites.insert(invite.clone(), task);
        }
        Ok(invite)
    }

    pub(super) fn invite_list(&self, conversation: &ConversationSid) -> Reply {
        let chat = self.chats.get(conversation);
        let invites = chat.into_iter().flat_map(|chat| chat.invites.keys());
        let none = InviteRouting::default();
        let invites = invites.map(|invite| self.rest_invite(conversation, invite, &none)).collect();
        ok(list("invites", invites), Value::Null)
    }

    pub(super) fn answer_invite(
        &mut self,
        conversation: &ConversationSid,
        invite: &InviteSid,
        worker: &WorkerSid,
        accept: bool,
        sid: &ReservationSid,
    ) -> Answer {
        let chat = self.chat(conversation)?;
        let task = chat.invites.get(invite).cloned().ok_or_else(|| missing("invite"))?;
        let reservation = self.reservations.get(sid).ok_or_else(|| missing("reservation"))?;
        if reservation.task != task || reservation.worker != *worker {
            return Err(missing("reservation"));
        }
        if reservation.status != ReservationStatus::Pending {
            return Err(ApiError {
                status: 400,
                code: 40136,
                message: "The reservation is not pending".into(),
            });
        }
        let closed = chat.status == ChannelStatus::Closed;
        if !accept {
            self.set_reservation(sid, ReservationStatus::Rejected);
            if self.tasks.get(&task).is_some_and(|task| task.routing_target.is_some()) {
                // Nobody else is asked: the conversation is orphaned, as Twilio's best practices warn.
                self.cancel_task(&task, "declined");
            }
        } else if closed {
            self.cancel_task(&task, "The channel is closed");
            return Err(ApiError { status: 400, code: 45002, message: "The channel is closed".into() });
        } else {
            self.set_reservation(sid, ReservationStatus::Accepted);
            self.takes_a_seat(conversation, worker, &task, sid);
        }
        Ok(ok(Value::Null, self.bridge_invite(conversation, invite)))
    }

    fn takes_a_seat(
        &mut self,
        conversation: &ConversationSid,
        worker: &WorkerSid,
        task: &TaskSid,
        reservation: &ReservationSid,
    ) {
        let identity = self.workers.get(worker).map(|worker| worker.identity.clone());
        let seat = Seat { worker: worker.clone(), task: task.clone(), reservation: reservation.clone() };
        let agent = Participant {
            sid: ParticipantSid::numbered(self.number()),
            member: MemberSid::numbered(self.number()),
            identity: identity.unwrap_or_default(),
            agent: Some(seat),
            joined: self.now,
            left: None,
        };
        self.set_status(conversation, ChannelStatus::Active);
        self.joins(conversation, agent);
        self.transfer_is_taken(conversation, task);
    }
}
