//! The watchdog and its polls. Twilio tries a callback again for 15 s at most, so a call without evidence for a while is polled. An answer
//! counts only if no evidence arrived while the poll was in flight: such evidence may be newer than the answer.

use super::{Call, Out};
use crate::absence::{Ending, Phase};
use crate::facts::{Agent, Observation};
use crate::plan::{OVERDUE, SOON};
use crate::{Action, LeaveReason, Note, PollAnswer, Reconnect, ReconnectState, RequeueCause, Timer};
use rejoin_protocol::{CallSid, Millis, WorkerSid};

/// How long an answer may take before the poll is repeated.
const ANSWERED_WITHIN: Millis = Millis::seconds(120);

impl Call {
    /// How long a call may be without evidence before it is polled; `None`: it is not polled.
    fn watched_after(&self, out: &Out<'_>) -> Option<Millis> {
        let (call, recovery) = (out.config.watch_call, out.config.watch_recovery);
        let is_missing_somebody = self.has_open_recovery() || self.diagnosis().has_absence();
        let after = if is_missing_somebody {
            recovery
        } else if (self.closed || self.is_without_callbacks() || self.poll.is_uncertain)
            && recovery > Millis(0)
        {
            call.min(recovery)
        } else {
            call
        };
        let is_watched = !self.closed || self.awaits_departure(out.now);
        (is_watched && after > Millis(0)).then_some(after)
    }

    /// When the next poll is due (point in time).
    pub(super) fn due(&self, out: &Out<'_>) -> Option<Millis> {
        let after = self.watched_after(out)?;
        Some(match self.poll.since {
            Some(since) => since + after.max(ANSWERED_WITHIN),
            // Statements of pages do not replace the missing callbacks.
            None if self.is_without_callbacks() => self.poll.asked_at.unwrap_or(self.poll.heard_at) + after,
            None if self.poll.heard_at > out.now => out.now, // a clock was set back
            None => self.poll.heard_at + after,
        })
    }

    /// Sets the timer of the watchdog. A set timer is moved only to an earlier time: when it is due, the watchdog checks for
    /// evidence since.
    pub(super) fn keep_watch(&mut self, out: &mut Out<'_>) {
        let due = self.due(out);
        match (due, self.poll.watch_at) {
            (Some(due), set) if set.is_none_or(|set| set > due) => {
                self.poll.watch_at = Some(due);
                self.set_timer(out, Timer::Watchdog, due);
            }
            (None, Some(_)) => {
                self.poll.watch_at = None;
                self.clear_timer(out, Timer::Watchdog);
            }
            (Some(_) | None, _) => {}
        }
    }

    /// The timer of the watchdog is due.
    pub(super) fn watch(&mut self, out: &mut Out<'_>) {
        let overdue = self.poll.watch_at.take().is_some_and(|at| at + OVERDUE < out.now);
        if overdue {
            // No server ran when the timer was due, so callbacks may have been missed, even if no poll is due any more.
            return self.serve_again(out);
        }
        if self.due(out).is_some_and(|due| due <= out.now) {
            self.poll_conference(out); // otherwise the timer is set again
        }
    }

    /// A server runs again, after a time in which there may have been none.
    pub(super) fn serve_again(&mut self, out: &mut Out<'_>) {
        self.try_prolong_wait(out);
        self.catch_up(out);
    }

    /// Callbacks may have been missed. The call is polled until a poll is answered.
    pub(super) fn catch_up(&mut self, out: &mut Out<'_>) {
        self.poll.is_uncertain = self.watched_after(out).is_some();
        let asks = self.poll.since.is_some_and(|since| out.now < since + ANSWERED_WITHIN);
        if self.poll.is_uncertain && asks {
            self.poll.heard_at = out.now; // the answer in flight may be older than the missed callbacks, so it will not count
        } else if self.poll.is_uncertain {
            self.poll_conference(out);
        }
    }

    /// True if the agent is on the call by a leg of this page, as far as is known. The page of a leg that the server looked
    /// up itself is unknown.
    pub(crate) fn has_leg_of_page(&self, worker: &WorkerSid, epoch: u64) -> bool {
        let of_page = |(leg, agent): (&CallSid, &Agent)| {
            agent.worker == *worker
                && (agent.epoch == Some(epoch) || agent.epoch.is_none())
                && self.diagnosis().is_on_call(leg, agent)
        };
        self.facts.ownership.proven && !self.closed && self.facts.roster.agents.iter().any(of_page)
    }

    /// The push channel of an agent who is on the call has ended. The page may be gone, and the callback about its leg lost,
    /// so the call is polled before the watchdog is due, and the page is asked over its leg. Only the answers count.
    pub(crate) fn push_lost(&mut self, out: &mut Out<'_>, worker: &WorkerSid, epoch: u64) {
        self.catch_up(out);
        self.page_unreached(out, worker, epoch);
    }

    /// True while the answer to a poll can still change anything: not once the call is over for the customer, too.
    pub(super) fn is_answer_of_use(&self) -> bool {
        !self.closed || self.stranding.decide_by.is_some()
    }

    /// Twilio has answered a poll.
    pub(crate) fn polled(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        let Some(begun) = self.poll.since.take() else { return };
        if !self.is_answer_of_use() {
            return;
        }
        let said_at = self.poll.said_at.filter(|at| *at <= out.now); // a clock was set back
        let heard = self.poll.heard_at.max(said_at.unwrap_or_default());
        if heard > begun && heard <= out.now {
            return self.poll_again(out);
        }
        self.poll.is_uncertain = false;
        (self.poll.heard_at, self.poll.said_at) = (out.now, None);
        self.take_poll(out, seen);
        self.remove_dead_legs(out, seen);
        self.our_hold_seen();
        self.repeat_our_hold(out);
        if self.facts.roster.is_unknown() && (!self.facts.roster.ended || self.stranding.decide_by.is_some())
        {
            self.look_up_again(); // Twilio answers again
            self.look_up_task(out);
        }
        if self.facts.received.callbacks().is_empty() {
            self.announcement_ended(out, None); // no callback would report its end
        }
        self.identify_newcomer(seen);
        self.handle_reconnects(out, seen);
        self.requeue_after_failure(out, seen);
        self.handle_transfer_poll(out, seen, heard);
        self.confirm_mark(out, seen);
        self.expect_conference_end(out); // an earlier request to end it may have failed
    }

    /// Evidence that arrived meanwhile may be newer than the answer. Polls again if only a poll can show what is missing.
    fn poll_again(&mut self, out: &mut Out<'_>) {
        let is_decided_by_polls = self.diagnosis().is_decided_by_polls();
        if self.poll.is_uncertain
            || is_decided_by_polls
            || self.is_without_callbacks()
            || self.awaits_legs()
            || self.keeps_undecided(out.now)
        {
            self.poll_conference(out);
        }
    }

    /// Takes over what the poll shows of the legs.
    fn take_poll(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        let before = self.facts.roster.legs();
        self.observe_legs_not_in_poll(out.now, seen);
        for (leg, flags) in &seen.participants {
            self.facts.roster.observe(leg, Observation::Polled { flags: *flags });
        }
        self.settle_polled(out, seen);
        self.facts.roster.ended |= seen.participants.is_empty();
        if before != self.facts.roster.legs() {
            self.note(out, Note::FoundByPoll);
        }
    }

    /// Twilio did not answer, or refused. The poll is repeated later.
    pub(super) fn not_polled(&mut self, out: &Out<'_>) {
        self.poll.since = None;
        self.poll_soon(out);
    }

    /// Notes legs that the poll does not show as gone.
    fn observe_legs_not_in_poll(&mut self, now: Millis, seen: &PollAnswer) {
        let customer = self.facts.roster.customer.clone();
        if let Some(unseen) = customer.clone().filter(|_| self.facts.roster.is_customer_unseen()) {
            self.facts.roster.assume_joined(&unseen); // and gone, if the poll does not show it
        }
        for unseen in self.facts.roster.unseen_agents().cloned().collect::<Vec<_>>() {
            self.facts.roster.assume_joined(&unseen);
        }
        let roster = &self.facts.roster;
        let gone = |leg: &&CallSid| roster.is_reported_joined(leg) && !seen.participants.contains_key(*leg);
        for leg in roster.participants.keys().filter(gone).cloned().collect::<Vec<_>>() {
            // A customer who is on the line, but not here, was moved, or their conference has ended. The same holds for a
            // leg for which Twilio fetches our action URL before the poll shows, or can show, whether it is on the line.
            let is_fetched = self.stranding.fetched_for.as_ref() == Some(&leg);
            let on_line = match &customer {
                Some(customer) => *customer == leg && seen.on_line.unwrap_or(is_fetched),
                None => is_fetched,
            };
            // A poll that was sent before the customer was known does not show it.
            let is_unasked = customer.as_ref() == Some(&leg) && seen.on_line.is_none();
            if on_line || is_unasked {
                self.facts.roster.move_inferred_at = Some(now);
            }
            let reason = match (on_line, self.stranding.decide_by) {
                (true, Some(_)) => LeaveReason::ModeratorEnded,
                (true, None) => LeaveReason::UpdatedViaApi,
                (false, _) => LeaveReason::HungUp,
            };
            self.facts.roster.observe(&leg, Observation::NotInPoll { reason });
        }
    }

    /// Removes dead legs again whose removal had no effect.
    fn remove_dead_legs(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        let is_still_there = |leg: &CallSid, _: &Agent| {
            let is_shown = seen.participants.contains_key(leg);
            self.decisions.is_dead(leg) && is_shown && !self.requests.is_removing(leg)
        };
        for leg in self.facts.roster.agent_legs(is_still_there) {
            self.act(out, Action::RemoveLeg { conference: self.conference.clone(), leg }, SOON);
        }
    }

    /// Handles what a poll shows of the reconnect tasks of a customer who was sent to the queue.
    fn handle_reconnects(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        let Some(recovery) = &self.recovery else { return };
        let Some(target) = recovery.phase.target().map(|target| target.cloned()) else { return };
        if seen.on_line == Some(false) {
            return self.end_recovery(out, &Ending::CustomerLeft);
        }
        // An older request may have taken effect after a newer one.
        let (tasks, others): (Vec<&Reconnect>, Vec<&Reconnect>) =
            seen.reconnects.iter().partition(|task| task.target == target);
        let mut taken = tasks.iter().filter_map(|task| Some((task.task.clone(), task.taker()?)));
        if let Some((task, (worker, name, reservation))) = taken.next() {
            let agent = Agent::new(worker.clone(), name.clone(), reservation.clone());
            self.connected_elsewhere(out, &agent, &task);
        } else if tasks.iter().any(|task| task.state == ReconnectState::Waits) {
            if !self.resend_without_music(out) {
                self.entered_queue(out);
            }
        } else if others.iter().any(|task| task.state == ReconnectState::Waits) {
            // The customer waits for another target than the recovery's: any agent who takes that task has them.
        } else if !tasks.is_empty() && seen.on_line == Some(true) && self.stranding.decide_by.is_none() {
            // While our action URL is being answered, the search for the agent who had the customer comes first.
            self.reconnect_canceled(out, target.as_ref());
        }
    }

    /// Requeues a customer who is still alone here although the recovery has failed: Twilio, or our server, had an outage
    /// that was too long.
    fn requeue_after_failure(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        let failed = |r: &super::Recovery| matches!(r.phase, Phase::Ended(Ending::Failed { .. }));
        let gave_up = self.recovery.as_ref().is_some_and(failed);
        if !gave_up || !self.diagnosis().is_customer_alone() || seen.on_line == Some(false) {
            return;
        }
        self.requeue(out, None, out.now + out.config.queue_within, RequeueCause::FoundAlone);
    }
}
