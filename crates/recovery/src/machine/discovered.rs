//! Calls without any report that Twilio names in the answer to a poll of the customer's earlier call.

use super::Machine;
use crate::call::Out;
use crate::{Call, Outcome, PollAnswer, Reconnect};
use rejoin_protocol::{ConferenceSid, Millis};

impl Machine {
    /// An agent has, or had, the customer of this recovery in a conference that is not known: no server ran when its
    /// callbacks came, or they were lost. If that agent is lost, nothing else reports it.
    pub(super) fn discover_calls(&mut self, out: &mut Out<'_>, old: &ConferenceSid, outcome: &Outcome) {
        let Outcome::Polled(answer) = outcome else { return };
        let Some(recovered) = self.calls.get(old).filter(|call| call.has_open_recovery()).cloned() else {
            return;
        };
        for found in answer.reconnects.iter().filter(|found| was_taken(&recovered, answer, found)) {
            self.discover(out, &recovered, found);
        }
    }

    /// The customer of this call is, or was, in the conference of this task, which may be unknown.
    pub(super) fn discover(&mut self, out: &mut Out<'_>, recovered: &Call, found: &Reconnect) {
        let stranded = recovered.stranding.decide_by;
        let Some(conference) = found.conference.clone() else { return };
        if self.calls.get(&conference).is_some_and(|known| !is_to_be_looked_up(known, stranded)) {
            return;
        }
        let new = || Call::new(conference.clone(), found.task.clone());
        let call = self.calls.entry(conference.clone()).or_insert_with(new);
        call.facts.roster.customer = recovered.facts.roster.customer.clone();
        call.inherited.losses = recovered.inherited.losses.clone();
        call.stranding.decide_by = stranded;
        call.poll.heard_at = out.now;
        self.with(out, &conference, Call::look_up_discovered);
    }
}

/// True if an agent has the customer of this call by this task, or had them and may have been lost: the customer is
/// stranded, or is on the line and waits for another agent. A customer who waits for that same agent is requeued instead.
fn was_taken(recovered: &Call, answer: &PollAnswer, found: &Reconnect) -> bool {
    let target = recovered.recovery.as_ref().and_then(|recovery| recovery.phase.target());
    let waits_for_other = answer.on_line == Some(true) && target != Some(found.target.as_ref());
    let may_be_left = recovered.stranding.decide_by.is_some() || waits_for_other;
    found.taker().is_some() || (may_be_left && found.state.was_taken())
}

/// True if so little is known of this call that it is looked up for a stranded customer.
fn is_to_be_looked_up(known: &Call, stranded: Option<Millis>) -> bool {
    known.facts.roster.customer.is_none() && stranded.is_some() && known.facts.ownership.proven
}
