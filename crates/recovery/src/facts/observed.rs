//! Observations with numbers. Each observation of a part of the facts has a number of its own, in the order in which the call
//! takes them. Of two observations of one kind the later one stays, so that neither the order in which they are noted nor
//! their repetition matters.

use serde::{Deserialize, Serialize};

/// What was observed, and the number of the observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Observed<T> {
    pub(super) number: u64,
    pub(super) what: T,
}

/// Notes an observation: of two, the one with the higher number stays.
pub(super) fn observed<T>(known: &mut Option<Observed<T>>, number: u64, what: T) {
    if known.as_ref().is_none_or(|known| known.number < number) {
        *known = Some(Observed { number, what });
    }
}

/// The number of the last observation of one kind that has no content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Last(Option<u64>);

impl Last {
    pub(super) fn observe(&mut self, number: u64) {
        self.0 = self.0.max(Some(number));
    }

    /// True if this observation is later than the other.
    pub(super) fn is_after(self, other: Self) -> bool {
        self > other
    }

    pub(super) fn at(number: u64) -> Self {
        Self(Some(number))
    }

    pub(super) fn of<T>(observed: &Option<Observed<T>>) -> Self {
        Self(observed.as_ref().map(|it| it.number))
    }
}
