//! Graceful marks: statements of a page that its agent leaves on purpose.

use crate::EarlyMark;
use rejoin_protocol::api::GracefulReason;
use rejoin_protocol::{Millis, ReservationSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The graceful marks of a call, by reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// How the agent leaves.
    pub reasons: BTreeMap<ReservationSid, GracefulReason>,
    /// When the page said so (points in time).
    pub said_at: BTreeMap<ReservationSid, Millis>,
    /// Marks that only the task's attributes carry, and no page has sent. Twilio has to confirm such a mark before a
    /// conference is ended for it.
    pub only_in_task: BTreeSet<ReservationSid>,
    /// Agents who completed the task on the call, as far as is known, after a transfer that was refused.
    pub completed: BTreeSet<ReservationSid>,
    /// Agents who complete the task while they seem to be on the call, soon after marking a transfer. If such a leg hangs
    /// up, no transfer has taken it.
    pub completing: BTreeSet<ReservationSid>,
    /// Marks for reservations whose worker is not known yet.
    pub unattributed: Vec<EarlyMark>,
}
