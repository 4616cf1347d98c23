//! Whose reservations they are. Nobody is believed about a call who has no part in it, and only Twilio says who has:
//! with the callbacks that the plugin has asked it for, by TaskRouter's events, or when it is asked.

use super::{Call, Out, SOON};
use crate::facts::{Asking, PendingRegistration};
use crate::{Action, EarlyMark, Effect, Outcome, Timer};
use rejoin_protocol::api::Registration;
use rejoin_protocol::{CallSid, Millis, ReservationSid, WorkerSid};

/// How long it is waited for the callback that says it, before Twilio is asked: a page may be faster.
const CALLBACK_WITHIN: Millis = Millis::seconds(1);
/// More than take part in a call.
const MOST: usize = 100;
/// More registrations than can be true of one call while it is asked.
const UNSETTLED: usize = 20;

impl Call {
    /// Whose reservation this is, as far as is known.
    pub(crate) fn owner(&self, reservation: &ReservationSid) -> Option<&WorkerSid> {
        let of_agent = || self.facts.roster.agent_of(reservation);
        self.facts.ownership.owners.get(reservation).or_else(|| of_agent().map(|agent| &agent.worker))
    }

    /// Has Twilio said whose it is, and that it is somebody else's or nobody's?
    pub(crate) fn is_foreign_reservation(&self, worker: &WorkerSid, reservation: &ReservationSid) -> bool {
        match self.owner(reservation) {
            Some(owner) => owner != worker,
            None => self.facts.ownership.unowned.contains(reservation),
        }
    }

    /// Twilio says so.
    pub(super) fn know_owner(&mut self, reservation: &ReservationSid, worker: &WorkerSid) {
        if self.facts.ownership.owners.len() < MOST {
            self.facts.ownership.owners.entry(reservation.clone()).or_insert_with(|| worker.clone());
        }
    }

    /// A page speaks for a reservation whose worker is not known.
    pub(super) fn ask_for_owner(&mut self, out: &mut Out<'_>, reservation: &ReservationSid) {
        if self.facts.ownership.asking == Asking::Asked {
            return; // the answer may be about this one, too; if not, it is asked again
        }
        if self.facts.ownership.sought.len() < MOST {
            self.facts.ownership.sought.insert(reservation.clone());
        }
        if self.facts.ownership.proven {
            self.find_owners(out);
        } else if self.facts.ownership.asking == Asking::No {
            self.facts.ownership.asking = Asking::Soon;
            self.set_timer(out, Timer::Owners, out.now + CALLBACK_WITHIN);
        }
    }

    fn find_owners(&mut self, out: &mut Out<'_>) {
        self.facts.ownership.asking = Asking::Asked;
        let conference = (!self.facts.ownership.proven).then(|| self.conference.clone());
        self.act(out, Action::FindOwners { task: self.task.clone(), conference }, SOON);
    }

    /// The callback has not come, or did not say it.
    pub(super) fn owners_are_late(&mut self, out: &mut Out<'_>) {
        if self.facts.ownership.asking != Asking::Soon {
            return;
        }
        self.facts.ownership.asking = Asking::No;
        if self.facts.ownership.sought.iter().any(|reservation| self.owner(reservation).is_none()) {
            self.find_owners(out);
        }
    }

    /// Nobody knows yet whose this is.
    pub(super) fn keep_registration(
        &mut self,
        out: &Out<'_>,
        worker: &WorkerSid,
        registration: &Registration,
    ) {
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

    /// True while a page has registered the call and it is not known yet whether the call is its worker's.
    pub(super) fn awaits_an_owner(&self) -> bool {
        self.facts.ownership.asking != Asking::No && !self.facts.ownership.registrations.is_empty()
    }

    /// Is it still to be found out whether somebody's registration counts, by which this is the customer?
    pub(crate) fn may_be_of(&self, customer: &CallSid) -> bool {
        let named = || {
            self.facts.ownership.registrations.iter().any(|kept| kept.registration.customer_leg == *customer)
        };
        (self.awaits_an_owner() && named()) || (self.facts.ownership.proven && self.names_customer(customer))
    }

    /// The claims that count: the agent's own, of legs that Twilio has shown by now.
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
                self.facts.ownership.registrations.push(kept); // until a poll has answered
            } else if !self.was_delivered(worker, registration.id) {
                self.take_registration(out, worker, registration);
                if *lives {
                    self.heed_page_that_lives(worker, registration.epoch);
                }
                self.recall_goodbye(out, worker, registration.page());
                self.heed_ghost(out, &registration.worker_leg);
            }
        }
    }

    /// The answer was not about them, or there was none.
    fn ask_for_the_rest(&mut self, out: &mut Out<'_>) {
        let waits = |kept: &&PendingRegistration| {
            let reservation = &kept.registration.reservation;
            self.owner(reservation).is_none() && !self.facts.ownership.unowned.contains(reservation)
        };
        let rest: Vec<_> = self.facts.ownership.registrations.iter().filter(waits).collect();
        let rest: Vec<_> = rest.into_iter().map(|kept| kept.registration.reservation.clone()).collect();
        if !rest.is_empty() {
            self.facts.ownership.sought.extend(rest);
            self.facts.ownership.asking = Asking::Soon;
            self.set_timer(out, Timer::Owners, out.now + CALLBACK_WITHIN);
        }
    }

    /// Twilio has said whose they are, or could not be asked. A conference that is not the task's is forgotten, and one of
    /// which that cannot be found out in time.
    pub(super) fn owners_found(&mut self, out: &mut Out<'_>, outcome: &Outcome) {
        self.facts.ownership.asking = Asking::No;
        let mut untold = false;
        let sought = std::mem::take(&mut self.facts.ownership.sought);
        match outcome {
            Outcome::Owners { owners, is_of_task: true } => {
                untold = !std::mem::replace(&mut self.facts.ownership.proven, true);
                for (reservation, worker) in owners {
                    self.know_owner(reservation, worker);
                }
                let unknown = sought.into_iter().filter(|reservation| !owners.contains_key(reservation));
                let room = MOST.saturating_sub(self.facts.ownership.unowned.len());
                self.facts.ownership.unowned.extend(unknown.take(room));
            }
            Outcome::Failed { .. } => {} // it did not answer
            // The task is deleted, and nobody will ever say it: a page that registers again asks again.
            Outcome::Gone if self.facts.ownership.proven => return self.settle_unregistered(),
            _ if self.facts.ownership.proven => {}
            _ => return out.effects.push(Effect::Forget { conference: self.conference.clone() }),
        }
        self.settle_registrations(out);
        if !self.facts.ownership.proven && self.facts.ownership.registrations.is_empty() {
            return out.effects.push(Effect::Forget { conference: self.conference.clone() });
        }
        self.settle_unregistered();
        self.ask_for_the_rest(out);
        if untold {
            // Not one callback has come: who registered may have left since.
            self.look(out);
        } else {
            self.await_legs(out);
        }
    }
}
