//! Who has a reservation, as Twilio says, and who is with the customer by a leg that no page has registered.

use super::Call;
use crate::facts::Agent;
use crate::{Holder, ParticipantFlags, UnreportedAgent};
use rejoin_protocol::{CallSid, ReservationSid, WorkerSid};
use std::collections::BTreeMap;

impl Call {
    /// Twilio says whose this reservation is.
    pub(super) fn know_owner(&mut self, reservation: &ReservationSid, worker: &WorkerSid) {
        self.facts.ownership.owners.record(reservation, Some(worker));
    }

    /// Twilio says who has the task, or had it, and this is their leg.
    pub(super) fn know_holder(&mut self, leg: &CallSid, holder: &Holder) {
        self.know_owner(&holder.reservation, &holder.worker);
        let mut agent = Agent::new(holder.worker.clone(), holder.name.clone(), holder.reservation.clone());
        // A leg that was not there when the agent's newest page said hello is the one for which that page has asked.
        if self.facts.roster.leg(leg).is_some_and(|there| !there.stood)
            && let Some(newest) = self.facts.pages.newest_alone(&holder.worker)
        {
            agent.epoch = Some(newest);
        }
        self.facts.roster.agents.insert(leg.clone(), agent);
        self.decisions.forget(leg);
        self.apply_earlier_hello(leg);
    }

    /// A page may have said hello before it was known whose leg this is.
    pub(super) fn apply_earlier_hello(&mut self, leg: &CallSid) {
        if let Some(agent) = self.facts.roster.agents.get_mut(leg)
            && let newest @ Some(_) =
                self.facts.pages.newest(&agent.worker).filter(|it| Some(*it) > agent.epoch)
        {
            agent.newer_page = agent.newer_page.max(newest);
        }
    }

    /// The agent who is with the customer, if these agents have accepted the task and these legs are in the conference.
    pub(super) fn unreported_agent(
        &self,
        accepted: &[Holder],
        there: &BTreeMap<CallSid, ParticipantFlags>,
    ) -> Option<UnreportedAgent> {
        let recovery = self.recovery.as_ref()?;
        let unknown = |leg: &CallSid, flags: &ParticipantFlags| {
            !self.facts.roster.is_customer(leg)
                && !self.facts.roster.agents.contains_key(leg)
                && flags.can_talk()
        };
        let legs = there.iter().filter(|(leg, flags)| unknown(leg, flags)).map(|(leg, _)| leg);
        // A leg that nothing has shown is the newest.
        let told = |leg: &CallSid| (!self.facts.roster.is_shown(leg), self.facts.roster.report(leg));
        let last = legs.max_by_key(|leg| told(leg))?;
        let by_known_leg = |holder: &Holder| {
            let of = |(leg, agent): (&CallSid, &Agent)| {
                agent.reservation == holder.reservation && there.contains_key(leg)
            };
            self.facts.roster.agents.iter().any(of)
        };
        let is_back = !self.diagnosis().is_bystander(last) && !self.diagnosis().is_newest_page_gone();
        let has_him = |holder: &&Holder| {
            let missed = holder.reservation == recovery.absence.agent.reservation;
            !by_known_leg(holder) && !self.facts.marks.is_given(&holder.reservation) && (!missed || is_back)
        };
        let holder = accepted.iter().find(has_him)?.clone();
        Some(UnreportedAgent { leg: last.clone(), holder })
    }
}
