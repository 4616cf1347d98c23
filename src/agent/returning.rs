//! A page that the browser shows again from its back/forward cache (<https://web.dev/articles/bfcache>): it was
//! frozen, and others have acted meanwhile.
//!
//! Voice SDK 2.11.1 destroys Flex's phone whenever a page is hidden, 2.18.5 only when a call was on it. Only a new
//! page has a phone then. Without a call in need of one the page is left as it is: it may contain work in other
//! channels.

use crate::agent::recovery::Recovery;
use crate::agent::{Agent, Effect};
use rejoin_protocol::Millis;

impl Agent {
    /// The page is shown again: it becomes the newest page of its agent, as if it had just been loaded. A page that
    /// waits for another page's lock goes on waiting.
    pub(super) fn restored(&mut self, now: Millis, epoch: u64, phone_gone: bool, out: &mut Vec<Effect>) {
        self.gone = false;
        self.phone_gone = phone_gone;
        if self.may_ask() && !self.needs_phone() {
            self.forget_sent(out);
            self.act_as(now, epoch, out);
        }
    }

    /// Reloads the page, once, when a call waits for a phone that is gone.
    pub(super) fn settle_phone(&mut self, out: &mut Vec<Effect>) {
        if self.needs_phone() {
            self.phone_gone = false;
            self.config.leave_prompt = false; // it is not the agent who leaves
            self.settle_prompt(out);
            out.push(Effect::Reload);
        }
    }

    fn needs_phone(&self) -> bool {
        let call = || self.calls.values().any(|it| it.is_accepted() && (it.had_call || it.is_orphan()));
        self.phone_gone && !self.waits && (call() || self.recoveries.values().any(Recovery::blocks))
    }
}
