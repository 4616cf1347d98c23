//! Queries to Twilio about a call: the look-up of its task, the poll of its conference, the owners of its reservations, and
//! the mark that a page may have written into the task.

use super::{Call, Out};
use crate::facts::{Asking, RESERVATIONS};
use crate::plan::SOON;
use crate::{Action, Timer};
use rejoin_protocol::{Millis, ReservationSid};

/// How long the server waits for a callback that shows a leg or names an owner before it asks Twilio: a page may be faster
/// than a callback.
const CALLBACK_WITHIN: Millis = Millis::seconds(1);

impl Call {
    /// Polls the conference.
    pub(super) fn poll_conference(&mut self, out: &mut Out<'_>) {
        self.poll.since = Some(out.now);
        self.poll.asked_at = self.poll.since.filter(|_| self.is_without_callbacks());
        let waits = |r: &&super::Recovery| r.phase.trip().is_some();
        let asks_for_task = self.diagnosis().is_decided_by_polls() || self.diagnosis().is_replaced();
        let look = Action::PollConference {
            conference: self.conference.clone(),
            customer: self.facts.roster.customer.clone(),
            queued: self.recovery.as_ref().filter(waits).map(|recovery| recovery.absence.id.clone()),
            handed_over: asks_for_task.then(|| self.task.clone()),
        };
        self.act(out, look, SOON);
    }

    /// Polls the conference, unless a poll is in flight.
    pub(super) fn poll_unless_in_flight(&mut self, out: &mut Out<'_>) {
        if self.poll.since.is_none() {
            self.poll_conference(out);
        }
    }

    /// The state of the call is unknown, or no callback would report a change: the watchdog polls soon.
    pub(super) fn poll_soon(&mut self, out: &Out<'_>) {
        self.poll.is_uncertain = true;
        self.poll.heard_at = out.now;
    }

    pub(super) fn look_up_task(&mut self, out: &mut Out<'_>) {
        if !self.lookup.begun {
            self.lookup.begun = true;
            self.lookup.count += 1;
            self.clear_timer(out, Timer::LookUp);
            self.act(out, Action::LookUpTask { task: self.task.clone() }, SOON);
        }
    }

    /// A participant joined or left, or Twilio answers again: a look-up that found too little may find more now.
    pub(super) fn look_up_again(&mut self) {
        self.lookup.begun &= !std::mem::take(&mut self.lookup.found_too_little);
    }

    /// A leg is gone and no mark has arrived. A page that cannot reach the server writes its mark into the task.
    pub(super) fn read_task_for_mark(&mut self, out: &mut Out<'_>) {
        self.act(out, Action::ReadTask { task: self.task.clone() }, SOON);
    }

    /// A page makes a statement about a reservation whose worker is unknown.
    pub(super) fn ask_for_owner(&mut self, out: &mut Out<'_>, reservation: &ReservationSid) {
        if self.facts.ownership.asking == Asking::Asked {
            return; // the answer in flight may name it; if not, Twilio is asked again
        }
        if self.facts.ownership.sought.len() < RESERVATIONS {
            self.facts.ownership.sought.insert(reservation.clone());
        }
        if self.facts.ownership.proven {
            self.find_owners(out);
        } else if self.facts.ownership.asking == Asking::No {
            self.ask_for_owners_soon(out);
        }
    }

    pub(super) fn ask_for_owners_soon(&mut self, out: &mut Out<'_>) {
        self.facts.ownership.asking = Asking::Soon;
        self.set_timer(out, Timer::Owners, out.now + CALLBACK_WITHIN);
    }

    pub(super) fn find_owners(&mut self, out: &mut Out<'_>) {
        self.facts.ownership.asking = Asking::Asked;
        let conference = (!self.facts.ownership.proven).then(|| self.conference.clone());
        self.act(out, Action::ReadReservations { task: self.task.clone(), conference }, SOON);
    }

    /// Waits a moment for callbacks that show the claimed legs, then polls.
    pub(super) fn poll_for_legs_later(&self, out: &mut Out<'_>) {
        if self.awaits_legs() && self.poll.since.is_none() {
            self.set_timer(out, Timer::LookUp, out.now + CALLBACK_WITHIN);
        }
    }

    /// A page of a claimed leg said hello or goodbye: a poll confirms the leg now, so that the statement counts.
    pub(super) fn poll_for_legs(&mut self, out: &mut Out<'_>) {
        if self.awaits_legs() && !self.facts.roster.ended {
            self.poll_unless_in_flight(out);
        }
    }

    /// Polls if customer or agent is known from the task alone: no callback showed the leg, because no server ran when it
    /// joined.
    pub(super) fn poll_for_unshown(&mut self, out: &mut Out<'_>) {
        let unseen = self.facts.roster.is_customer_unseen()
            || self.facts.roster.unseen_agents().next().is_some()
            || self.awaits_legs();
        if unseen {
            self.poll_unless_in_flight(out);
        }
    }
}
