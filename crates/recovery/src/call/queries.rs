//! Facts about a call that several modules need.

use super::Call;
use crate::absence::{Absent, Recovery};
use crate::facts::{Asking, PendingRegistration};
use crate::{KEPT_UNDECIDED, Silence};
use rejoin_protocol::{CallSid, Millis, RecoveryId, ReservationSid, WorkerSid};

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

    /// True while the task is read for the first time and the announcement may wait for it. When the agent is back, the
    /// requeue follows as soon as the task is read, so the announcement does not wait.
    pub fn is_task_awaited(&self) -> bool {
        let awaited = |r: &Recovery| r.phase.is_kept() && !r.absence.back && !self.is_loss_written(r);
        self.facts.task.attributes.is_empty() && self.recovery.as_ref().is_some_and(awaited)
    }

    /// True once the loss of this recovery is written into the task, or the attempt has failed.
    pub(super) fn is_loss_written(&self, recovery: &Recovery) -> bool {
        self.requests.is_loss_written(&self.task, recovery.absence.lost_at)
    }

    /// True if a newer page of this recovery's agent than the lost leg's has said hello.
    pub(super) fn has_newer_page(&self, recovery: &Recovery) -> bool {
        self.facts.roster.agent(&recovery.absence.lost_leg).is_some_and(|agent| agent.newer_page.is_some())
    }

    /// True if customer and agent talk in a conference of which no callback has ever arrived. The agent may have accepted
    /// the call before the plugin was running, so that no callbacks were requested, or they were lost. No callback would
    /// report a loss either.
    pub(super) fn is_without_callbacks(&self) -> bool {
        self.facts.received.callbacks().is_empty() && self.is_connected()
    }

    /// The recovery that begins if the agent of the silent page is gone.
    pub fn silent_recovery(&self) -> Option<RecoveryId> {
        self.diagnosis().silent_leg().map(RecoveryId::of)
    }

    /// Since when the page is silent whose customer is told of this recovery (point in time).
    pub(crate) fn silent_since(&self, recovery: &RecoveryId) -> Option<Millis> {
        match &self.silence {
            Some(Silence::Silent { leg, since, .. }) if RecoveryId::of(leg) == *recovery => Some(*since),
            Some(Silence::Asked { .. } | Silence::Silent { .. }) | None => None,
        }
    }

    /// The owner of this reservation, as far as is known.
    pub(crate) fn owner(&self, reservation: &ReservationSid) -> Option<&WorkerSid> {
        let of_agent = || self.facts.roster.agent_of(reservation);
        self.facts.ownership.owners.of(reservation).or_else(|| of_agent().map(|agent| &agent.worker))
    }

    /// True if Twilio has named another owner of this reservation, or does not know it.
    pub(crate) fn is_foreign_reservation(&self, worker: &WorkerSid, reservation: &ReservationSid) -> bool {
        match self.owner(reservation) {
            Some(owner) => owner != worker,
            None => self.facts.ownership.owners.is_unowned(reservation),
        }
    }

    /// True while a page's registration waits for the owner of its reservation.
    pub(super) fn awaits_owner(&self) -> bool {
        self.facts.ownership.asking != Asking::No && !self.facts.ownership.registrations.is_empty()
    }

    /// True if a page or the task names this leg as the customer's, and the customer is not known.
    pub(super) fn names_customer(&self, leg: &CallSid) -> bool {
        let named = |kept: &PendingRegistration| kept.registration.customer_leg == *leg;
        self.facts.roster.customer.is_none()
            && (self.facts.roster.customer_claims.contains_key(leg)
                || self.facts.ownership.registrations.iter().any(named))
    }

    /// True if the owner of the registration is known, and its leg was not shown yet.
    pub(super) fn awaits_leg(&self, kept: &PendingRegistration) -> bool {
        self.owner(&kept.registration.reservation).is_some()
            && !self.facts.roster.is_shown(&kept.registration.worker_leg)
    }

    /// True if a claimed leg was shown by neither a callback nor a poll.
    pub(super) fn awaits_legs(&self) -> bool {
        (self.facts.roster.customer.is_none()
            && self.facts.roster.customer_claims.values().any(|polled| !polled))
            || self.facts.ownership.registrations.iter().any(|kept| self.awaits_leg(kept))
    }

    /// True if the leg is claimed as the customer's and a query to Twilio may still confirm it.
    pub(super) fn may_be_customer(&self, leg: &CallSid) -> bool {
        let asks = self.awaits_legs()
            || self.poll.since.is_some()
            || (self.lookup.begun && !self.lookup.found_too_little);
        self.names_customer(leg) && asks
    }

    /// True if this leg becomes the customer's once a waiting registration or a claim is confirmed.
    pub(crate) fn may_become_customer(&self, customer: &CallSid) -> bool {
        let named = || {
            self.facts.ownership.registrations.iter().any(|kept| kept.registration.customer_leg == *customer)
        };
        (self.awaits_owner() && named()) || (self.facts.ownership.proven && self.names_customer(customer))
    }

    /// True while the departure of any agent's leg is undecided.
    pub(super) fn is_undecided(&self) -> bool {
        let agents = &self.facts.roster.agents;
        let is_open = |leg: &CallSid| {
            !self.decisions.is_settled(leg)
                || self.diagnosis().may_have_ended_by_unidentified(leg)
                || self.diagnosis().may_have_ended_with_removal_of(leg)
        };
        agents.is_empty() || agents.keys().any(is_open)
    }

    /// True while a stranded customer may be kept until it is known how the agent has left.
    pub(super) fn keeps_undecided(&self, now: Millis) -> bool {
        let is_in_time = self.stranding.decide_by.is_some_and(|until| now < until + KEPT_UNDECIDED);
        is_in_time && self.facts.roster.is_stranded() && !self.has_open_recovery() && self.is_undecided()
    }
}
