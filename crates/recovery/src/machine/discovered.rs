//! Calls of which nobody has told, and that Twilio names when it is asked about another one.

use super::Machine;
use crate::call::Out;
use crate::{Call, Outcome};
use rejoin_protocol::ConferenceSid;

impl Machine {
    /// An agent has, or had, the customer of this recovery in a conference that is not known: no server ran when its
    /// callbacks came, or they were lost. If that agent is lost, nothing else tells of it.
    pub(super) fn discover_calls(&mut self, out: &mut Out<'_>, old: &ConferenceSid, outcome: &Outcome) {
        let Outcome::Polled(seen) = outcome else { return };
        let Some(recovered) = self.calls.get(old).filter(|call| call.has_open_recovery()) else { return };
        let (customer, losses, released) = (
            recovered.facts.roster.customer.clone(),
            recovered.inherited.losses.clone(),
            recovered.stranding.decide_by,
        );
        let trip = recovered.recovery.as_ref().and_then(|recovery| recovery.phase.trip());
        let recovered_for = trip.map(|trip| trip.target.clone());
        for found in &seen.reconnects {
            // Who waits for what comes next may have been left by the one agent, too, and so may one who is on the line and
            // waits for another one by now. One who waits for that very agent is sent on.
            let waits_for_other = seen.on_line == Some(true) && recovered_for.as_ref() != Some(&found.target);
            let is_left = released.is_some() || waits_for_other;
            let taken = found.taker().is_some() || (is_left && found.state.was_taken());
            let Some(conference) = found.conference.clone().filter(|_| taken) else { continue };
            // One of which too little was told counts as not known.
            let known = self.calls.get(&conference);
            if known.is_some_and(|call| {
                call.facts.roster.customer.is_some() || released.is_none() || !call.facts.ownership.proven
            }) {
                continue;
            }
            let (customer, losses) = (customer.clone(), losses.clone());
            let new = || Call::new(conference.clone(), found.task.clone());
            let mut call = known.cloned().unwrap_or_else(new);
            call.facts.roster.customer = customer;
            call.inherited.losses = losses;
            call.stranding.decide_by = released;
            call.poll.heard_at = out.now;
            self.calls.insert(conference.clone(), call);
            self.with(out, &conference, Call::look_up_discovered);
        }
    }
}
