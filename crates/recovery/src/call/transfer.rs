//! Transfers that may be refused. TaskRouter may refuse a transfer after the mark, and no event reports that: the agent has
//! stayed then, and keeps the customer.

use super::{Call, Out};
use crate::Timer;
use rejoin_protocol::{CallSid, Millis};

impl Call {
    /// Withdraws the mark of a refused transfer. A transfer takes the agent's leg away within moments: if the leg still
    /// stands later, it was refused.
    pub(super) fn forget_refused_transfer(&mut self, out: &Out<'_>, leg: &CallSid) {
        let Some(reservation) = self.facts.roster.agent(leg).map(|agent| agent.reservation.clone()) else {
            return;
        };
        if self.diagnosis().was_transfer_refused(&reservation, out.now, out.config.leave_within)
            && self.facts.roster.is_joined(leg)
        {
            self.unmark(&reservation);
        }
    }

    /// A callback reports that the agent's leg hung up. After a transfer Twilio would have removed it.
    pub(super) fn hung_up_completing(&mut self, leg: &CallSid) {
        let Some(agent) = self.facts.roster.agent(leg) else { return };
        self.facts.marks.hangs_up(&agent.reservation);
    }

    /// The page is gone while Twilio may still take its leg away. If Twilio does not, the transfer was refused, and the leg
    /// is orphaned.
    pub(super) fn expect_transfer(&mut self, out: &mut Out<'_>, leg: &CallSid, epoch: u64) {
        let Some(agent) = self.facts.roster.agent(leg).cloned() else { return };
        let transfers = self.facts.marks.is_transfer(&agent.reservation);
        let Some(at) = self.facts.marks.said_at(&agent.reservation).filter(|_| transfers) else { return };
        if self.facts.roster.is_joined(leg) {
            self.set_timer(out, Timer::LeftAlone, at + out.config.leave_within + Millis(1));
            self.facts.pages.says_goodbye(&agent.worker, epoch);
        }
    }

    /// Polls after a hand-over that left the customer alone: the answer shows whether an agent is offered the task.
    pub(super) fn poll_transfer(&mut self, out: &mut Out<'_>) {
        if self.diagnosis().is_in_transfer() {
            self.poll_unless_in_flight(out);
        }
    }

    /// An unidentified participant joined after the transfer, and left. If it was an agent, their page may be gone, too.
    pub(super) fn poll_for_taker(&mut self, out: &mut Out<'_>) {
        if self.diagnosis().taker_leg().is_some() {
            self.poll_transfer(out);
            self.set_timer(out, Timer::LeftAlone, out.now + out.config.orphan_after);
        }
    }
}
