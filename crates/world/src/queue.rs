//! What is still to come, in order.

use crate::coming::Coming;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Times are milliseconds since the world began.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// When, and where it is; of one moment's first the first that was put in.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    number: u64,
    /// It is large, and stays in its place until it is due.
    what: Vec<Option<Coming>>,
    free: Vec<usize>,
}

impl Queue {
    pub(crate) fn put(&mut self, at: u64, what: Coming) {
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

    pub(crate) fn take_due(&mut self, now: u64) -> Option<Coming> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse((_, _, place)) = self.heap.pop()?;
        self.free.push(place);
        self.what.get_mut(place)?.take()
    }
}
