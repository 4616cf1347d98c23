//! Who is on the call, who is away, and who else is there.

use super::Diagnosis;
use crate::LeaveReason;
use crate::absence::{Absence, Absent, Covered, Phase, Recovery};
use crate::facts::{Agent, Participant, Report};
use rejoin_protocol::CallSid;
use std::collections::BTreeSet;

impl<'a> Diagnosis<'a> {
    /// True if the page of this leg is gone and the leg still stands.
    pub(crate) fn is_absent(self, leg: &CallSid) -> bool {
        self.is_away(leg) || self.is_away_covered(leg)
    }

    /// True for an absent agent's leg while the customer has another agent.
    pub(crate) fn is_away_covered(self, leg: &CallSid) -> bool {
        self.covered.get(leg).is_some_and(Covered::is_open)
    }

    /// True if the agent of this leg is on the call.
    pub(crate) fn is_on_call(self, leg: &CallSid, agent: &Agent) -> bool {
        self.roster.is_joined(leg)
            && !self.decisions.is_dead(leg)
            && !agent.left_behind
            && !self.is_absent(leg)
    }

    /// True if nothing more follows for this leg: its departure is decided, it is being removed, or it was orphaned from the
    /// start.
    pub(crate) fn is_accounted_for(self, leg: &CallSid, agent: &Agent) -> bool {
        self.decisions.is_settled(leg) || self.decisions.is_dead(leg) || agent.left_behind
    }

    /// True if another source reported this leg of an agent gone, and it is not decided what became of it.
    pub(crate) fn awaits_leave_of(self, leg: &CallSid, agent: &Agent) -> bool {
        agent.reported_gone.is_some() && !self.decisions.is_settled(leg)
    }

    /// Legs of the agents who are on the call, except this one.
    pub(crate) fn colleagues(self, leg: &CallSid) -> impl Iterator<Item = &'a CallSid> {
        self.roster
            .agents
            .iter()
            .filter(move |(other, agent)| *other != leg && self.is_on_call(other, agent))
            .map(|(l, _)| l)
    }

    /// True if another agent than the one of this leg is on the call.
    pub(crate) fn is_covered(self, leg: &CallSid) -> bool {
        self.colleagues(leg).next().is_some()
    }

    /// True if other agents are on the call as far as is known, and all of them have marks.
    pub(crate) fn is_left_to_leavers(self, leg: &CallSid) -> bool {
        let leaves = |other: &CallSid| {
            self.roster.agent(other).is_some_and(|agent| self.marks.is_given(&agent.reservation))
        };
        self.is_covered(leg) && self.colleagues(leg).all(leaves)
    }

    /// True if another agent talks to the customer, or could at once. An agent on hold cannot.
    pub(crate) fn is_accompanied(self, leg: &CallSid) -> bool {
        self.colleagues(leg).any(|other| !self.roster.flags(other).hold)
    }

    /// True if another agent was on the call after the absence began, and is the one whom the customer misses now: their leg
    /// hung up without a mark, and nothing has followed yet.
    pub(crate) fn was_covered_since(self, absence: &Absence) -> bool {
        self.agent_on_call().is_none()
            && self.roster.agents.iter().any(|(leg, agent)| {
                let left_at = self.roster.leg(leg).and_then(Participant::left_at);
                agent.worker != absence.agent.worker
                    && self.roster.is_hang_up_reported(leg)
                    && left_at.is_some_and(|at| at > absence.lost_at)
                    && !self.is_accounted_for(leg, agent)
                    && !self.marks.is_given(&agent.reservation)
            })
    }

    /// True if an agent is absent while the customer has another agent.
    pub(crate) fn has_absence(self) -> bool {
        self.covered.values().any(Covered::is_open)
    }

    /// The agent who is on the call with the customer.
    pub(crate) fn agent_on_call(self) -> Option<&'a Agent> {
        self.leg_on_call().map(|(_, agent)| agent)
    }

    /// The agent who is on the call with the customer, with their leg.
    pub(crate) fn leg_on_call(self) -> Option<(&'a CallSid, &'a Agent)> {
        self.roster.agents.iter().find(|(leg, agent)| self.is_on_call(leg, agent))
    }

    /// True while customer and agent are on the call here.
    pub(crate) fn is_connected(self) -> bool {
        self.roster.is_customer_joined() && self.agent_on_call().is_some()
    }

    /// True if the page of this leg is gone, the leg stands, and the customer has no other agent.
    pub(crate) fn is_away(self, leg: &CallSid) -> bool {
        self.recovery
            .as_ref()
            .is_some_and(|r| r.absence.lost_leg == *leg && matches!(r.phase, Phase::Away | Phase::Rejoining))
    }

    /// The recovery and the absences: everything that an agent's dialog may have to show.
    pub(crate) fn absences(self) -> impl Iterator<Item = Absent<'a>> {
        self.recovery.iter().map(Absent::Missed).chain(self.covered.values().map(Absent::Covered))
    }

    /// The absences of the agent of this leg.
    pub(crate) fn absences_of(self, leg: &CallSid) -> impl Iterator<Item = Absent<'a>> {
        self.absences().filter(move |it| it.absence().lost_leg == *leg)
    }

    /// True if the agent of this leg is, or was, absent.
    pub(crate) fn was_absent(self, leg: &CallSid) -> bool {
        self.absences_of(leg).next().is_some()
    }

    /// True while a recovery is open.
    pub(crate) fn has_open_recovery(self) -> bool {
        self.recovery.as_ref().is_some_and(Recovery::is_open)
    }

    /// Legs in the conference that are neither the customer's nor an agent's.
    pub(crate) fn others(self) -> impl Iterator<Item = (&'a CallSid, &'a Participant)> {
        self.roster.participants.iter().filter(move |(leg, _)| {
            self.roster.is_joined(leg)
                && self.roster.is_unidentified(leg)
                && !self.requests.has_requested_move(leg)
        })
    }

    /// True if an unidentified participant joined after the loss: the agent's new leg, possibly.
    pub(crate) fn has_newcomer(self) -> bool {
        !self.is_newest_page_gone() && self.others().any(|(leg, _)| !self.is_bystander(leg))
    }

    /// True if the agent is joining in place and Twilio's API removed their old leg, not at our request.
    pub(crate) fn is_leg_replaced(self) -> bool {
        self.recovery.as_ref().filter(|recovery| recovery.phase == Phase::Rejoining).is_some_and(|recovery| {
            let left = self.roster.left(&recovery.absence.lost_leg);
            let ours = self.decisions.is_dead(&recovery.absence.lost_leg);
            left == Some(LeaveReason::UpdatedViaApi) && !ours
        })
    }

    /// True if Twilio's API removed the lost agent's leg during a join in place, not at our request, and an unidentified participant has
    /// joined: the agent's new leg, very likely.
    pub(crate) fn is_replaced(self) -> bool {
        self.is_leg_replaced() && self.has_newcomer()
    }

    /// True if the newest page of the lost agent has said goodbye.
    pub(crate) fn is_newest_page_gone(self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| {
            let worker = &recovery.absence.agent.worker;
            let said = self.pages.newest_goodbye(worker);
            said.is_some() && said >= self.pages.newest(worker)
        })
    }

    /// True if this participant was on the call when the agent was lost, or joined while the agent's newest page was gone.
    /// The agent is not back by such a leg.
    pub(crate) fn is_bystander(self, leg: &CallSid) -> bool {
        let Some(recovery) = self.recovery else { return false };
        self.was_there(recovery, leg) || recovery.absence.late_bystanders.contains(leg)
    }

    /// True if this participant was on the call when the agent of this recovery was lost.
    pub(crate) fn was_there(self, recovery: &Recovery, leg: &CallSid) -> bool {
        recovery.absence.bystanders.contains(leg)
    }

    /// The participants who are there when this agent's leg is gone. If a poll alone found it gone, an unreported
    /// participant may be the same agent by another leg, and is not a bystander.
    pub(crate) fn bystanders_of(self, lost: &CallSid) -> BTreeSet<CallSid> {
        let told = self.roster.is_reported_joined(lost) || self.roster.is_hang_up_reported(lost);
        let others = self.others().filter(|(_, there)| told || there.report() != Report::None);
        others.map(|(leg, _)| leg.clone()).collect()
    }

    /// True if the customer is alone in the conference. Orphaned legs do not count, nor do those of silent pages, and of
    /// participants who cannot talk to a customer whose agent's page is silent.
    pub(crate) fn is_customer_alone(self) -> bool {
        let is_nobody = |leg| match self.roster.agent(leg) {
            Some(agent) => !self.is_on_call(leg, agent) || self.silent_leg() == Some(leg),
            None if self.silent_leg().is_some() => self.cannot_talk(leg),
            None => !self.is_bystander(leg) && self.is_newest_page_gone(),
        };
        self.roster.is_customer_joined()
            && self
                .roster
                .participants
                .keys()
                .filter(|leg| self.roster.is_joined(leg))
                .all(|leg| self.roster.is_customer(leg) || is_nobody(leg))
    }

    /// True if the leg has the exit flag, and no request in flight clears it. False on hold: Twilio does not change the flag then, and
    /// the conference would still end with the leg.
    pub(crate) fn has_exit_flag_to_clear(self, leg: &CallSid) -> bool {
        let flags = self.roster.flags(leg);
        flags.end_conference_on_exit
            && !flags.hold
            && self.roster.is_reported_joined(leg)
            && !self.requests.is_clearing_flag(leg)
    }

    /// True while the customer's leg is on hold.
    pub(crate) fn is_customer_held(self) -> bool {
        self.roster.customer_leg().is_some_and(|customer| customer.flags().hold)
    }

    /// The last unidentified leg to leave, in a call whose customer has no agent. A leg that still stands may belong to any
    /// participant, who must not be hung up on.
    pub(crate) fn unidentified_leg(self) -> Option<CallSid> {
        if self.has_open_recovery() {
            return None;
        }
        self.last_unidentified_to_leave().map(|(leg, _)| leg.clone())
    }

    /// [`Self::unidentified_leg`], also while an agent is away whom the customer has missed since before that leg left.
    pub(crate) fn unclaimed_leg(self) -> Option<CallSid> {
        let away_since = self.recovery.as_ref().filter(|recovery| self.is_away(&recovery.absence.lost_leg));
        let Some(since) = away_since.map(|recovery| recovery.absence.lost_at) else {
            return self.unidentified_leg();
        };
        let (leg, there) = self.last_unidentified_to_leave()?;
        there.left_at().is_some_and(|at| at > since).then(|| leg.clone())
    }

    fn last_unidentified_to_leave(self) -> Option<(&'a CallSid, &'a Participant)> {
        if !self.roster.is_customer_joined() || self.agent_on_call().is_some() {
            return None;
        }
        let nobodys = self.roster.participants.iter().filter(move |(leg, _)| {
            self.roster.left(leg).is_some()
                && self.roster.is_unidentified(leg)
                && !self.requests.has_requested_move(leg)
        });
        nobodys.max_by_key(|(_, p)| p.report())
    }
}
