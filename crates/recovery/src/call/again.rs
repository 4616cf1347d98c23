//! An agent who is lost again and again: after a few times the customer is better off with another one.

use super::{Call, Ending, Out};
use rejoin_protocol::Millis;
use std::collections::BTreeSet;

impl Call {
    /// How often the customer has been lost lately, this time included: the recovery's generation.
    pub(super) fn count_loss(&mut self, out: &Out<'_>) -> u32 {
        let lately = |at: &Millis| *at + out.config.again_within > out.now;
        self.inherited.losses.retain(lately);
        self.inherited.losses.insert(out.now);
        u32::try_from(self.inherited.losses.len()).unwrap_or(u32::MAX)
    }

    /// The number of losses lately, if the loss at this point in time is one of them; else 0.
    pub(super) fn counted_losses(&self, at: Millis) -> u32 {
        let losses = &self.inherited.losses;
        if losses.contains(&at) { u32::try_from(losses.len()).unwrap_or(u32::MAX) } else { 0 }
    }

    /// A loss that was none.
    pub(super) fn discount_loss(&mut self, at: Millis, ending: &Ending) {
        if matches!(ending, Ending::Graceful | Ending::Covered) {
            self.inherited.losses.remove(&at);
        }
    }

    /// The customer comes from another conference: what happened there counts here, too.
    pub(crate) fn inherit(&mut self, losses: &BTreeSet<Millis>) {
        self.inherited.losses.extend(losses);
    }

    /// Has the agent been lost so often that somebody else is to have the customer?
    pub(super) fn is_lost_too_often(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.too_often)
    }
}
