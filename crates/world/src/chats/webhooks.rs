//! What Twilio reports to our server: webhooks, which are lost, late or doubled, and never tried again, and events of a stream.

use super::twilio::Guest;
use super::{ChatWorld, Coming, Way};
use crate::plan::FaultKind;
use crate::timeline::{Kind, Lane};
use rejoin_conversations::{Event, InteractionNews, Role, Seen};

/// How long a stream waits before it delivers an event again.
const AGAIN: u64 = 5_000;

impl ChatWorld {
    /// A participant as an Interaction webhook names them: neither the worker nor the member.
    pub(super) fn webhook_seen(&self, guest: &Guest) -> Seen {
        Seen {
            sid: guest.sid.clone(),
            role: if guest.seat.is_some() { Role::Agent } else { Role::Customer },
            worker: None,
            task: guest.seat.map(|seat| self.tasks[seat.task].sid.clone()),
            reservation: None,
            member: None,
        }
    }

    pub(super) fn interaction(&mut self, room: usize, news: InteractionNews) {
        let it = &self.rooms[room];
        let (conversation, place) = (it.conversation.clone(), it.place.clone());
        self.webhook(room, Event::Interaction { conversation, place, kind: None, news });
    }

    pub(super) fn webhook(&mut self, room: usize, event: Event) {
        let mut chance = self.chance(Way::Webhook, room);
        let mut after = Self::latency(&mut chance);
        if self.goes_wrong(&mut chance, FaultKind::WebhookLate) {
            after += chance.between(1_000, 15_000);
        }
        if self.goes_wrong(&mut chance, FaultKind::WebhookTwice) {
            self.put(after + chance.between(10, 5_000), Coming::Hears(Box::new(event.clone()), false));
        }
        let lost = self.goes_wrong(&mut chance, FaultKind::WebhookLost);
        let way = (Lane::Twilio, Some(Lane::Server(0)));
        self.message_noted(way, Kind::Webhook, lost, || named(&event, room));
        if lost {
            self.rules.missed(room, &event);
            return;
        }
        self.put(after, Coming::Hears(Box::new(event), false));
    }

    /// It arrives. A webhook that no server takes is lost.
    pub(super) fn hears(&mut self, event: Box<Event>, streamed: bool) {
        if self.server_takes(&event).is_ok() {
            return;
        }
        if streamed {
            self.put(AGAIN, Coming::Hears(event, true));
        } else if let Event::Interaction { conversation, .. } = &*event
            && let Some(room) = self.room_of(conversation)
        {
            self.rules.missed(room, &event);
        }
    }
}

fn named(event: &Event, room: usize) -> String {
    match event {
        Event::Interaction { news: InteractionNews::Joined(seen), .. } => {
            format!("chat {room}: {:?} joined", seen.role).to_lowercase()
        }
        Event::Interaction { news: InteractionNews::Left(_), .. } => {
            format!("chat {room}: a participant left")
        }
        Event::Interaction { .. } => format!("chat {room}: the channel's status"),
        Event::Message { message, .. } => format!("chat {room}: message {}", message.index),
        Event::State { state, .. } => format!("chat {room}: {state:?}").to_lowercase(),
        _ => format!("chat {room}"),
    }
}
