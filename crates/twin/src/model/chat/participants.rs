//! Who is in a conversation, and how they leave it.

use super::{
    missing,
    state::{ChannelStatus, Participant},
    webhooks::Told,
};
use crate::model::{ApiError, Model, requests::Answer, state::ReservationStatus};
use rejoin_protocol::{ConversationSid, ParticipantSid, ReservationSid, TaskSid, WorkerSid};

impl Model {
    pub(super) fn joins(&mut self, conversation: &ConversationSid, participant: Participant) {
        let Some(chat) = self.chats.get_mut(conversation) else { return };
        chat.participants.push(participant.clone());
        self.log(format!("{} ({}) is in {conversation}", participant.sid, participant.kind()));
        self.sync_member(conversation, &participant);
        self.tell_agents(conversation, &participant, "participant.added");
        self.tell_interaction(conversation, &Told::Joined(participant));
    }

    pub(super) fn leaves(&mut self, conversation: &ConversationSid, sid: &ParticipantSid) {
        let now = self.now;
        let Some(chat) = self.chats.get_mut(conversation) else { return };
        let here = chat.participants.iter_mut().find(|it| it.sid == *sid && it.left.is_none());
        let Some(participant) = here else { return };
        participant.left = Some(now);
        let participant = participant.clone();
        // Somebody may be in it twice, for a moment: by an old task and by a new one.
        let still = chat.member(&participant.identity).cloned();
        self.log(format!("{sid} has left {conversation}"));
        self.tell_agents(conversation, &participant, "participant.removed");
        self.sync_left(conversation, &participant);
        if let Some(still) = still {
            self.sync_member(conversation, &still);
        }
        self.tell_interaction(conversation, &Told::Left(participant));
    }

    /// Tells every agent of the conversation, and the participant themselves.
    pub(super) fn tell_agents(&mut self, conversation: &ConversationSid, about: &Participant, event: &str) {
        let Some(chat) = self.chats.get(conversation) else { return };
        let seats = chat.present().chain([about]).filter_map(|participant| participant.agent.as_ref());
        let mut workers: Vec<WorkerSid> = seats.map(|seat| seat.worker.clone()).collect();
        workers.sort();
        workers.dedup();
        let payload = self.bridge_chat_event(chat, about);
        self.tell(workers, event, payload);
    }

    /// The seats of agents who are in the conversation.
    fn seats(&self, conversation: &ConversationSid) -> Vec<(ParticipantSid, ReservationSid)> {
        let chat = self.chats.get(conversation);
        let present = chat.into_iter().flat_map(|chat| chat.present());
        let seats = present.filter_map(|it| Some((it.sid.clone(), it.agent.as_ref()?.reservation.clone())));
        seats.collect()
    }

    /// `Status` of the channel, and what becomes of the agents' tasks.
    pub(super) fn update_channel(
        &mut self,
        conversation: &ConversationSid,
        status: &str,
        routing: Option<&str>,
    ) -> Answer {
        let (status, after) = match (status, routing) {
            ("closed", None | Some("wrapup")) => (ChannelStatus::Closed, ReservationStatus::Wrapping),
            ("closed", Some("closed")) => (ChannelStatus::Closed, ReservationStatus::Completed),
            ("inactive", Some("closed")) => (ChannelStatus::Inactive, ReservationStatus::Completed),
            ("pause", Some("closed")) => (ChannelStatus::Paused, ReservationStatus::Completed),
            ("pause", Some("wrapup")) => (ChannelStatus::Paused, ReservationStatus::Wrapping),
            ("inactive", _) => {
                return Err(ApiError::bad_request("Routing: inactive requires the status closed"));
            }
            _ => return Err(ApiError::bad_request("Invalid parameter Status")),
        };
        let chat = self.chat(conversation)?;
        if chat.status == ChannelStatus::Closed && status != ChannelStatus::Closed {
            return Err(ApiError { status: 400, code: 45002, message: "The channel is closed".into() });
        }
        if status == ChannelStatus::Closed {
            let open: Vec<TaskSid> = chat.invites.values().cloned().collect();
            for task in open {
                self.cancel_task(&task, "The channel is closed");
            }
        }
        let paused = (status == ChannelStatus::Paused).then(|| self.pausing(conversation)).flatten();
        if let Some(chat) = self.chats.get_mut(conversation) {
            chat.paused = paused;
        }
        for (participant, reservation) in self.seats(conversation) {
            self.end_seat(conversation, &participant, &reservation, after);
        }
        self.set_status(conversation, status);
        Ok(self.channel_reply(conversation))
    }

    /// `Status` of one agent's participant.
    pub(super) fn update_participant(
        &mut self,
        conversation: &ConversationSid,
        sid: &ParticipantSid,
        status: &str,
    ) -> Answer {
        let after = match status {
            "closed" => ReservationStatus::Completed,
            "wrapup" => ReservationStatus::Wrapping,
            _ => return Err(ApiError::bad_request("Invalid parameter Status")),
        };
        if after == ReservationStatus::Completed && self.completes_transferred(conversation, sid) {
            return Ok(self.chat_participant_reply(conversation, sid));
        }
        let chat = self.chat(conversation)?;
        let here = chat.present().find(|participant| participant.sid == *sid);
        let seat = here.ok_or_else(|| missing("participant"))?.agent.clone();
        match seat {
            Some(seat) => self.end_seat(conversation, sid, &seat.reservation, after),
            None => self.leaves(conversation, sid),
        }
        Ok(self.chat_participant_reply(conversation, sid))
    }

    fn end_seat(
        &mut self,
        conversation: &ConversationSid,
        participant: &ParticipantSid,
        reservation: &ReservationSid,
        after: ReservationStatus,
    ) {
        let now = self.reservations.get(reservation).map(|reservation| reservation.status);
        if now.is_some_and(ReservationStatus::is_active) {
            self.set_reservation(reservation, after);
        }
        if after == ReservationStatus::Completed {
            self.leaves(conversation, participant);
        }
    }

    /// A reservation is over: whoever was in a conversation by it has left.
    pub(in crate::model) fn seat_is_over(&mut self, reservation: &ReservationSid) {
        let seat = self.chats.iter().find_map(|(conversation, chat)| {
            let is_it =
                |it: &&Participant| it.agent.as_ref().is_some_and(|seat| seat.reservation == *reservation);
            Some((conversation.clone(), chat.present().find(is_it)?.sid.clone()))
        });
        if let Some((conversation, participant)) = seat {
            self.leaves(&conversation, &participant);
        }
    }
}
