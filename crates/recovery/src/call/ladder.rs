//! The second rung, holding the line: the customer hears the announcement and waits, the agent is pinged. Also the steps
//! from one rung to the next.

use super::{Call, Out};
use crate::absence::{AHEAD, Ending, HoldingTheLine, Phase, Recovery};
use crate::plan::{LATER, SOON};
use crate::{Action, Note, RequeueCause, Timer};
use rejoin_protocol::api::{Failure, RECONNECTS_WITHIN};
use rejoin_protocol::{CallSid, Millis, RecoveryId, TaskSid};

/// How long the steps before the requeue may delay it once the agent is reachable.
const PREPARE: Millis = Millis::seconds(2);
/// How long after the loss a wait is prolonged at most, however often servers start.
const PROLONGED_AT_MOST: Millis = Millis::seconds(600);

impl Call {
    /// Begins the second rung: the leg is gone, or is being removed.
    pub(super) fn hold_the_line(&mut self, out: &mut Out<'_>) {
        let lost = self.recovery.as_ref().map(|recovery| recovery.absence.lost_leg.clone());
        if lost.is_some_and(|leg| self.diagnosis().is_covered(&leg)) {
            // A colleague on hold is better than the queue: they know the call.
            return self.end_recovery(out, &Ending::Covered);
        }
        if self.facts.roster.is_stranded() || self.facts.roster.seems_moved() {
            return self.hold_stranded(out);
        }
        if let Some(customer) = self.facts.roster.customer.clone() {
            self.begin_holding(out, customer);
        }
    }

    fn begin_holding(&mut self, out: &mut Out<'_>, customer: CallSid) {
        let Some(recovery) = &mut self.recovery else { return };
        let was_away = recovery.phase == Phase::Away;
        recovery.phase = Phase::Holding(HoldingTheLine::default());
        if !was_away {
            recovery.absence.deadline = out.now + out.config.ping_ttl;
        }
        let told = std::mem::replace(&mut recovery.announced, true);
        self.note(out, Note::HoldingTheLine);
        // An agent whose page has said hello already is not pinged.
        self.check_newer_page(out);
        self.clear_timer(out, Timer::Announce);
        self.clear_timer(out, Timer::Rejoin);
        let was_alone = self.hold_customer(out, told);
        if !was_alone {
            self.clear_customer_flags(out, customer, told);
        }
        self.begin_wait(out, was_alone);
        self.push(out);
    }

    /// The agent is pinged and awaited, unless they are back, or were lost too often.
    fn begin_wait(&mut self, out: &mut Out<'_>, was_alone: bool) {
        let Some(recovery) = &mut self.recovery else { return };
        let deadline = recovery.absence.deadline;
        let is_awaited = !recovery.absence.back && !recovery.too_often;
        let is_pinged = is_awaited && out.now.until(deadline) > AHEAD;
        recovery.phase = Phase::Holding(HoldingTheLine { was_alone, is_pinged, is_prolonged: false });
        self.set_timer(out, Timer::Ping, if is_awaited { deadline } else { out.now + PREPARE });
    }

    pub(super) fn ping_created(&mut self, out: &mut Out<'_>, id: &RecoveryId, task: &TaskSid) {
        match &mut self.recovery {
            Some(recovery)
                if recovery.absence.id == *id && recovery.ping.task.as_ref().is_none_or(|it| it == task) =>
            {
                recovery.ping.task = Some(task.clone());
            }
            // The recovery of this ping is over, or has one.
            Some(_) | None => {
                self.act(out, Action::EndPing { task: task.clone(), accepted: false }, LATER);
            }
        }
    }

    /// Requeues the customer once the agent is back and the steps before the requeue are done.
    pub(super) fn go_on(&mut self, out: &mut Out<'_>) {
        self.go_on_stranded(out);
        self.back_while_queued(out);
        let Some(recovery) = self.recovery.as_ref().filter(|it| matches!(it.phase, Phase::Holding(_))) else {
            return;
        };
        let ready = self.is_loss_written(recovery)
            && !self.requests.is_clearing_customer_flags()
            && !self.requests.is_removing_leg();
        self.check_newer_page(out);
        let goes = ready && self.recovery.as_ref().is_some_and(|r| r.absence.back || r.too_often);
        if goes && !self.try_wait_for_newcomer(out, Timer::Ping) {
            self.requeue_as_decided(out);
        }
    }

    fn check_newer_page(&mut self, out: &mut Out<'_>) {
        let is_back = |it: &Recovery| !it.absence.back && !it.too_often && self.has_newer_page(it);
        if self.recovery.as_ref().is_some_and(is_back) {
            self.proved_reachable(out);
        }
    }

    /// A newer page or the accepted ping shows that the agent is reachable.
    pub(super) fn proved_reachable(&mut self, out: &mut Out<'_>) {
        if let Some(recovery) = &mut self.recovery {
            recovery.absence.back = true;
            self.note(out, Note::AgentBack);
            // The steps before the requeue must not delay it for long.
            self.set_timer(out, Timer::Ping, out.now + PREPARE);
        }
    }

    /// The wait is over, or TaskRouter reports that the ping will not be accepted.
    pub(super) fn ping_is_over(&mut self, out: &mut Out<'_>) {
        let waits = |r: &Recovery| matches!(r.phase, Phase::Away | Phase::Holding(_));
        if self.recovery.as_ref().is_some_and(waits) && self.try_wait_for_newcomer(out, Timer::Ping) {
            return;
        }
        let is_late = |r: &Recovery| r.absence.deadline + AHEAD < out.now;
        if self.recovery.as_ref().is_some_and(is_late) && self.try_prolong_wait(out) {
            return; // no server ran when the wait ended
        }
        if let Some(recovery) = self.recovery.as_ref().filter(|r| r.phase == Phase::Away) {
            let leg = recovery.absence.lost_leg.clone();
            return self.give_up_in_place(out, &leg); // the steps before the requeue end with the wait
        }
        let Some(recovery) = self.recovery.as_ref().filter(|r| r.phase.is_kept()) else { return };
        if recovery.phase == Phase::Stranded {
            return self.stranded_is_over(out);
        }
        if recovery.absence.back || recovery.too_often {
            return self.requeue_as_decided(out);
        }
        self.note(out, Note::AgentNotBack);
        self.requeue(out, None, out.now + out.config.queue_within, RequeueCause::AgentNotBack);
    }

    /// Prolongs the wait for the agent, because no server ran to which the agent's page could have said hello. True if the wait
    /// was prolonged.
    pub(super) fn try_prolong_wait(&mut self, out: &mut Out<'_>) -> bool {
        let Some(recovery) = &mut self.recovery else { return false };
        let until = (out.now + RECONNECTS_WITHIN).min(recovery.absence.lost_at + PROLONGED_AT_MOST);
        if recovery.absence.back || recovery.too_often || until <= recovery.absence.deadline {
            return false;
        }
        let ring_at = match &mut recovery.phase {
            Phase::Away => Millis(until.0.saturating_sub(AHEAD.0)),
            Phase::Holding(holding) => {
                holding.is_prolonged = true;
                until
            }
            _ => return false,
        };
        recovery.absence.deadline = until;
        self.set_timer(out, Timer::Ping, ring_at);
        self.push(out);
        true
    }

    /// Goes on to the second rung: no page joins in place, and the old leg is removed.
    fn give_up_in_place(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.settle(leg);
        if self.facts.roster.is_joined(leg) {
            self.remove_leg(out, leg);
        }
        self.hold_the_line(out);
    }

    pub(super) fn rejoin_is_over(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        match &recovery.phase {
            Phase::Requeueing(trip) | Phase::Queued(trip) if trip.target.is_some() => {
                let is_back = recovery.absence.back;
                let cause = if is_back { RequeueCause::NotTaken } else { RequeueCause::AgentNotBack };
                self.note(out, Note::AgentNotBack);
                self.requeue(out, None, out.now + out.config.queue_within, cause);
            }
            Phase::Requeueing(_) | Phase::Queued(_) => {
                if recovery.absence.deadline + AHEAD < out.now {
                    return self.poll_before_giving_up(out);
                }
                self.end_recovery(out, &Ending::Failed { reason: Failure::NobodyTookIt });
            }
            Phase::Rejoining => {
                let leg = recovery.absence.lost_leg.clone();
                if !self.try_wait_for_newcomer(out, Timer::Rejoin) {
                    self.note(out, Note::NotInPlace);
                    self.give_up_in_place(out, &leg);
                }
            }
            Phase::Grace | Phase::Away | Phase::Holding(_) | Phase::Stranded | Phase::Ended(_) => {}
        }
    }

    /// No server ran when the wait ended: an agent may have taken the customer since, and been lost again.
    fn poll_before_giving_up(&mut self, out: &mut Out<'_>) {
        self.wait_until(out, Timer::Rejoin, out.now + SOON);
        self.poll_unless_in_flight(out);
    }

    pub(super) fn grace_is_over(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        match recovery.phase {
            Phase::Grace => self.hold_the_line(out),
            Phase::Rejoining
                if !self.facts.roster.is_joined(&recovery.absence.lost_leg)
                    && !self.diagnosis().has_newcomer() =>
            {
                self.note(out, Note::NotInPlace);
                self.hold_the_line(out);
            }
            _ => {}
        }
    }
}
