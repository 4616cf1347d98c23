//! The departure of the customer, and the end of the call.

use super::{Call, Out};
use crate::absence::{Ending, Phase};
use crate::{LeaveReason, Note, Timer};

impl Call {
    /// The customer hung up, or the conference ended under them, during a recovery.
    pub(super) fn customer_gone(&mut self, out: &mut Out<'_>) {
        let (Some(recovery), Some(customer)) = (&self.recovery, &self.facts.roster.customer) else { return };
        if !recovery.is_open() {
            return;
        }
        if self.facts.roster.is_stranded() {
            if recovery.phase != Phase::Grace {
                self.hold_stranded(out);
            }
            return;
        }
        let left = self.facts.roster.left(customer);
        // Our own requeue takes the leg out of the conference for the same reason.
        let moved = !recovery.phase.is_before_requeue();
        if left == Some(LeaveReason::UpdatedViaApi) && !moved && self.was_sent_on_before(out) {
            return self.in_queue_by_earlier_request(out);
        }
        if self.facts.roster.seems_moved() {
            if recovery.phase != Phase::Grace {
                self.hold_stranded(out);
            }
            return;
        }
        let gone = match left {
            Some(LeaveReason::UpdatedViaApi) => !moved,
            Some(LeaveReason::HungUp) => true,
            Some(_) => !moved,
            None => self.facts.roster.ended && !moved,
        };
        if gone {
            self.end_recovery(out, &Ending::CustomerLeft);
        }
    }

    /// True when no leg is left in the conference, and no agent is awaited. False while the customer's leg was never shown.
    fn is_over(&self) -> bool {
        let roster = &self.facts.roster;
        let is_anybody_known = !roster.participants.is_empty() && !roster.is_customer_unseen();
        let have_all_left = is_anybody_known && !self.awaits_legs() && roster.joined().next().is_none();
        (roster.ended || have_all_left) && !self.has_open_recovery() && !self.diagnosis().has_absence()
    }

    /// Closes a call that is over.
    pub(super) fn close(&mut self, out: &mut Out<'_>) {
        let over = self.is_over();
        if self.closed && !over {
            // A late report shows that the call was not over.
            self.closed = false;
            self.clear_timer(out, Timer::Forget);
        }
        if self.closed || !over {
            return;
        }
        self.closed = true;
        for timer in [Timer::Leave, Timer::LeftAlone, Timer::LookUp, Timer::Owners, Timer::Covered] {
            self.clear_timer(out, timer);
        }
        // The call of a customer whom we moved goes on elsewhere.
        let left = self.facts.roster.customer_left();
        if self.recovery.is_none() || left != Some(LeaveReason::UpdatedViaApi) {
            self.note(out, Note::CallEnded);
        }
        self.set_timer(out, Timer::Forget, out.now + out.config.keep_closed);
    }
}
