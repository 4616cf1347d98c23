//! What is asked of a call.

use super::{Call, HoldStage, Phase, Recovery};
use crate::absence::Absent;
use crate::{Action, Wanted};
use rejoin_protocol::RecoveryId;

impl Call {
    /// The recovery and the absences: everything that an agent's dialog may have to show.
    pub fn absences(&self) -> impl Iterator<Item = Absent<'_>> {
        self.diagnosis().absences()
    }

    /// True while a recovery is going on.
    pub(crate) fn has_open_recovery(&self) -> bool {
        self.diagnosis().has_open_recovery()
    }

    /// True while customer and agent are on the call here.
    pub(crate) fn is_connected(&self) -> bool {
        self.diagnosis().is_connected()
    }

    /// True while the task is being read for the first time and what the customer is told may wait for it. When the agent
    /// is back, the customer is sent on as soon as it is read, and is to be told before.
    pub fn is_task_awaited(&self) -> bool {
        let awaited = |r: &Recovery| r.phase.is_kept() && !r.absence.back && !self.is_task_marked(r);
        self.facts.task.attributes.is_empty() && self.recovery.as_ref().is_some_and(awaited)
    }

    /// True once the task says that the agent of this recovery was lost, or cannot be made to say so.
    pub(super) fn is_task_marked(&self, recovery: &Recovery) -> bool {
        self.requests.is_task_marked(&self.task, recovery.absence.lost_at)
    }

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
            Wanted::MarkMissing => self.looks_for_mark(),
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
