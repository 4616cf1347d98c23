//! The lost agent's own hold of the customer. We end it so that the customer hears the announcement, and restore it as soon
//! as the agent is back in place: the agent expects the customer to be on hold, and must not be heard unawares.

use super::{Call, HoldStage, Out};
use crate::Action;
use crate::absence::{AgentHold, Ending, Phase};
use crate::plan::SOON;
use rejoin_protocol::CallSid;

impl Call {
    /// True if the customer is on hold, so that the hold must end before they can hear us. Remembers that it was the
    /// agent's.
    pub(super) fn note_end_of_agent_hold(&mut self) -> bool {
        let held = self.diagnosis().is_customer_held();
        let Some(recovery) = &mut self.recovery else { return held };
        // No callback may have reported the hold that we restored.
        let held = held || recovery.agent_hold == AgentHold::PutBack;
        if held && self.our_hold.is_none() {
            recovery.agent_hold = AgentHold::Ended;
        }
        held
    }

    /// Restores the hold before an agent who comes back in place can be heard.
    pub(super) fn put_back_agent_hold(&mut self, out: &mut Out<'_>) {
        let Some(customer) = self.facts.roster.customer.clone() else { return };
        if !self.facts.roster.is_customer_joined() || !self.is_to_be_held_here() {
            return;
        }
        let Some(recovery) = self.recovery.as_mut().filter(|r| r.agent_hold == AgentHold::Ended) else {
            return;
        };
        let is_held = match self.our_hold.map(|ours| ours.stage) {
            // A request is in flight. Another one could overtake it.
            Some(HoldStage::Asked | HoldStage::Ending) => return,
            None if self.requests.is_clearing_customer_flags() => return,
            // Our hold becomes the agent's.
            Some(HoldStage::On | HoldStage::Refused) => true,
            Some(HoldStage::Doubtful) | None => false,
        };
        recovery.agent_hold = AgentHold::PutBack;
        self.our_hold = None;
        if !is_held {
            let conference = self.conference.clone();
            self.act(out, Action::HoldParticipant { conference, leg: customer }, SOON);
        }
    }

    /// The customer is off the hold that we had restored: a later hold is not that one.
    pub(super) fn agent_has_unheld(&mut self) {
        if let Some(recovery) = self.recovery.as_mut().filter(|it| it.agent_hold == AgentHold::PutBack) {
            recovery.agent_hold = AgentHold::AsItWas;
        }
    }

    /// True if the agent comes back into this conference, or has.
    fn is_to_be_held_here(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| {
            matches!(recovery.phase, Phase::Rejoining | Phase::Ended(Ending::Rejoined { into: None }))
        })
    }

    /// True if the lost agent had put the customer on hold.
    pub(super) fn has_agent_held_customer(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.agent_hold != AgentHold::AsItWas)
    }

    /// True if this hold is still wanted.
    pub(super) fn wants_hold_of(&self, leg: &CallSid) -> bool {
        !self.has_agent_held_customer() || !self.facts.roster.is_customer(leg) || self.is_to_be_held_here()
    }

    /// The customer, if the agent had put them on hold and is back in another conference.
    pub(super) fn to_be_held_elsewhere(&self, ending: &Ending) -> Option<CallSid> {
        let held = self.has_agent_held_customer();
        self.facts.roster.customer.clone().filter(|_| held && matches!(ending, Ending::Rejoined { .. }))
    }

    /// Ends the holds that a departed agent left behind, if one agent remains: the remaining agent did not ask for them.
    pub(super) fn end_leftover_holds(&mut self, out: &mut Out<'_>) {
        let roster = &self.facts.roster;
        let is_on_call =
            |leg: &CallSid| roster.agent(leg).map(|agent| self.diagnosis().is_on_call(leg, agent));
        if roster.agents.keys().filter(|leg| is_on_call(leg) == Some(true)).count() != 1 {
            return;
        }
        let is_left_on_hold = |leg: &&CallSid| {
            let is_nobodys = is_on_call(leg) == Some(false);
            let is_by_us = self.our_hold.is_some() && roster.is_customer(leg);
            roster.flags(leg).hold && !is_nobodys && !is_by_us
        };
        for leg in roster.joined().filter(is_left_on_hold).cloned().collect::<Vec<_>>() {
            self.act(out, Action::Unhold { conference: self.conference.clone(), leg }, SOON);
        }
    }
}
