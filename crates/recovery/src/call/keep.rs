//! Keeping the conference: it must not end because an agent leaves it.

use super::{Agent, Call, Facts, Out, Phase, Recovery};
use crate::facts::is_transfer;
use crate::{Action, Note, Outcome};
use rejoin_protocol::{CallSid, Millis};

/// So long it is tried: where Twilio refuses everything, the call lasts as long as the agent's leg does, and no longer.
const TRIED_FOR: Millis = Millis::seconds(120);

impl Call {
    /// Flex sets `endConferenceOnExit` again whenever two are left. It has no effect while the leg is on hold.
    pub(super) fn keep_conference(&mut self, out: &mut Out<'_>) {
        if !self.facts.roster.is_customer_joined() {
            return;
        }
        let wanted = |leg: &&CallSid| self.is_kept_from_ending(leg);
        let legs: Vec<_> = self.facts.roster.participants.keys().filter(wanted).cloned().collect();
        for leg in legs {
            self.undo_exit_flag(out, &leg);
        }
    }

    /// True if the conference would end with this leg, and must not.
    fn is_kept_from_ending(&self, leg: &CallSid) -> bool {
        let is_ours = match self.facts.roster.agent(leg) {
            Some(agent) => !agent.removing && !self.ends_conference(agent),
            None => self.may_be_agents_next_leg(leg),
        };
        is_ours && self.has_exit_flag(leg)
    }

    /// True if the agent has said that they leave, other than by a transfer, which leaves the conference to the next agent.
    fn ends_conference(&self, agent: &Agent) -> bool {
        let marks = &self.facts.marks;
        let reason = marks.reason(&agent.reservation).filter(|_| !marks.is_only_in_task(&agent.reservation));
        reason.is_some_and(|reason| !is_transfer(reason))
    }

    /// True while an agent comes back in place: a leg of theirs may be there that no page has registered yet.
    fn may_be_agents_next_leg(&self, leg: &CallSid) -> bool {
        let comes = |it: &Recovery| it.phase.is_before_requeue() && it.phase != Phase::Grace;
        let is_coming = self.recovery.as_ref().is_some_and(comes) || self.diagnosis().has_absence();
        is_coming && !self.facts.roster.is_customer(leg) && !self.diagnosis().is_bystander(leg)
    }

    /// True if the conference would end with this leg, and nothing is being done about it. On hold the flag has no effect.
    fn has_exit_flag(&self, leg: &CallSid) -> bool {
        let flags = self.facts.roster.flags(leg);
        flags.end_conference_on_exit
            && !flags.hold
            && self.facts.roster.is_reported_joined(leg)
            && !self.requests.is_keeping(leg)
    }

    /// The flag was set on a leg that no page has registered yet: an agent's, because it is set on no others. That agent may be
    /// lost before their registration is confirmed.
    pub(super) fn keep_before_registered(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Facts { roster, marks, ownership, .. } = &self.facts;
        let is_nobody_known = roster.agents.is_empty() && marks.is_empty() && marks.unattributed.is_empty();
        let is_open = ownership.proven && !roster.ended;
        if is_nobody_known && is_open && !roster.is_customer(leg) && self.has_exit_flag(leg) {
            self.undo_exit_flag(out, leg);
        }
    }

    fn undo_exit_flag(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.act(out, self.keeping(leg), TRIED_FOR);
    }

    fn keeping(&self, leg: &CallSid) -> Action {
        Action::KeepConference { conference: self.conference.clone(), leg: leg.clone() }
    }

    /// The flag was undone, as is told, and set again, and Twilio has not answered yet that it has undone it: it is undone once
    /// more, if it is to be.
    pub(super) fn keep_again(&mut self, leg: &CallSid) {
        if self.requests.take_set_again(leg) {
            self.requests.forget(&self.keeping(leg));
        }
    }

    /// The flag is undone, or could not be. Whoever has set it meanwhile finds it undone once more.
    pub(super) fn kept(&mut self, out: &mut Out<'_>, leg: &CallSid, outcome: &Outcome) {
        if self.facts.roster.is_shown(leg) {
            let is_set_again = self.requests.take_set_again(leg);
            self.facts.roster.exit_flag_is(leg, is_set_again);
        }
        match outcome {
            Outcome::Ok => self.note(out, Note::ExitFlagUndone),
            // Nobody tells of a flag that stays as it is.
            Outcome::Failed { .. } => self.look_soon(out),
            _ => {}
        }
    }
}
