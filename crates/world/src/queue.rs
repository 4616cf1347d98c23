//! What is still to come, in order.

use crate::coming::Coming;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Debug)]
struct Item {
    at: u64,
    number: u64,
    what: Coming,
}

impl Ord for Item {
    /// The earliest is the greatest; of one moment's the first that was put in.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Item {}

/// Times are milliseconds since the world began.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Item>,
    number: u64,
}

impl Queue {
    pub(crate) fn put(&mut self, at: u64, what: Coming) {
        self.number += 1;
        self.heap.push(Item { at, number: self.number, what });
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|item| item.at)
    }

    pub(crate) fn take_due(&mut self, now: u64) -> Option<Coming> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|item| item.what)
    }
}
