//! Which worker each reservation belongs to. A page is not believed about a call that its worker has no part in, and only
//! Twilio says who has.

use rejoin_protocol::api::Registration;
use rejoin_protocol::{Millis, ReservationSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Number of reservations that are remembered: more than a call has.
pub(crate) const RESERVATIONS: usize = 100;

/// The workers that the reservations belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ownership {
    /// True once Twilio has said that the conference is the task's. Until then the call is only what a page claims, and
    /// nothing is done about it.
    pub proven: bool,
    /// The workers, as Twilio has said.
    pub owners: BTreeMap<ReservationSid, WorkerSid>,
    /// Reservations that Twilio does not know.
    pub unowned: BTreeSet<ReservationSid>,
    /// Reservations that a page speaks for and whose worker is to be asked for.
    pub sought: BTreeSet<ReservationSid>,
    /// Whether Twilio is being asked.
    pub asking: Asking,
    /// Registrations that wait until the worker of their reservation is known and their leg was shown.
    pub registrations: Vec<PendingRegistration>,
    /// Reservations that the next page of an agent who never registered has found, and that agent.
    pub unclaimed: BTreeMap<ReservationSid, WorkerSid>,
}

impl Default for Ownership {
    fn default() -> Self {
        Self {
            proven: true,
            owners: BTreeMap::new(),
            unowned: BTreeSet::new(),
            sought: BTreeSet::new(),
            asking: Asking::No,
            registrations: vec![],
            unclaimed: BTreeMap::new(),
        }
    }
}

/// Whether Twilio is being asked which workers the reservations belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asking {
    /// No.
    #[default]
    No,
    /// In a moment, unless a callback or an event says it before.
    Soon,
    /// Yes.
    Asked,
}

/// A registration that counts as soon as its reservation's worker is known and its leg was shown. The page repeats it, but
/// may be gone before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRegistration {
    /// The worker whose page registered.
    pub worker: WorkerSid,
    /// What the page sent.
    pub registration: Registration,
    /// Since when it waits (point in time).
    pub at: Millis,
    /// True once the page has said hello while the registration waited: the page lives on.
    #[serde(default)]
    pub lives: bool,
}
