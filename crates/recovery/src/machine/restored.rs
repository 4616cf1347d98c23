//! A call that was restored from a backup of the database.

use super::{Machine, Out};
use crate::PollAnswer;
use rejoin_protocol::ConferenceSid;

impl Machine {
    /// Corrects what the call believes of its own requests, then handles Twilio's answer as that of any poll. An agent who took
    /// the customer since the backup may have been lost, too: their call is looked up.
    pub(super) fn restored(&mut self, out: &mut Out<'_>, conference: &ConferenceSid, seen: &PollAnswer) {
        if self.is_refused(conference) {
            return;
        }
        let Some(call) = self.calls.get_mut(conference) else { return };
        out.config =
            out.policies.of(call.facts.origin.workflow_for_durations(), call.facts.origin.queue.as_ref());
        call.restored(out, seen);
        let call = call.clone();
        for taken in seen.reconnects.iter().filter(|task| task.state.was_taken()) {
            self.discover(out, &call, taken);
        }
        self.with(out, conference, |call, out| {
            call.polled(out, seen);
            call.was_sent_on(seen);
        });
    }
}
