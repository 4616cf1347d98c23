//! The allow list: outside production only the calls of customers whose number is on it are touched.
//!
//! The machine knows no numbers. It asks for each call whether the customer's number is on the list, and withholds its
//! actions until the answer. It follows the call meanwhile, so that no fact is missed if it may be touched. A call whose
//! number is not on the list is forgotten, and goes on as in stock Flex.

use super::Machine;
use crate::call::{Call, Out};
use crate::plan::SOON;
use crate::{Action, Allowance, Effect, Note, Outcome, Permission, Timer};
use rejoin_protocol::{ConferenceSid, TaskSid};

impl Machine {
    /// True if the call of this conference may be touched; `None`: that is not known yet.
    pub fn may_touch(&self, conference: &ConferenceSid) -> Option<bool> {
        if !self.policies.allow_list {
            return Some(true);
        }
        match self.calls.get(conference)?.allowance.permission {
            Permission::Unasked | Permission::Asked => None,
            Permission::Given => Some(true),
            Permission::Refused => Some(false),
        }
    }

    pub(super) fn is_refused(&self, conference: &ConferenceSid) -> bool {
        self.may_touch(conference) == Some(false)
    }

    /// The check of the customer's number has ended.
    pub(super) fn number_checked(
        &mut self,
        out: &mut Out<'_>,
        conference: &ConferenceSid,
        outcome: &Outcome,
    ) {
        self.with(out, conference, |call, out| match outcome {
            Outcome::Number { allowed: true } => call.release_withheld(out),
            Outcome::Number { allowed: false } | Outcome::Gone => call.leave_call_alone(out),
            // Twilio did not answer: the check is repeated.
            _ => call.allowance.permission = Permission::Unasked,
        });
    }

    /// Withholds actions that are not allowed, or not yet, and requests the checks that are missing.
    pub(super) fn withhold(&mut self, out: &mut Out<'_>) {
        if !self.policies.allow_list {
            return;
        }
        let mut let_through = vec![];
        for effect in std::mem::take(&mut out.effects) {
            match effect {
                // It only reads.
                effect @ Effect::Act { action: Action::ReadReservations { .. }, .. } => {
                    let_through.push(effect);
                }
                Effect::Act { conference, action, deadline } => {
                    let Some(call) = self.calls.get_mut(&conference) else { continue };
                    match call.allowance.permission {
                        Permission::Given => let_through.push(Effect::Act { conference, action, deadline }),
                        Permission::Unasked | Permission::Asked => {
                            call.allowance.withheld.push((action, deadline));
                            self.dirty.insert(conference);
                        }
                        Permission::Refused => {}
                    }
                }
                Effect::Push { worker, view } => {
                    if self.is_given(&view.task) {
                        let_through.push(Effect::Push { worker, view });
                    }
                }
                effect @ (Effect::SetTimer { .. }
                | Effect::ClearTimer { .. }
                | Effect::Note { .. }
                | Effect::Forget { .. }) => let_through.push(effect),
            }
        }
        out.effects = let_through;
        for conference in &out.touched {
            let Some(call) = self.calls.get_mut(conference) else { continue };
            let open = call.facts.ownership.proven && !call.facts.roster.ended && !call.closed;
            if call.allowance.permission == Permission::Unasked && open {
                call.allowance.permission = Permission::Asked;
                let action = Action::CheckNumber { task: call.task.clone() };
                let deadline = out.now + SOON;
                out.effects.push(Effect::Act { conference: conference.clone(), action, deadline });
            }
        }
    }

    fn is_given(&self, task: &TaskSid) -> bool {
        let given = |call: &Call| call.task == *task && call.allowance.permission == Permission::Given;
        self.calls.values().any(given)
    }
}

impl Call {
    /// The withheld actions go out. The job queue gives up those whose deadline has passed.
    fn release_withheld(&mut self, out: &mut Out<'_>) {
        self.allowance.permission = Permission::Given;
        for (action, deadline) in std::mem::take(&mut self.allowance.withheld) {
            out.effects.push(Effect::Act { conference: self.conference.clone(), action, deadline });
        }
        for absent in self.absences().filter(|absent| absent.is_open()) {
            self.push_view(out, absent.view(out.now, &self.task), absent.absence());
        }
    }

    /// The call is left alone from now on.
    fn leave_call_alone(&mut self, out: &mut Out<'_>) {
        self.allowance = Allowance { permission: Permission::Refused, withheld: vec![] };
        self.recovery = None;
        self.covered.clear();
        for timer in Timer::ALL {
            self.clear_timer(out, timer);
        }
        self.set_timer(out, Timer::Forget, out.now + out.config.keep_closed);
        self.note(out, Note::NotAllowed);
    }
}
