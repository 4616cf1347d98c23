//! What has its time: who is back gets the customer back, and nobody waits for one who is not.

use super::Rule;
use super::hears::LOOKS;
use crate::customers::Lost;
use crate::page::{Page, PageId};
use crate::world::World;
use rejoin_protocol::{CallSid, TaskSid, WorkerSid};
use rejoin_twin::model::{LegPlace, TaskView};

/// How long an agent is waited for, may take to join in place, and to take the call: docs/recovery.md.
const AWAITED: u64 = 15_000;
pub(super) const IN_PLACE: u64 = 8_000;
const REJOIN: u64 = 20_000;
/// So often an agent gets a customer back whom she loses.
const AT_MOST: u32 = 3;
/// How soon it is noticed, by looking into it, that nobody can take a customer from the queue.
const NOTICED: u64 = 30_000;
/// For the ways of all messages in between.
const WAYS: u64 = 8_000;

impl World {
    /// Has anything gone wrong in this world by which our server hears late, or hardly gets anything done?
    pub(crate) fn is_slow(&self) -> bool {
        use crate::plan::FaultKind::{AnswerLost, BatchTwice, PushCut, WebhookTwice};
        let harmless = [WebhookTwice, BatchTwice, AnswerLost, PushCut];
        self.lost_callbacks || self.coverage.faults.keys().any(|kind| !harmless.contains(kind))
    }

    /// Our server has heard a callback.
    pub(crate) fn leave_heard(&mut self, params: &[(String, String)]) {
        let get = |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if get("StatusCallbackEvent") != Some("participant-leave") {
            return;
        }
        if let Some(call) = get("CallSid").and_then(|call| CallSid::parse(call).ok()) {
            self.rules.leaves_heard.entry(call).or_insert(self.now);
        }
    }

    /// Looks at customers who have lost their agents.
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
            // Who takes him out of the queue has him in a moment.
            let since = self.now - queued.unwrap_or(lost);
            let dead_leg = self.plan.setup.dead_leg + 3_000;
            if since > dead_leg + AWAITED + IN_PLACE + REJOIN + WAYS {
                let what = format!(
                    "customer {number} has lost his agent {} s ago, and is in no queue",
                    since / 1000
                );
                self.broken(Rule::InTime, what);
            }
            // Whoever is lost too often does not get him back.
            let few = self.customers[number].losses <= AT_MOST && !self.was_gone_unseen(number, &from, lost);
            let since = |back: u64| back.max(calls.unwrap_or(0));
            let busy = if self.seems_to_have_another(number, &from) {
                Some(self.now + AWAITED) // who is awaited first
            } else {
                self.is_on_the_phone(&from).then_some(self.now)
            };
            if let Some(lost) = self.customers[number].lost.as_mut().filter(|_| busy.is_some()) {
                lost.calls = busy;
            }
            if few && self.is_back(&from, lost).is_some_and(|back| self.now > since(back) + IN_PLACE + WAYS) {
                if self.places_call(&from) {
                    if let Some(lost) = &mut self.customers[number].lost {
                        lost.calls = Some(self.now);
                    }
                    continue;
                }
                let what = format!("customer {number} does not have his agent again, who is back for long");
                self.broken(Rule::InTime, what);
            }
        }
    }

    /// A customer who has lost his agent does not wait where nobody can take him.
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
            let what = format!("customer {number} waits in a queue where nobody can take him");
            self.broken(Rule::InTime, what);
        }
    }

    /// Since when an agent is back who was lost then, and came in time: where no other call is in the way.
    fn is_back(&self, worker: &WorkerSid, lost: u64) -> Option<u64> {
        let agent = self.agents.iter().find(|agent| agent.worker == *worker && !agent.signed_out)?;
        // Who was away once more has not been there, and which of two browsers has the call nobody knows.
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

    /// Is this agent's phone busy?
    fn is_on_the_phone(&self, worker: &WorkerSid) -> bool {
        let mut hers = self.agents.iter().filter(|agent| agent.worker == *worker);
        hers.any(|agent| agent.pages.iter().any(|page| self.pages[*page].flex.call.is_some()))
    }

    /// Does a leg of another agent's stand beside the customer, of which nobody has told that she is gone? Then our server
    /// takes him for hers, as long as Twilio lets the leg stand.
    fn seems_to_have_another(&self, number: usize, worker: &WorkerSid) -> bool {
        let call = self.customers[number].call.as_ref();
        let Some(LegPlace::Conference(room)) = call.and_then(|call| self.twilio.model.place(call)) else {
            return false;
        };
        self.twilio.model.participants(room).any(|it| {
            it.agent.is_some_and(|(other, _)| other != worker) && !it.coaches && self.is_unsaid(it.call)
        })
    }

    /// Does this agent wait for somebody to answer whom she has called? Nobody else is offered to her meanwhile.
    fn places_call(&self, worker: &WorkerSid) -> bool {
        let model = &self.twilio.model;
        let rings = |task: &TaskSid| {
            model.tasks().any(|it| it.task == task && it.attributes["direction"] == "outbound")
        };
        model.reservations().any(|it| it.worker == worker && it.status == "pending" && rings(it.task))
    }
}
