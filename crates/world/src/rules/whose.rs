//! Who may have whom: nobody is brought to a customer but by people, and by the recovery of his own call.

use super::Rule;
use crate::page::PageId;
use crate::world::World;
use rejoin_protocol::{CallSid, ConferenceSid, ReservationSid, WorkerSid, attributes};
use rejoin_twin::model::{Request, ReservationView};
use std::collections::BTreeSet;

impl World {
    /// Somebody hands a call over, or asks a colleague to come.
    pub(crate) fn brought(&mut self, page: PageId, sid: &ReservationSid, whom: &WorkerSid) {
        let numbers = self.customers_of(page, sid);
        self.rules.brought.extend(numbers.into_iter().map(|number| (number, whom.clone())));
    }

    /// Of all agents who are with a customer people have brought all but one.
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

    /// A page asks something of TaskRouter.
    pub(crate) fn page_asks(&mut self, request: &Request) {
        if let Request::UpdateReservation { reservation, status, instruction } = request
            && (instruction.is_some() || status.as_deref() == Some("accepted"))
        {
            self.check_taker(reservation);
        }
    }

    /// A reservation is taken: is it that of the agent for whom the task is?
    fn check_taker(&mut self, sid: &ReservationSid) {
        let taken = |it: &ReservationView<'_>| it.reservation == sid && it.status == "pending";
        let Some(taken) = self.twilio.model.reservations().find(taken) else { return };
        let Some(task) = self.twilio.model.tasks().find(|task| task.task == taken.task) else { return };
        if let Some(his) =
            self.customers.iter_mut().find(|it| it.call.is_some() && it.call.as_ref() == task.call)
        {
            his.had.insert(taken.worker.clone()); // what else would say so is deleted with the task
        }
        let of_recovery = task.attributes[attributes::RECOVERY_ID].is_string();
        if !of_recovery || (task.call.is_some() && !task.attributes["targetWorkerSid"].is_string()) {
            return;
        }
        // Who was brought by people has taken over a call that had come back.
        if self.rules.brought.iter().any(|(_, worker)| worker == taken.worker) {
            return;
        }
        // She has not taken him for longer than the workflow keeps him for her, and our server, which could have sent him on
        // before, was down or could not reach Twilio: the account's own workflow lets the next agent have him.
        if task.call.is_some() && task.at_the_last_step && self.is_slow() {
            return;
        }
        let meant = task.attributes["disconnectedWorkerSid"].as_str().unwrap_or(taken.worker.as_str());
        // It was hers, and she has handed it over.
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
