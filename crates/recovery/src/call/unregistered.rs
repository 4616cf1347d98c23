//! An agent who takes a transfer and is lost before her page has registered: another agent's leg is known, hers is not, and
//! only her next page tells of it.

use super::{Agent, Call, Out};
use rejoin_protocol::api::Holding;
use rejoin_protocol::{ReservationSid, WorkerSid};

/// More than take part in a call.
const MOST: usize = 20;

impl Call {
    /// A page has found a reservation of this task of which nobody has told. Whose it is, Twilio has to say.
    pub(super) fn heed_unregistered(&mut self, out: &mut Out<'_>, worker: &WorkerSid, holding: &Holding) {
        let reservation = &holding.reservation;
        let told = self.facts.roster.agent_of(reservation).is_some();
        let lost = !told
            && !self.facts.roster.agents.is_empty()
            && !self.closed
            && self.diagnosis().unidentified_leg().is_some();
        if !lost || self.facts.ownership.unclaimed.len() >= MOST {
            return;
        }
        self.facts.ownership.unclaimed.insert(reservation.clone(), worker.clone());
        if self.owner(reservation).is_none() {
            return self.ask_for_owner(out, reservation);
        }
        self.settle_unregistered();
    }

    /// Who has said so has lost the leg of which nothing else is known, if nobody is with the customer.
    pub(super) fn settle_unregistered(&mut self) {
        let known = |reservation: &ReservationSid| {
            self.owner(reservation).is_some() || self.facts.ownership.unowned.contains(reservation)
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
            if let Some(leg) = self.diagnosis().unidentified_leg() {
                if refused {
                    self.unmark(&reservation);
                }
                self.facts.roster.agents.insert(leg.clone(), Agent::new(worker, String::new(), reservation));
                self.recall_hello(&leg);
            }
        }
    }
}
