//! Limits the number of connections of each address.

use super::source::Source;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections by address. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    most: usize,
    taken: Arc<Mutex<HashMap<Source, usize>>>,
}

/// A connection of an address; it counts while this exists.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    source: Option<Source>,
}

impl Seats {
    /// `most`: the limit of each address, at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), taken: Arc::default() }
    }

    /// Counts one more connection; `None` when the address has reached the limit. An address that many clients share
    /// (`source` is `None`) has no limit.
    pub(super) fn take(&self, source: Option<Source>) -> Option<Seat> {
        if let Some(source) = source {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let of_address = taken.entry(source).or_default();
            if *of_address >= self.most {
                return None;
            }
            *of_address += 1;
        }
        Some(Seat { seats: self.clone(), source })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(source) = self.source else { return };
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_address) = taken.get_mut(&source) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.remove(&source);
            }
        }
    }
}
