//! The page's phone: it rings, is answered, and is hung up on; and what Twilio learns from the browser.

use super::{Page, PageId};
use crate::coming::Coming;
use crate::flex::OnCall;
use crate::net::Way;
use crate::plan::FaultKind;
use crate::world::World;
use rejoin_plugin::agent::{Event, FromDesktop};
use rejoin_protocol::CallSid;
use rejoin_protocol::call_message::{ANSWERS, ASKS};

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

    /// Twilio sends a call message to the client of this leg. A client without signalling does not get it.
    pub(crate) fn message_sent(&mut self, leg: CallSid, content: String) {
        let has_call = |it: &Page| it.flex.call.as_ref().is_some_and(|call| call.leg == leg);
        let Some(page) = self.pages.iter().position(has_call) else { return };
        let mut chance = self.chance(Way::Phone, 300_000 + page);
        let after = Self::latency(&mut chance);
        // A network that cuts push channels cuts the signalling, too.
        if !self.goes_wrong(&mut chance, FaultKind::PushCut) {
            self.put(after, Coming::CallMessage(page, leg, content));
        }
    }

    /// A call message arrives at the page.
    pub(crate) fn call_message(&mut self, page: PageId, leg: CallSid, content: &str) {
        let is_here = self.pages[page].flex.call.as_ref().is_some_and(|call| call.leg == leg);
        let content: serde_json::Value = serde_json::from_str(content).unwrap_or_default();
        let question = content.get(ASKS).and_then(serde_json::Value::as_str);
        if let Some(question) = question.filter(|_| is_here && self.is_connected(page)) {
            let question = question.to_owned();
            self.handle(page, Event::Desktop(FromDesktop::Asked { leg, question }));
            self.look(page);
        }
    }

    /// The page sends a call message.
    pub(crate) fn answers_message(&mut self, page: PageId, leg: CallSid, question: &str) {
        let is_here = self.pages[page].flex.call.as_ref().is_some_and(|call| call.leg == leg);
        if is_here {
            let content = serde_json::json!({ ANSWERS: question }).to_string();
            let sid = format!("KX{:032x}", self.now);
            self.twilio_hears(page, rejoin_twin::model::Event::Message { call: leg, content, sid });
        }
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
