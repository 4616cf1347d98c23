//! Who may have which customer: agents come to a customer only through people, or through the recovery of the
//! customer's own call.

use super::Rule;
use crate::page::PageId;
use crate::world::World;
use rejoin_protocol::{CallSid, ConferenceSid, ReservationSid, WorkerSid, attributes};
use rejoin_twin::model::{Request, ReservationView};
use std::collections::BTreeSet;

impl World {
    /// An agent hands a call over, or asks a colleague to join.
    pub(crate) fn brought(&mut self, page: PageId, sid: &ReservationSid, whom: &WorkerSid) {
        let numbers = self.customers_of(page, sid);
        self.rules.brought.extend(numbers.into_iter().map(|number| (number, whom.clone())));
    }

    /// Checks that people have brought all but one of the agents who are with a customer.
    pub(super) fn check_agents(&mut self, number: usize, room: &ConferenceSid, attended: &[CallSid]) {
        let agents = self.twilio.model.participants(room).filter(|it| !it.muted);
        let agents = agents.filter_map(|it| it.agent.map(|(worker, _)| (worker, it.call)));
        let unasked: BTreeSet<&WorkerSid> = agents
            .filter(|(worker, _)| !self.rules.brought.contains(&(number, (*worker).clone())))
            .filter(|(_, call)| attended.contains(call))
            .map(|(worker, _)| worker)
            .collect();
        if unasked.len() > 1 {
            let what = format!("customer {number} has {unasked:?}, whom nobody brought together");
            self.broken(Rule::OneAgent, what);
        }
    }

    /// A page sends a request to TaskRouter.
    pub(crate) fn page_asks(&mut self, request: &Request) {
        if let Request::UpdateReservation { reservation, status, instruction } = request
            && (instruction.is_some() || status.as_deref() == Some("accepted"))
        {
            self.check_taker(reservation);
        }
    }

    /// Checks that a reservation is accepted by the agent whom the task is for.
    fn check_taker(&mut self, sid: &ReservationSid) {
        let taken = |it: &ReservationView<'_>| it.reservation == sid && it.status == "pending";
        let Some(taken) = self.twilio.model.reservations().find(taken) else { return };
        let Some(task) = self.twilio.model.tasks().find(|task| task.task == taken.task) else { return };
        if let Some(customer) =
            self.customers.iter_mut().find(|it| it.call.is_some() && it.call.as_ref() == task.call)
        {
            customer.had.insert(taken.worker.clone()); // the task, which would show it, is deleted later
        }
        let of_recovery = task.attributes[attributes::RECOVERY_ID].is_string();
        if !of_recovery || (task.call.is_some() && !task.attributes["targetWorkerSid"].is_string()) {
            return;
        }
        // A colleague whom people have brought has taken over a call that had come back.
        if self.rules.brought.iter().any(|(_, worker)| worker == taken.worker) {
            return;
        }
        // The agent has not accepted the customer for longer than the workflow's step for them lasts, and our server,
        // which could have sent the customer on before, was down or could not reach Twilio: the account's own
        // workflow offers the next agent.
        if task.call.is_some() && task.at_the_last_step && self.is_slow() {
            return;
        }
        let meant = task.attributes["disconnectedWorkerSid"].as_str().unwrap_or(taken.worker.as_str());
        // The agent meant had the call, and has handed it over.
        let had = |it: &ReservationView<'_>| {
            it.task == taken.task
                && it.worker.as_str() == meant
                && matches!(it.status, "accepted" | "wrapping" | "completed")
        };
        if self.twilio.model.reservations().any(|it| had(&it)) {
            return;
        }
        if meant != taken.worker.as_str() {
            let what = format!("{} is taken by {}, and is for {meant}", task.task, taken.worker);
            self.broken(Rule::RightAgent, what);
        }
    }
}
