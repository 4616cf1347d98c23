//! The evaluation of a call after every event: its steps, in their order.

use super::{Call, Out};
use crate::Note;

impl Call {
    /// Draws the conclusions from all facts, after every event.
    pub(crate) fn evaluate(&mut self, out: &mut Out<'_>) {
        if !self.facts.ownership.proven {
            return;
        }
        self.settle_unattributed_marks(out);
        self.settle_customer(out);
        self.settle_registrations(out);
        if !self.connected && self.is_connected() {
            self.connected = true;
            self.note(out, Note::Connected);
        }
        self.rejoined_in_place(out);
        self.cover_missed(out);
        self.end_grace(out);
        self.settle_covered(out);
        self.find_lost_agent(out);
        self.end_if_covered(out);
        self.customer_gone(out);
        self.miss_covered(out);
        self.settle_silence(out);
        self.go_on(out);
        self.reconcile(out);
        self.lend_activity(out);
        self.remove_late_legs(out);
        self.hold_again(out);
        self.put_back_agent_hold(out);
        self.end_our_hold(out);
        self.close(out);
        self.keep_watch(out);
    }
}
