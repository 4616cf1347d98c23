//! Which worker each reservation belongs to. A page is not believed about a call that its worker has no part in, and only
//! Twilio says who has.

use rejoin_protocol::api::Registration;
use rejoin_protocol::{Millis, ReservationSid, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Number of reservations that are remembered, of each kind: more than a call has.
pub(crate) const RESERVATIONS: usize = 100;

/// What Twilio has said about whose the reservations are. That a reservation has a worker counts more than that it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owners {
    /// `None`: Twilio does not know the reservation.
    of: BTreeMap<ReservationSid, Option<WorkerSid>>,
}

impl Owners {
    /// The owners of a stored call.
    pub(crate) fn stored(
        owners: BTreeMap<ReservationSid, WorkerSid>,
        unowned: BTreeSet<ReservationSid>,
    ) -> Self {
        let unowned = unowned.into_iter().map(|of| (of, None));
        Self { of: unowned.chain(owners.into_iter().map(|(of, worker)| (of, Some(worker)))).collect() }
    }

    /// The worker of this reservation.
    pub fn of(&self, reservation: &ReservationSid) -> Option<&WorkerSid> {
        self.of.get(reservation)?.as_ref()
    }

    /// True if Twilio does not know this reservation.
    pub fn is_unowned(&self, reservation: &ReservationSid) -> bool {
        self.of.get(reservation) == Some(&None)
    }

    /// Twilio says whose this reservation is, or that it does not know it.
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
    /// True once Twilio has said that the conference is the task's. Until then the call is only what a page claims, and
    /// nothing is done about it.
    pub proven: bool,
    /// The workers, as Twilio has said.
    pub owners: Owners,
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
            owners: Owners::default(),
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
