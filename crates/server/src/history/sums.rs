//! Sums of recoveries, and distributions of durations.

use super::{Meaning, Recovered};
use rejoin_protocol::Millis;
use std::ops::AddAssign;

/// Upper bounds of durations. They cannot be changed: what is stored was counted by them.
pub const BOUNDS: [Millis; 20] = [
    Millis(500),
    Millis(1000),
    Millis(1500),
    Millis(2000),
    Millis(3000),
    Millis(4000),
    Millis(5000),
    Millis(6000),
    Millis(8000),
    Millis(10_000),
    Millis(12_000),
    Millis(15_000),
    Millis(20_000),
    Millis(25_000),
    Millis(30_000),
    Millis(45_000),
    Millis(60_000),
    Millis(120_000),
    Millis(300_000),
    Millis(600_000),
];
/// Number of buckets: one for each bound, and one above all.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// Number of durations by bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram(pub [u64; BUCKETS]);

impl Histogram {
    /// The bucket of a duration.
    pub fn bucket(of: Millis) -> usize {
        BOUNDS.iter().position(|bound| of <= *bound).unwrap_or(BOUNDS.len())
    }

    /// Adds a duration.
    pub fn add(&mut self, duration: Millis) {
        self.0[Self::bucket(duration)] += 1;
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The bound within which this percentage of them is; the inner `None`: longer than all bounds. `None`: there is none.
    pub fn share(&self, hundredths: u64) -> Option<Option<Millis>> {
        let count = self.count();
        let mut seen = 0;
        for (bucket, here) in self.0.iter().enumerate() {
            seen += here;
            if count > 0 && seen * 100 >= count * hundredths {
                return Some(BOUNDS.get(bucket).copied());
            }
        }
        None
    }
}

impl AddAssign for Histogram {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

/// Sums of recoveries that have all of this in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The hour since the epoch in which they ended, or in which their day begins.
    pub start: u64,
    /// The last rung.
    pub rung: String,
    /// The outcome.
    pub outcome: String,
    /// Why they failed, if they did.
    pub cause: String,
    /// Number of recoveries.
    pub count: u64,
    /// All durations together.
    pub took: Millis,
    /// Time until the customer had an agent again.
    pub voice: Histogram,
    /// Time until the first sound.
    pub heard: Histogram,
}

impl Cell {
    /// Of one recovery, in the span (hours) of its end.
    pub fn of(recovered: &Recovered, span: u64) -> Self {
        let mut cell = Self {
            start: recovered.at.0 / super::HOUR.0 / span * span,
            rung: recovered.rung.clone(),
            outcome: recovered.outcome.clone(),
            cause: recovered.about.cause.clone(),
            ..Self::default()
        };
        cell.add(recovered);
        cell
    }

    /// Adds a recovery.
    pub fn add(&mut self, recovered: &Recovered) {
        self.count += 1;
        self.took = self.took + recovered.took;
        if matches!(recovered.meaning(), Meaning::Same | Meaning::Any) {
            self.voice.add(recovered.took);
        }
        if let Some(heard) = recovered.heard {
            self.heard.add(heard);
        }
    }

    /// What it means for the customers.
    pub fn meaning(&self) -> Meaning {
        Meaning::of(&self.rung, &self.outcome)
    }
}

/// Losses of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The worker's SID; empty: not known.
    pub worker: String,
    /// Number of times that the agent was lost, not on purpose.
    pub losses: u64,
    /// Number of those customers who got no agent any more.
    pub lost: u64,
}

/// What the history shows.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// The sums, by time.
    pub cells: Vec<Cell>,
    /// The agents with the most losses, those first.
    pub agents: Vec<Agent>,
    /// The workflows of this time, and their number of recoveries.
    pub workflows: Vec<(String, u64)>,
    /// The queues.
    pub queues: Vec<(String, u64)>,
    /// Versions of the plugin, and the number of pages that were loaded with them.
    pub versions: Vec<(String, u64)>,
    /// Number of recoveries that have ended and are not counted yet; at most [`Self::MOST_UNCOUNTED`].
    pub uncounted: u64,
}

impl Sums {
    /// More are not told apart.
    pub const MOST_UNCOUNTED: u64 = 1000;

    /// Number of recoveries with this meaning.
    pub fn count(&self, meaning: Meaning) -> u64 {
        self.cells.iter().filter(|cell| cell.meaning() == meaning).map(|cell| cell.count).sum()
    }

    /// Time until the customers had an agent again.
    pub fn voice(&self) -> Histogram {
        self.cells.iter().fold(Histogram::default(), |mut sum, cell| {
            sum += cell.voice;
            sum
        })
    }

    /// Time until the first sound.
    pub fn heard(&self) -> Histogram {
        self.cells.iter().fold(Histogram::default(), |mut sum, cell| {
            sum += cell.heard;
            sum
        })
    }
}
