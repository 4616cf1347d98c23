//! What agents do about calls that are not theirs.

use crate::page::{PageId, Then};
use crate::world::World;
use rejoin_twin::model::{LegPlace, ParticipantChange, Request};

impl World {
    /// Lets the agent, and not the customer, hear the supervisor who listens in. Flex has no button for it; Twilio's
    /// own project template has one, whose request this is
    /// (<https://www.twilio.com/docs/voice/api/conference-participant-resource#update-a-participant-resource>).
    pub(super) fn coaches(&mut self, page: PageId) -> Option<()> {
        let call = self.pages[page].flex.call.as_ref()?.leg.clone();
        let LegPlace::Conference(conference) = self.twilio.model.leg(&call)?.place else { return None };
        let conference = conference.clone();
        let here = || self.twilio.model.participants(&conference);
        here().find(|it| it.call == &call && it.muted && it.agent.is_none())?;
        let coached = here().find(|it| it.agent.is_some())?.call.clone();
        let change = ParticipantChange {
            muted: Some(false),
            coaches: Some(Some(coached)),
            ..ParticipantChange::default()
        };
        self.bridge(page, Request::UpdateParticipant { conference, call, change }, Then::Nothing);
        Some(())
    }

    /// Rejects a ringing call in the page in which it rings.
    pub(super) fn refuses(&mut self, agent: usize) -> Option<()> {
        let (page, reservation) = self.agents[agent].pages.iter().find_map(|page| {
            let mut rings = self.pages[*page].flex.tasks.iter();
            let rings = rings.find(|(_, held)| held.voice && held.status == "pending");
            Some((*page, rings?.0.clone()))
        })?;
        let status = Some("rejected".into());
        let request = Request::UpdateReservation { reservation, status, instruction: None };
        self.bridge(page, request, Then::Nothing);
        Some(())
    }
}
