//! The look-up: Twilio is asked for the task, its reservations and its worker.

use super::{Call, Out};
use crate::facts::Agent;
use crate::plan::SOON;
use crate::{KEPT_UNDECIDED, LeaveReason, LookUpAnswer, Outcome, Timer};
use rejoin_protocol::{CallSid, Millis};

/// Limit of look-ups of a call whose look-ups find too little.
const LOOKUPS: u32 = 5;
/// Time between look-ups while a stranded customer is kept.
const ASKED_EVERY: Millis = Millis::seconds(10);

impl Call {
    /// A poll of another call discovered this one: its participants are looked up.
    pub(crate) fn look_up_discovered(&mut self, out: &mut Out<'_>) {
        self.look_up_task(out);
    }

    fn task_is_looked_up(&mut self, out: &mut Out<'_>, found: &LookUpAnswer) {
        self.facts.origin.workflow = Some(found.workflow.clone());
        self.facts.origin.queue = self.facts.origin.queue.take().or_else(|| found.queue.clone());
        self.facts.task.attributes.clone_from(&found.attributes);
        self.facts.task.version = None;
        if let Some(leg) = &found.customer_leg {
            self.task_names_customer(out, leg);
        }
        let (Some((worker, name)), Some(reservation)) = (&found.worker, &found.reservation) else { return };
        self.know_owner(reservation, worker);
        // If the attributes do not name the leg: the only leg that is not the customer's.
        let mut others =
            self.facts.roster.participants.keys().filter(|leg| !self.facts.roster.is_customer(leg));
        let only = others.next().filter(|_| others.next().is_none()).cloned();
        // If a leg of this agent is known, they are back in place by it, and a leg that has joined since is not theirs.
        let is_known = self.facts.roster.agent_of(reservation).is_some();
        let first = found.worker_leg.as_ref().filter(|_| !is_known);
        let next = first.and_then(|first| self.leg_of_next(first, found.is_accepted));
        if let Some(leg) = next.or_else(|| found.worker_leg.clone()).or(only) {
            self.facts
                .roster
                .agents
                .entry(leg.clone())
                .or_insert_with(|| Agent::new(worker.clone(), name.clone(), reservation.clone()));
            self.apply_earlier_hello(&leg);
        }
    }

    /// The leg of the next agent. The task names the leg of the first agent. If a transfer has taken that leg away, and exactly
    /// one leg has joined since, that leg is the next agent's. If the first agent hung up or was lost, their reservation is no
    /// longer accepted: one that is accepted belongs to the only leg on the line that can talk.
    fn leg_of_next(&self, first: &CallSid, is_accepted: bool) -> Option<CallSid> {
        let roster = &self.facts.roster;
        let moved = |leg: &CallSid| roster.left(leg) == Some(LeaveReason::UpdatedViaApi);
        let is_gone = is_accepted && roster.is_hang_up_reported(first);
        let came = |leg: &&CallSid| {
            !roster.is_customer(leg)
                && match moved(first) {
                    true => roster.is_reported_after(leg, first) && !moved(leg),
                    false => is_gone && roster.is_joined(leg) && roster.flags(leg).can_talk(),
                }
        };
        let mut came = roster.participants.keys().filter(came);
        came.next().filter(|_| came.next().is_none()).cloned()
    }

    /// A look-up has ended.
    pub(super) fn looked_up(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        self.lookup.failed = matches!(outcome, Outcome::Failed { .. });
        if let Outcome::TaskLookedUp(found) = outcome {
            self.task_is_looked_up(out, found);
            self.read_mark(out);
            self.handle_looked_up_legs(out);
            self.poll_for_unshown(out);
        }
        if self.lookup.failed && self.is_waited_for(out.now) {
            self.lookup.begun = false;
            self.look_up_task(out);
        } else {
            self.look_up_later(out, outcome);
        }
    }

    /// The timer is due: no page has registered in time, or no callback has shown a claimed leg.
    pub(super) fn look_up_is_due(&mut self, out: &mut Out<'_>) {
        let roster = &self.facts.roster;
        if self.awaits_legs() && !roster.ended {
            self.poll_for_legs(out);
        } else if roster.is_unknown() && (!roster.ended || self.is_kept(out.now)) {
            self.lookup.begun = false;
            self.lookup.found_too_little = false;
            self.look_up_task(out);
        } else if self.is_without_callbacks() {
            self.poll_unless_in_flight(out);
        }
    }

    /// True while a stranded customer waits for a look-up that failed.
    fn is_waited_for(&self, now: Millis) -> bool {
        self.stranding.decide_by.is_some_and(|until| now < until + SOON)
            && self.facts.roster.is_unknown()
            && self.lookup.count < LOOKUPS
    }

    /// Plans the next look-up if this one found too little, or failed.
    fn look_up_later(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        self.lookup.found_too_little |= self.stranding.decide_by.is_some() && self.facts.roster.is_unknown();
        if self.facts.roster.is_unknown() && self.is_kept(out.now) {
            return self.set_timer(out, Timer::LookUp, out.now + ASKED_EVERY);
        }
        if !self.facts.roster.is_unknown() || self.closed || *outcome == Outcome::Gone {
            return;
        }
        if self.lookup.count < LOOKUPS {
            self.lookup.found_too_little = true;
            self.set_timer(out, Timer::LookUp, out.now + SOON);
        } else if matches!(outcome, Outcome::Failed { .. }) {
            // Twilio has failed for long: the next look-up follows the next poll.
            self.lookup.found_too_little = true;
            self.poll_soon(out);
        }
    }

    /// True while a stranded customer is kept because Twilio fails.
    pub(super) fn is_kept(&self, now: Millis) -> bool {
        self.lookup.failed && self.stranding.decide_by.is_some_and(|until| now < until + KEPT_UNDECIDED)
    }
}
