//! Whom Twilio has shown in the conference. A page may name any leg; only a leg that a callback or a poll has shown in this
//! call's conference is joined, or has a role. A leg that no callback shows within a moment is polled.

use super::{Call, Out, SOON};
use crate::facts::{Evidence, PendingRegistration};
use crate::{LeaveReason, Seen, Timer};
use rejoin_protocol::{CallSid, Millis};

/// How long the callback that shows a leg may take before Twilio is polled: a page may be faster.
const CALLBACK_WITHIN: Millis = Millis::seconds(1);
/// More legs than can truly be named as one customer's.
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

    /// A claimed leg counts as the customer's when Twilio has shown it here, unless it is an agent's. What was said
    /// meanwhile of the page of an agent counts then.
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
                self.recall_goodbye(out, &worker, epoch);
            }
        }
        self.facts.roster.customer_claims.clear();
    }

    /// The task itself names this leg as the customer's. It counts, too, if Twilio asks what comes next for it: then it has
    /// left its conference.
    pub(super) fn task_names_customer(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.facts.roster.customer.is_none() && self.stranding.fetched_for.as_ref() == Some(leg) {
            self.facts.roster.customer = Some(leg.clone());
            self.facts.roster.customer_claims.clear();
            if self.facts.roster.ended {
                self.facts.roster.assume_joined(leg); // until it ended
            }
        }
        self.claim_customer(out, leg);
    }

    /// Has Twilio said whose the reservation of a registration is, and not shown its leg yet?
    fn awaits_leg(&self, kept: &PendingRegistration) -> bool {
        self.owner(&kept.registration.reservation).is_some()
            && !self.facts.roster.is_shown(&kept.registration.worker_leg)
    }

    /// Is a leg named that neither a callback nor a poll has told of?
    pub(super) fn awaits_legs(&self) -> bool {
        (self.facts.roster.customer.is_none()
            && self.facts.roster.customer_claims.values().any(|polled| !polled))
            || self.facts.ownership.registrations.iter().any(|kept| self.awaits_leg(kept))
    }

    /// The callbacks that show the named legs may be on their way. If not, Twilio is polled.
    pub(super) fn await_legs(&self, out: &mut Out<'_>) {
        if self.awaits_legs() && self.poll.since.is_none() {
            self.set_timer(out, Timer::Learn, out.now + CALLBACK_WITHIN);
        }
    }

    /// A page of a named leg has come or gone: what it says is to count at once.
    pub(super) fn hasten_legs(&mut self, out: &mut Out<'_>) {
        if self.awaits_legs() && self.poll.since.is_none() && !self.facts.roster.ended {
            self.look(out);
        }
    }

    /// A poll has shown who is here. It drops a registration whose leg it did not show, with one exception: the customer is
    /// alone or the conference is over, and Twilio has named the owner of a reservation that no known agent has. The owner was
    /// on this call, and that leg is gone. An agent who took a transfer and was lost while no server ran is such an owner.
    pub(super) fn settle_polled(&mut self, out: &mut Out<'_>, seen: &Seen) {
        self.settle_customer(out);
        let is_left = |kept: &PendingRegistration| {
            let is_customer = |leg: &CallSid| *leg == kept.registration.customer_leg;
            seen.participants.keys().all(is_customer)
        };
        if seen.participants.is_empty() && self.facts.roster.customer.is_none() {
            self.facts.roster.move_inferred_at = Some(out.now);
        }
        let (unshown, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.facts.ownership.registrations)
            .into_iter()
            .partition(|kept| self.awaits_leg(kept));
        self.facts.ownership.registrations = kept;
        // Twilio says that the reservation is the worker's: that agent was on a call that is over, by whichever leg.
        let is_known =
            |kept: &PendingRegistration| self.facts.roster.agent_of(&kept.registration.reservation).is_some();
        if let [.., last] = &unshown[..]
            && is_left(last)
            && !is_known(last)
            && !self.facts.roster.agents.keys().any(|leg| self.facts.roster.is_joined(leg))
        {
            self.facts.roster.is_gone(&last.registration.worker_leg, LeaveReason::HungUp, Evidence::Poll);
            self.facts.ownership.registrations.push(last.clone());
        }
        self.settle_registrations(out);
        self.facts.roster.customer_claims.values_mut().for_each(|polled| *polled = true);
    }

    /// Is this leg said to be the customer's, and nothing better known?
    pub(super) fn names_customer(&self, leg: &CallSid) -> bool {
        let named = |kept: &PendingRegistration| kept.registration.customer_leg == *leg;
        self.facts.roster.customer.is_none()
            && (self.facts.roster.customer_claims.contains_key(leg)
                || self.facts.ownership.registrations.iter().any(named))
    }

    /// The same, while Twilio is being asked.
    pub(super) fn may_be_customer(&self, leg: &CallSid) -> bool {
        let asks = self.awaits_legs()
            || self.poll.since.is_some()
            || (self.lookup.begun && !self.lookup.found_too_little);
        self.names_customer(leg) && asks
    }

    /// Twilio asks what comes next for a leg that is said to be the customer's. If the task says so, too, it is: the leg has
    /// left its conference. One that a poll missed long ago has had another call since, unless Twilio had asked for it
    /// before: it asks again every second.
    pub(super) fn named_is_released(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let had_asked = self.stranding.fetched_for.as_ref() == Some(leg);
        if self.facts.roster.move_inferred_at.is_some_and(|at| at + SOON <= out.now) && !had_asked {
            return;
        }
        self.stranding.fetched_for = Some(leg.clone());
        let until = *self.stranding.decide_by.get_or_insert(out.now + out.config.released_within);
        self.hasten_legs(out);
        if self.poll.since.is_none() && out.now < until {
            self.look_up_again();
            self.learn(out);
        }
    }
}
