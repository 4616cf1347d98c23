//! The queue of pending events.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Pending events by time, in milliseconds since the world began.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Time, number and place of each event; events of one moment come in the order of insertion.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    number: u64,
    /// The events themselves: they are large, and stay in their place until they are due.
    what: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), number: 0, what: vec![], free: vec![] }
    }
}

impl<T> Queue<T> {
    pub(crate) fn put(&mut self, at: u64, what: T) {
        self.number += 1;
        let place = self.free.pop().unwrap_or(self.what.len());
        match self.what.get_mut(place) {
            Some(free) => *free = Some(what),
            None => self.what.push(Some(what)),
        }
        self.heap.push(Reverse((at, self.number, place)));
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub(crate) fn take_due(&mut self, now: u64) -> Option<T> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse((_, _, place)) = self.heap.pop()?;
        self.free.push(place);
        self.what.get_mut(place)?.take()
    }
}
