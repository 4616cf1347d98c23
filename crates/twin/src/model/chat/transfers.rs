//! Flex's transfer of a conversation to another agent or to a queue: always cold
//! (<https://www.twilio.com/docs/flex/end-user-guide/conversations/work-with-messaging-transfers>).
//!
//! *Read* there: an agent who is not available, or rejects the task, is passed over, and the next agent in the workflow is
//! asked; a queue gets the conversation directly. *Read* in `@twilio/flex-ui` 2.17.1: the request and the list of transfers;
//! `transfer_sid` among the attributes of the next agent's task; the agent who has transferred completes the task by removing
//! their participant, and waits for `participant.removed`. *Assumed*: the next agent is asked by an invite whose task has the
//! attributes of the one before and is of the same workflow; the channel's status is `transfer` meanwhile, which the
//! interaction's webhook tells (`transfer` is *read* as one of its values in Twilio's OpenAPI description, `twilio_flex_v1.json`);
//! and when nobody is found the channel is active again, and nobody is on it.

use super::{
    InviteRouting,
    state::{ChannelStatus, ChatTransfer, ChatTransferStatus},
};
use crate::model::{
    ApiError, Model, Reply,
    requests::Answer,
    state::{ReservationStatus, TransferTo},
    taskrouter::parse_attributes,
};
use rejoin_protocol::{ConversationSid, ParticipantSid, TaskSid, WorkerSid};
use serde_json::Value;

impl Model {
    pub(super) fn transfer_chat(
        &mut self,
        conversation: &ConversationSid,
        worker: &WorkerSid,
        from: &ParticipantSid,
        to: &str,
    ) -> Answer {
        let chat = self.chat(conversation)?;
        let own = chat.present().find(|participant| participant.sid == *from);
        let seat = own.and_then(|participant| participant.agent.clone());
        let seat = seat.filter(|seat| seat.worker == *worker);
        let seat = seat.ok_or_else(|| ApiError::bad_request("from is no participant of this worker"))?;
        if chat.status != ChannelStatus::Active {
            return Err(ApiError::bad_request("the channel is not active"));
        }
        let task_channel = chat.task_channel.clone();
        let target =
            self.target(to).ok_or_else(|| ApiError::bad_request("to is neither worker nor queue"))?;
        let sid = format!("UX{:032x}", self.number());
        let task = self.tasks.get(&seat.task).ok_or_else(|| super::missing("task"))?;
        let mut attributes = parse_attributes(task.attributes.text())?;
        attributes["transfer_sid"] = sid.clone().into();
        let routing = InviteRouting {
            workflow: Some(task.workflow.clone()),
            queue: match &target {
                TransferTo::Queue(queue) => Some(queue.clone()),
                TransferTo::Worker(_) => None,
            },
            task_channel: Some(task_channel),
            attributes: Some(attributes.to_string()),
            priority: task.priority,
            ..InviteRouting::default()
        };
        let channel = task.channel;
        self.set_status(conversation, ChannelStatus::Transferring);
        let invite = self.invite(conversation, &routing)?;
        let now = self.now;
        let chat = self.chats.get_mut(conversation).ok_or_else(|| super::missing("conversation"))?;
        let next = chat.invites.get(&invite).cloned().ok_or_else(|| super::missing("invite"))?;
        chat.transfers.push(ChatTransfer {
            sid: sid.clone(),
            from: from.clone(),
            to: to.to_owned(),
            status: ChatTransferStatus::Active,
            task: next.clone(),
            created: now,
            updated: now,
        });
        self.log(format!("{sid} {conversation} is transferred to {to}"));
        self.set_reservation(&seat.reservation, ReservationStatus::Wrapping);
        if !self.facts.transfer_keeps_agent {
            self.leaves(conversation, from);
        }
        if let TransferTo::Worker(to) = &target
            && self.could_take(to, channel)
        {
            self.reserve(&next, to, None);
        }
        let chat = self.chat(conversation)?;
        let made = chat.transfers.last().map(|transfer| self.bridge_chat_transfer(chat, transfer));
        Ok(Reply { status: 201, body: Value::Null, etag: None, bridge: made.unwrap_or_default() })
    }

    /// An agent has joined by this task: a transfer that asked for them is completed.
    pub(super) fn transfer_is_taken(&mut self, conversation: &ConversationSid, task: &TaskSid) {
        if let Some(from) = self.end_chat_transfer(conversation, task, ChatTransferStatus::Completed) {
            self.leaves(conversation, &from);
        }
    }

    /// Nobody takes this task any more: a transfer that asked for them has failed.
    pub(in crate::model) fn chat_transfer_fails(&mut self, task: &TaskSid) {
        let of = self.chats.iter().find(|(_, chat)| chat.transfers.iter().any(|it| it.task == *task));
        let Some(conversation) = of.map(|(sid, _)| sid.clone()) else { return };
        if self.end_chat_transfer(&conversation, task, ChatTransferStatus::Failed).is_some() {
            self.set_status(&conversation, ChannelStatus::Active);
        }
    }

    /// Who has transferred it, if this ends the transfer.
    fn end_chat_transfer(
        &mut self,
        conversation: &ConversationSid,
        task: &TaskSid,
        status: ChatTransferStatus,
    ) -> Option<ParticipantSid> {
        let now = self.now;
        let transfers = &mut self.chats.get_mut(conversation)?.transfers;
        let open = transfers
            .iter_mut()
            .find(|transfer| transfer.task == *task && transfer.status == ChatTransferStatus::Active)?;
        (open.status, open.updated) = (status, now);
        let (sid, from) = (open.sid.clone(), open.from.clone());
        self.log(format!("{sid} is {}", status.as_str()));
        Some(from)
    }

    /// An agent who has transferred it, and has left, completes their task: true if that was so.
    pub(super) fn completes_transferred(
        &mut self,
        conversation: &ConversationSid,
        sid: &ParticipantSid,
    ) -> bool {
        let left = self.chats.get(conversation).and_then(|chat| {
            chat.participants.iter().find(|participant| participant.sid == *sid && participant.left.is_some())
        });
        let Some(participant) = left.cloned() else { return false };
        let Some(seat) = &participant.agent else { return false };
        let status = self.reservations.get(&seat.reservation).map(|reservation| reservation.status);
        if status != Some(ReservationStatus::Wrapping) {
            return false;
        }
        self.set_reservation(&seat.reservation, ReservationStatus::Completed);
        // Flex waits for it.
        self.tell_agents(conversation, &participant, "participant.removed");
        true
    }
}
