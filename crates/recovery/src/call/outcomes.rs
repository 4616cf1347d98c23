//! Handles what a call waits for: timers that are due, and actions that have ended.

use super::{Call, Out};
use crate::plan::SOON;
use crate::{Action, Announcement, Effect, Note, Outcome, Timer};

impl Call {
    pub(crate) fn timer(&mut self, out: &mut Out<'_>, timer: Timer) {
        match timer {
            Timer::Grace => self.grace_is_over(out),
            Timer::Announce => self.tell_customer(out),
            Timer::Answer => self.answer_is_overdue(out),
            Timer::Leave => {
                self.remove_unclosed_legs(out);
                self.leave_is_overdue(out);
            }
            Timer::Ping => self.ping_is_over(out),
            Timer::Rejoin => self.rejoin_is_over(out),
            Timer::Covered => self.covered_is_due(out),
            Timer::LeftAlone => self.left_alone_is_due(out),
            Timer::LookUp => self.look_up_is_due(out),
            Timer::Owners => self.owners_are_late(out),
            Timer::Watchdog => self.watch(out),
            Timer::CatchUp => self.serve_again(out),
            Timer::Forget if !self.closed => {}
            Timer::Forget => out.effects.push(Effect::Forget { conference: self.conference.clone() }),
        }
    }

    /// The timer is due: a conference that was left on purpose should have ended, or an agent should have taken the
    /// transfer.
    fn left_alone_is_due(&mut self, out: &mut Out<'_>) {
        if self.diagnosis().is_left_alone_on_purpose() {
            self.act(out, Action::EndConference { conference: self.conference.clone() }, SOON);
        } else if self.diagnosis().is_decided_by_polls() {
            self.poll_unless_in_flight(out);
        }
        self.handle_refused_transfers(out);
    }

    pub(crate) fn done(&mut self, out: &mut Out<'_>, action: &Action, outcome: &Outcome) {
        self.requests.answer(action, outcome);
        if let Outcome::Failed { reason } = outcome {
            self.note(out, Note::Trouble { text: reason.clone() });
        }
        match action {
            Action::LookUpTask { .. } => self.looked_up(out, outcome),
            Action::ReadReservations { task, .. } if *task != self.task => {} // about a task that only a page had named
            Action::ReadReservations { .. } => self.owners_found(out, outcome),
            Action::ReadActivity { worker } => self.activity_read(out, worker, outcome),
            Action::LendActivity { worker, .. } => self.activity_lent(worker, outcome),
            Action::ReturnActivity { worker, .. } => self.activity_returned(worker),
            Action::ClearExitFlag { leg, .. } => self.exit_flag_cleared(out, leg, outcome),
            Action::ClearCustomerFlags { unhold, .. } => {
                if *unhold && self.has_open_recovery() {
                    self.announce(out, Announcement::Interrupted);
                }
            }
            Action::AskPage { leg, .. } => self.page_asked(out, leg, outcome),
            Action::HoldCustomer { .. } => self.our_hold_done(out, outcome),
            Action::EndHold { .. } => self.our_hold_ended(out, outcome),
            Action::ReadTask { .. } => self.task_read(out, outcome),
            Action::MarkTask { .. } => {
                self.task_read(out, outcome);
                self.facts.task.version = None; // writing changed it
            }
            Action::Announce { .. } => {
                if *outcome != Outcome::Ok {
                    self.announced = None; // nobody will report its end
                }
            }
            Action::RemoveLeg { leg, .. } => {
                if matches!(outcome, Outcome::Ok | Outcome::Gone) {
                    self.facts.roster.observe_removal(leg);
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
            Action::PollConference { .. } => match outcome {
                Outcome::Polled(seen) => self.polled(out, seen),
                _ => self.not_polled(out),
            },
            Action::GiveUp { recovery, .. } => self.given_up(out, recovery, *outcome == Outcome::Gone),
            // The machine handles the outcome, or there is nothing to do.
            Action::CheckNumber { .. }
            | Action::EndPing { .. }
            | Action::CompleteReservation { .. }
            | Action::MoveParticipant { .. }
            | Action::Unhold { .. }
            | Action::HoldParticipant { .. }
            | Action::RetargetCoach { .. }
            | Action::EndConference { .. } => {}
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
