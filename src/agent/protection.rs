//! Whether the agent's calls are protected: the server knows them, and the push channel is up. If they are unprotected for too long, the
//! agent gets a notice, which does not block. `Rejoin.status().protectedCalls` counts those that the server knows: they come back also
//! while the channel is down.

use crate::agent::call::Call;
use crate::agent::{Agent, Complaint, Effect, Timer, ToDesktop};
use rejoin_protocol::Millis;

impl Call {
    fn is_open(&self) -> bool {
        self.facts.live_call && self.is_accepted() && !self.leaving
    }

    /// True when the call would come back to the agent if the page went away now.
    pub(super) fn is_known_to_server(&self) -> bool {
        self.is_open() && self.known && !self.unwatched
    }
}

impl Agent {
    /// Open calls that are not protected. Where another page acts, that one knows more.
    fn exposed(&self) -> impl Iterator<Item = &Call> {
        let acts = !self.waits;
        let heard = self.push == Some(true);
        self.calls
            .values()
            .filter(move |call| acts && call.is_open() && !(heard && call.is_known_to_server()))
    }

    /// Applies what follows from the current state.
    pub(super) fn settle_protection(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let exposed = self.exposed().next().is_some();
        if exposed && self.exposed_since.is_none() {
            self.exposed_since = Some(now);
            let at = now + self.config.unprotected_after;
            out.push(Effect::SetTimer { timer: Timer::Exposed, at });
        }
        if !exposed && self.exposed_since.take().is_some() {
            out.push(Effect::ClearTimer { timer: Timer::Exposed });
            self.tell_unprotected(false, out);
        }
    }

    /// A call has been unprotected for too long.
    pub(super) fn exposed_for_long(&mut self, out: &mut Vec<Effect>) {
        if self.exposed_since.is_none() {
            return;
        }
        self.tell_unprotected(true, out);
        // Calls that somebody else watches were reported to the developer when they began.
        if self.exposed().any(|call| !call.unwatched) {
            self.complain(Complaint::Unprotected, out);
        }
    }

    fn tell_unprotected(&mut self, unprotected: bool, out: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.unprotected, unprotected) != unprotected {
            out.push(Effect::Desktop(ToDesktop::TellUnprotected { unprotected }));
        }
    }
}
