//! The unidentified leg of an agent who took a transfer and was lost before their page registered. Only their next page's
//! hello names the reservation.

use super::{Call, Out};
use crate::facts::Agent;
use rejoin_protocol::api::Holding;
use rejoin_protocol::{ReservationSid, WorkerSid};

/// Limit of such reservations, above what one call has.
const MOST: usize = 20;

impl Call {
    /// A page has found a reservation of this task whose agent is unknown. Twilio is asked for its owner.
    pub(super) fn note_unclaimed(&mut self, out: &mut Out<'_>, worker: &WorkerSid, holding: &Holding) {
        let reservation = &holding.reservation;
        let told = self.facts.roster.agent_of(reservation).is_some();
        let lost = !told
            && !self.facts.roster.agents.is_empty()
            && !self.closed
            && self.diagnosis().unclaimed_leg().is_some();
        if !lost || self.facts.ownership.unclaimed.len() >= MOST {
            return;
        }
        self.facts.ownership.unclaimed.insert(reservation.clone(), worker.clone());
        if self.owner(reservation).is_none() {
            return self.ask_for_owner(out, reservation);
        }
        self.settle_unclaimed();
    }

    /// Assigns the unidentified leg to the worker whose page found such a reservation, if no agent is with the customer.
    pub(super) fn settle_unclaimed(&mut self) {
        let known = |reservation: &ReservationSid| {
            self.owner(reservation).is_some() || self.facts.ownership.owners.is_unowned(reservation)
        };
        let known: Vec<_> = self.facts.ownership.unclaimed.keys().filter(|r| known(r)).cloned().collect();
        for reservation in known {
            let Some(worker) = self.facts.ownership.unclaimed.remove(&reservation) else { continue };
            let foreign = self.owner(&reservation) != Some(&worker);
            let told = self.facts.roster.agent_of(&reservation).is_some();
            let refused = self.diagnosis().has_unregistered_hung_up(&reservation);
            if foreign || told || (self.facts.marks.is_given(&reservation) && !refused) {
                continue;
            }
            if let Some(leg) = self.diagnosis().unclaimed_leg() {
                if refused {
                    self.unmark(&reservation);
                }
                self.facts.roster.agents.insert(leg.clone(), Agent::new(worker, String::new(), reservation));
                self.decisions.forget(&leg);
                self.apply_earlier_hello(&leg);
            }
        }
    }
}
