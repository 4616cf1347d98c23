//! What was waited for: a timer that is due, an action that has ended.

use super::{Call, Out, SOON};
use crate::{Action, Announcement, Effect, KEPT_UNDECIDED, Note, Outcome, Timer};
use rejoin_protocol::Millis;

/// Number of look-ups of a call of which too little is found.
const LOOKUPS: u32 = 5;
/// Until then a customer is kept of whom nothing is decided.
pub(super) const KEPT: Millis = KEPT_UNDECIDED;
/// So often it is asked again meanwhile.
const ASKED_EVERY: Millis = Millis::seconds(10);

impl Call {
    pub(crate) fn timer(&mut self, out: &mut Out<'_>, timer: Timer) {
        match timer {
            Timer::Grace => self.grace_is_over(out),
            Timer::Announce => self.tell_customer(out),
            Timer::Leave => {
                self.remove_unclosed_legs(out);
                self.leave_never_came(out);
            }
            Timer::Ping => self.ping_is_over(out),
            Timer::Rejoin => self.rejoin_is_over(out),
            Timer::Beside => self.covered_is_due(out),
            Timer::Orphan => self.orphan_is_due(out),
            Timer::Learn => self.look_up_is_due(out),
            Timer::Owners => self.owners_are_late(out),
            Timer::Watch => self.watch(out),
            Timer::Missed => self.catch_up(out),
            Timer::Forget if !self.closed => {}
            Timer::Forget => out.effects.push(Effect::Forget { conference: self.conference.clone() }),
        }
    }

    /// A conference that was left on purpose should have ended, or a transfer should have been taken.
    fn orphan_is_due(&mut self, out: &mut Out<'_>) {
        let diagnosis = self.diagnosis();
        let is_for_polls = diagnosis.is_handed_over() || diagnosis.is_orphaned_unconfirmed();
        if diagnosis.is_orphaned() {
            self.act(out, Action::EndConference { conference: self.conference.clone() }, SOON);
        } else if is_for_polls && self.poll.since.is_none() {
            self.look(out);
        }
        self.recall_refused_transfers(out);
    }

    /// No page has registered in time, or no callback has shown a leg.
    fn look_up_is_due(&mut self, out: &mut Out<'_>) {
        let roster = &self.facts.roster;
        if self.awaits_legs() && !roster.ended {
            self.hasten_legs(out);
        } else if roster.is_unknown() && (!roster.ended || self.is_kept(out.now)) {
            self.lookup.begun = false;
            self.lookup.found_too_little = false;
            self.learn(out);
        } else if self.is_untold() && self.poll.since.is_none() {
            self.look(out);
        }
    }

    pub(crate) fn done(&mut self, out: &mut Out<'_>, action: &Action, outcome: &Outcome) {
        self.requests.answer(action, outcome);
        if let Outcome::Failed { reason } = outcome {
            self.note(out, Note::Trouble { text: reason.clone() });
        }
        match action {
            Action::Learn { .. } => self.looked_up(out, outcome),
            Action::FindOwners { task, .. } if *task != self.task => {} // of what only a page had said
            Action::FindOwners { .. } => self.owners_found(out, outcome),
            Action::ReadActivity { worker } => self.activity_read(out, worker, outcome),
            Action::LendActivity { worker, .. } => self.activity_lent(worker, outcome),
            Action::ReturnActivity { worker, .. } => self.activity_returned(worker),
            Action::KeepConference { leg, .. } => self.kept(out, leg, outcome),
            Action::FreeCustomer { unhold, .. } => {
                if *unhold && self.has_open_recovery() {
                    self.announce(out, Announcement::Interrupted);
                }
            }
            Action::HoldCustomer { .. } => self.our_hold_done(out, outcome),
            Action::EndHold { .. } => self.our_hold_ended(out, outcome),
            Action::ReadTask { .. } => self.task_read(out, outcome),
            Action::MarkTask { .. } => {
                self.task_read(out, outcome);
                self.facts.task.version = None; // it is another one now
            }
            Action::RemoveLeg { leg, .. } => {
                if matches!(outcome, Outcome::Ok | Outcome::Gone) {
                    self.facts.roster.is_removed(leg);
                }
            }
            Action::CreatePing { recovery, .. } => {
                if let Outcome::PingCreated(task) = outcome {
                    self.ping_created(out, recovery, task);
                }
            }
            Action::Requeue { recovery, target, .. } => {
                self.requeue_done(out, recovery, target.as_ref(), outcome);
            }
            Action::Look { .. } => match outcome {
                Outcome::Looked(seen) => self.looked(out, seen),
                _ => self.not_looked(out),
            },
            Action::GiveUp { recovery, .. } => self.given_up(out, recovery, *outcome == Outcome::Gone),
            // The machine sees to it.
            Action::CheckNumber { .. }
            | Action::Announce { .. }
            | Action::EndPing { .. }
            | Action::CompleteReservation { .. }
            | Action::MoveParticipant { .. }
            | Action::Unhold { .. }
            | Action::HoldParticipant { .. }
            | Action::CoachInstead { .. }
            | Action::EndConference { .. } => {}
        }
    }

    /// Twilio has answered a look-up, or has not.
    fn looked_up(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        self.lookup.failed = matches!(outcome, Outcome::Failed { .. });
        if let Outcome::Learnt(found) = outcome {
            self.learnt(out, found);
            self.read_mark(out);
            self.heed_found_ghosts(out);
            self.look_for_unseen(out);
        }
        if self.lookup.failed && self.is_waited_for(out.now) {
            self.lookup.begun = false;
            self.learn(out);
        } else {
            self.learn_later(out, outcome);
        }
    }

    /// Does a customer whose conference has ended wait for what Twilio did not say?
    fn is_waited_for(&self, now: Millis) -> bool {
        self.stranding.decide_by.is_some_and(|until| now < until + SOON)
            && self.facts.roster.is_unknown()
            && self.lookup.count < LOOKUPS
    }

    /// And for how long, while Twilio is out of order?
    fn is_kept(&self, now: Millis) -> bool {
        self.lookup.failed && self.stranding.decide_by.is_some_and(|until| now < until + KEPT)
    }

    /// Twilio did not answer, or had not put it together yet.
    fn learn_later(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        self.lookup.found_too_little |= self.stranding.decide_by.is_some() && self.facts.roster.is_unknown();
        if self.facts.roster.is_unknown() && self.is_kept(out.now) {
            return self.set_timer(out, Timer::Learn, out.now + ASKED_EVERY);
        }
        if !self.facts.roster.is_unknown() || self.closed || *outcome == Outcome::Gone {
            return;
        }
        if self.lookup.count < LOOKUPS {
            self.lookup.found_too_little = true;
            self.set_timer(out, Timer::Learn, out.now + SOON);
        } else if matches!(outcome, Outcome::Failed { .. }) {
            // Out of order for long: it is looked up when Twilio has said how the call stands.
            self.lookup.found_too_little = true;
            self.look_soon(out);
        }
    }

    fn task_read(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        if let Outcome::TaskRead { attributes, version, workflow } = outcome {
            self.facts.origin.workflow = workflow.clone().or(self.facts.origin.workflow.take());
            self.facts.task.attributes.clone_from(attributes);
            self.facts.task.version.clone_from(version);
            self.read_mark(out);
        }
    }
}
