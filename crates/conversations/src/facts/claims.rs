//! Where pages say that the conversation is. A page may lie or be mistaken, so nothing counts that Twilio has not confirmed.

use super::channel::Place;
use super::join::{Earliest, Join, Latest};
use rejoin_protocol::{Millis, WorkerSid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Minimum pause between two requests to Twilio about claims of one conversation, by any number of workers.
const ASKED_APART: Millis = Millis::seconds(5);
/// A place that Twilio did not confirm is asked about again after this time: the agent may just have joined.
const ASKED_AGAIN_AFTER: Millis = Millis::seconds(30);
/// A claim that Twilio has not confirmed for this long is not asked about any more, until a page makes it anew.
const ASKED_FOR: Millis = Millis::seconds(120);

/// The claimed places, and what Twilio said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// The last claim of each worker, so that nobody pushes out another one's.
    by_worker: BTreeMap<WorkerSid, Latest<(Millis, Place)>>,
    /// When Twilio did not confirm a place last (point in time), by the place's key.
    unconfirmed: BTreeMap<String, Latest<Millis>>,
    /// The places that Twilio does not know, which is for good.
    unknown: BTreeSet<String>,
    /// The place that Twilio has confirmed. A conversation never moves, so the first one stays.
    confirmed: Option<Earliest<(Millis, Place)>>,
}

impl Claims {
    /// A worker's page names this place.
    pub(crate) fn made(at: Millis, worker: WorkerSid, place: Place) -> Self {
        Self { by_worker: [(worker, Latest((at, place)))].into(), ..Self::default() }
    }

    /// Twilio says that the conversation is there.
    pub(crate) fn confirmed(at: Millis, place: Place) -> Self {
        Self { confirmed: Some(Earliest((at, place))), ..Self::default() }
    }

    /// Twilio does not say that the conversation is there.
    pub(crate) fn unconfirmed(at: Millis, place: &Place) -> Self {
        Self { unconfirmed: [(key(place), Latest(at))].into(), ..Self::default() }
    }

    /// Twilio knows no such channel.
    pub(crate) fn unknown(at: Millis, place: &Place) -> Self {
        Self { unknown: [key(place)].into(), ..Self::unconfirmed(at, place) }
    }

    /// The place that Twilio has confirmed.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.confirmed.as_ref().map(|confirmed| &confirmed.0.1)
    }

    /// The place that Twilio is to be asked about next, and when (point in time).
    pub(crate) fn next(&self) -> Option<(Millis, &Place)> {
        if self.confirmed.is_some() {
            return None;
        }
        let last = self.unconfirmed.values().max().map(|at| at.0 + ASKED_APART);
        let claims = self.by_worker.values().map(|claim| &claim.0);
        let due = claims.filter(|(_, place)| !self.unknown.contains(&key(place))).filter_map(
            |(claimed_at, place)| {
                let asked_at = self.unconfirmed.get(&key(place)).map(|at| at.0);
                if asked_at.is_some_and(|at| at >= *claimed_at + ASKED_FOR) {
                    return None;
                }
                let again_at = asked_at.map(|at| at + ASKED_AGAIN_AFTER);
                Some(([Some(*claimed_at), again_at, last].into_iter().flatten().max()?, place))
            },
        );
        due.min()
    }

    /// Forgets answers about places that nobody claims any more.
    pub(crate) fn forget_old(&mut self) {
        let claimed: BTreeSet<String> = self.by_worker.values().map(|claim| key(&claim.0.1)).collect();
        self.unconfirmed.retain(|place, _| claimed.contains(place));
        self.unknown.retain(|place| claimed.contains(place));
    }

    /// Forgets the claims: where the conversation is has become known.
    pub(crate) fn forget_claims(&mut self) {
        self.by_worker.clear();
        self.unconfirmed.clear();
        self.unknown.clear();
    }

    /// True if nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A place as text: keys of a stored map are texts.
fn key(place: &Place) -> String {
    format!("{} {}", place.interaction, place.channel)
}

impl Join for Claims {
    fn join(&mut self, other: Self) {
        self.by_worker.join(other.by_worker);
        self.unconfirmed.join(other.unconfirmed);
        self.unknown.extend(other.unknown);
        self.confirmed.join(other.confirmed);
    }
}
