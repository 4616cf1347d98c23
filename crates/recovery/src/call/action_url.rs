//! Twilio fetches our action URL for a customer: their conference has ended, or they have left the queue. If the document that
//! it was set by is ours, it keeps the customer on the line, and takes them back into the queue.

use super::{Call, Out};
use crate::absence::{Phase, Recovery};
use crate::facts::{Agent, Evidence, Observation, Presence};
use crate::plan::SOON;
use crate::{KEPT_UNDECIDED, LeaveReason};
use rejoin_protocol::{CallSid, Millis, RecoveryId};

/// The answer to Twilio for a customer whose conference has ended, or who has left the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The queue again, as this recovery has decided.
    Requeue(RecoveryId),
    /// It is not decided yet: Twilio is to ask again in a moment.
    Wait,
    /// The call was over: the flow goes on as after any call.
    Over,
    /// Nothing is known of this customer. Callbacks of their call arrive at the same time, if they were asked for.
    Unknown,
}

impl Call {
    /// The answer for a customer whose recovery is open. A customer who comes out of the queue is sent there again.
    fn next_of(&self, recovery: &Recovery, is_in_time: bool) -> Next {
        let trip = recovery.phase.trip();
        let is_decided = trip.is_some_and(|trip| trip.is_stranded);
        // The request that sends the customer to the queue is on its way, and finds the customer here as well.
        let is_sending =
            matches!(recovery.phase, Phase::Requeueing(_)) && !self.diagnosis().has_left_for_queue(recovery);
        if !is_decided && (trip.is_none() || is_sending || is_in_time) {
            return Next::Wait;
        }
        // If it is not known in time whether the customer was left on purpose, they are kept, for any agent.
        Next::Requeue(recovery.absence.id.clone())
    }

    /// True if the customer has been in the queue. If they were connected to an agent there, it was for this recovery.
    fn was_taken(&self, recovery: &Recovery) -> bool {
        recovery.phase.trip().is_some_and(|trip| !trip.is_stranded)
            && self.diagnosis().has_freed_reservation(recovery)
    }

    /// Twilio fetches our action URL for a customer whose conference has ended, as far as Twilio knows.
    pub(crate) fn action_url_fetched(&mut self, out: &mut Out<'_>, customer: &CallSid) {
        if !self.facts.ownership.proven {
            // Kept until the call is proven.
            self.stranding.decide_by.get_or_insert(out.now + out.config.released_within);
            self.stranding.fetched_for = Some(customer.clone());
            return;
        }
        if self.names_customer(customer) {
            return self.action_url_fetched_for_claimed(out, customer);
        }
        if self.facts.roster.is_customer(customer)
            && self.recovery.as_ref().is_some_and(|it| self.was_taken(it))
        {
            return self.taken_unseen(out);
        }
        self.was_not_moved(out, customer);
        if (!self.closed || self.is_undecided()) && self.may_be_stranded(customer) {
            self.strand_customer(out, customer);
        }
    }

    /// True if this leg was shown here, is not known to be a third party's, and has not left otherwise.
    fn may_be_stranded(&self, leg: &CallSid) -> bool {
        let roster = &self.facts.roster;
        roster.is_shown(leg)
            && (roster.customer.is_none() || roster.is_customer(leg))
            && matches!(roster.left(leg), None | Some(LeaveReason::ModeratorEnded))
    }

    fn strand_customer(&mut self, out: &mut Out<'_>, customer: &CallSid) {
        // Only customers have our action URL.
        self.facts.roster.customer.get_or_insert_with(|| customer.clone());
        let until = *self.stranding.decide_by.get_or_insert(out.now + out.config.released_within);
        if out.now < until {
            self.look_up_again();
        }
    }

    /// Twilio fetches our action URL again, and the agent's departure is still unknown. Callbacks arrive at the same time as
    /// the first fetch, so Twilio is polled now, and once more with each fetch for as long as the customer is kept because no poll was
    /// answered.
    pub(crate) fn action_url_fetched_again(&mut self, out: &mut Out<'_>, customer: &CallSid) {
        let is_kept =
            |until| out.now < until || (self.is_departure_unknown() && out.now < self.undecided_until(until));
        let is_in_time = self.stranding.decide_by.is_some_and(is_kept);
        let is_open = !self.has_open_recovery() && self.is_undecided() && self.may_be_stranded(customer);
        if self.facts.roster.is_customer(customer) && is_in_time && is_open {
            self.poll_unless_in_flight(out);
        }
    }

    /// A poll missed the customer just now, and a move was inferred; or a hang-up, if it was not known which leg is the customer's.
    /// Twilio fetches no action URL for a customer who was moved, or has hung up, so the conference has ended. Agents whom the
    /// same poll missed are classified again.
    fn was_not_moved(&mut self, out: &Out<'_>, customer: &CallSid) {
        let found = self.facts.roster.move_inferred_at.take().is_some_and(|at| out.now < at + SOON);
        let stayed = |r: &Recovery| {
            let is_over = !r.is_open() && r.phase.moved_to().is_none();
            (is_over || r.phase == Phase::Stranded) && !self.diagnosis().has_left_for_queue(r)
        };
        let never_sent = self.recovery.as_ref().is_none_or(stayed);
        let roster = &self.facts.roster;
        // `None`: the callback of their join, which Twilio repeated, has arrived after the poll's answer.
        let is_moved = roster.is_customer(customer)
            && matches!(roster.left(customer), None | Some(LeaveReason::UpdatedViaApi));
        let hung_up = Presence::Gone { reason: LeaveReason::HungUp, evidence: Evidence::Poll };
        let is_not_in_poll =
            roster.customer.as_ref().is_none_or(|it| it == customer) && roster.presence(customer) == hung_up;
        if !found || !never_sent || !(is_moved || is_not_in_poll) {
            return;
        }
        let (reason, evidence) = (LeaveReason::ModeratorEnded, Evidence::ActionUrl);
        self.facts.roster.observe(customer, Observation::Gone { reason, evidence });
        self.reopen_hang_ups();
    }

    /// An unreported agent took the customer from the queue, and has them no longer. Twilio is polled.
    fn taken_unseen(&mut self, out: &mut Out<'_>) {
        let waited = self.stranding.decide_by.filter(|until| out.now < *until + SOON);
        let until = waited.unwrap_or(out.now + out.config.released_within);
        self.stranding.decide_by = Some(until);
        if out.now >= until {
            self.requeue_by_document(out);
        } else {
            self.poll_unless_in_flight(out);
        }
    }

    /// The answer for the customer; `None`: another call decides.
    pub(crate) fn answer_to_action_url(&self, now: Millis, customer: &CallSid) -> Option<Next> {
        if !self.facts.ownership.proven {
            // A registration that is not confirmed yet may be right.
            return self.may_become_customer(customer).then_some(Next::Wait);
        }
        if self.may_be_customer(customer) {
            return self.stranding.decide_by.filter(|until| now < *until + SOON).map(|_| Next::Wait);
        }
        let until = self.stranding.decide_by.filter(|_| self.facts.roster.is_customer(customer))?;
        match self.recovery.as_ref().filter(|recovery| recovery.is_open()) {
            Some(recovery) => Some(self.next_of(recovery, now < until)),
            None => (self.is_undecided() && now < self.undecided_until(until)).then_some(Next::Wait),
        }
    }

    /// How long a customer is kept while it is not known whether they were left on purpose (point in time).
    fn undecided_until(&self, until: Millis) -> Millis {
        let is_polled = self.poll.since.is_some();
        if self.is_agent_unknown() || self.is_departure_unknown() {
            until + KEPT_UNDECIDED
        } else if is_polled || self.awaits_owner() {
            until + SOON
        } else {
            until
        }
    }

    /// True while no agent of the call is known, and a look-up may still name one.
    fn is_agent_unknown(&self) -> bool {
        let is_looked_up = self.lookup.begun && !self.lookup.found_too_little;
        self.facts.roster.agents.is_empty() && (is_looked_up || self.lookup.failed)
    }

    /// True while a poll may still show what became of an agent who gave no mark.
    fn is_departure_unknown(&self) -> bool {
        (self.poll.since.is_some() || self.poll.is_uncertain) && self.has_unknown_departure()
    }

    fn has_unknown_departure(&self) -> bool {
        let is_open = |(leg, agent): (&CallSid, &Agent)| {
            !self.decisions.is_settled(leg) && !self.facts.marks.is_given(&agent.reservation)
        };
        self.facts.roster.agents.iter().any(is_open)
    }

    /// True while a stranded customer is kept, and a poll may show how the agent has left. Twilio may not fetch the action URL
    /// again for a while, if it met no server.
    pub(super) fn awaits_departure(&self, now: Millis) -> bool {
        self.keeps_undecided(now) && self.has_unknown_departure()
    }
}
