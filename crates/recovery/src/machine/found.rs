//! Calls of which nobody has told, and that Twilio names when it is asked about another one.

use super::Machine;
use crate::call::Out;
use crate::{Call, Outcome};
use rejoin_protocol::ConferenceSid;

impl Machine {
    /// An agent has the customer of this recovery, or had him, in a conference that is not known: no server was there to be
    /// told, or what was told is lost. If that agent is lost, nobody else tells of it.
    pub(super) fn find_unseen(&mut self, out: &mut Out<'_>, old: &ConferenceSid, outcome: &Outcome) {
        let Outcome::Looked(seen) = outcome else { return };
        let Some(recovered) = self.calls.get(old).filter(|call| call.has_open_recovery()) else { return };
        let (customer, losses) = (recovered.customer.clone(), recovered.losses.clone());
        for found in &seen.reconnects {
            let Some(conference) = found.conference.clone().filter(|_| found.taker().is_some()) else {
                continue;
            };
            if self.calls.contains_key(&conference) {
                continue;
            }
            let (customer, losses) = (customer.clone(), losses.clone());
            let new = Call::new(conference.clone(), found.task.clone());
            self.calls.insert(conference.clone(), Call { customer, losses, heard_at: out.now, ..new });
            self.with(out, &conference, Call::found);
        }
    }
}
