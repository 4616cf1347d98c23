//! Agents who are away while the customer has another agent. No announcement is made and no task is created. The leg may
//! stand until the agent is back in place. If the agent does not come back, the customer stays with the other agent.

use super::{Call, Out};
use crate::absence::{AHEAD, Absence, Covered, CoveredStage, Ending, Phase, Recovery};
use crate::facts::Agent;
use crate::plan::{OVERDUE, SOON};
use crate::{LeaveReason, Note, Timer};
use rejoin_protocol::{CallSid, WorkerSid};

impl Call {
    /// The page of this leg is gone; the customer has another agent, or is being recovered.
    pub(super) fn goes_away_covered(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let is_of = |recovery: &Recovery| recovery.is_open() && recovery.absence.lost_leg == *leg;
        if self.recovery.as_ref().is_some_and(is_of) {
            return; // the customer misses this very agent
        }
        let Some(absence) = self.absence_of(out, leg) else { return };
        let covered = Covered { absence, stage: CoveredStage::Away };
        self.note(out, Note::PageGone);
        self.push_view(out, covered.view(out.now, &self.task), &covered.absence);
        self.covered.insert(leg.clone(), covered);
        self.wake_covered(out);
    }

    /// The agent is back, and their page can join in place.
    pub(super) fn joins_covered(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if !self.diagnosis().is_away_covered(leg) {
            // The page crashed: it sent no goodbye.
            self.goes_away_covered(out, leg);
        }
        let Some(covered) = self.covered.get_mut(leg) else { return };
        covered.absence.joins_beside(out.now, &out.config);
        covered.stage = CoveredStage::Rejoining;
        let covered = covered.clone();
        self.note(out, Note::JoiningInPlace);
        self.push_view(out, covered.view(out.now, &self.task), &covered.absence);
        self.wake_covered(out);
    }

    /// The leg of an absent agent has left. A page that joins again closes the leg itself, when the new one is in.
    pub(super) fn covered_leg_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.settle(leg);
        if self.covered.get(leg).is_some_and(|covered| covered.stage == CoveredStage::Away) {
            let is_doubtful = self.is_leave_of_colleagues_outstanding(leg);
            if is_doubtful {
                self.poll_unless_in_flight(out);
            }
            if is_doubtful || self.has_open_recovery() {
                self.decisions.cover(leg, out.now); // that colleague may turn out to have left on purpose
            }
            self.end_covered(out, leg, &Ending::Covered);
        }
    }

    /// True if each colleague of this leg, which has left, may have left before it: a callback that may report that is outstanding.
    pub(super) fn is_leave_of_colleagues_outstanding(&self, leg: &CallSid) -> bool {
        let roster = &self.facts.roster;
        let reported = |leg: &CallSid| roster.report(leg).sequence().unwrap_or_default();
        let may_have_left = |other: &CallSid| {
            self.facts.received.lacks_callback(reported(other).saturating_add(1)..reported(leg))
        };
        self.diagnosis().is_covered(leg) && self.diagnosis().colleagues(leg).all(may_have_left)
    }

    /// Ends absences that facts have ended.
    pub(super) fn settle_covered(&mut self, out: &mut Out<'_>) {
        let open = self.covered.iter().filter(|(_, covered)| covered.is_open());
        let open: Vec<_> = open.map(|(leg, covered)| (leg.clone(), covered.absence.agent.clone())).collect();
        for (leg, absent) in open {
            let is_back = |(other, agent): (&CallSid, &Agent)| {
                *other != leg && agent.worker == absent.worker && self.diagnosis().is_on_call(other, agent)
            };
            let ending = if self.diagnosis().may_have_ended_with(&leg) {
                self.await_leave_of(out, &leg);
                continue;
            } else if self.facts.roster.ended || self.facts.roster.customer_left().is_some() {
                self.ending_without_customer(&absent.worker)
            } else if self.facts.marks.is_given(&absent.reservation) {
                Ending::Graceful
            } else if self.facts.roster.agents.iter().any(is_back) {
                Ending::Rejoined { into: None }
            } else {
                continue;
            };
            self.end_covered(out, &leg, &ending);
        }
    }

    /// Twilio reports how the leg left at the same time as the end of the conference, or never.
    fn await_leave_of(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let until = out.now + out.config.released_within;
        if let Some(covered) = self.covered.get_mut(leg) {
            covered.absence.deadline = covered.absence.deadline.min(until);
        }
        self.wake_covered(out);
    }

    /// How the absence ends of an agent whose customer has hung up, or is on the way to an agent through the queue.
    fn ending_without_customer(&self, worker: &WorkerSid) -> Ending {
        let left = self.facts.roster.customer_left();
        // The conference's end may be reported before the customer's leave.
        let is_unreported = left.is_none() && !self.diagnosis().is_requeued();
        if left == Some(LeaveReason::ModeratorEnded) || is_unreported {
            // The conference ended under the customer, whose call may go on. All that is known is that another agent had
            // them.
            return Ending::Covered;
        }
        let Some(recovery) = &self.recovery else { return Ending::CustomerLeft };
        if left.is_some_and(|reason| reason != LeaveReason::UpdatedViaApi) {
            return Ending::CustomerLeft;
        }
        let is_with_same_agent = match &recovery.phase {
            Phase::Ended(ending) => matches!(ending, Ending::Rejoined { .. }),
            phase => phase.target().flatten().is_some(),
        };
        let agent = &recovery.absence.agent;
        if is_with_same_agent && agent.worker == *worker {
            return Ending::Covered; // the recovery shows this agent that the customer comes back by another leg
        }
        let name = is_with_same_agent.then(|| agent.name.clone()).filter(|name| !name.is_empty());
        Ending::HandedOver { name, into: None }
    }

    fn end_covered(&mut self, out: &mut Out<'_>, leg: &CallSid, ending: &Ending) {
        let Some(covered) = self.covered.get_mut(leg).filter(|covered| covered.is_open()) else { return };
        covered.stage = CoveredStage::Over(ending.clone());
        let covered = covered.clone();
        self.settle(leg);
        self.retarget_coaches(out, leg);
        if matches!(ending, Ending::Rejoined { .. }) {
            self.leave_leg_to_flex(out, leg);
        } else if self.facts.roster.is_joined(leg) {
            self.remove_leg(out, leg); // no page has it
        }
        if *ending == Ending::Covered {
            self.end_leftover_holds(out);
        }
        let after = out.now - covered.absence.lost_at;
        self.note(out, Note::Ended { outcome: ending.name().to_owned(), after });
        self.push_view(out, covered.view(out.now, &self.task), &covered.absence);
        self.wake_covered(out);
    }

    /// The timer is due: absences past their deadline end.
    pub(super) fn covered_is_due(&mut self, out: &mut Out<'_>) {
        let late = self.covered.iter().filter(|(_, covered)| covered.is_open() && covered.due() <= out.now);
        for leg in late.map(|(leg, _)| leg.clone()).collect::<Vec<_>>() {
            if !self.poll_before_cover_ends(out, &leg) {
                self.end_covered(out, &leg, &Ending::Covered);
            }
        }
        self.wake_covered(out);
    }

    /// True if a poll comes first: all covering agents have marks and none is reported gone, or no server ran when the time was over,
    /// so that they may have gone unreported.
    fn poll_before_cover_ends(&mut self, out: &mut Out<'_>, leg: &CallSid) -> bool {
        let may_have_gone_unreported = |it: &Covered| self.poll.is_uncertain || it.due() + OVERDUE < out.now;
        let is_doubtful = self.diagnosis().is_left_to_leavers(leg)
            || self.covered.get(leg).is_some_and(may_have_gone_unreported);
        let until = out.now + SOON + AHEAD;
        let absence = self.covered.get_mut(leg).map(|covered| &mut covered.absence);
        let Some(absence) = absence.filter(|it| is_doubtful && it.spared_until.is_none()) else {
            return false;
        };
        absence.spared_until = Some(until);
        absence.deadline = until;
        self.poll_unless_in_flight(out);
        true
    }

    /// If the customer has no agent any more, recovers the absent agent who is most likely to be back first.
    pub(super) fn miss_covered(&mut self, out: &mut Out<'_>) {
        let is_alone = self.diagnosis().agent_on_call().is_none();
        if !is_alone || self.has_open_recovery() || !self.facts.roster.is_customer_joined() {
            return;
        }
        let open = self.covered.iter().filter(|(_, covered)| covered.is_open());
        let missed = open.max_by_key(|(_, covered)| (covered.absence.back, covered.absence.lost_at));
        let Some((leg, covered)) = missed.map(|(leg, covered)| (leg.clone(), covered.clone())) else {
            return;
        };
        self.covered.remove(&leg);
        self.wake_covered(out);
        let announce_at = covered.absence.lost_at + out.config.announce_after;
        self.set_timer(out, Timer::Announce, out.now.max(announce_at));
        let (timer, phase) = match covered.stage {
            CoveredStage::Away => (Timer::Ping, Phase::Away),
            CoveredStage::Rejoining | CoveredStage::Over(_) => (Timer::Rejoin, Phase::Rejoining),
        };
        self.set_timer(out, timer, covered.due());
        let generation = self.counted_losses(covered.absence.lost_at);
        self.recover(out, covered.absence, generation, phase);
        self.push(out);
    }

    /// If another agent joins while the missed agent is away, turns the recovery into a covered absence: the agent may still
    /// come back. The same if that agent is known only now, and was lost since: the customer misses that one.
    pub(super) fn cover_missed(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        let stage = match recovery.phase {
            Phase::Away => CoveredStage::Away,
            Phase::Rejoining => CoveredStage::Rejoining,
            _ => return,
        };
        let Absence { lost_leg: leg, agent: missed, .. } = recovery.absence.clone();
        let is_another = |other: &CallSid| {
            self.facts.roster.agent(other).is_some_and(|agent| agent.worker != missed.worker)
        };
        let has_another =
            self.diagnosis().is_accompanied(&leg) && self.diagnosis().colleagues(&leg).all(is_another);
        if !has_another && !self.diagnosis().was_covered_since(&recovery.absence) {
            return;
        }
        self.clear_recovery_timers(out);
        if let Some(recovery) = self.recovery.take() {
            // The customer hears the agent who joined: the missed agent's hold of the customer is over.
            self.covered.insert(leg, Covered { absence: recovery.absence, stage });
        }
        self.wake_covered(out);
    }

    fn wake_covered(&self, out: &mut Out<'_>) {
        match self.covered.values().filter(|covered| covered.is_open()).map(Covered::due).min() {
            Some(at) => self.set_timer(out, Timer::Covered, at.max(out.now)),
            None => self.clear_timer(out, Timer::Covered),
        }
    }
}
