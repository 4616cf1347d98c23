//! Conferences that have ended: with which leg, and whether that was a loss.

use super::Diagnosis;
use crate::LeaveReason;
use crate::absence::{CoveredStage, Ending};
use crate::facts::{Agent, Mark, Participant, Report};
use rejoin_protocol::{CallSid, Millis, ReservationSid};

impl<'a> Diagnosis<'a> {
    /// True if the conference ended under the customer when this leg hung up, and its agent did not leave on purpose.
    pub(crate) fn ended_by_loss(self, leg: &CallSid) -> bool {
        let left = self.roster.left(leg);
        let mark = self.roster.agent(leg).and_then(|agent| self.marks.get(&agent.reservation));
        let on_purpose = mark.is_some() && !self.ended_while_handed_over(leg);
        self.roster.is_stranded() && left == Some(LeaveReason::HungUp) && !on_purpose
    }

    /// True if the conference ended with this leg, whose agent had marked a transfer. A transfer leaves the conference
    /// standing: this one was refused.
    pub(crate) fn ended_while_handed_over(self, leg: &CallSid) -> bool {
        let Some(agent) = self.roster.agent(leg) else { return false };
        self.marks.is_transfer(&agent.reservation)
            && !self.marks.has_completed(&agent.reservation)
            && !self.was_taken_over(leg, &agent.reservation)
            && (self.roster.ended_with(leg) || self.ended_with_removal_of(leg))
    }

    /// True if a conference that has ended may have ended with this leg, which we removed, or which was gone before: the leaves of
    /// the leg and of the customer are not both reported yet.
    pub(crate) fn may_have_ended_with_removal_of(self, leg: &CallSid) -> bool {
        let has_left = |there: &Participant| there.left_at().is_some();
        let are_reported =
            self.roster.leg(leg).is_some_and(has_left) && self.roster.customer_leg().is_some_and(has_left);
        // A transfer leaves the conference standing: it would have been refused.
        let may_be_missed = |agent: &Agent| match self.marks.get(&agent.reservation) {
            Some(_) => {
                let of = &agent.reservation;
                self.marks.is_transfer(of) && !self.marks.has_completed(of)
            }
            None => self.recovery.is_none(),
        };
        self.decisions.is_dead(leg) && !are_reported && self.roster.agent(leg).is_some_and(may_be_missed)
    }

    /// True if the conference ended under the customer with this leg, which we removed. Its flag was set again in that moment.
    fn ended_with_removal_of(self, leg: &CallSid) -> bool {
        self.roster.is_stranded()
            && self.decisions.is_dead(leg)
            && self.roster.left(leg) == Some(LeaveReason::UpdatedViaApi)
            && self.is_customers_leave_next(leg)
    }

    /// True if the conference ended with this leg, whose agent seemed to leave the customer to a colleague. Nothing
    /// happened between the two reports, and no agent has said that they leave. It ends with one leg: the last to hang up.
    pub(crate) fn ended_while_covered(self, leg: &CallSid) -> bool {
        self.marks.is_empty()
            && self.is_customers_leave_next(leg)
            && !self.was_missed(leg)
            && self.roster.ended_with(leg)
    }

    /// True if callbacks reported the customer's leave after this leg's, with nothing between the two but the leaves of
    /// others whom the end of the conference took along.
    fn is_customers_leave_next(self, leg: &CallSid) -> bool {
        let ended = |leg: &&CallSid| self.roster.left(leg) == Some(LeaveReason::ModeratorEnded);
        let at_most = self.roster.participants.keys().filter(ended).count() as u64;
        let reported = self.roster.report(leg).sequence();
        let customer = self.roster.customer_leg().and_then(|customer| customer.report().sequence());
        reported.zip(customer).is_some_and(|(leg, customer)| (leg + 1..=leg + at_most).contains(&customer))
    }

    /// True if the agent of this leg is, or was, missed. An absence that ended because a colleague had the customer does not
    /// count.
    fn was_missed(self, leg: &CallSid) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.absence.lost_leg == *leg)
            || self.covered.get(leg).is_some_and(|it| it.stage != CoveredStage::Over(Ending::Covered))
    }

    /// True if another agent took the customer over after this agent's mark of a transfer. Either that agent has a later
    /// mark and was not gone before this leg, or callbacks reported neither that agent's leg nor the departure of this one.
    fn was_taken_over(self, leg: &CallSid, handed_over: &ReservationSid) -> bool {
        let Some(handed_over_at) = self.marks.said_at(handed_over) else { return false };
        let later = |(other, mark): (&ReservationSid, &Mark)| {
            mark.said_at() > handed_over_at && !self.was_gone_before(other, leg)
        };
        // The order of departures that polls found is unknown. A transfer takes a leg away, so that it does not hang up.
        let is_found_gone = self.roster.is_shown(leg) && !self.roster.is_hang_up_reported(leg);
        let may_be_other =
            |(other, agent): (&CallSid, &Agent)| self.may_have_taken_over(other, agent, handed_over_at);
        self.marks.iter().any(later) || (is_found_gone && self.roster.agents.iter().any(may_be_other))
    }

    /// True if a callback reported that the agent of this reservation was gone before this leg.
    fn was_gone_before(self, other: &ReservationSid, leg: &CallSid) -> bool {
        let is_gone =
            |other: &CallSid| !self.roster.is_joined(other) && self.roster.report(other) != Report::None;
        self.roster.legs_of(other).any(|other| is_gone(other) && self.roster.is_reported_after(leg, other))
    }

    /// True if this agent may have taken the customer over at that time, because no callback has reported their leg.
    fn may_have_taken_over(self, leg: &CallSid, agent: &Agent, at: Millis) -> bool {
        let missed = || self.absences_of(leg).any(|it| it.absence().lost_at > at);
        self.roster.report(leg) == Report::None
            && !self.marks.is_given(&agent.reservation)
            && (!self.is_accounted_for(leg, agent) || missed())
    }

    /// True if the conference ended under the agent as well, who had not said that they leave, with the leg of an
    /// unidentified participant. Customer and agent still belong together.
    pub(crate) fn ended_by_unidentified(self, leg: &CallSid) -> bool {
        let left = self.roster.left(leg);
        let mut others =
            self.roster.participants.keys().filter(|other| !self.roster.agents.contains_key(*other));
        left == Some(LeaveReason::ModeratorEnded)
            && self.marks.is_empty()
            && others.any(|other| self.roster.ended_with(other))
    }

    /// True if the conference may have ended with the leg of an unidentified participant: no report says yet how they left it.
    pub(crate) fn may_have_ended_by_unidentified(self, leg: &CallSid) -> bool {
        let mut others = self.roster.participants.keys().filter(|other| self.roster.is_unidentified(other));
        self.roster.left(leg) == Some(LeaveReason::ModeratorEnded)
            && self.marks.is_empty()
            && self.recovery.is_none()
            && others.any(|other| self.may_have_ended_with(other))
    }

    /// True if the conference ended under the agent as well, with a leg that we removed, because another plugin had set
    /// that leg's exit flag again in that moment. Customer and agent still belong together.
    pub(crate) fn ended_by_removal(self, leg: &CallSid) -> bool {
        self.roster.is_stranded()
            && self.roster.left(leg) == Some(LeaveReason::ModeratorEnded)
            && self.marks.is_empty()
            && self.was_dead_leg_last()
    }

    /// True if a leg that we removed was the last to leave before the end of the conference, or if no report says yet how such
    /// a leg left: its leave may be reported after that end.
    fn was_dead_leg_last(self) -> bool {
        let left = |leg: &CallSid| self.roster.left(leg);
        let left_before_the_end = |leg: &&CallSid| {
            let is_before = left(leg).is_some_and(|reason| reason != LeaveReason::ModeratorEnded);
            is_before && !self.roster.is_customer(leg)
        };
        let legs = self.roster.participants.keys();
        let last = legs.clone().filter(left_before_the_end).max_by_key(|leg| self.roster.report(leg));
        let removed = |leg: &CallSid| self.decisions.is_dead(leg);
        last.is_some_and(|leg| left(leg) == Some(LeaveReason::UpdatedViaApi) && removed(leg))
            || legs.clone().any(|leg| removed(leg) && left(leg).is_none())
    }

    /// True if the conference ended under the customer and no report says yet how this leg left it.
    pub(crate) fn may_have_ended_with(self, leg: &CallSid) -> bool {
        let is_unreported = self.roster.is_shown(leg) && self.roster.left(leg).is_none();
        is_unreported && self.roster.is_stranded() && !self.is_requeued()
    }

    /// True while the customer is on the way to an agent through the queue. That ends the conference as well.
    pub(crate) fn is_requeued(self) -> bool {
        self.recovery.as_ref().is_some_and(|it| it.phase.trip().is_some())
    }
}
