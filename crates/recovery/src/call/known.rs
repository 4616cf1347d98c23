//! What becomes known of a call: by callbacks, by the page that registers, by looking it up.

use super::{Agent, Call, Out, SOON};
use crate::absence::Absent;
use crate::facts::Report;
use crate::{
    Action, ConferenceEvent, ConferenceEventKind, Holder, LeaveReason, ParticipantFlags, Registered, Timer,
};
use rejoin_protocol::api::{DeliveryId, Registration};
use rejoin_protocol::{CallSid, Millis, WorkerSid};
use std::collections::BTreeMap;

/// Callbacks of a call come at the same time as its registration, if they do.
const UNTOLD_FOR: Millis = Millis::seconds(1);
/// More registrations and marks than a call has.
const DELIVERIES: usize = 100;
/// Callbacks whose numbers are remembered. They come out of order by seconds, not by hundreds.
const CALLBACKS: usize = 1000;

impl Call {
    pub(crate) fn conference_event(&mut self, out: &mut Out<'_>, event: &ConferenceEvent) {
        if !self.facts.ownership.proven {
            return; // the conference has no task's name
        }
        if let Some((reservation, worker)) = &event.owner {
            self.know_owner(reservation, worker);
        }
        if !self.is_new_callback(event.sequence) {
            return; // delivered twice
        }
        if let ConferenceEventKind::Leave { leg, .. } | ConferenceEventKind::Modify { leg, .. } = &event.kind
        {
            self.forget_old_mark(out, leg);
        }
        match &event.kind {
            ConferenceEventKind::Start => {}
            ConferenceEventKind::End => self.facts.roster.ended = true,
            ConferenceEventKind::Join { leg, flags } => self.leg_joins(out, leg, event.sequence, *flags),
            ConferenceEventKind::Leave { leg, reason } => self.leg_leaves(out, leg, event.sequence, *reason),
            ConferenceEventKind::Modify { leg, flags } => self.leg_changes(out, leg, event.sequence, *flags),
            ConferenceEventKind::AnnouncementEnd => self.announcement_ended(out),
        }
        self.seen_label(event);
    }

    fn leg_joins(&mut self, out: &mut Out<'_>, leg: &CallSid, sequence: u64, flags: ParticipantFlags) {
        let is_known = self.facts.roster.is_shown(leg);
        self.facts.roster.joins(leg, sequence, flags);
        self.look_up_again();
        if !is_known && !self.lookup.begun && self.facts.roster.agents.is_empty() {
            self.set_timer(out, Timer::Learn, out.now + out.config.learn_after);
        }
    }

    fn leg_leaves(&mut self, out: &mut Out<'_>, leg: &CallSid, sequence: u64, reason: LeaveReason) {
        if self.facts.roster.is_customer(leg) {
            self.facts.roster.move_inferred_at = None; // reported, and not inferred any more
        }
        self.facts.roster.leaves(leg, sequence, reason);
        if reason == LeaveReason::HungUp {
            self.hung_up_completing(leg);
            self.look_for_taker(out);
        }
        self.look_up_again();
        self.joiner_gone(out, leg);
        self.flex_has_closed(out, leg);
        if self.diagnosis().is_orphaned() {
            self.set_timer(out, Timer::Orphan, out.now + out.config.orphan_after);
        }
        let was_awaited = self.facts.roster.agent(leg).is_some_and(|agent| agent.reported_gone.is_some());
        if was_awaited && !self.facts.roster.awaits_leave() {
            self.clear_timer(out, Timer::Leave);
        }
    }

    fn leg_changes(&mut self, out: &mut Out<'_>, leg: &CallSid, sequence: u64, flags: ParticipantFlags) {
        let was_unset =
            self.facts.roster.is_reported_joined(leg) && !self.facts.roster.flags(leg).end_conference_on_exit;
        let is_new = Report::Callback(sequence) > self.facts.roster.report(leg);
        self.facts.roster.flags_change(leg, sequence, flags);
        if is_new {
            self.requests.flag_is_reported(leg, flags.end_conference_on_exit);
        }
        if was_unset {
            self.keep_again(leg);
            self.keep_before_registered(out, leg);
        }
        self.unheld(leg);
    }

    /// Somebody has joined or left, or Twilio answers again: a look-up that found too little may find more now.
    pub(super) fn look_up_again(&mut self) {
        self.lookup.begun &= !std::mem::take(&mut self.lookup.found_too_little);
    }

    /// A page registers the call. True if the registration counts from now on.
    pub(crate) fn registered(
        &mut self,
        out: &mut Out<'_>,
        worker: &WorkerSid,
        registration: &Registration,
    ) -> bool {
        if self.is_foreign_registration(worker, registration) {
            return false;
        }
        let owned = self.owner(&registration.reservation).is_some();
        if !owned || !self.facts.roster.is_shown(&registration.worker_leg) {
            let awaited = self.awaits_legs();
            self.keep_registration(out, worker, registration);
            if !owned {
                self.ask_for_owner(out, &registration.reservation);
            } else if !awaited {
                self.await_legs(out);
            }
            return false;
        }
        let is_new = !self.was_delivered(worker, registration.id);
        if is_new {
            self.take_registration(out, worker, registration);
        }
        is_new
    }

    /// It is this worker's own, and Twilio has shown the leg. What else it says is what only a page can know, and whom it takes
    /// for the customer.
    pub(super) fn take_registration(
        &mut self,
        out: &mut Out<'_>,
        worker: &WorkerSid,
        registration: &Registration,
    ) {
        self.facts.origin.claimed_workflow = Some(registration.workflow.clone());
        self.facts.origin.queue = registration.queue.clone().or(self.facts.origin.queue.take());
        self.claim_customer(out, &registration.customer_leg);
        let left_behind = self.leaves_behind(worker, &registration.worker_leg, registration.epoch);
        let leaving = self.is_being_left(out, worker, registration);
        let lives_beside = self.rings_elsewhere(worker, &registration.worker_leg, registration.epoch);
        let agent = self.facts.roster.agents.entry(registration.worker_leg.clone()).or_insert_with(|| {
            Agent::new(worker.clone(), registration.worker_name.clone(), registration.reservation.clone())
        });
        agent.left_behind = left_behind;
        agent.lives_beside = agent.lives_beside.max(lives_beside);
        agent.epoch = agent.epoch.max(registration.page());
        // The page that seemed to be a newer one than the leg's is the leg's: it has taken over from another one.
        agent.newer_page = agent.newer_page.filter(|newer| Some(*newer) > agent.epoch);
        self.recall_hello(&registration.worker_leg);
        // An agent who registers after marking that they leave has stayed. The last words of a page may overtake that it
        // had registered before.
        let overtaken =
            |(who, other): &(WorkerSid, DeliveryId)| who == worker && Some(*other) > registration.id;
        if registration.id.is_some()
            && self.facts.roster.is_joined(&registration.worker_leg)
            && !leaving
            && !self.facts.received.requests.iter().any(overtaken)
        {
            self.unmark(&registration.reservation);
        }
        if self.is_untold() {
            // Nobody tells of what has happened to it so far: flags that were set, legs that are gone.
            self.set_timer(out, Timer::Learn, out.now + UNTOLD_FOR);
        } else {
            self.clear_timer(out, Timer::Learn);
            self.await_legs(out);
        }
    }

    /// A page joins in place, and the phone of another one of its agent's browsers has answered: by its epoch the page that
    /// asked for the leg, which has not got it.
    fn rings_elsewhere(&self, worker: &WorkerSid, leg: &CallSid, epoch: u64) -> Option<u64> {
        let joins = |it: Absent<'_>| {
            let absence = it.absence();
            it.is_open() && absence.agent.worker == *worker && absence.lost_leg != *leg
        };
        let asked = self.facts.pages.newest.get(worker).copied().filter(|asked| *asked > epoch);
        asked.filter(|_| self.absences().any(joins))
    }

    /// Another task's conference, or somebody else's leg or reservation?
    pub(crate) fn is_foreign_registration(&self, worker: &WorkerSid, registration: &Registration) -> bool {
        let foreign =
            |agent: &Agent| agent.worker != *worker || agent.reservation != registration.reservation;
        self.facts.ownership.proven
            && (registration.task != self.task
                || registration.worker_leg == registration.customer_leg
                || self.facts.roster.customer.as_ref() == Some(&registration.worker_leg)
                || self.is_foreign_reservation(worker, &registration.reservation)
                || self.facts.roster.agent(&registration.worker_leg).is_some_and(foreign))
    }

    /// Has this request been taken before? From now on it has.
    pub(super) fn was_delivered(&mut self, worker: &WorkerSid, id: Option<DeliveryId>) -> bool {
        let Some(id) = id else { return false };
        if self.facts.received.requests.len() >= DELIVERIES {
            self.forget_oldest_delivery();
        }
        !self.facts.received.requests.insert((worker.clone(), id))
    }

    /// The oldest one of the worker who has most: what others said hours ago is not forgotten for it.
    fn forget_oldest_delivery(&mut self) {
        let mut counts: BTreeMap<&WorkerSid, (usize, DeliveryId)> = BTreeMap::new();
        for (worker, id) in &self.facts.received.requests {
            counts.entry(worker).or_insert((0, *id)).0 += 1; // in order: the first one is the oldest
        }
        let busiest = counts.into_iter().max_by_key(|(_, (count, _))| *count);
        if let Some((worker, (_, oldest))) = busiest.map(|(worker, most)| (worker.clone(), most)) {
            self.facts.received.requests.remove(&(worker, oldest));
        }
    }

    /// True the first time that a callback of this number comes. One that is older than all that are remembered was there.
    fn is_new_callback(&mut self, sequence: u64) -> bool {
        let is_full = self.facts.received.callbacks.len() >= CALLBACKS;
        if is_full && self.facts.received.callbacks.first().is_some_and(|oldest| sequence < *oldest) {
            return false;
        }
        let is_new = self.facts.received.callbacks.insert(sequence);
        if is_new && is_full {
            self.facts.received.callbacks.pop_first();
        }
        is_new
    }

    pub(super) fn learn(&mut self, out: &mut Out<'_>) {
        if !self.lookup.begun {
            self.lookup.begun = true;
            self.lookup.count += 1;
            self.clear_timer(out, Timer::Learn);
            self.act(out, Action::Learn { task: self.task.clone() }, SOON);
        }
    }

    /// Twilio has named the call. Who is on it, it says when it is asked.
    pub(crate) fn found(&mut self, out: &mut Out<'_>) {
        self.learn(out);
    }

    pub(super) fn learnt(&mut self, out: &mut Out<'_>, found: &Registered) {
        self.facts.origin.workflow = Some(found.workflow.clone());
        self.facts.origin.queue = self.facts.origin.queue.take().or_else(|| found.queue.clone());
        self.facts.task.attributes.clone_from(&found.attributes);
        self.facts.task.version = None;
        if let Some(leg) = &found.customer_leg {
            self.task_names_customer(out, leg);
        }
        let (Some((worker, name)), Some(reservation)) = (&found.worker, &found.reservation) else { return };
        self.know_owner(reservation, worker);
        // Without the leg in the attributes: the only one that is not the customer's.
        let mut strangers =
            self.facts.roster.participants.keys().filter(|leg| !self.facts.roster.is_customer(leg));
        let only = strangers.next().filter(|_| strangers.next().is_none()).cloned();
        let next = found.worker_leg.as_ref().and_then(|first| self.leg_of_next(first));
        if let Some(leg) = next.or_else(|| found.worker_leg.clone()).or(only) {
            self.facts
                .roster
                .agents
                .entry(leg.clone())
                .or_insert_with(|| Agent::new(worker.clone(), name.clone(), reservation.clone()));
            self.recall_hello(&leg);
        }
    }

    /// The task names the leg of the agent who took it first. If a transfer has taken that leg away and one leg has
    /// joined since, that one is the next agent's.
    fn leg_of_next(&self, first: &CallSid) -> Option<CallSid> {
        let roster = &self.facts.roster;
        let moved = |leg: &CallSid| roster.left(leg) == Some(LeaveReason::UpdatedViaApi);
        if !moved(first) {
            return None;
        }
        let came = |leg: &&CallSid| {
            !roster.is_customer(leg) && roster.report(leg) > roster.report(first) && !moved(leg)
        };
        let mut came = roster.participants.keys().filter(came);
        came.next().filter(|_| came.next().is_none()).cloned()
    }

    /// Twilio says who has the task, or had it, and this is their leg.
    pub(super) fn know_holder(&mut self, leg: &CallSid, holder: &Holder) {
        self.know_owner(&holder.reservation, &holder.worker);
        let mut agent = Agent::new(holder.worker.clone(), holder.name.clone(), holder.reservation.clone());
        // A leg that was not there when the agent's newest page said hello is the one for which that page has asked.
        if self.facts.roster.leg(leg).is_some_and(|there| !there.stood)
            && let Some(newest) = self.facts.pages.newest_alone.get(&holder.worker)
        {
            agent.epoch = Some(*newest);
        }
        self.facts.roster.agents.insert(leg.clone(), agent);
        self.decisions.forget(leg);
        self.recall_hello(leg);
    }

    /// A page may have said hello before it was known whose leg this is.
    pub(super) fn recall_hello(&mut self, leg: &CallSid) {
        if let Some(agent) = self.facts.roster.agents.get_mut(leg)
            && let Some(epoch) =
                self.facts.pages.newest.get(&agent.worker).filter(|epoch| Some(**epoch) > agent.epoch)
        {
            agent.newer_page = agent.newer_page.max(Some(*epoch));
        }
    }
}
