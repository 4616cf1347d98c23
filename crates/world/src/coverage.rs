//! Counts what occurred, to know what the simulation has tried.

mod cases;
mod table;

pub(crate) use cases::Sign;

use crate::plan::{Act, FaultKind};
use crate::world::World;
use rejoin_recovery::cells::{Cell, cells};
use rejoin_recovery::{Event, Machine};
use rejoin_server::surroundings::Listener;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How often things occurred, in one world or in many.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Faults that struck.
    pub faults: BTreeMap<FaultKind, u64>,
    /// What agents did.
    pub acts: BTreeMap<&'static str, u64>,
    /// Cells of `docs/transitions.md`.
    pub cells: BTreeMap<Cell, u64>,
    /// Events without a row in `docs/transitions.md`, by name.
    pub unlisted: BTreeMap<&'static str, u64>,
    /// Cases, by their index in the list.
    cases: BTreeMap<usize, u64>,
}

impl Coverage {
    /// Adds the counts of another world.
    pub fn add(&mut self, other: Self) {
        sum(&mut self.faults, other.faults);
        sum(&mut self.acts, other.acts);
        sum(&mut self.cells, other.cells);
        sum(&mut self.unlisted, other.unlisted);
        sum(&mut self.cases, other.cases);
    }

    fn case(&mut self, number: usize) {
        *self.cases.entry(number).or_default() += 1;
    }

    /// Counts an event that the machine has handled.
    fn heard(&mut self, before: &Machine, event: &Event, after: &Machine) {
        for (conference, cell) in cells(before, event, after) {
            *self.cells.entry(cell).or_default() += 1;
            if cell.row.is_none() {
                *self.unlisted.entry(event.name()).or_default() += 1;
            }
            let (before, after) = (before.call(&conference), after.call(&conference));
            for number in cases::heard(&cases::Handled { before, event, after, cell }) {
                self.case(number);
            }
        }
    }
}

fn sum<K: Ord>(counts: &mut BTreeMap<K, u64>, others: BTreeMap<K, u64>) {
    for (what, count) in others {
        *counts.entry(what).or_default() += count;
    }
}

/// The counts of one world.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    /// Faults that struck; rules depend on them.
    pub(crate) faults: BTreeMap<FaultKind, u64>,
    /// Everything else; `None` when it is not counted.
    counted: Option<Arc<Mutex<Coverage>>>,
}

impl Counter {
    pub(crate) fn new(counts: bool) -> Self {
        Self { faults: BTreeMap::new(), counted: counts.then(Arc::default) }
    }

    pub(crate) fn fault(&mut self, kind: FaultKind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(crate) fn act(&self, act: Act) {
        self.count(|coverage| *coverage.acts.entry(act.name()).or_default() += 1);
    }

    /// Counts a sign of a case that the world has seen.
    pub(crate) fn sign(&self, sign: Sign) {
        self.count(|coverage| cases::signed(sign).for_each(|number| coverage.case(number)));
    }

    pub(crate) fn counts(&self) -> bool {
        self.counted.is_some()
    }

    fn count(&self, count: impl FnOnce(&mut Coverage)) {
        if let Some(counted) = &self.counted {
            count(&mut counted.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A listener to the recovery machine; `None` when nothing is counted.
    pub(crate) fn listener(&self) -> Option<Listener> {
        let counted = Arc::clone(self.counted.as_ref()?);
        Some(Arc::new(move |before: &Machine, event: &Event, after: &Machine| {
            counted.lock().unwrap_or_else(PoisonError::into_inner).heard(before, event, after);
        }))
    }

    /// The counts at the end of the world.
    pub(crate) fn total(&mut self) -> Coverage {
        let mut total = Coverage::default();
        self.count(|coverage| total = std::mem::take(coverage));
        for (kind, count) in &self.faults {
            cases::struck(*kind).for_each(|number| *total.cases.entry(number).or_default() += count);
        }
        Coverage { faults: std::mem::take(&mut self.faults), ..total }
    }
}

impl World {
    /// Counts the loss of a page, whatever the cause.
    pub(crate) fn page_lost(&self, agent: usize) {
        if self.coverage.counts() {
            let calls = self.servers.kept.calls().unwrap_or_default();
            let mut absent = calls.iter().flat_map(|call| call.absences()).filter(|it| it.is_open());
            let worker = &self.agents[agent].worker;
            if absent.any(|it| it.absence().back && it.absence().agent.worker == *worker) {
                self.coverage.sign(Sign::BackAndGone);
            }
        }
    }

    /// Counts the loss of the server, whatever the cause.
    pub(crate) fn server_lost(&self) {
        if self.coverage.counts() {
            let calls = self.servers.kept.calls().unwrap_or_default();
            let open = calls.iter().flat_map(|call| call.absences()).any(|absent| absent.is_open());
            self.coverage.sign(if open { Sign::ServerLostMeanwhile } else { Sign::ServerLost });
        }
    }
}
