//! A limit, which docs/simulation.md names with its reason: conferences that were made to end with a leg too late for
//! anybody to undo it.

use super::hears::LOOKS;
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

    /// Twilio calls back. `lost`: that never comes, and Twilio does not repeat it.
    pub(crate) fn flag_told(&mut self, params: &[(String, String)], lost: bool) {
        let get = |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if get("StatusCallbackEvent") != Some("participant-modify") {
            return;
        }
        let Some(conference) = get("ConferenceSid").and_then(|sid| ConferenceSid::parse(sid).ok()) else {
            return;
        };
        if get("EndConferenceOnExit") == Some("true") {
            // Of one that is not told of our server hears by looking.
            let within = if lost { LOOKS } else { UNDONE_WITHIN };
            self.rules.flagged.insert(conference, self.now + within);
        } else {
            self.rules.flagged.remove(&conference);
        }
    }

    /// Was this customer's conference made to end with a leg in the instant in which the leg went, or without our server being
    /// told, in an account without a document for him?
    pub(super) fn ended_too_soon(&self, number: usize) -> bool {
        let room = self.customers[number].room.as_ref();
        let until = room.and_then(|room| self.rules.flagged.get(room));
        !self.plan.setup.ended && until.is_some_and(|until| self.now < *until)
    }
}
