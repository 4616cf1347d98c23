//! The end of a world: after the last fault everything must end.

use super::Rule;
use crate::coming::Coming;
use crate::page::PageId;
use crate::world::World;
use rejoin_protocol::attributes;
use rejoin_twin::model::LegPlace;

/// Milliseconds within which everything must end: a poll of a silent call, the waits of a recovery, and the queue.
const AT_LAST: u64 = 1_500_000;
const AGAIN: u64 = 2_000;

impl World {
    /// The plan is over: checks again and again whether everything has ended.
    pub(crate) fn look_at_the_end(&mut self) {
        let since = self.now.saturating_sub(self.plan.until);
        for agent in 0..self.agents.len() {
            if since >= 4_000 && !std::mem::replace(&mut self.agents[agent].ending, true) {
                self.put(2_000 + 300 * agent as u64, Coming::EndsTalk(agent));
            }
        }
        let nobody = self.agents.iter().all(|agent| agent.gone || agent.signed_out || agent.unavailable);
        for number in 0..self.customers.len() {
            let alone = since > AT_LAST / 2 && self.is_unheard_of(number);
            if alone || (self.waits(number) && (nobody || since > AT_LAST / 2)) {
                self.hangs_up(number);
            }
        }
        let open = self.open();
        match open {
            None if since > 6_000 => self.rules.over = true,
            Some(what) if since > AT_LAST => {
                let rule =
                    if what.starts_with("customer") { Rule::EverythingEnds } else { Rule::NothingLeftOpen };
                self.broken(rule, what);
            }
            _ => self.put(if since > 120_000 { 10 * AGAIN } else { AGAIN }, Coming::Look),
        }
    }

    /// True when the customer waits in a queue, or on hold for the target of a transfer.
    fn waits(&self, number: usize) -> bool {
        let call = self.customers[number].call.as_ref();
        match call.and_then(|call| self.twilio.model.place(call)) {
            Some(LegPlace::Queue(_)) => true,
            Some(LegPlace::Conference(_)) => {
                self.twilio.model.tasks().any(|task| task.call == call && task.status == "pending")
            }
            _ => false,
        }
    }

    /// What is still open.
    fn open(&self) -> Option<String> {
        let here = |number: &usize| {
            let customer = &self.customers[*number];
            !customer.gone && customer.call.as_ref().is_some_and(|call| self.twilio.model.leg(call).is_some())
        };
        if let Some(number) = (0..self.customers.len()).find(here) {
            return Some(format!("customer {number} is still on the line"));
        }
        if !self.servers.any_runs() {
            return Some("our server is down".into());
        }
        let ping = |task: &rejoin_twin::model::TaskView<'_>| {
            task.call.is_none()
                && task.attributes[attributes::RECOVERY_ID].is_string()
                && !matches!(task.status, "completed" | "canceled")
        };
        // The agent's ping of before a restore is not known to be theirs, unless Event Streams tell of it.
        if let Some(task) = self.twilio.model.tasks().find(|task| ping(task) && !self.has_forgotten()) {
            return Some(format!("the ping {} is {}", task.task, task.status));
        }
        let (calls, jobs) = match (self.servers.kept.calls(), self.servers.kept.open_jobs()) {
            (Ok(calls), Ok(jobs)) => (calls, jobs),
            (Err(error), _) | (_, Err(error)) => return Some(format!("the store cannot be read: {error}")),
        };
        for call in calls {
            if let Some(absent) = call.absences().find(|absent| absent.is_open()) {
                return Some(format!("recovery {} is open", absent.absence().id));
            }
        }
        let shown = |page: &PageId| self.pages[*page].dialog.is_some() && self.is_connected(*page);
        if let Some(page) = (0..self.pages.len()).find(shown) {
            return Some(format!("{} shows {:?}", self.lane(page), self.pages[page].dialog));
        }
        (jobs > 0).then(|| format!("{jobs} jobs are open"))
    }
}
