//! Questions of the server over the signalling of a call: whether this page lives.

use crate::agent::call::Call;
use crate::agent::{Agent, Effect, ToDesktop};
use rejoin_protocol::{CallSid, Millis};

impl Agent {
    /// Answers over the same call, and by registering the call again: either way may be cut.
    pub(super) fn asked(&mut self, now: Millis, leg: &CallSid, question: String, out: &mut Vec<Effect>) {
        out.push(Effect::Desktop(ToDesktop::AnswerMessage { leg: leg.clone(), question }));
        if self.outbox.will_register(leg) {
            // Whoever asks can be reached: the retry need not wait.
            return self.outbox.resume(out);
        }
        let is_asked = |call: &Call| call.registered.as_ref().is_some_and(|legs| legs.own == *leg);
        let asked = self.calls.values_mut().find(|call| is_asked(call) && call.is_to_register());
        let Some(call) = asked else { return };
        call.registered = None;
        let reservation = call.facts.reservation.clone();
        self.register(now, &reservation, out);
    }
}
