//! A leg of an agent is gone: on purpose, moved, or lost.

use super::{Agent, AgentHold, Call, Ending, Out, Phase, Prepared, Recovery};
use crate::facts::{Evidence, Participant, Report};
use crate::{LeaveReason, Note, Timer};
use rejoin_protocol::{CallSid, RecoveryId};

impl Call {
    /// Looks for a leg of an agent that is gone and not accounted for.
    pub(super) fn find_lost_agent(&mut self, out: &mut Out<'_>) {
        // A stranger has left: was it the agent? The page had no time to say.
        let stranger_left = self
            .facts
            .roster
            .participants
            .iter()
            .any(|(leg, p)| p.left().is_some() && !self.facts.roster.is_customer(leg));
        if self.facts.roster.agents.is_empty()
            && stranger_left
            && (!self.facts.roster.ended || self.stranding.decide_by.is_some())
        {
            self.learn(out);
        }
        let gone = |leg: &CallSid, agent: &Agent| {
            let by_removal = || self.recovery.is_none() && self.ended_by_removal(leg);
            let reopened =
                || self.ended_while_handed_over(leg) || self.ended_while_covered(leg) || by_removal();
            (!agent.settled || reopened())
                && (agent.removing || self.facts.roster.leg(leg).is_some_and(|p| p.left().is_some()))
        };
        let gone: Vec<_> = self
            .facts
            .roster
            .agents
            .iter()
            .filter(|(leg, agent)| gone(leg, agent))
            .map(|(leg, _)| leg.clone())
            .collect();
        for leg in gone {
            self.agent_gone(out, &leg);
        }
    }

    fn agent_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Some(agent) = self.facts.roster.agents.get(leg).cloned() else { return };
        let not_meant = self.ended_while_handed_over(leg) || self.ended_while_covered(leg);
        let over = |recovery: &Recovery| recovery.lost_leg == *leg && !recovery.is_open();
        if !not_meant && self.recoveries().any(over) {
            return self.settle(leg); // told late: it was missed, and that is over
        }
        let reason = self.facts.roster.left(leg);
        let on_purpose = self.facts.marks.reason(&agent.reservation);
        let by_others = !agent.removing
            && matches!(
                reason,
                Some(
                    LeaveReason::UpdatedViaApi
                        | LeaveReason::ConferenceEndedViaApi
                        | LeaveReason::ModeratorEnded
                )
            );
        if self.facts.roster.customer.is_none() && !self.facts.roster.ended {
            return self.learn(out); // decided when it is known who the customer is
        }
        if self.facts.roster.customer.is_none() && !self.facts.roster.customer_claims.is_empty() {
            return; // the same, if that ever is
        }
        if self.was_back_and_left(leg, &agent) {
            self.settle(leg);
            self.note(out, Note::AgentLeft);
            self.end_recovery(out, &Ending::Graceful);
            return self.set_timer(out, Timer::Orphan, out.now + out.config.orphan_after);
        }
        let customer = self.facts.roster.customer_leg();
        if reason == Some(LeaveReason::ModeratorEnded) && customer.is_some_and(Participant::is_joined) {
            return; // his conference has ended, of which is told at the same time: decided when it is
        }
        if self.facts.roster.ended || self.facts.roster.customer_left().is_some() {
            let not_meant =
                self.ended_by_loss(leg) || self.ended_by_stranger(leg) || self.ended_by_removal(leg);
            if not_meant && !self.has_open_recovery() {
                self.unmark(&agent.reservation); // if there is a mark, what it says was refused
                self.beside.remove(leg);
                self.lose(out, leg);
            }
            return self.settle(leg);
        }
        if !self.facts.roster.is_customer_joined() {
            return; // not seen yet: decided when he is
        }
        if self.is_beside(leg) {
            // Her colleagues may be gone as well, and nobody has told: then she is missed.
            self.miss_who_is_away(out);
        }
        if self.is_away(leg) {
            return self.away_leg_gone(out, leg, agent.removing);
        }
        if self.is_beside(leg) {
            return self.beside_leg_gone(out, leg);
        }
        if on_purpose.is_some() || by_others {
            self.settle(leg);
            self.note(out, Note::AgentLeft);
            if let Some(last) = self.removed_by_each_other(leg) {
                return self.lose(out, &last);
            }
            if let Some(later) = self.lost_after(leg) {
                self.beside.remove(&later);
                return self.lose(out, &later);
            }
            if let Some(dead) = self.left_to_dead_leg(leg) {
                self.beside.remove(&dead);
                self.lose(out, &dead);
                return self.hold_the_line(out);
            }
            if on_purpose.is_some() {
                self.set_timer(out, Timer::Orphan, out.now + out.config.orphan_after);
            }
            if reason == Some(LeaveReason::HungUp) {
                self.look_at_transfer(out); // which takes the leg away, if it is not refused
            }
            return;
        }
        if self.is_covered(leg) || self.has_open_recovery() {
            // Another agent has the customer, or it is seen to already.
            let (doubtful, seen_to) = (self.is_left_to_who_leaves(leg), self.has_open_recovery());
            if doubtful && !seen_to && self.poll.since.is_none() {
                self.look(out); // they may be gone, and nobody have told
            }
            if let Some(agent) = self.facts.roster.agents.get_mut(leg).filter(|_| doubtful || seen_to) {
                agent.covered_at = Some(out.now);
            }
            self.settle(leg);
            return self.release(out);
        }
        self.lose(out, leg);
        self.settle(leg);
        if agent.removing {
            self.hold_the_line(out); // proved dead: no mark can come
        }
    }

    /// True if the agent whom the open recovery awaits was back on the call by this leg, which was reported too late, and hung up
    /// on purpose. False once a request of ours may have sent the customer to the queue: that customer is not given up.
    fn was_back_and_left(&self, leg: &CallSid, agent: &Agent) -> bool {
        let Some(recovery) = &self.recovery else { return false };
        let is_sent = match recovery.phase {
            Phase::Grace | Phase::Away | Phase::Rejoining | Phase::Holding => false,
            Phase::Requeueing { .. } => recovery.sent || recovery.reservation_freed || recovery.resent > 0,
            Phase::Queued { .. } | Phase::Ended(_) => true,
        };
        let left = |leg: &CallSid| self.facts.roster.left(leg);
        let is_moved = self.facts.roster.customer.as_ref().and_then(left) == Some(LeaveReason::UpdatedViaApi);
        let is_next_leg = recovery.lost_leg != *leg
            && recovery.agent.worker == agent.worker
            && agent.epoch > recovery.agent.epoch
            && !agent.left_behind
            && !agent.removing;
        let is_on_purpose = self.facts.marks.is_given(&agent.reservation)
            && left(leg) == Some(LeaveReason::HungUp)
            && !self.ended_while_handed_over(leg);
        !is_sent && !is_moved && is_next_leg && is_on_purpose
    }

    /// Two agents remove each other in the same instant, this one and another: each meant to keep the customer, and he has
    /// nobody. Who was removed last?
    fn removed_by_each_other(&self, leg: &CallSid) -> Option<CallSid> {
        let told = |leg: &CallSid| self.facts.roster.report(leg);
        let removed = |(other, agent): &(&CallSid, &Agent)| {
            let left = self.facts.roster.left(*other);
            left == Some(LeaveReason::UpdatedViaApi)
                && !agent.removing
                && !self.facts.marks.is_given(&agent.reservation)
                && !self.recoveries().any(|recovery| recovery.lost_leg == **other)
        };
        let this = self.facts.roster.agents.get_key_value(leg).filter(removed)?;
        let are_next =
            |a: Report, b: Report| a.sequence().zip(b.sequence()).is_some_and(|(a, b)| a.abs_diff(b) == 1);
        let by_her = |other: &(&CallSid, &Agent)| {
            other.1.worker != this.1.worker && are_next(told(other.0), told(leg)) && removed(other)
        };
        let other = self.facts.roster.agents.iter().find(by_her)?;
        let kept = self.agent_on_call().is_some() || self.has_open_recovery() || self.has_absence();
        let last = if told(other.0) > told(leg) { other.0 } else { leg };
        (!kept).then(|| last.clone())
    }

    /// Callbacks overtake each other: who was lost after this agent had left did not leave the customer to anybody. Nor did
    /// one who seemed to, when this agent had said long before that she leaves.
    pub(super) fn lost_after(&self, leg: &CallSid) -> Option<CallSid> {
        if self.is_covered(leg) || self.has_open_recovery() {
            return None;
        }
        let told = |leg: &CallSid| self.facts.roster.leg(leg).map(|leg| leg.report);
        let said =
            self.facts.roster.agents.get(leg).and_then(|agent| self.facts.marks.said_at(&agent.reservation));
        let covered = |recovery: &Recovery| {
            recovery.phase == Phase::Ended(Ending::Covered) && said.is_some_and(|at| at < recovery.lost_at)
        };
        let found =
            self.facts.roster.leg(leg).is_some_and(|it| it.left().is_some() && !it.is_hang_up_reported());
        let lost = |(other, agent): &(&CallSid, &Agent)| {
            let before = || said.zip(agent.covered_at).is_some_and(|(said, at)| said < at);
            let gone = self.facts.roster.left(*other);
            let missed = || self.recoveries().any(|it| it.lost_leg == **other && covered(it));
            let since = || found && before();
            // Of legs of which nobody has told it is not known which one was gone first.
            let later =
                || told(other) > told(leg) || (told(leg) == Some(Report::None) && missed()) || since();
            // A leg that is removed as nobody is at it was not hers any more when that was found.
            ((gone == Some(LeaveReason::HungUp) && later()) || (agent.removing && since()))
                && !agent.left_behind
                && !self.facts.marks.is_given(&agent.reservation)
                && !self.recoveries().any(|recovery| recovery.lost_leg == **other && !covered(recovery))
        };
        let last = self.facts.roster.agents.iter().filter(lost).max_by_key(|(other, _)| told(other))?;
        Some(last.0.clone())
    }

    /// When this leg left, on purpose, only a leg was with the customer that stood although nobody was at it: its agent was
    /// covered for, and not missed any more. Which leg is it?
    fn left_to_dead_leg(&self, leg: &CallSid) -> Option<CallSid> {
        let is_somebody_here = self.facts.roster.agents.iter().any(|(leg, agent)| self.is_at(leg, agent));
        if self.has_open_recovery() || is_somebody_here || self.others().next().is_some() {
            return None;
        }
        let told = |leg: &CallSid| self.facts.roster.leg(leg).map(|leg| leg.report);
        // That we have removed it since may be told first.
        let removed = |dead: &CallSid| {
            let left = self.facts.roster.left(dead);
            left == Some(LeaveReason::UpdatedViaApi)
                && self.facts.roster.agents.get(dead).is_some_and(|it| it.removing)
        };
        let stood =
            |dead: &CallSid| self.facts.roster.is_joined(dead) || (removed(dead) && told(dead) > told(leg));
        let dead = |it: &&Recovery| it.phase == Phase::Ended(Ending::Covered) && stood(&it.lost_leg);
        let last = self.recoveries().filter(dead).max_by_key(|recovery| recovery.lost_at)?;
        Some(last.lost_leg.clone())
    }

    /// A mark may still come.
    pub(super) fn lose(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.note(out, Note::AgentLost);
        self.begin(out, leg, Phase::Grace);
        self.set_timer(out, Timer::Grace, out.now + out.config.grace);
        self.look_for_mark(out);
        self.push(out);
    }

    /// Status callbacks are not repeated: one that came while the server was down is lost.
    pub(super) fn leave_never_came(&mut self, out: &mut Out<'_>) {
        let missed = |(leg, agent): &(&CallSid, &Agent)| {
            agent.reported_gone.is_some()
                && !agent.settled
                && !agent.removing
                && self.facts.roster.is_joined(leg)
                && !self.facts.marks.is_given(&agent.reservation)
        };
        let missed: Vec<_> =
            self.facts.roster.agents.iter().filter(missed).map(|(leg, _)| leg.clone()).collect();
        for leg in &missed {
            self.facts.roster.is_gone(leg, LeaveReason::HungUp, Evidence::TaskRouter);
        }
        self.find_lost_agent(out);
        // A mark has had its time.
        let waits = |r: &Recovery| r.phase == Phase::Grace && missed.contains(&r.lost_leg);
        if self.recovery.as_ref().is_some_and(waits) {
            self.clear_timer(out, Timer::Grace);
            self.hold_the_line(out);
        }
    }

    pub(super) fn begin(&mut self, out: &Out<'_>, leg: &CallSid, phase: Phase) {
        if let Some(recovery) = self.recovery_of(out, leg, phase) {
            let generation = self.count_loss(out);
            let too_often = generation > out.config.again_at_most;
            self.recovery = Some(Recovery { generation, too_often, ..recovery });
        }
    }

    pub(super) fn recovery_of(&self, out: &Out<'_>, leg: &CallSid, phase: Phase) -> Option<Recovery> {
        let agent = self.facts.roster.agents.get(leg).cloned()?;
        Some(Recovery {
            id: RecoveryId::of(leg),
            lost_leg: leg.clone(),
            lost_at: out.now,
            generation: 0,
            too_often: false,
            phase,
            deadline: out.now + out.config.ping_ttl,
            back: false,
            spared_until: None,
            announced: false,
            ping: None,
            ping_accepted: false,
            bystanders: self.bystanders_of(leg),
            prepared: Prepared { removed: !agent.removing, ..Prepared::default() },
            reservation_freed: false,
            agent_hold: AgentHold::default(),
            stranded: false,
            let_go: 0,
            music: false,
            resent: 0,
            sent: false,
            moved_to: None,
            agent,
        })
    }

    pub(super) fn grace_is_over(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        match recovery.phase {
            Phase::Grace => self.hold_the_line(out),
            Phase::Rejoining if !self.facts.roster.is_joined(&recovery.lost_leg) && !self.has_stranger() => {
                self.note(out, Note::NotInPlace);
                self.hold_the_line(out);
            }
            Phase::Away
            | Phase::Rejoining
            | Phase::Holding
            | Phase::Requeueing { .. }
            | Phase::Queued { .. }
            | Phase::Ended(_) => {}
        }
    }
}
