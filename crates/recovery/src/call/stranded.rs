//! A customer whose conference has ended under them: a document of ours keeps them on the line and sends them back into the
//! queue.

use super::{Call, Out};
use crate::absence::{Ending, Phase, Recovery, Trip};
use crate::{Note, RequeueCause, Timer};

impl Call {
    /// Begins the second rung without a conference, in which no announcement is possible.
    pub(super) fn hold_stranded(&mut self, out: &mut Out<'_>) {
        let may_be = |r: &&mut Recovery| r.phase.is_before_requeue() && r.phase != Phase::Stranded;
        let Some(recovery) = self.recovery.as_mut().filter(may_be) else { return };
        recovery.phase = Phase::Stranded;
        for timer in [Timer::Grace, Timer::Announce, Timer::Rejoin] {
            self.clear_timer(out, timer);
        }
        self.wait_until(out, Timer::Ping, out.now + out.config.released_within);
        self.note(out, Note::ConferenceLost);
        self.push(out);
        self.go_on_stranded(out);
    }

    /// Once the task is read and Twilio has fetched our action URL, the document that answers it requeues the customer.
    pub(super) fn go_on_stranded(&mut self, out: &mut Out<'_>) {
        let is_ready = |it: &Recovery| it.phase == Phase::Stranded && self.is_loss_written(it);
        if self.stranding.decide_by.is_some() && self.recovery.as_ref().is_some_and(is_ready) {
            self.requeue_stranded(out);
        }
    }

    /// The time for reading the task and for the fetch of our action URL is over.
    pub(super) fn stranded_is_over(&mut self, out: &mut Out<'_>) {
        if self.stranding.decide_by.is_some() {
            self.requeue_stranded(out);
        } else if self.was_sent_on_before(out) {
            // Twilio did not fetch our action URL, because an earlier recovery has sent the customer to the queue.
            self.in_queue_by_earlier_request(out);
        } else {
            // Twilio did not fetch our action URL: the customer's call has ended, or goes on without us.
            self.end_recovery(out, &Ending::CustomerLeft);
        }
    }

    fn requeue_stranded(&mut self, out: &mut Out<'_>) {
        let is_back = self.recovery.as_ref().is_some_and(|recovery| self.has_newer_page(recovery));
        let Some(recovery) = &mut self.recovery else { return };
        (recovery.announced, recovery.words_at) = (true, None); // the document announces it
        if recovery.too_often {
            let trip = Trip { by_document: true, ..recovery.next_trip(None, 0) };
            return self.goes_to_queue(
                out,
                trip,
                out.now + out.config.queue_within,
                RequeueCause::ConferenceEnded,
            );
        }
        let worker = recovery.absence.agent.worker.clone();
        recovery.absence.back |= is_back;
        let within = if recovery.absence.back { out.config.rejoin_within } else { out.config.ping_ttl };
        let trip = Trip { by_document: true, ..recovery.next_trip(Some(worker), 0) };
        self.goes_to_queue(out, trip, out.now + within, RequeueCause::ConferenceEnded);
    }

    /// The agent is back while the customer waits in the queue already: gives the agent more time.
    pub(super) fn back_while_queued(&mut self, out: &mut Out<'_>) {
        let comes_back = |it: &Recovery| {
            let is_awaited = it.phase.trip().is_some_and(|trip| trip.is_stranded && trip.target.is_some());
            is_awaited && !it.absence.back && self.has_newer_page(it)
        };
        if !self.recovery.as_ref().is_some_and(comes_back) {
            return;
        }
        let Some(recovery) = &mut self.recovery else { return };
        recovery.absence.back = true;
        let deadline = recovery.absence.deadline.max(out.now + out.config.rejoin_within);
        self.note(out, Note::AgentBack);
        self.wait_until(out, Timer::Rejoin, deadline);
        self.push(out);
    }
}
