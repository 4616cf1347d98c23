//! Whether this page lives: questions of the server over the signalling of a call, and a push channel that stays cut.

use crate::agent::{Agent, Effect, ToDesktop};
use rejoin_protocol::{CallSid, Millis};

impl Agent {
    /// Answers over the same call, and by registering the call again: either way may be cut.
    pub(super) fn answer_question(
        &mut self,
        now: Millis,
        leg: &CallSid,
        question: String,
        out: &mut Vec<Effect>,
    ) {
        out.push(Effect::Desktop(ToDesktop::AnswerMessage { leg: leg.clone(), question }));
        if self.outbox.will_register(leg) {
            // The server can be reached, since it asks: the retry need not wait.
            return self.outbox.resume(out);
        }
        self.register_again(now, Some(leg), out);
    }

    /// Registers the calls again, or the call with this leg: that shows the server that the page lives.
    pub(super) fn register_again(&mut self, now: Millis, leg: Option<&CallSid>, out: &mut Vec<Effect>) {
        for reservation in self.calls.keys().cloned().collect::<Vec<_>>() {
            let Some(call) = self.calls.get_mut(&reservation).filter(|call| call.is_to_register()) else {
                continue;
            };
            let own = call.registered.as_ref().map(|legs| &legs.own);
            if own.is_some_and(|own| leg.is_none_or(|leg| leg == own) && !self.outbox.will_register(own)) {
                call.registered = None;
                self.register(now, &reservation, out);
            }
        }
    }
}
