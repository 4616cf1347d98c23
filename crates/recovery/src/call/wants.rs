//! Whether a call still wants an action.

use super::{Call, HoldStage};
use crate::absence::Phase;
use crate::{Action, Wanted};
use rejoin_protocol::{RecoveryId, WorkerSid};

impl Call {
    /// True if what the action needs to be still wanted is true of the call.
    pub(crate) fn wants(&self, action: &Action) -> bool {
        let roster = &self.facts.roster;
        match action.traits().wanted {
            Wanted::Always => true,
            Wanted::Recovering => self.has_open_recovery(),
            Wanted::BeforeRequeue(recovery) => self.phase_of(recovery).is_some_and(Phase::is_before_requeue),
            // The action may have waited for its turn, and an agent may have come meanwhile.
            Wanted::Requeueing { recovery, target, resent } => {
                self.is_requeue_current(recovery, target, resent) && !self.is_connected()
            }
            Wanted::WaitingForAny(recovery) => self.phase_of(recovery).and_then(Phase::target) == Some(None),
            Wanted::Asking(leg) => self.is_asked(leg),
            Wanted::HoldBegins => self.wants_of_our_hold(HoldStage::Asked),
            Wanted::HoldEnds => self.wants_of_our_hold(HoldStage::Ending),
            Wanted::LeftAlone => self.diagnosis().is_left_alone_on_purpose(),
            Wanted::MarkAwaited => self.awaits_mark_in_task(),
            Wanted::Polling => self.poll.since.is_some() && self.is_answer_of_use(),
            Wanted::OnHold(leg) => roster.is_joined(leg) && roster.flags(leg).hold,
            Wanted::HoldCarriedOver(leg) => self.wants_hold_of(leg),
            Wanted::Coaching { coach, agent } => self.is_coaching(coach) && roster.is_joined(agent),
        }
    }

    fn phase_of(&self, recovery: &RecoveryId) -> Option<&Phase> {
        self.recovery.as_ref().filter(|it| it.absence.id == *recovery).map(|it| &it.phase)
    }

    /// True if the customer of this recovery is on the way to this target. A customer who waits in silence for any agent is in
    /// the queue already, and is sent there again.
    fn is_requeue_current(&self, recovery: &RecoveryId, target: Option<&WorkerSid>, resent: u32) -> bool {
        match self.phase_of(recovery) {
            Some(Phase::Requeueing(trip)) => trip.target.as_ref() == target,
            Some(Phase::Queued(trip)) => resent > 0 && target.is_none() && trip.target.is_none(),
            _ => false,
        }
    }
}
