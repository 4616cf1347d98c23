//! Deadlines: an agent who is back gets the customer back, and no customer waits for one who is not.

use super::Rule;
use super::hears::LOOKS;
use crate::customers::Lost;
use crate::page::{Page, PageId};
use crate::world::World;
use rejoin_protocol::{CallSid, TaskSid, WorkerSid};
use rejoin_twin::model::{LegPlace, TaskView};

/// How long an agent is waited for, may take to join in place, and may take to accept the call: docs/recovery.md.
const AWAITED: u64 = 15_000;
pub(super) const IN_PLACE: u64 = 8_000;
const REJOIN: u64 = 20_000;
/// A time that does not come: the customer is not this agent's any more.
const ANOTHERS: u64 = u64::MAX / 2;
/// How often an agent gets back a customer whom they have lost.
const AT_MOST: u32 = 3;
/// How soon polling notices that no agent can take a customer from the queue.
const NOTICED: u64 = 30_000;
/// Allowance for all messages in between.
const WAYS: u64 = 8_000;

impl World {
    /// True when a fault has struck that delays what our server hears or does.
    pub(crate) fn is_slow(&self) -> bool {
        use crate::plan::FaultKind::{AnswerLost, BatchTwice, PushCut, WebhookTwice};
        let harmless = [WebhookTwice, BatchTwice, AnswerLost, PushCut];
        self.lost_callbacks || self.coverage.faults.keys().any(|kind| !harmless.contains(kind))
    }

    /// Our server has heard a callback; notes when, if it is a leave.
    pub(crate) fn leave_heard(&mut self, params: &[(String, String)]) {
        let get = |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if get("StatusCallbackEvent") != Some("participant-leave") {
            return;
        }
        if let Some(call) = get("CallSid").and_then(|call| CallSid::parse(call).ok()) {
            self.rules.leaves_heard.entry(call).or_insert(self.now);
        }
    }

    /// Checks customers who have lost their agents.
    pub(super) fn check_times(&mut self) {
        self.check_dialogs();
        if self.is_slow() {
            return;
        }
        for number in 0..self.customers.len() {
            let customer = &self.customers[number];
            let waits = !customer.gone && !customer.hung_up && customer.excused.is_none();
            let Some(Lost { at: lost, queued, from, calls, .. }) = customer.lost.clone().filter(|_| waits)
            else {
                continue;
            };
            let place = customer.call.as_ref().and_then(|call| self.twilio.model.place(call));
            if matches!(place, Some(LegPlace::Queue(_)))
                && let Some(lost) = &mut self.customers[number].lost
            {
                lost.queued = Some(self.now);
            }
            // An agent who takes the customer out of the queue has them in a moment.
            let since = self.now - queued.unwrap_or(lost);
            let dead_leg = self.plan.setup.dead_leg + 3_000;
            if since > dead_leg + AWAITED + IN_PLACE + REJOIN + WAYS {
                let what =
                    format!("customer {number} lost the agent {} s ago, and is in no queue", since / 1000);
                self.broken(Rule::InTime, what);
            }
            // An agent who was lost too often does not get the customer back.
            let few = self.customers[number].losses <= AT_MOST && !self.was_gone_unseen(number, &from, lost);
            let since = |back: u64| back.max(calls.unwrap_or(0));
            let busy = if self.seems_to_have_another(number, &from) {
                Some(self.now + AWAITED) // the other agent is awaited first
            } else {
                // An agent who is busy until the customer is any agent's gets another one, or none.
                let until = if self.now > lost + AWAITED + REJOIN { ANOTHERS } else { self.now };
                (self.is_on_the_phone(&from) || self.takes_no_calls(&from)).then_some(until)
            };
            if let Some(lost) = self.customers[number].lost.as_mut().filter(|_| busy.is_some()) {
                lost.calls = lost.calls.max(busy);
            }
            if few && self.is_back(&from, lost).is_some_and(|back| self.now > since(back) + IN_PLACE + WAYS) {
                if self.places_call(&from) {
                    if let Some(lost) = &mut self.customers[number].lost {
                        lost.calls = Some(self.now);
                    }
                    continue;
                }
                let what =
                    format!("customer {number} does not have the agent again, who has been back for long");
                self.broken(Rule::InTime, what);
            }
        }
    }

    /// Checks that a customer who has lost the agent does not wait where no agent can take them.
    pub(super) fn check_queue(&mut self, number: usize, call: &CallSid, queued: bool) {
        if self.customers[number].lost.is_none() {
            return;
        }
        let open = |status: &str| matches!(status, "pending" | "reserved" | "assigned");
        let taken = |task: &TaskView<'_>| task.call == Some(call) && open(task.status);
        let nobodys = queued && !self.twilio.model.tasks().any(|task| taken(&task));
        let now = self.now;
        let Some(lost) = &mut self.customers[number].lost else { return };
        lost.nobodys = nobodys.then(|| lost.nobodys.unwrap_or(now));
        let since = lost.nobodys.map_or(0, |at| now - at);
        let bound = if self.is_slow() { LOOKS } else { NOTICED };
        if since > bound && self.customers[number].excused.is_none() {
            let what = format!("customer {number} waits in a queue without a task that an agent could take");
            self.broken(Rule::InTime, what);
        }
    }

    /// Since when the agent who was lost at this time has been back, in time and without another call; `None` if they are
    /// not.
    fn is_back(&self, worker: &WorkerSid, lost: u64) -> Option<u64> {
        let agent = self.agents.iter().find(|agent| agent.worker == *worker && !agent.signed_out)?;
        // An agent who was away again does not count, nor one with two browsers: either may have the call.
        let mut all = self.pages.iter().filter(|page| self.agents[page.agent].worker == *worker);
        let first = all.clone().next().map(|page| page.browser);
        let once_more = |at: Option<u64>| at.is_some_and(|at| at > lost + 100);
        if all.any(|it| once_more(it.ended_at) || once_more(it.away_at) || Some(it.browser) != first) {
            return None;
        }
        let mut pages = agent.pages.iter().map(|page| (*page, &self.pages[*page]));
        if agent.unavailable || self.is_on_the_phone(worker) {
            return None;
        }
        let here = |(page, it): &(PageId, &Page)| {
            it.begun && self.is_connected(*page) && it.here_since < lost + AWAITED - 2_000
        };
        pages.find(here).map(|(_, page)| page.here_since.max(lost))
    }

    /// True when this agent is in an activity of their own choice that receives no tasks.
    fn takes_no_calls(&self, worker: &WorkerSid) -> bool {
        self.agents.iter().any(|agent| agent.worker == *worker && agent.unavailable)
    }

    /// True when this agent's phone is busy.
    fn is_on_the_phone(&self, worker: &WorkerSid) -> bool {
        let mut own = self.agents.iter().filter(|agent| agent.worker == *worker);
        own.any(|agent| agent.pages.iter().any(|page| self.pages[*page].flex.call.is_some()))
    }

    /// True when the leg of another agent stands beside the customer, and no page has said goodbye to it. Our server
    /// counts the customer as that agent's as long as the leg stands.
    fn seems_to_have_another(&self, number: usize, worker: &WorkerSid) -> bool {
        let call = self.customers[number].call.as_ref();
        let Some(LegPlace::Conference(room)) = call.and_then(|call| self.twilio.model.place(call)) else {
            return false;
        };
        self.twilio.model.participants(room).any(|it| {
            it.agent.is_some_and(|(other, _)| other != worker) && !it.coaches && self.is_unsaid(it.call)
        })
    }

    /// True when this agent waits for an outbound call to be answered. No other call is offered to them meanwhile.
    fn places_call(&self, worker: &WorkerSid) -> bool {
        let model = &self.twilio.model;
        let rings = |task: &TaskSid| {
            model.tasks().any(|it| it.task == task && it.attributes["direction"] == "outbound")
        };
        model.reservations().any(|it| it.worker == worker && it.status == "pending" && rings(it.task))
    }
}
