//! The page's phone: it rings, is answered, and is hung up on; and what Twilio learns from the browser.

use super::PageId;
use crate::coming::Coming;
use crate::flex::OnCall;
use crate::net::Way;
use crate::world::World;
use rejoin_protocol::CallSid;

impl World {
    /// Sends an event of this page's browser to Twilio.
    pub(crate) fn twilio_hears(&mut self, page: PageId, event: rejoin_twin::model::Event) {
        let mut chance = self.chance(Way::Phone, page);
        let after = Self::latency(&mut chance);
        // Events of one browser keep their order.
        let at = (self.now + after).max(self.pages[page].bridge_at);
        self.pages[page].bridge_at = at;
        self.put_at(at, Coming::Twilio(event));
    }

    /// A phone rings in this page, and Flex takes the call.
    pub(crate) fn invited(&mut self, page: PageId, leg: CallSid) {
        let Some(_) = self.arrives(page, Coming::Invite(page, leg.clone())) else { return };
        if self.is_busy(page, &leg) {
            return; // the call rings without an answer
        }
        let mut chance = self.chance(Way::Phone, page);
        let after = chance.between(40, 300);
        self.put(after, Coming::PickedUp(page, leg));
    }

    /// True when the phone has a call and this page has not asked for another one.
    fn is_busy(&self, page: PageId, leg: &CallSid) -> bool {
        self.pages[page].flex.call.is_some() && (self.pages[page].expects.is_none() || self.listens(leg))
    }

    /// True when this leg rings so that the agent can listen in. The leg of an accepted reservation rings without
    /// being asked for.
    fn listens(&self, leg: &CallSid) -> bool {
        self.twilio.model.leg(leg).is_some_and(|leg| leg.listens)
    }

    /// Media is up.
    pub(crate) fn picked_up(&mut self, page: PageId, leg: CallSid) {
        if !self.is_connected(page) || self.is_busy(page, &leg) || self.twilio.model.leg(&leg).is_none() {
            return;
        }
        // The phone has one call at a time: a supervisor who listened in leaves.
        self.hang_up(page);
        let listens = self.listens(&leg);
        let it = &mut self.pages[page];
        let reservation = if listens { None } else { it.expects.take() };
        it.flex.call = Some(OnCall { leg: leg.clone(), reservation, muted: false });
        self.twilio_hears(page, rejoin_twin::model::Event::Answered { call: leg });
        self.look(page);
    }

    /// The far end has hung up.
    pub(crate) fn far_hangup(&mut self, page: PageId, leg: &CallSid) {
        let Some(_) = self.arrives(page, Coming::FarHangup(page, leg.clone())) else { return };
        if self.pages[page].flex.call.as_ref().is_some_and(|call| call.leg == *leg) {
            self.pages[page].flex.call = None;
            self.look(page);
        }
    }
}
