//! Whether the agent's calls are protected: the server knows of them and can be heard. If it is not so for too long, the
//! agent is told, without being held up.

use crate::agent::call::Call;
use crate::agent::{Agent, Complaint, Effect, Timer, ToDesktop};
use rejoin_protocol::Millis;

impl Call {
    fn is_open(&self) -> bool {
        self.facts.live_call && self.is_accepted() && !self.leaving
    }

    /// Would it come back to the agent if the page went away now?
    pub(super) fn is_protected(&self) -> bool {
        self.is_open() && self.known && !self.unwatched
    }
}

impl Agent {
    /// An open call that is not protected. Where another page acts, that one knows more.
    fn exposed(&self) -> impl Iterator<Item = &Call> {
        let acts = !self.waits;
        let heard = self.push == Some(true);
        self.calls.values().filter(move |call| acts && call.is_open() && !(heard && call.is_protected()))
    }

    /// Does what follows from all that is known by now.
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

    /// It has been so for too long.
    pub(super) fn exposed_for_long(&mut self, out: &mut Vec<Effect>) {
        if self.exposed_since.is_none() {
            return;
        }
        self.tell_unprotected(true, out);
        // Of calls that somebody else watches the developer has been told when they began.
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
