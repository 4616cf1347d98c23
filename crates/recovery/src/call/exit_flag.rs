//! The exit flag: a conference must not end because an agent leaves it.

use super::{Call, Out};
use crate::facts::{Facts, Observation};
use crate::plan::FLAG_TRIED_FOR;
use crate::{Action, Note, Outcome};
use rejoin_protocol::CallSid;

impl Call {
    /// Clears the flag of a leg that no page has registered yet. Flex sets it only on agents' legs, and the agent may be
    /// lost before their registration is confirmed.
    pub(super) fn clear_flag_before_registration(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Facts { roster, marks, ownership, .. } = &self.facts;
        let is_nobody_known = roster.agents.is_empty() && marks.is_empty() && marks.unattributed.is_empty();
        let is_open = ownership.proven && !roster.ended;
        if is_nobody_known
            && is_open
            && !roster.is_customer(leg)
            && self.diagnosis().has_exit_flag_to_clear(leg)
        {
            self.act(out, self.clearing_flag(leg), FLAG_TRIED_FOR);
        }
    }

    fn clearing_flag(&self, leg: &CallSid) -> Action {
        Action::ClearExitFlag { conference: self.conference.clone(), leg: leg.clone() }
    }

    /// A callback reported the flag cleared and another one reported it set, while our request is in flight. The request no
    /// longer counts as in flight, so the flag is cleared again if need be.
    pub(super) fn clear_flag_again(&mut self, leg: &CallSid) {
        if self.requests.take_set_again(leg) {
            self.requests.forget(&self.clearing_flag(leg));
        }
    }

    /// Our request has ended. A flag that another plugin set meanwhile is cleared again.
    pub(super) fn exit_flag_cleared(&mut self, out: &mut Out<'_>, leg: &CallSid, outcome: &Outcome) {
        if self.facts.roster.is_shown(leg) {
            let is_set_again = self.requests.take_set_again(leg);
            self.facts.roster.observe(leg, Observation::ExitFlag { set: is_set_again });
        }
        match outcome {
            Outcome::Ok => self.note(out, Note::ExitFlagUndone),
            // No callback reports a flag that stays as it is.
            Outcome::Failed { .. } => self.poll_soon(out),
            _ => {}
        }
    }
}
