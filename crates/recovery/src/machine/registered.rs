//! A page registers its call.

use super::Machine;
use crate::Call;
use crate::call::Out;
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::Registration;

impl Machine {
    pub(super) fn registered(&mut self, out: &mut Out<'_>, worker: &WorkerSid, registration: &Registration) {
        if self.is_of_another_conference(registration) {
            return;
        }
        let conference = &registration.conference;
        let claimed = || Call::unproven(conference.clone(), registration.task.clone());
        self.calls.entry(conference.clone()).or_insert_with(claimed);
        self.apply_early_marks(out);
        out.heard = self.is_news_from(worker, conference);
        let counts = self.with(out, conference, |call, out| call.registered(out, worker, registration));
        if counts == Some(true) {
            self.with(out, conference, |call, out| {
                call.apply_earlier_goodbye(out, worker, registration.page());
            });
        }
    }

    /// True if the registration names a leg that Twilio has not shown in its conference, and that is an agent's in another
    /// one. A leg is in one conference only: an agent whose customer comes to another conference has a new leg there.
    pub(crate) fn is_of_another_conference(&self, registration: &Registration) -> bool {
        let Registration { conference, worker_leg: leg, .. } = registration;
        let is_agents = |call: &Call| {
            let roster = &call.facts.roster;
            call.conference != *conference && roster.is_shown(leg) && roster.agent(leg).is_some()
        };
        let is_shown_here = self.call(conference).is_some_and(|call| call.facts.roster.is_shown(leg));
        !is_shown_here && self.calls().any(is_agents)
    }
}
