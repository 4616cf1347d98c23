//! The first rung, in place: the agent joins the same conference again while the old leg stands.

use super::{Call, Out};
use crate::absence::{Ending, Phase};
use crate::facts::Agent;
use crate::{Loss, Note, Timer};
use rejoin_protocol::CallSid;

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
            // The page crashed: it sent no goodbye.
            self.note(out, Note::PageGone);
            self.begin(out, leg, Phase::Away);
            self.set_timer(out, Timer::Announce, out.now + out.config.announce_after);
        }
        if self.is_lost_too_often() {
            return self.set_timer(out, Timer::Ping, out.now);
        }
        let Some(recovery) = self.recovery.as_mut().filter(|r| r.absence.lost_leg == *leg) else { return };
        if !matches!(recovery.phase, Phase::Away | Phase::Rejoining) {
            return; // the recovery is past this rung
        }
        recovery.absence.joins_in_place(out.now, &out.config);
        recovery.phase = Phase::Rejoining;
        let deadline = recovery.absence.deadline;
        self.clear_timer(out, Timer::Ping);
        self.set_timer(out, Timer::Rejoin, deadline);
        self.note(out, Note::JoiningInPlace);
        self.push(out);
    }

    /// Ends the recovery when the agent has a new registered leg in the conference.
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
        self.retarget_coaches(out, &lost);
        self.leave_leg_to_flex(out, &lost);
        self.end_recovery(out, &Ending::Rejoined { into: None });
    }

    /// The old leg left while its agent was away, or was joining in place.
    pub(super) fn away_leg_gone(&mut self, out: &mut Out<'_>, leg: &CallSid, removed_by_us: bool) {
        self.settle(leg);
        let rejoining = self.recovery.as_ref().is_some_and(|r| r.phase == Phase::Rejoining);
        if rejoining && !removed_by_us {
            // Flex closes the old leg when the new one has joined. The callbacks of the two may arrive in any order.
            if !self.diagnosis().has_newcomer() {
                self.set_timer(out, Timer::Grace, out.now + out.config.grace);
            }
            return;
        }
        self.note(out, Note::AgentLost { by: Some(Loss::LegFollowedPage) });
        self.hold_the_line(out);
    }

    /// An unidentified participant joined while the agent was joining in place, and left. If the old leg is gone, too, the
    /// wait in place ends.
    pub(super) fn newcomer_gone(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let rejoining = self.recovery.as_ref().filter(|recovery| recovery.phase == Phase::Rejoining);
        let Some(lost) = rejoining.map(|recovery| &recovery.absence.lost_leg) else { return };
        if lost != leg && !self.facts.roster.is_joined(lost) && !self.diagnosis().has_newcomer() {
            self.set_timer(out, Timer::Grace, out.now + out.config.grace);
        }
    }
}
