//! The allow list: outside production no call is touched whose customer's number is not on it.
//!
//! The machine knows no numbers. For each call it asks whether the customer's is on the list, and until that is answered it
//! keeps back what it wants done: the call is followed meanwhile, so that nothing is missed if it may be touched. What is not
//! on the list is forgotten, and stock Flex goes on with it.

use super::Machine;
use crate::call::{Call, Out};
use crate::plan::SOON;
use crate::{Action, Allowance, Effect, Note, Outcome, Permission, Timer};
use rejoin_protocol::{ConferenceSid, TaskSid};

impl Machine {
    /// May the call of this conference be touched? `None`: that is not known yet.
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

    /// The customer's number was looked up, or could not be.
    pub(super) fn number_checked(
        &mut self,
        out: &mut Out<'_>,
        conference: &ConferenceSid,
        outcome: &Outcome,
    ) {
        self.with(out, conference, |call, out| match outcome {
            Outcome::Number { allowed: true } => call.may_be_touched(out),
            Outcome::Number { allowed: false } | Outcome::Gone => call.may_not_be_touched(out),
            // Twilio could not be asked: once more.
            _ => call.allowance.permission = Permission::Unasked,
        });
    }

    /// Keeps back what is not allowed, or not yet, and asks where nobody was asked.
    pub(super) fn hold_back(&mut self, out: &mut Out<'_>) {
        if !self.policies.allow_list {
            return;
        }
        let mut let_through = vec![];
        for effect in std::mem::take(&mut out.effects) {
            match effect {
                // Nothing is done to anybody by it.
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
    /// What was kept back goes out; what has become too late by now is told so by the queue, as ever.
    fn may_be_touched(&mut self, out: &mut Out<'_>) {
        self.allowance.permission = Permission::Given;
        for (action, deadline) in std::mem::take(&mut self.allowance.withheld) {
            out.effects.push(Effect::Act { conference: self.conference.clone(), action, deadline });
        }
        for absent in self.absences().filter(|absent| absent.is_open()) {
            self.push_view(out, absent.view(out.now, &self.task), absent.absence());
        }
    }

    /// From now on nothing is seen of it.
    fn may_not_be_touched(&mut self, out: &mut Out<'_>) {
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
