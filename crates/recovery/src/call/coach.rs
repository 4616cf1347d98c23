//! Supervisors who coach: only one agent hears them, and the customer never does.

use super::{Call, Out};
use crate::Action;
use crate::plan::SOON;
use rejoin_protocol::CallSid;

impl Call {
    pub(super) fn is_coaching(&self, leg: &CallSid) -> bool {
        self.facts.roster.is_joined(leg) && self.facts.roster.flags(leg).coaching
    }

    /// Lets supervisors who coached the agent of this leg coach their new leg. Twilio binds a coach to a leg, not to an
    /// agent, so the agent would not hear the coach.
    pub(super) fn retarget_coaches(&mut self, out: &mut Out<'_>, before: &CallSid) {
        let Some(worker) = self.facts.roster.agent(before).map(|agent| &agent.worker) else { return };
        let mut legs = self.facts.roster.agents.iter().filter(|(leg, agent)| {
            *leg != before && agent.worker == *worker && self.diagnosis().is_on_call(leg, agent)
        });
        let Some(now) = legs.next().map(|(leg, _)| leg.clone()) else { return };
        let coaches = self.diagnosis().others().filter(|(leg, _)| self.is_coaching(leg));
        for coach in coaches.map(|(leg, _)| leg.clone()).collect::<Vec<_>>() {
            let (conference, before, now) = (self.conference.clone(), before.clone(), now.clone());
            self.act(out, Action::RetargetCoach { conference, coach, before, now }, SOON);
        }
    }
}
