//! Planted defects of the part that works on chats: each changes what the machine hears, or what it begins.

use super::{ChatWorld, Way};
use crate::planted::Planted;
use rejoin_conversations::{Action, Event, InteractionNews, PageEvent};
use rejoin_protocol::{ConversationSid, Millis};

impl ChatWorld {
    /// True when our server does not hear this event.
    pub(super) fn planted_deafens(&self, event: &Event) -> bool {
        match self.planted {
            Some(Planted::ChatHellosForgotten) => {
                matches!(event, Event::Page { event: PageEvent::Heard | PageEvent::PushOpened, worker, .. }
                    if self.servers.knows(worker))
            }
            _ => false,
        }
    }

    /// The actions that begin, as the defect has them.
    pub(super) fn planted_acts(
        &mut self,
        mut acts: Vec<(ConversationSid, Action, Millis)>,
    ) -> Vec<(ConversationSid, Action, Millis)> {
        if self.planted == Some(Planted::ChatClosedEarly) {
            let invites: Vec<_> = acts
                .iter()
                .filter(|(_, action, _)| matches!(action, Action::Invite { .. }))
                .cloned()
                .collect();
            for (conversation, action, until) in invites {
                let Some(room) = self.room_of(&conversation) else { continue };
                let Action::Invite { place, .. } = action else { continue };
                if let Some((guest, _)) = self.rooms[room].seats().next() {
                    let participant = guest.sid.clone();
                    acts.push((conversation, Action::CloseParticipant { place, participant }, until));
                }
            }
        }
        acts
    }

    /// A claim, as the defect believes it: like a webhook of Twilio.
    pub(super) fn planted_belief(&mut self, claim: Event) -> Event {
        match claim {
            Event::Claimed { conversation, place, .. }
                if self.planted == Some(Planted::ChatClaimBelieved) =>
            {
                let _ = self.chance(Way::Liar, 0);
                Event::Interaction { conversation, place, kind: None, news: InteractionNews::Other }
            }
            claim => claim,
        }
    }
}
