//! Graceful marks: statements of a page that its agent leaves on purpose.

use crate::EarlyMark;
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{Millis, ReservationSid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The graceful marks of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    given: BTreeMap<ReservationSid, Mark>,
    /// Marks for reservations whose worker is not known yet.
    pub unattributed: Vec<EarlyMark>,
}

/// One agent's graceful mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How the agent leaves.
    pub reason: GracefulReason,
    /// When the page said so (point in time).
    pub said_at: Millis,
    /// Only the task's attributes carry the mark, and no page has sent it. Twilio has to confirm such a mark before a
    /// conference is ended for it.
    #[serde(default)]
    pub is_only_in_task: bool,
    /// The agent completes the task while they seem to be on the call, soon after marking a transfer. If their leg hangs up,
    /// no transfer has taken it.
    #[serde(default)]
    pub completes: bool,
    /// The agent has completed the task on the call, as far as is known, after a transfer that was refused.
    #[serde(default)]
    pub has_completed: bool,
}

/// True for a reason by which the agent hands the customer over to somebody else.
pub(crate) fn is_transfer(reason: GracefulReason) -> bool {
    matches!(reason, GracefulReason::ColdTransfer | GracefulReason::WarmTransfer)
}

impl Marks {
    /// The marks of a stored call.
    pub(crate) fn stored(given: BTreeMap<ReservationSid, Mark>, unattributed: Vec<EarlyMark>) -> Self {
        Self { given, unattributed }
    }

    /// The mark of this reservation.
    pub fn get(&self, of: &ReservationSid) -> Option<&Mark> {
        self.given.get(of)
    }

    /// All marks, by reservation.
    pub fn iter(&self) -> impl Iterator<Item = (&ReservationSid, &Mark)> + Clone {
        self.given.iter()
    }

    /// True if the agent of this reservation has said that they leave.
    pub fn is_given(&self, of: &ReservationSid) -> bool {
        self.given.contains_key(of)
    }

    /// True if no agent has said that they leave.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Number of marks.
    pub fn len(&self) -> usize {
        self.given.len()
    }

    /// How the agent of this reservation leaves.
    pub fn reason(&self, of: &ReservationSid) -> Option<GracefulReason> {
        self.get(of).map(|mark| mark.reason)
    }

    /// When the agent of this reservation said that they leave (point in time).
    pub fn said_at(&self, of: &ReservationSid) -> Option<Millis> {
        self.get(of).map(|mark| mark.said_at)
    }

    /// True if the agent of this reservation has said that they hand the customer over.
    pub fn is_transfer(&self, of: &ReservationSid) -> bool {
        self.reason(of).is_some_and(is_transfer)
    }

    /// True if only the task's attributes carry the mark of this reservation.
    pub fn is_only_in_task(&self, of: &ReservationSid) -> bool {
        self.get(of).is_some_and(|mark| mark.is_only_in_task)
    }

    /// True if the agent of this reservation completes the task while they seem to be on the call.
    pub fn completes(&self, of: &ReservationSid) -> bool {
        self.get(of).is_some_and(|mark| mark.completes)
    }

    /// True if the agent of this reservation has completed the task on the call.
    pub fn has_completed(&self, of: &ReservationSid) -> bool {
        self.get(of).is_some_and(|mark| mark.has_completed)
    }
}

/// The only writers of marks.
impl Marks {
    /// A mark was sent, or read in the task. An agent who completes the task has left before, in a way that says more: that
    /// reason stays.
    pub(crate) fn give(&mut self, of: &ReservationSid, reason: GracefulReason, at: Millis) -> &mut Mark {
        let new =
            || Mark { reason, said_at: at, is_only_in_task: false, completes: false, has_completed: false };
        let mark = self.given.entry(of.clone()).or_insert_with(new);
        if reason != GracefulReason::Complete {
            mark.reason = reason;
        }
        mark.said_at = at;
        mark
    }

    /// The agent of this reservation hung up, whatever their page said. Said at this point in time, if the page said nothing.
    pub(crate) fn leaves_by_hang_up(&mut self, of: &ReservationSid, now: Millis) {
        let at = self.said_at(of).unwrap_or(now);
        self.give(of, GracefulReason::HangUp, at);
    }

    /// The mark of this reservation, to add to what it says.
    pub(crate) fn get_mut(&mut self, of: &ReservationSid) -> Option<&mut Mark> {
        self.given.get_mut(of)
    }

    /// Twilio has confirmed the marks that only the task carries.
    pub(crate) fn confirm(&mut self) {
        self.given.values_mut().for_each(|mark| mark.is_only_in_task = false);
    }

    /// The mark of this reservation counts no longer: the agent has stayed.
    pub(crate) fn withdraw(&mut self, of: &ReservationSid) {
        self.given.remove(of);
    }
}
