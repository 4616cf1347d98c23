//! Which leg is the customer's. A page may claim any leg. Only a leg that a callback or a poll has shown in this call's
//! conference gets a role. If no callback shows a claimed leg within a moment, the conference is polled.

use super::{Call, Out};
use crate::LeaveReason;
use crate::plan::SOON;
use rejoin_protocol::CallSid;

/// Limit of claimed legs, above what one call has.
const CLAIMED: usize = 8;

impl Call {
    /// A page, or the task's attributes, name the customer's leg.
    pub(super) fn claim_customer(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.facts.roster.customer.is_none()
            && (self.facts.roster.customer_claims.len() < CLAIMED
                || self.facts.roster.customer_claims.contains_key(leg))
        {
            self.facts.roster.customer_claims.entry(leg.clone()).or_default();
            self.settle_customer(out);
        }
    }

    /// A claimed leg counts as the customer's when Twilio has shown it here, unless it is an agent's. Goodbyes that arrived
    /// before are applied then.
    pub(super) fn settle_customer(&mut self, out: &mut Out<'_>) {
        if self.facts.roster.customer.is_none() {
            let is_here = |leg: &&CallSid| {
                self.facts.roster.is_shown(leg) && !self.facts.roster.agents.contains_key(*leg)
            };
            let Some(leg) = self.facts.roster.customer_claims.keys().find(is_here).cloned() else { return };
            self.facts.roster.customer = Some(leg);
            let agents: Vec<_> =
                self.facts.roster.agents.values().map(|agent| (agent.worker.clone(), agent.epoch)).collect();
            for (worker, epoch) in agents {
                self.apply_earlier_goodbye(out, &worker, epoch);
            }
        }
        self.facts.roster.customer_claims.clear();
    }

    /// The task itself names this leg as the customer's. It also counts if Twilio fetches our action URL for it: then it has
    /// left its conference.
    pub(super) fn task_names_customer(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.facts.roster.customer.is_none() && self.stranding.fetched_for.as_ref() == Some(leg) {
            self.facts.roster.customer = Some(leg.clone());
            self.facts.roster.customer_claims.clear();
            if self.facts.roster.ended {
                self.facts.roster.assume_joined(leg); // until the conference ended
            }
        }
        self.claim_customer(out, leg);
    }

    /// The customer whom a poll missed was not moved: the conference ended under them. Agents' legs that hung up, which
    /// settled as after a move, are classified again.
    pub(super) fn reopen_hang_ups(&mut self) {
        let hung_up = |leg: &CallSid, _: &_| self.facts.roster.left(leg) == Some(LeaveReason::HungUp);
        for leg in self.facts.roster.agent_legs(hung_up) {
            self.decisions.reopen(&leg);
        }
    }

    /// Twilio fetches our action URL for a leg that is claimed as the customer's. If the task names the leg, too, the leg is
    /// the customer's and has left its conference. A leg that a poll missed long ago belongs to another call by now, unless
    /// Twilio fetched before: it repeats the fetch every second.
    pub(super) fn action_url_fetched_for_claimed(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let had_asked = self.stranding.fetched_for.as_ref() == Some(leg);
        if self.facts.roster.move_inferred_at.is_some_and(|at| at + SOON <= out.now) && !had_asked {
            return;
        }
        self.stranding.fetched_for = Some(leg.clone());
        let until = *self.stranding.decide_by.get_or_insert(out.now + out.config.released_within);
        self.poll_for_legs(out);
        if self.poll.since.is_none() && out.now < until {
            self.look_up_again();
            self.look_up_task(out);
        }
    }
}
