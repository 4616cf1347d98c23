//! A call that was restored from a backup of the database.

use super::{Machine, Out};
use crate::{Outcome, PollAnswer};
use rejoin_protocol::ConferenceSid;

impl Machine {
    /// Corrects what the call believes of its own requests, then handles Twilio's answer as that of any poll.
    pub(super) fn restored(&mut self, out: &mut Out<'_>, conference: &ConferenceSid, seen: PollAnswer) {
        if self.is_refused(conference) {
            return;
        }
        let Some(call) = self.calls.get_mut(conference) else { return };
        out.config = out.policies.of(call.facts.origin.came_by(), call.facts.origin.queue.as_ref());
        call.restored(out, &seen);
        let outcome = Outcome::Polled(Box::new(seen));
        self.discover_calls(out, conference, &outcome);
        let Outcome::Polled(seen) = outcome else { return };
        self.with(out, conference, |call, out| call.polled(out, &seen));
    }
}
