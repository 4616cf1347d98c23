//! A call that was restored from a backup of the database. It is as it was when the backup was made: an earlier server may have
//! sent the customer on since, and an agent may have them. They are left where they are.

use super::{Call, HoldStage, Out, Stranding};
use crate::absence::{Ending, Phase};
use crate::facts::Agent;
use crate::{Action, Note, PollAnswer, Reconnect, ReconnectState, Timer};
use rejoin_protocol::{RecoveryId, WorkerSid};

/// The text for the timeline.
const TEXT: &str = "the database was restored from a backup, and the customer had been sent on since: they are left where they are";

impl Call {
    /// The poll whose answer belongs to [`Event::Restored`](crate::Event::Restored). It also asks where a recovery may have sent
    /// the customer since the backup: one that was open then, or that of the agent who was on the call.
    pub fn poll_after_restore(&self) -> Action {
        let open = self.recovery.as_ref().filter(|recovery| recovery.is_open());
        let since = || self.diagnosis().leg_on_call().map(|(leg, _)| RecoveryId::of(leg));
        Action::PollConference {
            conference: self.conference.clone(),
            customer: self.facts.roster.customer.clone(),
            queued: open.map(|recovery| recovery.absence.id.clone()).or_else(since),
            handed_over: None,
        }
    }

    /// Takes over from Twilio's answer what was done since the backup. The answer then counts as that of a poll.
    pub(crate) fn restored(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        self.poll.since = Some(out.now);
        self.poll.heard_at = self.poll.heard_at.min(out.now);
        let Some(customer) = &self.facts.roster.customer else { return };
        if let Some(flags) = seen.participants.get(customer) {
            let has_agent = self.facts.roster.agents.keys().any(|leg| seen.participants.contains_key(leg));
            let is_held_since = flags.hold && !self.facts.roster.flags(customer).hold;
            if is_held_since && !has_agent && self.our_hold.is_none() {
                self.our_hold = Some(HoldStage::On.into()); // by an earlier server
            }
            return;
        }
        if seen.on_line != Some(true) {
            return;
        }
        // Twilio fetches our action URL again if the customer has no conference.
        self.stranding = Stranding::default();
        if self.has_open_recovery() {
            self.follow_customer(out, seen);
        }
    }

    /// After the answer: a customer who was taken to another conference, or to the queue, was moved, whenever Twilio fetches our
    /// action URL for them later.
    pub(crate) fn was_sent_on(&mut self, seen: &PollAnswer) {
        if seen.reconnects.iter().any(|task| task.state != ReconnectState::Over) {
            self.facts.roster.move_inferred_at = None;
        }
    }

    /// The customer of an open recovery is on the line, and not in the conference.
    fn follow_customer(&mut self, out: &mut Out<'_>, seen: &PollAnswer) {
        let in_state = |is: fn(&ReconnectState) -> bool| seen.reconnects.iter().find(|it| is(&it.state));
        if let Some(taken) = in_state(|it| matches!(it, ReconnectState::Taken { .. })) {
            self.follow_into_queue(out, taken.target.as_ref()); // the poll's answer names the agent
        } else if let Some(waits) = in_state(|it| *it == ReconnectState::Waits) {
            self.follow_into_queue(out, waits.target.as_ref());
        } else if let Some(Reconnect {
            task,
            state: ReconnectState::Left { worker, name, reservation },
            ..
        }) = in_state(|it| matches!(it, ReconnectState::Left { .. }))
        {
            let agent = Agent::new(worker.clone(), name.clone(), reservation.clone());
            self.connected_elsewhere(out, &agent, task);
        } else if self.recovery.as_ref().is_some_and(|it| it.phase == Phase::Stranded) {
            self.set_timer(out, Timer::Ping, out.now + out.config.released_within);
        } else {
            self.note(out, Note::Trouble { text: TEXT.into() });
            // The agent is told nothing: the customer may be with them.
            self.end_recovery(out, &Ending::Graceful);
        }
    }

    /// An earlier server has sent the customer to the queue for this agent; `None`: for any.
    fn follow_into_queue(&mut self, out: &mut Out<'_>, target: Option<&WorkerSid>) {
        let within = if target.is_some() { out.config.rejoin_within } else { out.config.queue_within };
        self.in_queue_unasked(out, target, within);
    }
}
