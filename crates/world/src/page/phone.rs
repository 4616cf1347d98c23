//! The page's phone: it rings, is picked up, and is hung up on; and what Twilio hears of the browser.

use super::PageId;
use crate::coming::Coming;
use crate::flex::OnCall;
use crate::net::Way;
use crate::world::World;
use rejoin_protocol::CallSid;

impl World {
    /// Something that Twilio hears of this page's browser.
    pub(crate) fn twilio_hears(&mut self, page: PageId, event: rejoin_twin::model::Event) {
        let mut chance = self.chance(Way::Phone, page);
        let after = Self::latency(&mut chance);
        // What a browser says of one leg keeps its order.
        let at = (self.now + after).max(self.pages[page].bridge_at);
        self.pages[page].bridge_at = at;
        self.put_at(at, Coming::Twilio(event));
    }

    /// A phone rings for this page: Flex takes it.
    pub(crate) fn invited(&mut self, page: PageId, leg: CallSid) {
        let Some(_) = self.arrives(page, Coming::Invite(page, leg.clone())) else { return };
        if self.is_busy(page, &leg) {
            return; // it rings in vain
        }
        let mut chance = self.chance(Way::Phone, page);
        let after = chance.between(40, 300);
        self.put(after, Coming::PickedUp(page, leg));
    }

    /// A phone that has a call takes another one only when its page has asked for it.
    fn is_busy(&self, page: PageId, leg: &CallSid) -> bool {
        self.pages[page].flex.call.is_some() && (self.pages[page].expects.is_none() || self.listens(leg))
    }

    /// Does it ring that she may listen in? A reservation that the page has accepted rings by itself.
    fn listens(&self, leg: &CallSid) -> bool {
        self.twilio.model.leg(leg).is_some_and(|leg| leg.listens)
    }

    /// Media is up.
    pub(crate) fn picked_up(&mut self, page: PageId, leg: CallSid) {
        if !self.is_connected(page) || self.is_busy(page, &leg) || self.twilio.model.leg(&leg).is_none() {
            return;
        }
        // One call at a time: who listened in leaves.
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
