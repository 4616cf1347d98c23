//! Limits the number of connections of each address, and of other things of each owner.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections, or other things, by their owner. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Seats<Owner> {
    most: usize,
    taken: Arc<Mutex<HashMap<Owner, usize>>>,
}

/// One of an owner's; it counts while this exists.
#[derive(Debug)]
pub(super) struct Seat<Owner: Eq + Hash> {
    seats: Seats<Owner>,
    owner: Option<Owner>,
}

impl<Owner: Clone + Eq + Hash> Seats<Owner> {
    /// `most`: the limit of each owner, at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), taken: Arc::default() }
    }

    /// Counts one more; `None` when the owner has reached the limit. Without an owner, as for an address that many clients share,
    /// there is no limit.
    pub(super) fn take(&self, owner: Option<Owner>) -> Option<Seat<Owner>> {
        if let Some(owner) = &owner {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let of_owner = taken.entry(owner.clone()).or_default();
            if *of_owner >= self.most {
                return None;
            }
            *of_owner += 1;
        }
        Some(Seat { seats: self.clone(), owner })
    }
}

impl<Owner: Eq + Hash> Drop for Seat<Owner> {
    fn drop(&mut self) {
        let Some(owner) = &self.owner else { return };
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_owner) = taken.get_mut(owner) {
            *of_owner -= 1;
            if *of_owner == 0 {
                taken.remove(owner);
            }
        }
    }
}
