//! Facts that merge in any order, and any number of times, with one result: late, doubled and reordered news need no
//! cases of their own.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A fact whose observations can be merged: associative, commutative, idempotent.
pub(crate) trait Join {
    /// Merges another observation of the same fact.
    fn join(&mut self, other: Self);
}

/// The least of all observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Earliest<T>(pub T);

/// The greatest of all observations. Of `(Millis, T)` it is the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latest<T>(pub T);

impl<T: Ord> Join for Earliest<T> {
    fn join(&mut self, other: Self) {
        if other.0 < self.0 {
            self.0 = other.0;
        }
    }
}

impl<T: Ord> Join for Latest<T> {
    fn join(&mut self, other: Self) {
        if other.0 > self.0 {
            self.0 = other.0;
        }
    }
}

impl<T: Join> Join for Option<T> {
    fn join(&mut self, other: Self) {
        match (self.as_mut(), other) {
            (Some(own), Some(other)) => own.join(other),
            (None, other) => *self = other,
            (Some(_), None) => {}
        }
    }
}

impl<K: Ord, V: Join> Join for BTreeMap<K, V> {
    fn join(&mut self, other: Self) {
        for (key, other) in other {
            match self.get_mut(&key) {
                Some(own) => own.join(other),
                None => {
                    self.insert(key, other);
                }
            }
        }
    }
}

/// Keeps the entries with the greatest keys. Merging and keeping commute, because a key never changes.
pub(crate) fn keep_newest<K: Ord, V>(map: &mut BTreeMap<K, V>, at_most: usize) {
    while map.len() > at_most {
        map.pop_first();
    }
}
