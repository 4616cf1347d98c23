//! An agent who is back shortly after the customer was sent to the queue for any agent, because the wait was over. It is noted for the
//! administrator, who may let the wait last longer, and changes nothing for the call.

use super::{Call, Out};
use crate::Note;
use rejoin_protocol::{Millis, WorkerSid};

/// How long after the customer was sent on an agent who is back is noted. Nobody would let the wait last so much longer for one who is
/// back later.
pub const BACK_LATE_WITHIN: Millis = Millis::seconds(30);

impl Call {
    /// A page of this worker is there. An older page than that of the lost leg says nothing about the lost agent.
    pub(super) fn note_back_by_page(&mut self, out: &mut Out<'_>, worker: &WorkerSid, epoch: u64) {
        let is_of_lost = self.recovery.as_ref().is_some_and(|recovery| {
            let known = self.facts.roster.agent(&recovery.absence.lost_leg);
            let lost = known.unwrap_or(&recovery.absence.agent);
            lost.worker == *worker && Some(epoch) >= lost.epoch
        });
        if is_of_lost {
            self.note_back_late(out);
        }
    }

    /// The lost agent is back, whatever shows it. Notes it once, if the customer was sent on shortly before.
    pub(super) fn note_back_late(&mut self, out: &mut Out<'_>) {
        let not_back = self.recovery.as_mut().and_then(|recovery| recovery.not_back.as_mut());
        let Some(not_back) = not_back.filter(|it| !it.is_back_noted) else { return };
        let after = not_back.at.until(out.now);
        if after <= BACK_LATE_WITHIN {
            not_back.is_back_noted = true;
            self.note(out, Note::AgentBackLate { after });
        }
    }
}
