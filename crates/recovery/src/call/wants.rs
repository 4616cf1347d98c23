//! Whether an action is still to be done.

use super::{Call, HoldStage};
use crate::absence::Phase;
use crate::{Action, Wanted};
use rejoin_protocol::RecoveryId;

impl Call {
    /// True if what the action needs to be still wanted is true of the call.
    pub(crate) fn wants(&self, action: &Action) -> bool {
        let phase =
            |id: &RecoveryId| self.recovery.as_ref().filter(|r| r.absence.id == *id).map(|r| &r.phase);
        match action.traits().wanted {
            Wanted::Always => true,
            Wanted::Recovering => self.has_open_recovery(),
            Wanted::BeforeRequeue(recovery) => phase(recovery).is_some_and(Phase::is_before_requeue),
            Wanted::Requeueing { recovery, target, resent } => {
                let is_wanted = phase(recovery).is_some_and(|phase| match phase {
                    Phase::Requeueing(trip) => trip.target.as_ref() == target,
                    // One who waits in silence is in the queue already, and Twilio may say so late.
                    Phase::Queued(trip) => resent > 0 && target.is_none() && trip.target.is_none(),
                    Phase::Grace
                    | Phase::Away
                    | Phase::Rejoining
                    | Phase::Holding(_)
                    | Phase::Stranded
                    | Phase::Ended(_) => false,
                });
                // It may have waited for its turn, and an agent have come meanwhile.
                is_wanted && !self.is_connected()
            }
            Wanted::WaitingForAny(recovery) => {
                phase(recovery).is_some_and(|phase| phase.target() == Some(None))
            }
            Wanted::HoldBegins => self.wants_of_our_hold(HoldStage::Asked),
            Wanted::HoldEnds => self.wants_of_our_hold(HoldStage::Ending),
            Wanted::Orphaned => self.diagnosis().is_orphaned(),
            Wanted::MarkMissing => self.awaits_mark_in_task(),
            Wanted::Polling => {
                self.poll.since.is_some() && (!self.closed || self.stranding.decide_by.is_some())
            }
            Wanted::OnHold(leg) => self.facts.roster.is_joined(leg) && self.facts.roster.flags(leg).hold,
            Wanted::HoldCarriedOver(leg) => self.wants_hold_of(leg),
            Wanted::Coaching { coach, agent } => {
                self.is_coaching(coach) && self.facts.roster.is_joined(agent)
            }
        }
    }
}
