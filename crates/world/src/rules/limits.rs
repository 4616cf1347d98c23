//! A limit, which docs/simulation.md names with its reason: conferences that were made to end with a leg too late for
//! anybody to undo it.

use crate::world::World;
use rejoin_protocol::ConferenceSid;

/// Our server hears of it and asks Twilio for the contrary: two ways of a message, each of at most 0.4 s.
const UNDONE_WITHIN: u64 = 900;

impl World {
    /// The customer is in this conference now.
    pub(super) fn is_in(&mut self, number: usize, room: Option<&ConferenceSid>) {
        let customer = &mut self.customers[number];
        if customer.room.as_ref() != room && room.is_some() {
            customer.room = room.cloned();
        }
    }

    /// Twilio calls back.
    pub(crate) fn flag_told(&mut self, params: &[(String, String)]) {
        let get = |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let flag = get("StatusCallbackEvent") == Some("participant-modify")
            && get("EndConferenceOnExit") == Some("true");
        let conference = get("ConferenceSid").filter(|_| flag).and_then(|sid| ConferenceSid::parse(sid).ok());
        if let Some(conference) = conference {
            self.rules.flagged.insert(conference, self.now);
        }
    }

    /// Was this customer's conference made to end with a leg in the instant in which the leg went, in an account without a
    /// document for him?
    pub(super) fn ended_too_soon(&self, number: usize) -> bool {
        let room = self.customers[number].room.as_ref();
        let at = room.and_then(|room| self.rules.flagged.get(room));
        !self.plan.setup.ended && at.is_some_and(|at| self.now < at + UNDONE_WITHIN)
    }
}
