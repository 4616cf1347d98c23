//! The end of a recovery.

use super::{Call, Out};
use crate::Note;
use crate::absence::{Ending, Phase};
use rejoin_protocol::CallSid;

impl Call {
    pub(super) fn end_recovery(&mut self, out: &mut Out<'_>, ending: &Ending) {
        let Some(recovery) = &mut self.recovery else { return };
        let after = out.now - recovery.absence.lost_at;
        let (lost, lost_at) = (recovery.absence.lost_leg.clone(), recovery.absence.lost_at);
        recovery.phase = Phase::Ended(ending.clone());
        self.discount_loss(lost_at, ending);
        self.clear_recovery_timers(out);
        if *ending == Ending::Covered {
            self.end_leftover_holds(out);
        }
        self.remove_left_behind(out);
        if *ending == Ending::CustomerLeft && self.facts.roster.is_joined(&lost) {
            self.settle(&lost);
            self.remove_leg(out, &lost); // no page has it, and no customer is left
        }
        if matches!(ending, Ending::Rejoined { .. }) {
            self.note_back_late(out);
        }
        self.note(out, Note::Ended { outcome: ending.name().to_owned(), after });
        self.push(out);
    }

    /// An agent joined the customer before the requeue, which is cancelled.
    pub(super) fn end_if_covered(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &self.recovery else { return };
        let may_be_covered = recovery.phase == Phase::Grace || recovery.phase.is_kept();
        if !may_be_covered || !self.facts.roster.is_customer_joined() {
            return;
        }
        let Some((leg, agent)) = self.diagnosis().leg_on_call() else { return };
        let same = agent.worker == recovery.absence.agent.worker;
        if *leg == recovery.absence.lost_leg {
            self.leg_stands_after_all(&leg.clone());
        }
        self.end_recovery(out, &if same { Ending::Rejoined { into: None } } else { Ending::Covered });
    }

    /// The leg counted as gone without a callback, and Twilio shows it: it may still leave.
    fn leg_stands_after_all(&mut self, leg: &CallSid) {
        self.decisions.reopen(leg);
        if let Some(agent) = self.facts.roster.agents.get_mut(leg) {
            agent.reported_gone = None;
        }
    }
}
