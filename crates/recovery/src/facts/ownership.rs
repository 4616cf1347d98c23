//! Which worker each reservation belongs to. Statements of a page count only about its own worker's reservations, and only
//! Twilio names the owner.

use rejoin_protocol::api::Registration;
use rejoin_protocol::{Millis, ReservationSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Number of reservations that are remembered, of each kind: more than a call has.
pub(crate) const RESERVATIONS: usize = 100;

/// The owners of the reservations, as Twilio has named them. A named owner counts more than the answer that a reservation is
/// unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owners {
    /// `None`: Twilio does not know the reservation.
    of: BTreeMap<ReservationSid, Option<WorkerSid>>,
}

impl Owners {
    /// The worker of this reservation.
    pub fn of(&self, reservation: &ReservationSid) -> Option<&WorkerSid> {
        self.of.get(reservation)?.as_ref()
    }

    /// True if Twilio does not know this reservation.
    pub fn is_unowned(&self, reservation: &ReservationSid) -> bool {
        self.of.get(reservation) == Some(&None)
    }

    /// Records the owner that Twilio names for this reservation; `None`: Twilio does not know the reservation.
    pub(crate) fn record(&mut self, reservation: &ReservationSid, worker: Option<&WorkerSid>) {
        let is_full =
            || self.of.values().filter(|it| it.is_some() == worker.is_some()).count() >= RESERVATIONS;
        if self.of.contains_key(reservation) || !is_full() {
            let known = self.of.entry(reservation.clone()).or_default();
            *known = known.take().max(worker.cloned());
        }
    }
}

/// The workers that the reservations belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ownership {
    /// True once Twilio has confirmed that the conference belongs to the task. Until then the call is only a page's claim,
    /// and the machine takes no action.
    pub proven: bool,
    /// The owners, as Twilio has named them.
    pub owners: Owners,
    /// Reservations that a page named and whose owner is to be queried.
    pub sought: BTreeSet<ReservationSid>,
    /// Whether the query for owners is in flight.
    pub asking: Asking,
    /// Registrations that wait until the owner of their reservation is known and their leg was shown.
    pub registrations: Vec<PendingRegistration>,
    /// Reservations that the next page of an agent who never registered has found, with that agent.
    pub unclaimed: BTreeMap<ReservationSid, WorkerSid>,
}

impl Default for Ownership {
    fn default() -> Self {
        Self {
            proven: true,
            owners: Owners::default(),
            sought: BTreeSet::new(),
            asking: Asking::No,
            registrations: vec![],
            unclaimed: BTreeMap::new(),
        }
    }
}

/// Whether the query for the owners of reservations is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asking {
    /// No query is due or in flight.
    #[default]
    No,
    /// A query follows in a moment, unless a callback or an event names the owners before.
    Soon,
    /// The query is in flight.
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
    /// True once the page has said hello while the registration waited: the page lives.
    #[serde(default)]
    pub lives: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_and_repetition_of_what_twilio_says_do_not_matter(
            (said, shuffled) in prop::collection::vec((1..5_u128, prop::option::of(1..3_u128)), 1..12).prop_flat_map(|all| {
                let twice = [all.clone(), all.clone()].concat();
                (Just(all), Just(twice).prop_shuffle())
            })
        ) {
            let all = |said: &[(u128, Option<u128>)]| {
                let mut owners = Owners::default();
                for (reservation, worker) in said {
                    let worker = worker.map(WorkerSid::numbered);
                    owners.record(&ReservationSid::numbered(*reservation), worker.as_ref());
                }
                owners
            };
            prop_assert_eq!(all(&said), all(&shuffled));
        }
    }
}
