//! A transfer that may be refused. TaskRouter may refuse it after its agent has marked it, and nothing reports that: the agent
//! has stayed then, and the customer is theirs until they leave again.

use super::{Call, Out};
use crate::Timer;
use rejoin_protocol::{CallSid, Millis};

impl Call {
    /// A transfer takes the agent's leg away at once. A page that still has it some time later, or has left it behind,
    /// had its transfer refused.
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

    /// A callback reports that the agent's leg has hung up. A transfer would have taken it away.
    pub(super) fn hung_up_completing(&mut self, leg: &CallSid) {
        let Some(agent) = self.facts.roster.agent(leg) else { return };
        self.facts.marks.hangs_up(&agent.reservation);
    }

    /// The page goes while Twilio may still take its leg away. If Twilio does not, the transfer was refused, and nobody
    /// is at the leg.
    pub(super) fn expect_transfer(&mut self, out: &mut Out<'_>, leg: &CallSid, epoch: u64) {
        let Some(agent) = self.facts.roster.agent(leg).cloned() else { return };
        let transfers = self.facts.marks.is_transfer(&agent.reservation);
        let Some(at) = self.facts.marks.said_at(&agent.reservation).filter(|_| transfers) else { return };
        if self.facts.roster.is_joined(leg) {
            self.set_timer(out, Timer::Orphan, at + out.config.leave_within + Millis(1));
            self.facts.pages.says_goodbye(&agent.worker, epoch);
        }
    }

    /// An agent has handed the customer over, who is alone. A poll says whether anybody is asked to take them.
    pub(super) fn poll_transfer(&mut self, out: &mut Out<'_>) {
        if self.diagnosis().is_handed_over() {
            self.poll_unless_in_flight(out);
        }
    }

    /// An unidentified participant has come since the transfer, and is gone. If it was an agent, their page may be gone, too.
    pub(super) fn poll_for_taker(&mut self, out: &mut Out<'_>) {
        if self.diagnosis().taker_leg().is_some() {
            self.poll_transfer(out);
            self.set_timer(out, Timer::Orphan, out.now + out.config.orphan_after);
        }
    }
}
