//! Holders of reservations, as Twilio reports them, and agents who are with the customer by an unregistered leg.

use super::Call;
use crate::facts::Agent;
use crate::{Holder, ParticipantFlags, UnreportedAgent};
use rejoin_protocol::{CallSid, ReservationSid, WorkerSid};
use std::collections::BTreeMap;

impl Call {
    /// Twilio reports the owner of this reservation.
    pub(super) fn know_owner(&mut self, reservation: &ReservationSid, worker: &WorkerSid) {
        self.facts.ownership.owners.record(reservation, Some(worker));
    }

    /// Twilio reports an agent who has or had the task, and this is their leg.
    pub(super) fn know_holder(&mut self, leg: &CallSid, holder: &Holder) {
        self.know_owner(&holder.reservation, &holder.worker);
        let mut agent = Agent::new(holder.worker.clone(), holder.name.clone(), holder.reservation.clone());
        // A leg that joined after the hello of the agent's newest page is the one that this page asked for.
        if self.facts.roster.leg(leg).is_some_and(|there| !there.stood)
            && let Some(newest) = self.facts.pages.newest_sole_page(&holder.worker)
        {
            agent.epoch = Some(newest);
        }
        self.facts.roster.agents.insert(leg.clone(), agent);
        self.decisions.forget(leg);
        self.apply_earlier_hello(leg);
    }

    /// Applies a hello that arrived before the leg's agent was known.
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
        let missed = &self.recovery.as_ref()?.absence.agent.reservation;
        let leg = self.newest_unidentified_leg(there)?.clone();
        let may_be_missed = !self.diagnosis().is_bystander(&leg) && !self.diagnosis().is_newest_page_gone();
        // Others have left with their mark. The missed agent is about to, if their next leg is there: their transfer goes on.
        let has_customer = |holder: &&Holder| {
            let is_missed = holder.reservation == *missed;
            !self.is_there_by_known_leg(holder, there)
                && if is_missed { may_be_missed } else { !self.facts.marks.is_given(&holder.reservation) }
        };
        let holder = accepted.iter().find(has_customer)?.clone();
        Some(UnreportedAgent { leg, holder })
    }

    /// Of these legs the newest one that can talk and is neither the customer's nor a known agent's. A leg that neither a
    /// callback nor a poll has shown is the newest.
    fn newest_unidentified_leg<'a>(
        &self,
        there: &'a BTreeMap<CallSid, ParticipantFlags>,
    ) -> Option<&'a CallSid> {
        let roster = &self.facts.roster;
        let is_unidentified =
            |(leg, flags): &(&CallSid, &ParticipantFlags)| roster.is_unidentified(leg) && flags.can_talk();
        let legs = there.iter().filter(is_unidentified).map(|(leg, _)| leg);
        legs.max_by_key(|leg| (!roster.is_shown(leg), roster.report(leg)))
    }

    fn is_there_by_known_leg(&self, holder: &Holder, there: &BTreeMap<CallSid, ParticipantFlags>) -> bool {
        self.facts.roster.legs_of(&holder.reservation).any(|leg| there.contains_key(leg))
    }
}
