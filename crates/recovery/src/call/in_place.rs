//! The first rung: the agent joins the same conference again while the old leg stands.

use super::{Agent, Call, Ending, Out, Phase, SOON};
use crate::{Action, Note, Timer};
use rejoin_protocol::{CallSid, Millis};

/// Flex closes the old leg when the agent has joined by the new one. The callbacks of the two come within this time.
const CLOSED_WITHIN: Millis = Millis::seconds(3);

impl Call {
    pub(super) fn join_in_place(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if !self.facts.roster.is_customer_joined() {
            return;
        }
        let others = self.diagnosis().is_accompanied(leg) || self.has_open_recovery();
        if self.diagnosis().is_away_covered(leg) || (others && !self.diagnosis().is_away(leg)) {
            return self.joins_covered(out, leg);
        }
        if !self.has_open_recovery() {
            // A crash: nobody said goodbye.
            self.note(out, Note::PageGone);
            self.begin(out, leg, Phase::Away);
            self.set_timer(out, Timer::Announce, out.now + out.config.announce_after);
        }
        if self.is_lost_too_often() {
            return self.set_timer(out, Timer::Ping, out.now);
        }
        let Some(recovery) = self.recovery.as_mut().filter(|r| r.absence.lost_leg == *leg) else { return };
        if !matches!(recovery.phase, Phase::Away | Phase::Rejoining) {
            return; // a rung further down already
        }
        // However often the page is loaded again: the first rung ends.
        let latest = recovery.absence.lost_at + out.config.ping_ttl;
        recovery.absence.deadline = latest.min(out.now + out.config.in_place_within).max(out.now);
        recovery.phase = Phase::Rejoining;
        recovery.absence.back = true;
        let deadline = recovery.absence.deadline;
        self.clear_timer(out, Timer::Ping);
        self.set_timer(out, Timer::Rejoin, deadline);
        self.note(out, Note::JoiningInPlace);
        self.push(out);
    }

    /// A registered leg of an agent is in the same conference beside the one that nobody is at.
    pub(super) fn rejoined_in_place(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        if !matches!(recovery.phase, Phase::Away | Phase::Rejoining)
            || !self.facts.roster.is_customer_joined()
        {
            return;
        }
        let lost = recovery.absence.lost_leg.clone();
        let there = |(leg, agent): (&CallSid, &Agent)| {
            *leg != lost
                && self.diagnosis().is_on_call(leg, agent)
                && agent.worker == recovery.absence.agent.worker
        };
        if !self.facts.roster.agents.iter().any(there) {
            return;
        }
        self.settle(&lost);
        self.coach_again(out, &lost);
        self.leave_leg_to_flex(out, &lost);
        self.end_recovery(out, &Ending::Rejoined { into: None });
    }

    /// The old leg has left while its agent was away, or on the way back in.
    pub(super) fn away_leg_gone(&mut self, out: &mut Out<'_>, leg: &CallSid, removed_by_us: bool) {
        self.settle(leg);
        let rejoining = self.recovery.as_ref().is_some_and(|r| r.phase == Phase::Rejoining);
        if rejoining && !removed_by_us {
            // Flex closes the old leg itself when the new one is in; the two may be told in any order.
            if !self.diagnosis().has_newcomer() {
                self.set_timer(out, Timer::Grace, out.now + out.config.grace);
            }
            return;
        }
        self.note(out, Note::AgentLost);
        self.hold_the_line(out);
    }

    /// Who has come while the agent joins again is gone before it was known who that is, and the old leg was gone already.
    pub(super) fn joiner_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let rejoining = self.recovery.as_ref().filter(|recovery| recovery.phase == Phase::Rejoining);
        let Some(lost) = rejoining.map(|recovery| &recovery.absence.lost_leg) else { return };
        if lost != leg && !self.facts.roster.is_joined(lost) && !self.diagnosis().has_newcomer() {
            self.set_timer(out, Timer::Grace, out.now + out.config.grace);
        }
    }

    /// Down to the second rung: the leg that stands is of no use.
    pub(super) fn fall(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.settle(leg);
        if self.facts.roster.is_joined(leg) {
            self.remove_leg(out, leg);
        }
        self.hold_the_line(out);
    }

    /// The agent has joined in place, and nobody is at the old leg any more. Flex closes it, so that a request of ours would
    /// mostly be answered "not found". The leg is removed only if Flex has not closed it in time.
    pub(super) fn leave_leg_to_flex(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if !self.facts.roster.is_joined(leg) {
            return;
        }
        // One timer serves both: who waits for a leave that was not told has it.
        let awaits_leave = self.facts.roster.agents.iter().any(|(other, agent)| {
            agent.reported_gone.is_some()
                && !self.decisions.is_settled(other)
                && self.facts.roster.is_joined(other)
        });
        if awaits_leave {
            return self.remove_leg(out, leg);
        }
        if self.facts.roster.agents.contains_key(leg) && !self.decisions.is_dead(leg) {
            self.decisions.leave_to_flex(leg);
            self.set_timer(out, Timer::Leave, out.now + CLOSED_WITHIN);
        }
    }

    /// Legs that Flex was to close, whether their time is over or they are not waited for any longer.
    pub(super) fn remove_unclosed_legs(&mut self, out: &mut Out<'_>) {
        for leg in self.unclosed_legs() {
            self.remove_now(out, &leg);
        }
    }

    /// Legs that Flex is to close, and that are still there.
    fn unclosed_legs(&self) -> Vec<CallSid> {
        let unclosed =
            |leg: &&CallSid| self.decisions.is_left_to_flex(leg) && self.facts.roster.is_joined(leg);
        self.facts.roster.agents.keys().filter(unclosed).cloned().collect()
    }

    /// A leg has left: if Flex was to close it, it need not be waited for.
    pub(super) fn flex_has_closed(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.decisions.is_left_to_flex(leg) {
            self.decisions.remove(leg);
            if self.unclosed_legs().is_empty() {
                self.clear_timer(out, Timer::Leave);
            }
        }
    }

    pub(super) fn remove_leg(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.facts.roster.agents.contains_key(leg) && !self.decisions.is_dead(leg) {
            self.remove_now(out, leg);
        }
    }

    fn remove_now(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.decisions.remove(leg);
        self.act(out, Action::RemoveLeg { conference: self.conference.clone(), leg: leg.clone() }, SOON);
    }
}
