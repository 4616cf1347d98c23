//! Several agents on a call. One whose page goes away while another one talks to the customer is not missed by the
//! customer: nobody is told, nothing is asked of TaskRouter. The leg may stand until the agent is back in place; one
//! who does not come back leaves the customer to the other.

use super::{AHEAD, Agent, AgentHold, Call, Ending, Out, Phase, Recovery, SOON};
use crate::{Action, LeaveReason, Note, Timer};
use rejoin_protocol::{CallSid, Millis, WorkerSid};

/// When an absence is over.
fn due(absence: &Recovery) -> Millis {
    match absence.phase {
        Phase::Away => Millis(absence.deadline.0.saturating_sub(AHEAD.0)),
        _ => absence.deadline,
    }
}

impl Call {
    /// The page of this leg has gone; the customer has somebody else, or is being seen to.
    pub(super) fn goes_beside(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Some(absence) = self.recovery_of(out, leg, Phase::Away) else { return };
        self.note(out, Note::PageGone);
        self.push_of(out, &absence);
        self.beside.insert(leg.clone(), absence);
        self.wake_beside(out);
    }

    /// The agent is back, and her page can join again.
    pub(super) fn joins_beside(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if !self.diagnosis().is_beside(leg) {
            // A crash: nobody said goodbye.
            self.goes_beside(out, leg);
        }
        let (now, within, ttl) = (out.now, out.config.in_place_within, out.config.ping_ttl);
        let Some(absence) = self.beside.get_mut(leg) else { return };
        let latest = absence.lost_at + ttl;
        absence.deadline = latest.min(now + within).max(now);
        absence.phase = Phase::Rejoining;
        absence.back = true;
        let absence = absence.clone();
        self.note(out, Note::JoiningInPlace);
        self.push_of(out, &absence);
        self.wake_beside(out);
    }

    /// The leg of an absent agent has left. A page that joins again closes it itself, when the new one is in.
    pub(super) fn beside_leg_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.settle(leg);
        if self.beside.get(leg).is_some_and(|absence| absence.phase == Phase::Away) {
            self.end_beside(out, leg, &Ending::Covered);
        }
    }

    /// Ends absences that have found their end by themselves.
    pub(super) fn settle_beside(&mut self, out: &mut Out<'_>) {
        let open: Vec<CallSid> =
            self.beside.iter().filter(|(_, absence)| absence.is_open()).map(|(leg, _)| leg.clone()).collect();
        for leg in open {
            let Some(absent) = self.beside.get(&leg).map(|absence| &absence.agent) else { continue };
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
                Ending::Rejoined
            } else {
                continue;
            };
            self.end_beside(out, &leg, &ending);
        }
    }

    /// How it left is told at the same time, or never.
    fn await_leave_of(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let until = out.now + out.config.released_within;
        if let Some(absence) = self.beside.get_mut(leg) {
            absence.deadline = absence.deadline.min(until);
        }
        self.wake_beside(out);
    }

    /// The customer has hung up, or is on the way to an agent through the queue.
    fn ending_without_customer(&self, worker: &WorkerSid) -> Ending {
        let left = self.facts.roster.customer_left();
        // The conference's end may be told before he is said to have left it.
        let untold = left.is_none() && !self.diagnosis().is_requeued();
        if left == Some(LeaveReason::ModeratorEnded) || untold {
            // It ended under him, and he may go on: all that is known is that somebody else had him.
            return Ending::Covered;
        }
        let Some(recovery) = &self.recovery else { return Ending::CustomerLeft };
        if left.is_some_and(|reason| reason != LeaveReason::UpdatedViaApi) {
            return Ending::CustomerLeft;
        }
        let same = matches!(
            &recovery.phase,
            Phase::Requeueing { target: Some(_) }
                | Phase::Queued { target: Some(_) }
                | Phase::Ended(Ending::Rejoined)
        );
        if same && recovery.agent.worker == *worker {
            return Ending::Covered; // the customer goes to this agent, by another leg: that recovery tells it
        }
        let name = same.then(|| recovery.agent.name.clone()).filter(|name| !name.is_empty());
        Ending::HandedOver { name }
    }

    fn end_beside(&mut self, out: &mut Out<'_>, leg: &CallSid, ending: &Ending) {
        let Some(absence) = self.beside.get_mut(leg).filter(|absence| absence.is_open()) else { return };
        absence.phase = Phase::Ended(ending.clone());
        let absence = absence.clone();
        self.settle(leg);
        self.coach_again(out, leg);
        if *ending == Ending::Rejoined {
            self.leave_leg_to_flex(out, leg);
        } else if self.facts.roster.is_joined(leg) {
            self.remove_leg(out, leg); // nobody is at it
        }
        if *ending == Ending::Covered {
            self.release(out);
        }
        self.note(out, Note::Ended { outcome: ending.name().to_owned(), after: out.now - absence.lost_at });
        self.push_of(out, &absence);
        self.wake_beside(out);
    }

    /// Some have not come back in time.
    pub(super) fn beside_is_over(&mut self, out: &mut Out<'_>) {
        let late = |absence: &Recovery| absence.is_open() && due(absence) <= out.now;
        let late: Vec<CallSid> =
            self.beside.iter().filter(|(_, absence)| late(absence)).map(|(leg, _)| leg.clone()).collect();
        for leg in late {
            if !self.is_looked_who_covers(out, &leg) {
                self.end_beside(out, &leg, &Ending::Covered);
            }
        }
        self.wake_beside(out);
    }

    /// Whoever covers for her has said that she leaves, and nobody has told that she did: it is looked first whether she is there.
    fn is_looked_who_covers(&mut self, out: &mut Out<'_>, leg: &CallSid) -> bool {
        let doubtful = self.diagnosis().is_left_to_leavers(leg);
        let until = out.now + SOON + AHEAD;
        let Some(absence) = self.beside.get_mut(leg).filter(|it| doubtful && it.spared_until.is_none())
        else {
            return false;
        };
        absence.spared_until = Some(until);
        absence.deadline = until;
        if self.poll.since.is_none() {
            self.look(out);
        }
        true
    }

    /// Somebody was put on hold by an agent who is gone, and with one agent left nobody else is there who meant it.
    pub(super) fn release(&self, out: &mut Out<'_>) {
        if self
            .facts
            .roster
            .agents
            .iter()
            .filter(|(leg, agent)| self.diagnosis().is_on_call(leg, agent))
            .count()
            != 1
        {
            return;
        }
        for (leg, participant) in &self.facts.roster.participants {
            let of_nobody =
                self.facts.roster.agent(leg).is_some_and(|agent| !self.diagnosis().is_on_call(leg, agent));
            let by_us = self.our_hold.is_some() && self.facts.roster.is_customer(leg);
            if self.facts.roster.is_joined(leg) && participant.flags().hold && !of_nobody && !by_us {
                let (conference, leg) = (self.conference.clone(), leg.clone());
                self.act(out, Action::Unhold { conference, leg }, SOON);
            }
        }
    }

    /// The customer has nobody any more: whoever is away is missed now.
    pub(super) fn miss_who_is_away(&mut self, out: &mut Out<'_>) {
        let alone =
            !self.facts.roster.agents.iter().any(|(leg, agent)| self.diagnosis().is_on_call(leg, agent));
        if !alone || self.has_open_recovery() || !self.facts.roster.is_customer_joined() {
            return;
        }
        let open = self.beside.iter().filter(|(_, absence)| absence.is_open());
        let Some((leg, absence)) = open
            .max_by_key(|(_, absence)| (absence.back, absence.lost_at))
            .map(|(leg, absence)| (leg.clone(), absence.clone()))
        else {
            return;
        };
        self.beside.remove(&leg);
        self.wake_beside(out);
        self.set_timer(out, Timer::Announce, out.now.max(absence.lost_at + out.config.announce_after));
        let timer = if absence.phase == Phase::Away { Timer::Ping } else { Timer::Rejoin };
        self.set_timer(out, timer, due(&absence));
        self.recovery = Some(absence);
        self.push(out);
    }

    /// Somebody has come to the customer while the agent is away: she may still come back, but is not missed any more.
    pub(super) fn spare_who_is_away(&mut self, out: &mut Out<'_>) {
        let away = |r: &&Recovery| matches!(r.phase, Phase::Away | Phase::Rejoining);
        let Some(recovery) = self.recovery.as_ref().filter(away) else { return };
        let leg = recovery.lost_leg.clone();
        let others_only = |other: &CallSid| {
            self.facts.roster.agent(other).is_some_and(|agent| agent.worker != recovery.agent.worker)
        };
        if !self.diagnosis().is_accompanied(&leg) || !self.diagnosis().colleagues(&leg).all(others_only) {
            return;
        }
        for timer in [Timer::Grace, Timer::Announce, Timer::Ping, Timer::Rejoin] {
            self.clear_timer(out, timer);
        }
        if let Some(recovery) = self.recovery.take() {
            // The customer hears who has come: what he is on hold for by her is over.
            self.beside.insert(leg, Recovery { agent_hold: AgentHold::AsItWas, ..recovery });
        }
        self.wake_beside(out);
    }

    fn wake_beside(&self, out: &mut Out<'_>) {
        match self.beside.values().filter(|absence| absence.is_open()).map(due).min() {
            Some(at) => self.set_timer(out, Timer::Beside, at.max(out.now)),
            None => self.clear_timer(out, Timer::Beside),
        }
    }
}
