//! Registrations by pages. A registration counts only for the owner of its reservation, whom only Twilio names: in the
//! callbacks that the plugin requested, in TaskRouter's events, or in answer to a query.

use super::{Call, Out};
use crate::absence::Absent;
use crate::facts::{Agent, Asking, Evidence, Observation, PendingRegistration};
use crate::{EarlyMark, Effect, LeaveReason, Outcome, PollAnswer, Timer};
use rejoin_protocol::api::Registration;
use rejoin_protocol::{CallSid, Millis, WorkerSid};

/// Limit of registrations that wait, above what one call has.
const UNSETTLED: usize = 20;

/// How long after its registration the first callback of a call may arrive.
const FIRST_CALLBACK_WITHIN: Millis = Millis::seconds(1);

impl Call {
    /// The timer is due: no callback has named the owners.
    pub(super) fn owners_are_late(&mut self, out: &mut Out<'_>) {
        if self.facts.ownership.asking != Asking::Soon {
            return;
        }
        self.facts.ownership.asking = Asking::No;
        if self.facts.ownership.sought.iter().any(|reservation| self.owner(reservation).is_none()) {
            self.find_owners(out);
        }
    }

    /// Keeps a registration whose owner is unknown, or whose leg was not shown.
    fn keep_registration(&mut self, out: &Out<'_>, worker: &WorkerSid, registration: &Registration) {
        let same = |kept: &PendingRegistration| {
            kept.worker == *worker && kept.registration.worker_leg == registration.worker_leg
        };
        self.facts.ownership.registrations.retain(|kept| !same(kept));
        if self.facts.ownership.registrations.len() >= UNSETTLED {
            self.facts.ownership.registrations.remove(0);
        }
        let (worker, registration) = (worker.clone(), registration.clone());
        self.facts.ownership.registrations.push(PendingRegistration {
            worker,
            registration,
            at: out.now,
            lives: false,
        });
    }

    /// True if a page of this worker has registered the call, and the registration does not count yet.
    pub(crate) fn awaits_proof_of(&self, worker: &WorkerSid) -> bool {
        self.facts.ownership.registrations.iter().any(|kept| kept.worker == *worker)
    }

    /// Takes the waiting registrations that count by now: the owner's own, about legs that Twilio has shown.
    pub(super) fn settle_registrations(&mut self, out: &mut Out<'_>) {
        for kept in std::mem::take(&mut self.facts.ownership.registrations) {
            let PendingRegistration { worker, registration, at, lives } = &kept;
            if self.is_foreign_registration(worker, registration) {
                continue;
            }
            if self.owner(&registration.reservation).is_none() {
                if out.now < *at + EarlyMark::WAITS {
                    self.facts.ownership.registrations.push(kept);
                }
            } else if !self.facts.roster.is_shown(&registration.worker_leg) {
                self.facts.ownership.registrations.push(kept); // until a poll is answered
            } else if self.facts.received.take_request(worker, registration.id) {
                self.take_registration(out, worker, registration);
                if *lives {
                    self.page_is_alive(worker, registration.epoch);
                }
                self.apply_earlier_goodbye(out, worker, registration.page());
                self.handle_late_leg(out, &registration.worker_leg);
            }
        }
    }

    /// Asks again for owners that the last answer did not name.
    fn ask_for_the_rest(&mut self, out: &mut Out<'_>) {
        let waits = |kept: &&PendingRegistration| {
            let reservation = &kept.registration.reservation;
            self.owner(reservation).is_none() && !self.facts.ownership.owners.is_unowned(reservation)
        };
        let rest: Vec<_> = self.facts.ownership.registrations.iter().filter(waits).collect();
        let rest: Vec<_> = rest.into_iter().map(|kept| kept.registration.reservation.clone()).collect();
        if !rest.is_empty() {
            self.facts.ownership.sought.extend(rest);
            self.ask_for_owners_soon(out);
        }
    }

    /// The query for the owners has ended. A conference that does not belong to the task is forgotten, and so is one whose
    /// task stays unknown.
    pub(super) fn owners_found(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        self.facts.ownership.asking = Asking::No;
        let mut is_first_proof = false;
        let sought = std::mem::take(&mut self.facts.ownership.sought);
        match outcome {
            Outcome::ReservationsRead { owners, is_of_task: true } => {
                is_first_proof = !std::mem::replace(&mut self.facts.ownership.proven, true);
                for (reservation, worker) in owners {
                    self.know_owner(reservation, worker);
                }
                for unknown in sought.iter().filter(|reservation| !owners.contains_key(reservation)) {
                    self.facts.ownership.owners.record(unknown, None);
                }
            }
            Outcome::Failed { .. } => {} // Twilio did not answer
            // The task is deleted, so the owners stay unknown. Another registration repeats the query.
            Outcome::Gone if self.facts.ownership.proven => return self.settle_unclaimed(),
            _ if self.facts.ownership.proven => {}
            _ => return out.effects.push(Effect::Forget { conference: self.conference.clone() }),
        }
        self.settle_registrations(out);
        if !self.facts.ownership.proven && self.facts.ownership.registrations.is_empty() {
            return out.effects.push(Effect::Forget { conference: self.conference.clone() });
        }
        self.settle_unclaimed();
        self.ask_for_the_rest(out);
        if is_first_proof {
            // No callback has arrived: the agents who registered may have left since.
            self.poll_conference(out);
        } else {
            self.poll_for_legs_later(out);
        }
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
                self.poll_for_legs_later(out);
            }
            return false;
        }
        let is_new = self.facts.received.take_request(worker, registration.id);
        if is_new {
            self.page_lives(out, worker, registration.epoch);
            self.take_registration(out, worker, registration);
            self.handle_late_leg(out, &registration.worker_leg);
        }
        is_new
    }

    /// Takes a registration that counts. Its other fields are facts that only a page knows, and a claim about the customer.
    fn take_registration(&mut self, out: &mut Out<'_>, worker: &WorkerSid, registration: &Registration) {
        self.facts.origin.claimed_workflow = Some(registration.workflow.clone());
        self.facts.origin.queue = registration.queue.clone().or(self.facts.origin.queue.take());
        self.claim_customer(out, &registration.customer_leg);
        let left_behind = self.take_goodbye_of(worker, &registration.worker_leg, registration.epoch);
        let leaving = self.is_being_left(out, worker, registration);
        let lives_beside = self.rings_elsewhere(worker, &registration.worker_leg, registration.epoch);
        let agent = self.facts.roster.agents.entry(registration.worker_leg.clone()).or_insert_with(|| {
            Agent::new(worker.clone(), registration.worker_name.clone(), registration.reservation.clone())
        });
        agent.left_behind = left_behind;
        agent.lives_beside = agent.lives_beside.max(lives_beside);
        agent.epoch = agent.epoch.max(registration.page());
        agent.answers_messages = registration.answers_messages;
        // The page that counted as newer than the leg's page has the leg itself: it took over from another page.
        agent.newer_page = agent.newer_page.filter(|newer| Some(*newer) > agent.epoch);
        self.apply_earlier_hello(&registration.worker_leg);
        // An agent who registers after a mark has stayed. A registration that arrives after later requests of the page does
        // not show that.
        let is_overtaken = self.facts.received.requests_of(worker).any(|other| Some(other) > registration.id);
        if registration.id.is_some()
            && self.facts.roster.is_joined(&registration.worker_leg)
            && !leaving
            && !is_overtaken
        {
            self.unmark(&registration.reservation);
        }
        if self.is_without_callbacks() {
            // No callback reported flags that were set, or legs that are gone: a poll will.
            self.set_timer(out, Timer::LookUp, out.now + FIRST_CALLBACK_WITHIN);
        } else {
            self.clear_timer(out, Timer::LookUp);
            self.poll_for_legs_later(out);
        }
    }

    /// A page asked for a new leg to join in place, and another browser of its agent answered it. Returns the epoch of the
    /// page that asked, and does not have the leg. The page that answered keeps living beside that one when its leg is replaced.
    fn rings_elsewhere(&self, worker: &WorkerSid, leg: &CallSid, epoch: u64) -> Option<u64> {
        let joins = |it: Absent<'_>| {
            let absence = it.absence();
            it.is_open() && absence.agent.worker == *worker && absence.lost_leg != *leg
        };
        let asked = self.facts.pages.newest(worker).filter(|asked| *asked > epoch);
        let answered = asked.filter(|_| self.absences().any(joins));
        let of_page = |it: &&Agent| it.worker == *worker && it.epoch == Some(epoch);
        let earlier = self.facts.roster.agents.values().filter(of_page).filter_map(|it| it.lives_beside);
        earlier.chain(answered).max()
    }

    /// True if the registration names another task's conference, or another agent's leg or reservation.
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

    /// Applies a poll to registrations. A registration whose leg the poll did not show is dropped, with one exception: the
    /// customer is alone or the conference is over, and the owner of a reservation without a known agent registered. That
    /// owner was on this call, and their leg is gone, as when they took a transfer and were lost while no server ran.
    pub(super) fn settle_polled(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        self.settle_customer(out);
        let is_left = |kept: &PendingRegistration| {
            let is_customer = |leg: &CallSid| *leg == kept.registration.customer_leg;
            seen.participants.keys().all(is_customer)
        };
        if seen.participants.is_empty() && self.facts.roster.customer.is_none() {
            self.facts.roster.move_inferred_at = Some(out.now);
        }
        let (unshown, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.facts.ownership.registrations)
            .into_iter()
            .partition(|kept| self.awaits_leg(kept));
        self.facts.ownership.registrations = kept;
        // An agent of the reservation is known by another leg.
        let is_known =
            |kept: &PendingRegistration| self.facts.roster.agent_of(&kept.registration.reservation).is_some();
        if let [.., last] = &unshown[..]
            && is_left(last)
            && !is_known(last)
            && !self.facts.roster.agents.keys().any(|leg| self.facts.roster.is_joined(leg))
        {
            let gone = Observation::Gone { reason: LeaveReason::HungUp, evidence: Evidence::Poll };
            self.facts.roster.observe(&last.registration.worker_leg, gone);
            self.facts.ownership.registrations.push(last.clone());
        }
        self.settle_registrations(out);
        self.facts.roster.customer_claims.values_mut().for_each(|polled| *polled = true);
    }
}
