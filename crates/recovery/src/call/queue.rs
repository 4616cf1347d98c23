//! The requeue: to the same agent (second rung) or to the next one (third rung), and into the new conference.

use super::{Call, Out};
use crate::absence::{Ending, HoldingTheLine, NotBack, Phase, Recovery, Trip};
use crate::event::End;
use crate::facts::{Agent, Participant};
use crate::plan::SOON;
use crate::{Action, Check, Note, Outcome, PollAnswer, RequeueCause, Timer, UnreportedAgent};
use rejoin_protocol::api::Failure;
use rejoin_protocol::{CallSid, Millis, RecoveryId, TaskSid, WorkerSid};
use std::collections::BTreeSet;

/// How often a queue that does not keep the customer is tried.
const TRIES: u32 = 10;
/// The pause before a customer who waits in silence is sent to the queue for the second time. It doubles.
const RESENT_AFTER: Millis = Millis::seconds(15);

/// A customer who goes to the queue so soon after the announcement was requested has heard nothing of it that tells them anything:
/// Twilio has to fetch it first. They hear it in the queue.
const HEARD_AFTER: Millis = Millis::seconds(1);

impl Call {
    /// Requeues the customer for the lost agent, or for any agent if the lost one was lost too often.
    pub(super) fn requeue_as_decided(&mut self, out: &mut Out<'_>) {
        if self.is_lost_too_often() {
            let cause = RequeueCause::LostTooOften;
            return self.requeue(out, None, out.now + out.config.queue_within, cause);
        }
        let worker = self.recovery.as_ref().map(|recovery| recovery.absence.agent.worker.clone());
        self.requeue(out, worker.as_ref(), out.now + out.config.rejoin_within, RequeueCause::AgentBack);
    }

    /// Sends the customer to the queue, for this target (`None`: any agent), where they are to have an agent by this deadline.
    pub(super) fn requeue(
        &mut self,
        out: &mut Out<'_>,
        target: Option<&WorkerSid>,
        deadline: Millis,
        cause: RequeueCause,
    ) {
        let Some(recovery) = self.recovery.as_ref().filter(|_| self.facts.roster.customer.is_some()) else {
            return;
        };
        let resent = self.requests.times_sent(&recovery.absence.id, target);
        let trip = recovery.next_trip(target.cloned(), resent);
        self.goes_to_queue(out, trip, deadline, cause);
    }

    /// Notes that the customer is on the way into the queue.
    pub(super) fn goes_to_queue(
        &mut self,
        out: &mut Out<'_>,
        trip: Trip,
        deadline: Millis,
        cause: RequeueCause,
    ) {
        let Some(recovery) = &mut self.recovery else { return };
        let same_agent = trip.target.is_some();
        recovery.phase = Phase::Requeueing(trip);
        recovery.words_at = recovery.words_at.filter(|began| *began + HEARD_AFTER > out.now);
        recovery.absence.deadline = deadline;
        if cause == RequeueCause::AgentNotBack {
            recovery.not_back.get_or_insert(NotBack { at: out.now, is_back_noted: false });
        }
        self.clear_timer(out, Timer::Ping);
        self.note(out, Note::Requeueing { same_agent, because: Some(cause) });
        self.set_timer(out, Timer::Rejoin, deadline);
        self.push(out);
    }

    pub(super) fn requeue_done(
        &mut self,
        out: &mut Out<'_>,
        id: &RecoveryId,
        target: Option<&WorkerSid>,
        outcome: &Outcome,
    ) {
        let recovery = self.recovery.as_ref().filter(|recovery| recovery.absence.id == *id);
        match recovery.map(|recovery| &recovery.phase) {
            Some(Phase::Requeueing(trip)) if trip.target.as_ref() == target => {
                self.requeue_ended(out, target, outcome);
            }
            // Waiting music of an earlier trip had put the customer into the queue, and their call is over.
            Some(Phase::Queued(trip)) if trip.target.as_ref() == target && *outcome == Outcome::Gone => {
                self.end_recovery(out, &Ending::CustomerLeft);
            }
            Some(_) | None => {}
        }
    }

    /// The request that sends the customer to the queue has ended, and they are still on the way there.
    fn requeue_ended(&mut self, out: &mut Out<'_>, target: Option<&WorkerSid>, outcome: &Outcome) {
        if let Outcome::AgentFound(met) = outcome {
            return self.keep_with_agent(out, target, met);
        }
        let is_with_agent = self.is_connected();
        match outcome.end() {
            // An agent joined before the customer was sent, and keeps them.
            End::Overtaken | End::Failed if is_with_agent => {
                self.cancel_requeue();
                self.end_if_covered(out);
            }
            // The agent for whom the customer waited has them. A poll shows which agent.
            End::Overtaken if target.is_none() => self.wait_for_lost_agent(out),
            // The customer's call is over.
            End::Gone => self.end_recovery(out, &Ending::CustomerLeft),
            End::Failed => self.requeue_refused(out, target),
            End::Done | End::Overtaken => {}
        }
    }

    /// Twilio refused to send the customer to the queue, for the agent or for any.
    fn requeue_refused(&mut self, out: &mut Out<'_>, target: Option<&WorkerSid>) {
        if target.is_some() {
            self.requeue(out, None, out.now + out.config.queue_within, RequeueCause::Refused);
        } else {
            self.end_recovery(out, &Ending::Failed { reason: Failure::NotRequeued });
        }
    }

    /// Twilio shows an unreported agent with the customer: the lost agent, or a colleague. If that agent has left since, the
    /// requeue goes on.
    fn keep_with_agent(&mut self, out: &mut Out<'_>, target: Option<&WorkerSid>, met: &UnreportedAgent) {
        let left = self.facts.roster.left(&met.leg).is_some();
        let Some(recovery) = self.recovery.as_mut() else { return };
        if left {
            let deadline = recovery.absence.deadline;
            return self.requeue(out, target, deadline, RequeueCause::AgentFoundHasLeft);
        }
        self.cancel_requeue();
        self.facts.roster.assume_joined(&met.leg);
        self.know_holder(&met.leg, &met.holder);
        self.end_if_covered(out);
    }

    /// Cancels the requeue, as far as is known.
    fn cancel_requeue(&mut self) {
        if let Some(recovery) = &mut self.recovery {
            let was_alone = recovery.phase.trip().is_some_and(|trip| trip.was_alone);
            recovery.phase = Phase::Holding(HoldingTheLine { was_alone, ..HoldingTheLine::default() });
        }
    }

    fn wait_for_lost_agent(&mut self, out: &mut Out<'_>) {
        let Some(recovery) = &mut self.recovery else { return };
        let agent = recovery.absence.agent.worker.clone();
        recovery.phase = Phase::Queued(recovery.next_trip(Some(agent), 0));
        self.wait_until(out, Timer::Rejoin, out.now + out.config.rejoin_within);
        self.push(out);
        self.poll_conference(out);
    }

    /// Twilio fetches the waiting music.
    pub(crate) fn music_is_fetched(&mut self, out: &mut Out<'_>) {
        if let Some(trip) = self.recovery.as_mut().and_then(|it| it.phase.trip_mut()) {
            trip.music = true;
        }
        self.entered_queue(out);
    }

    /// True if the customer waits for any agent in silence, because Twilio's only request for the waiting music was lost.
    /// The customer is then sent to the queue again: behind customers who came since, but not in silence. The pauses between
    /// attempts grow.
    pub(super) fn resend_without_music(&mut self, out: &mut Out<'_>) -> bool {
        let Some(recovery) = &self.recovery else { return false };
        let Phase::Queued(trip) = &recovery.phase else { return false };
        if trip.target.is_some() || trip.music {
            return false;
        }
        let sent_at = sent_to_any_at(recovery, out);
        let pause = trip.resent.checked_sub(1).map_or(0, |times| RESENT_AFTER.0 << times);
        if sent_at.until(out.now).0 < pause {
            return true; // after the pause
        }
        self.requeue(out, None, out.now + out.config.queue_within, RequeueCause::NoMusic);
        true
    }

    pub(crate) fn entered_queue(&mut self, out: &mut Out<'_>) {
        if let Some(recovery) = &mut self.recovery
            && let Phase::Requeueing(trip) = &recovery.phase
        {
            let (trip, is_stranded) = (trip.clone(), trip.is_stranded);
            recovery.phase = Phase::Queued(trip);
            if !is_stranded {
                self.stranding.decide_by = None; // the conference that ended is replaced
            }
            self.note(out, Note::Queued);
            self.push(out);
        }
    }

    /// Twilio fetches the document that follows the queue. The same request again changes nothing.
    pub(crate) fn left_queue(
        &mut self,
        out: &mut Out<'_>,
        bridged: bool,
        hung_up: bool,
        token: Option<String>,
    ) {
        if self.has_counted(token.as_deref()) {
            return;
        }
        if let (Some(recovery), false, Some(_)) = (&mut self.recovery, bridged, &token) {
            recovery.let_go_token = token;
        }
        if hung_up && self.diagnosis().is_requeued() {
            self.end_recovery(out, &Ending::CustomerLeft);
        } else if bridged {
            self.was_connected();
        } else {
            self.requeue_by_document(out);
        }
    }

    /// An agent has taken the customer from the queue, and the customer has left that agent's conference, too. It has replaced the one
    /// that had ended before. That agent is looked for before the customer is sent to the queue again.
    fn was_connected(&mut self) {
        if let Some(Recovery { phase: Phase::Queued(trip), .. }) = &mut self.recovery
            && std::mem::take(&mut trip.is_stranded)
        {
            self.stranding.decide_by = None;
        }
    }

    /// True if a customer whom the queue has not kept goes into it again. Otherwise they hear that no agent was found. A
    /// customer who has an agent, as far as is known, is not given up. `token`: of Twilio's request; an attempt that was counted
    /// before gets the answer of that time.
    pub fn goes_to_queue_again(&self, token: Option<&str>) -> bool {
        self.recovery.as_ref().is_none_or(|recovery| {
            (recovery.let_go < TRIES || self.has_counted(token))
                && !matches!(recovery.phase, Phase::Ended(Ending::Failed { .. }))
        })
    }

    /// True for the request that was the last one to say that the customer has left the queue.
    fn has_counted(&self, token: Option<&str>) -> bool {
        let counted = self.recovery.as_ref().and_then(|recovery| recovery.let_go_token.as_deref());
        token.is_some() && token == counted
    }

    /// The queue did not keep the customer, and the document that Twilio fetched then sends them into it for any agent.
    pub(super) fn requeue_by_document(&mut self, out: &mut Out<'_>) {
        let goes_again = self.goes_to_queue_again(None);
        let Some(recovery) = &mut self.recovery else { return };
        recovery.let_go = recovery.let_go.saturating_add(1);
        let Some(before) = recovery.phase.trip() else { return };
        if !goes_again {
            return self.end_recovery(out, &Ending::Failed { reason: Failure::NotRequeued });
        }
        let had_target = before.target.is_some();
        let resent = if had_target { 0 } else { before.resent };
        recovery.phase =
            Phase::Requeueing(Trip { target: None, resent, by_document: true, ..before.clone() });
        if had_target {
            self.wait_until(out, Timer::Rejoin, out.now + out.config.queue_within);
            self.note(out, Note::Requeueing { same_agent: false, because: Some(RequeueCause::QueueLetGo) });
        }
        self.push(out);
    }

    /// The queries that precede a requeue for this target; `None`: any agent.
    pub fn check_before_requeue(&self, target: Option<&WorkerSid>) -> Check {
        // A customer who goes to any agent may have waited for the lost one: the reservation of the lost agent is completed
        // once the customer is in the queue.
        let has_waited = self.recovery.as_ref().is_some_and(|it| self.diagnosis().has_freed_reservation(it));
        // An unidentified participant who can talk may be an agent, and so may the owner of a leg that was not shown yet. If
        // callbacks were missed, or none arrive, an agent would be unreported.
        let talks = |(_, there): (&CallSid, &Participant)| there.flags().can_talk();
        let is_reported_by_nobody = self.facts.received.callbacks().is_empty()
            || self.poll.is_uncertain
            || !self.facts.ownership.registrations.is_empty();
        let may_be_met = is_reported_by_nobody || self.diagnosis().others().any(talks);
        Check {
            reconnects: target.is_none() && has_waited,
            holders: self.facts.roster.is_customer_joined() && may_be_met,
        }
    }

    /// The outcome of a requeue that the answers to its check rule out.
    pub fn ended_by_check(&self, seen: &PollAnswer) -> Option<Outcome> {
        if seen.reconnects.iter().any(|task| task.taker().is_some()) {
            return Some(Outcome::Overtaken);
        }
        let met = self.unreported_agent(&seen.accepted, &seen.participants)?;
        Some(Outcome::AgentFound(Box::new(met)))
    }

    /// Until when the customer may turn out to have been sent on: a request that sends them into the queue may still take effect, or
    /// has taken effect a moment ago, while the callbacks of the agent who had taken them from the queue were late. `None`: no such
    /// request.
    pub(crate) fn sent_on_until(&self, out: &Out<'_>) -> Option<Millis> {
        let recovery = self.recovery.as_ref()?;
        match &recovery.phase {
            Phase::Requeueing(_) => Some(out.now + SOON),
            // Only a customer whom the lost agent did not take from the queue in time is sent on from there.
            Phase::Queued(trip) if trip.target.is_none() => {
                // Since then the customer's wait may have been prolonged, or the setting changed.
                let sent_at = sent_to_any_at(recovery, out).min(out.now);
                Some(sent_at + SOON).filter(|until| out.now < *until)
            }
            _ => None,
        }
    }

    /// True while a request of an earlier recovery may have sent the customer to the queue.
    pub(super) fn was_sent_on_before(&self, out: &Out<'_>) -> bool {
        self.inherited.sent_on_until.is_some_and(|until| out.now < until)
    }

    /// A request of an earlier recovery has sent the customer into the queue. They wait there, for any agent as far as is
    /// known.
    pub(super) fn in_queue_by_earlier_request(&mut self, out: &mut Out<'_>) {
        // The fetch of the waiting music names the earlier recovery, not this one.
        self.in_queue_unasked(out, None, out.config.queue_within);
    }

    /// The customer waits in the queue for this target (`None`: any agent) by a request that this call does not know, and
    /// hears the waiting music. They are to have an agent within this time.
    pub(super) fn in_queue_unasked(&mut self, out: &mut Out<'_>, target: Option<&WorkerSid>, within: Millis) {
        let Some(trip) = self.recovery.as_ref().map(|it| it.next_trip(target.cloned(), 0)) else { return };
        let trip = Trip { music: true, ..trip };
        self.goes_to_queue(out, trip.clone(), out.now + within, RequeueCause::SentBefore);
        if let Some(recovery) = &mut self.recovery {
            recovery.phase = Phase::Queued(trip);
        }
        self.note(out, Note::Queued);
        self.push(out);
    }

    /// Removes agents' legs that joined after the requeue: alone in the old conference, they would keep the desktop busy.
    pub(super) fn remove_late_legs(&mut self, out: &mut Out<'_>) {
        let roster = &self.facts.roster;
        let moved = |r: &Recovery| match r.phase {
            // While the customer is still here the requeue may be cancelled. Legs of a conference that has ended are gone.
            Phase::Requeueing(_) => !roster.is_customer_joined() && !roster.is_stranded(),
            Phase::Queued(_) => true,
            _ => false,
        };
        if !self.recovery.as_ref().is_some_and(moved) {
            return;
        }
        for leg in roster.agent_legs(|leg, _| roster.is_joined(leg)) {
            self.settle(&leg);
            self.remove_leg(out, &leg);
        }
    }

    /// The customer is with an agent in another conference. Returns the legs that were on hold here and are to be on hold
    /// there.
    pub(crate) fn connected_elsewhere(
        &mut self,
        out: &mut Out<'_>,
        agent: &Agent,
        into: &TaskSid,
    ) -> BTreeSet<CallSid> {
        let Some(recovery) = self.recovery.as_ref().filter(|recovery| recovery.is_open()) else {
            return BTreeSet::new();
        };
        let ending = if recovery.absence.agent.worker == agent.worker {
            Ending::Rejoined { into: Some(into.clone()) }
        } else {
            let name = Some(agent.name.clone()).filter(|name| !name.is_empty());
            Ending::HandedOver { name, into: Some(into.clone()) }
        };
        let on_hold = self.diagnosis().others().filter(|(_, there)| there.flags().hold);
        let mut held: BTreeSet<_> = on_hold.map(|(leg, _)| leg.clone()).collect();
        held.extend(self.to_be_held_elsewhere(&ending));
        self.end_recovery(out, &ending);
        held
    }

    /// The customer hung up in another conference, on the way to an agent.
    pub(crate) fn hung_up_elsewhere(&mut self, out: &mut Out<'_>) {
        self.end_recovery(out, &Ending::CustomerLeft);
    }

    /// The reconnect task is over without an agent, while the customer hears waiting music.
    pub(super) fn reconnect_canceled(&mut self, out: &mut Out<'_>, target: Option<&WorkerSid>) {
        if target.is_some() {
            self.note(out, Note::AgentNotBack);
            let cause = RequeueCause::TaskCancelled;
            return self.requeue(out, None, out.now + out.config.queue_within, cause);
        }
        // No agent will take the customer.
        let (Some(recovery), Some(customer)) = (&self.recovery, self.facts.roster.customer.clone()) else {
            return;
        };
        self.act(out, Action::GiveUp { recovery: recovery.absence.id.clone(), customer }, SOON);
    }

    /// The customer has heard that no agent was found.
    pub(super) fn given_up(&mut self, out: &mut Out<'_>, id: &RecoveryId, gone: bool) {
        let waits = |r: &Recovery| r.absence.id == *id && r.phase.target() == Some(None);
        if self.recovery.as_ref().is_some_and(waits) {
            let failed = Ending::Failed { reason: Failure::NobodyTookIt };
            self.end_recovery(out, &if gone { Ending::CustomerLeft } else { failed });
        }
    }
}

/// When a customer who waits for any agent was last sent to the queue (point in time), reckoned from the deadline: too late if the
/// wait was prolonged since.
fn sent_to_any_at(recovery: &Recovery, out: &Out<'_>) -> Millis {
    Millis(recovery.absence.deadline.0.saturating_sub(out.config.queue_within.0))
}
