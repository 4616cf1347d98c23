//! The departure of an agent's leg: what follows from each kind.

use super::{Call, Out};
use crate::absence::{Ending, Phase, Recovery};
use crate::diagnosis::{Departure, Lacks};
use crate::facts::{Evidence, Observation};
use crate::{LeaveReason, Loss, Note, Timer};
use rejoin_protocol::CallSid;

impl Call {
    /// Handles agents' legs that are gone and not accounted for.
    pub(super) fn find_lost_agent(&mut self, out: &mut Out<'_>) {
        // An unidentified participant left. It may have been an agent whose page had no time to register.
        let roster = &self.facts.roster;
        let unidentified_left =
            roster.participants.keys().any(|leg| roster.left(leg).is_some() && !roster.is_customer(leg));
        if self.facts.roster.agents.is_empty()
            && unidentified_left
            && (!self.facts.roster.ended || self.stranding.decide_by.is_some())
        {
            self.look_up_task(out);
        }
        for leg in self.diagnosis().departed() {
            self.agent_gone(out, &leg);
        }
    }

    fn agent_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Some(departure) = self.diagnosis().classify(leg).map(|row| row.departure) else { return };
        match departure {
            Departure::Undecided(Lacks::Customer) => self.look_up_task(out),
            Departure::Undecided(
                Lacks::CustomerShown | Lacks::ConferenceEnd | Lacks::CustomerJoined | Lacks::LegsLeave,
            ) => {}
            Departure::Late | Departure::CallOver => self.settle(leg),
            Departure::BackAndLeft => {
                self.settle(leg);
                self.note(out, Note::AgentLeft);
                self.end_recovery(out, &Ending::Graceful);
                self.set_timer(out, Timer::LeftAlone, out.now + out.config.orphan_after);
            }
            Departure::EndedConference => {
                self.refuse_mark_of(leg);
                self.covered.remove(leg);
                self.lose(out, leg, Loss::EndedConference);
                self.settle(leg);
            }
            Departure::Absent => self.absent_leg_gone(out, leg),
            Departure::Graceful | Departure::Moved => self.left_to_others(out, leg, departure),
            Departure::Covered => {
                let is_doubtful =
                    self.diagnosis().is_left_to_leavers(leg) || self.is_leave_of_colleagues_outstanding(leg);
                if is_doubtful {
                    self.poll_unless_in_flight(out); // their leaves may be unreported
                }
                // Until it is removed, a dead leg may be all that a colleague leaves the customer with.
                let may_be_missed = is_doubtful || self.decisions.is_dead(leg);
                self.settle_as_covered(out, leg, may_be_missed);
            }
            Departure::Attended => self.settle_as_covered(out, leg, true),
            Departure::ProvedDead => {
                self.lose(out, leg, Loss::ProvedDead);
                self.settle(leg);
                self.hold_the_line(out);
            }
            Departure::Lost => {
                self.lose(out, leg, Loss::NoMark);
                self.settle(leg);
            }
        }
    }

    /// Withdraws the mark of this leg's agent: the transfer was refused.
    fn refuse_mark_of(&mut self, leg: &CallSid) {
        if let Some(reservation) = self.facts.roster.agent(leg).map(|agent| agent.reservation.clone()) {
            self.unmark(&reservation);
        }
    }

    /// The leg of an absent agent has left. If the colleagues' leaves were unreported, the customer misses this agent.
    fn absent_leg_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.diagnosis().is_away_covered(leg) {
            self.miss_covered(out);
        }
        if self.diagnosis().is_away(leg) {
            let is_removed = self.decisions.is_dead(leg);
            self.away_leg_gone(out, leg, is_removed);
        } else {
            self.covered_leg_gone(out, leg);
        }
    }

    /// The agent left on purpose, or was moved. The customer may miss another agent because of it.
    fn left_to_others(&mut self, out: &mut Out<'_>, leg: &CallSid, departure: Departure) {
        if !self.decisions.is_settled(leg) {
            self.note(out, Note::AgentLeft);
        }
        self.settle(leg);
        if let Some((missed, row)) = self.diagnosis().missed_after(leg) {
            self.covered.remove(&missed);
            self.lose(out, &missed, Loss::ColleagueLeft);
            if row.is_dead {
                self.hold_the_line(out);
            }
            return;
        }
        if departure == Departure::Graceful {
            self.set_timer(out, Timer::LeftAlone, out.now + out.config.orphan_after);
        }
        if self.facts.roster.left(leg) == Some(LeaveReason::HungUp) {
            self.poll_transfer(out); // a transfer that is not refused takes the leg away
        }
    }

    /// Another agent has the customer, or a recovery is open already. A cover by which the agent may be missed later is
    /// remembered with its time.
    pub(super) fn settle_as_covered(&mut self, out: &mut Out<'_>, leg: &CallSid, may_be_missed: bool) {
        if may_be_missed {
            self.decisions.cover(leg, out.now);
        }
        self.settle(leg);
        self.end_leftover_holds(out);
    }

    /// The timer is due: a leave that another source reported did not arrive. Twilio tries a callback again for 15 s at most,
    /// and the agent may be lost: the leave is inferred.
    pub(super) fn leave_is_overdue(&mut self, out: &mut Out<'_>) {
        let roster = &self.facts.roster;
        let missed = roster.agent_legs(|leg, agent| {
            self.diagnosis().awaits_leave_of(leg, agent)
                && !self.decisions.is_dead(leg)
                && roster.is_joined(leg)
                && !self.facts.marks.is_given(&agent.reservation)
        });
        for leg in &missed {
            let (reason, evidence) = (LeaveReason::HungUp, Evidence::TaskRouter);
            self.facts.roster.observe(leg, Observation::Gone { reason, evidence });
        }
        self.find_lost_agent(out);
        // The grace period for a mark is over.
        let waits = |r: &Recovery| r.phase == Phase::Grace && missed.contains(&r.absence.lost_leg);
        if self.recovery.as_ref().is_some_and(waits) {
            self.clear_timer(out, Timer::Grace);
            self.hold_the_line(out);
        }
    }

    /// Another source than a callback reports this leg gone: waits a moment for the callback.
    pub(super) fn await_leave(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let joined = self.facts.roster.is_joined(leg);
        let is_done = self.decisions.is_settled(leg) || self.decisions.is_dead(leg);
        let marks = &self.facts.marks;
        let Some(agent) = self.facts.roster.agents.get_mut(leg).filter(|a| !marks.is_given(&a.reservation))
        else {
            return;
        };
        if joined && agent.reported_gone.is_none() && !is_done {
            agent.reported_gone = Some(Evidence::TaskRouter);
            self.remove_unclosed_legs(out); // one timer serves both
            self.set_timer(out, Timer::Leave, out.now + out.config.leave_within);
            self.read_task_for_mark(out);
        }
    }
}
