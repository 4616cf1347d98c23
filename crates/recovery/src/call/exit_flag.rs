//! Keeping the conference: it must not end because an agent leaves it.

use super::{Call, Out};
use crate::facts::{Facts, Observation};
use crate::plan::FLAG_TRIED_FOR;
use crate::{Action, Note, Outcome};
use rejoin_protocol::CallSid;

impl Call {
    /// The flag was set on a leg that no page has registered yet: an agent's, because it is set on no others. That agent may be
    /// lost before their registration is confirmed.
    pub(super) fn clear_flag_before_registration(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let Facts { roster, marks, ownership, .. } = &self.facts;
        let is_nobody_known = roster.agents.is_empty() && marks.is_empty() && marks.unattributed.is_empty();
        let is_open = ownership.proven && !roster.ended;
        if is_nobody_known && is_open && !roster.is_customer(leg) && self.diagnosis().has_exit_flag(leg) {
            self.act(out, self.clearing_flag(leg), FLAG_TRIED_FOR);
        }
    }

    fn clearing_flag(&self, leg: &CallSid) -> Action {
        Action::ClearExitFlag { conference: self.conference.clone(), leg: leg.clone() }
    }

    /// The flag was undone, as is told, and set again, and Twilio has not answered yet that it has undone it: it is undone once
    /// more, if it is to be.
    pub(super) fn clear_flag_again(&mut self, leg: &CallSid) {
        if self.requests.take_set_again(leg) {
            self.requests.forget(&self.clearing_flag(leg));
        }
    }

    /// The flag is undone, or could not be. Whoever has set it meanwhile finds it undone once more.
    pub(super) fn exit_flag_cleared(&mut self, out: &mut Out<'_>, leg: &CallSid, outcome: &Outcome) {
        if self.facts.roster.is_shown(leg) {
            let is_set_again = self.requests.take_set_again(leg);
            self.facts.roster.observe(leg, Observation::ExitFlag { set: is_set_again });
        }
        match outcome {
            Outcome::Ok => self.note(out, Note::ExitFlagUndone),
            // Nobody tells of a flag that stays as it is.
            Outcome::Failed { .. } => self.poll_soon(out),
            _ => {}
        }
    }
}
