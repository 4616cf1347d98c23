//! The machine: all calls, and the handling of each event by the calls that it concerns.

mod allow;
mod discovered;
mod early;
mod elsewhere;
mod registered;
mod restored;

use crate::call::Out;
use crate::{
    Action, Call, ConferenceEvent, Config, Effect, Event, Next, Permission, Policies, TaskEvent, Timer,
};
use early::EarlyMarks;
use rejoin_protocol::api::{Goodbye, GracefulMark, Hello, RecoveryView};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, RecoveryId, TaskSid, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Open calls: all of them, or those that the next events concern.
#[derive(Clone, Debug)]
pub struct Machine {
    policies: Arc<Policies>,
    calls: BTreeMap<ConferenceSid, Call>,
    dirty: BTreeSet<ConferenceSid>,
    early: EarlyMarks,
}

impl Machine {
    /// A machine that goes on with these calls, as they were stored last: all open calls, or at least those that share a
    /// [`Key`](crate::Key) with the events to come ([`Event::keys`], [`Call::keys`]) and the other calls of their customers
    /// ([`Key::Leg`](crate::Key::Leg)). Further calls do not change the effects.
    pub fn new(policies: impl Into<Policies>, calls: impl IntoIterator<Item = Call>) -> Self {
        let calls = calls.into_iter().map(|call| (call.conference.clone(), call)).collect();
        Self {
            policies: Arc::new(policies.into()),
            calls,
            dirty: BTreeSet::new(),
            early: EarlyMarks::default(),
        }
    }

    /// Takes one event. The effects are in the order in which they are to begin.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        let policies = Arc::clone(&self.policies);
        let mut out = Out {
            now,
            policies: &policies,
            config: policies.all.clone(),
            effects: vec![],
            touched: BTreeSet::new(),
            heard: !matches!(
                event,
                Event::Timer { .. }
                    | Event::Done { .. }
                    | Event::PushLost { .. }
                    | Event::PushBack { .. }
                    | Event::PageAnswered { .. }
                    | Event::Restored { .. }
            ),
        };
        self.apply_early_marks(&mut out);
        self.take(&mut out, event);
        self.apply_early_marks(&mut out);
        self.end_reunited(&mut out);
        self.end_hung_up_elsewhere(&mut out);
        self.withhold(&mut out);
        for effect in &out.effects {
            if let Effect::Forget { conference } = effect {
                self.calls.remove(conference);
            }
        }
        out.effects
    }

    /// Hands the event to the calls that it concerns.
    fn take(&mut self, out: &mut Out<'_>, event: Event) {
        match event {
            Event::Conference(event) => self.callback(out, &event),
            Event::Registered { worker, registration } => self.registered(out, &worker, &registration),
            Event::Graceful { worker, mark } => self.graceful(out, worker, mark),
            Event::Hello { worker, hello, older_page_connected } => {
                self.hello(out, &worker, &hello, older_page_connected);
            }
            Event::Goodbye { worker, goodbye } => self.goodbye(out, &worker, &goodbye),
            Event::PushLost { worker, epoch } => {
                for conference in self.calls_that(|call| call.has_leg_of_page(&worker, epoch)) {
                    self.with(out, &conference, |call, out| call.push_lost(out, &worker, epoch));
                }
            }
            Event::PushBack { worker, epoch } => {
                for conference in self.calls_that(|call| call.doubts_page(&worker, epoch)) {
                    self.with(out, &conference, |call, out| call.page_lives(out, &worker, epoch));
                }
            }
            Event::PageAnswered { conference, leg } => {
                self.with(out, &conference, |call, out| call.leg_answered(out, &leg));
            }
            Event::EnteredQueue { recovery, customer } => {
                if let Some(conference) = self.conference_of_recovery(&recovery, &customer) {
                    self.with(out, &conference, |call, out| call.music_is_fetched(out));
                }
            }
            Event::LeftQueue { recovery, customer, bridged, hung_up, token } => {
                if let Some(conference) = self.conference_of_recovery(&recovery, &customer) {
                    self.with(out, &conference, |call, out| call.left_queue(out, bridged, hung_up, token));
                }
            }
            Event::Task(event) => self.task_event(out, &event),
            Event::Restored { conference, seen } => self.restored(out, &conference, &seen),
            Event::ActionUrlFetched { customer } => self.action_url_fetched(out, &customer),
            Event::Done { conference, action: Action::CheckNumber { .. }, outcome } => {
                self.number_checked(out, &conference, &outcome);
            }
            Event::Done { conference, action, outcome } => {
                self.discover_calls(out, &conference, &outcome);
                self.with(out, &conference, |call, out| call.done(out, &action, &outcome));
            }
            Event::Timer { conference, timer: Timer::Forget } if self.is_refused(&conference) => {
                out.effects.push(Effect::Forget { conference });
            }
            Event::Timer { conference, timer } => {
                self.with(out, &conference, |call, out| call.timer(out, timer));
            }
        }
    }

    fn callback(&mut self, out: &mut Out<'_>, event: &ConferenceEvent) {
        let conference = &event.conference;
        if let Some(task) = event.task.clone() {
            let new = || Call::new(conference.clone(), task.clone());
            let call = self.calls.entry(conference.clone()).or_insert_with(new);
            if !call.facts.ownership.proven && call.task != task {
                // The page's claim was wrong. The claims of other pages may be right.
                let registrations = std::mem::take(&mut call.facts.ownership.registrations);
                *call = new();
                call.facts.ownership.registrations = registrations;
            }
            call.facts.ownership.proven = true;
            self.apply_early_marks(out);
        }
        self.adopt_customer(conference, event);
        self.with(out, conference, |call, out| call.conference_event(out, event));
    }

    fn graceful(&mut self, out: &mut Out<'_>, worker: WorkerSid, mark: GracefulMark) {
        let known = self.of_task(&mark.task);
        for conference in &known {
            out.heard = self.is_news_from(&worker, conference);
            self.with(out, conference, |call, out| call.graceful(out, &worker, &mark, out.now));
        }
        if known.is_empty() {
            self.keep_early_mark(out.now, worker, mark);
        }
    }

    fn hello(&mut self, out: &mut Out<'_>, worker: &WorkerSid, hello: &Hello, older_page_connected: bool) {
        let held: BTreeSet<_> = hello.holdings.iter().map(|holding| &holding.task).collect();
        let is_concerned = |call: &Call| {
            (call.facts.ownership.proven && held.contains(&call.task)) || call.facts.roster.has_worker(worker)
        };
        for conference in self.calls_that(is_concerned) {
            let is_news = self.is_news_from(worker, &conference);
            out.heard = false;
            self.with(out, &conference, |call, out| {
                call.poll.said_at = call.poll.said_at.max(is_news.then_some(out.now));
                call.hello(out, worker, hello, older_page_connected);
            });
        }
        let is_claimed = |call: &Call| !call.facts.ownership.proven && held.contains(&call.task);
        for conference in self.calls_that(|call| is_claimed(call) && call.awaits_proof_of(worker)) {
            self.with(out, &conference, |call, _| {
                call.hello_before_proof(worker, hello, older_page_connected);
            });
        }
    }

    fn goodbye(&mut self, out: &mut Out<'_>, worker: &WorkerSid, goodbye: &Goodbye) {
        for conference in goodbye.tasks.iter().flat_map(|task| self.of_task(task)).collect::<Vec<_>>() {
            out.heard = self.is_news_from(worker, &conference);
            self.with(out, &conference, |call, out| call.goodbye(out, worker, goodbye.epoch));
        }
    }

    fn task_event(&mut self, out: &mut Out<'_>, event: &TaskEvent) {
        let made_by = event.purpose.recovery().and_then(|id| self.call_of_recovery(id));
        let made_by = made_by.map(|call| call.conference.clone());
        let concerned: BTreeSet<_> = self.of_task(&event.task).into_iter().chain(made_by).collect();
        for conference in concerned {
            self.with(out, &conference, |call, out| call.task_event(out, event));
        }
    }

    fn action_url_fetched(&mut self, out: &mut Out<'_>, customer: &CallSid) {
        let may_be = |call: &Call| {
            call.facts.roster.maybe_customers().any(|leg| leg == customer)
                || call.may_become_customer(customer)
        };
        for conference in self.calls_that(may_be) {
            // A repeated fetch is no new evidence: the answer to a poll in flight still counts.
            let is_first = self.calls.get(&conference).is_some_and(|call| call.stranding.decide_by.is_none());
            out.heard = is_first;
            self.with(out, &conference, |call, out| call.action_url_fetched(out, customer));
            if !is_first {
                self.with(out, &conference, |call, out| call.action_url_fetched_again(out, customer));
            }
        }
    }

    fn calls_that(&self, are: impl Fn(&Call) -> bool) -> Vec<ConferenceSid> {
        self.calls.values().filter(|call| are(call)).map(|call| call.conference.clone()).collect()
    }

    /// Calls that have changed since the last time, to be written in the same transaction as the effects.
    /// A call that is gone has been forgotten ([`Effect::Forget`]).
    pub fn take_dirty(&mut self) -> Vec<&Call> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.iter().filter_map(|conference| self.calls.get(conference)).collect()
    }

    /// The call of a conference.
    pub fn call(&self, conference: &ConferenceSid) -> Option<&Call> {
        self.calls.get(conference)
    }

    /// True if there is a call of this task, even if only a page claims it.
    pub fn knows(&self, task: &TaskSid) -> bool {
        self.calls.values().any(|call| call.task == *task)
    }

    /// All calls.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// The settings of a call: its queue's before its workflow's before the default.
    pub fn config(&self, call: &Call) -> Config {
        self.policies.of(call.facts.origin.workflow_for_durations(), call.facts.origin.queue.as_ref())
    }

    /// The call that a recovery is about: our TwiML is made from it.
    pub fn call_of_recovery(&self, recovery: &RecoveryId) -> Option<&Call> {
        self.calls.values().find(|call| call.recovery.as_ref().is_some_and(|r| &r.absence.id == recovery))
    }

    /// The call with a silent page whose customer is told of this recovery, which begins if the agent is gone; and since when
    /// the page is silent (point in time).
    pub fn call_of_silent_page(&self, recovery: &RecoveryId) -> Option<(&Call, Millis)> {
        self.calls.values().find_map(|call| Some((call, call.silent_since(recovery)?)))
    }

    /// True if this page is being asked whether it lives, or is silent.
    pub fn doubts_page(&self, worker: &WorkerSid, epoch: u64) -> bool {
        self.calls.values().any(|call| call.doubts_page(worker, epoch))
    }

    /// The answer to Twilio for a customer whose conference has ended ([`Event::ActionUrlFetched`]).
    pub fn answer_to_action_url(&self, now: Millis, customer: &CallSid) -> Next {
        let next = |call: &Call| match self.may_touch(&call.conference) {
            Some(true) => call.answer_to_action_url(now, customer),
            Some(false) => None,
            None => call.answer_to_action_url(now, customer).map(|_| Next::Wait),
        };
        let said: Vec<_> = self.calls.values().filter_map(next).collect();
        // A call that only claims this customer does not delay the decision of their own call.
        let is_own = |call: &&Call| call.facts.roster.customer.as_ref() == Some(customer);
        let own = self.calls.values().filter(is_own).filter_map(next);
        if let Some(decided) = own.into_iter().find(|next| matches!(next, Next::Requeue(_))) {
            let waits = self.calls.values().filter(is_own).filter_map(next).any(|next| next == Next::Wait);
            if !waits {
                return decided;
            }
        }
        let waits = said.contains(&Next::Wait).then_some(Next::Wait);
        let known =
            self.calls.values().any(|call| call.facts.roster.maybe_customers().any(|leg| leg == customer));
        let unsaid = if known { Next::Over } else { Next::Unknown };
        waits.or_else(|| said.into_iter().next()).unwrap_or(unsaid)
    }

    /// True if this action is still to be done. An action that was overtaken while it waited, or before a retry, could take
    /// a customer from their agent.
    pub fn wants(&self, conference: &ConferenceSid, action: &Action) -> bool {
        self.calls.get(conference).is_some_and(|call| call.wants(action))
    }

    /// Recoveries that this worker's dialog may have to show: open ones, and those that have ended lately.
    pub fn views(&self, now: Millis, worker: &WorkerSid) -> Vec<RecoveryView> {
        let absences = self.calls.values().flat_map(|call| call.absences().map(move |absent| (call, absent)));
        let own = absences.filter(|(_, absent)| &absent.absence().agent.worker == worker);
        own.map(|(call, absent)| absent.view(now, &call.task)).collect()
    }

    /// Lets a call take an event, and evaluates it then.
    fn with<T>(
        &mut self,
        out: &mut Out<'_>,
        conference: &ConferenceSid,
        take: impl FnOnce(&mut Call, &mut Out<'_>) -> T,
    ) -> Option<T> {
        if self.is_refused(conference) {
            return None;
        }
        let call = self.calls.get_mut(conference)?;
        out.config =
            out.policies.of(call.facts.origin.workflow_for_durations(), call.facts.origin.queue.as_ref());
        if out.heard {
            call.poll.heard_at = out.now;
        }
        let taken = take(call, out);
        if call.allowance.permission != Permission::Refused {
            call.evaluate(out);
        }
        out.touched.insert(conference.clone());
        self.dirty.insert(conference.clone());
        Some(taken)
    }

    /// True if a statement of this worker's page counts as evidence about the call. A poll is repeated if evidence arrived
    /// after it began, so pages of other workers could keep a call from ever being polled.
    fn is_news_from(&self, worker: &WorkerSid, conference: &ConferenceSid) -> bool {
        let Some(call) = self.calls.get(conference) else { return false };
        call.facts.roster.agents.is_empty() || call.facts.roster.has_worker(worker)
    }

    /// The calls of a task.
    pub(crate) fn calls_of(&self, task: &TaskSid) -> impl Iterator<Item = &Call> {
        self.calls.values().filter(move |call| call.facts.ownership.proven && &call.task == task)
    }

    fn of_task(&self, task: &TaskSid) -> Vec<ConferenceSid> {
        self.calls_of(task).map(|call| call.conference.clone()).collect()
    }

    /// The call of a recovery, if this leg is its customer's.
    fn conference_of_recovery(&self, recovery: &RecoveryId, customer: &CallSid) -> Option<ConferenceSid> {
        let call = self.call_of_recovery(recovery)?;
        (call.facts.roster.customer.as_ref() == Some(customer)).then(|| call.conference.clone())
    }

    /// Takes over the customer of an open recovery who joins another conference: no look-up is needed.
    fn adopt_customer(&mut self, conference: &ConferenceSid, event: &ConferenceEvent) {
        let crate::ConferenceEventKind::Join { leg, .. } = &event.kind else { return };
        let known = |call: &Call| {
            &call.conference != conference
                && call.has_open_recovery()
                && call.facts.roster.customer.as_ref() == Some(leg)
        };
        let Some(losses) =
            self.calls.values().find(|call| known(call)).map(|call| call.inherited.losses.clone())
        else {
            return;
        };
        if let Some(call) = self.calls.get_mut(conference).filter(|call| call.facts.ownership.proven) {
            call.facts.roster.customer.get_or_insert_with(|| leg.clone());
            call.inherit(&losses);
        }
    }
}
