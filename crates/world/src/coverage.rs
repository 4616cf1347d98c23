//! What occurred, so that it is known what the simulation has tried.

use crate::plan::{FaultKind, Plan};
use crate::world::World;
use std::collections::BTreeMap;

/// Counts, of one world or of many.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Faults that struck.
    pub faults: BTreeMap<FaultKind, u64>,
    /// What was seen, by what it is.
    pub seen: BTreeMap<String, u64>,
    /// From which phase of a recovery to which one, with which step.
    pub cells: BTreeMap<(String, String, String), u64>,
    /// Of each call, how far its recovery was when it was looked at last.
    phases: BTreeMap<String, String>,
}

impl Coverage {
    pub(crate) fn fault(&mut self, kind: FaultKind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(crate) fn seen(&mut self, what: &str) {
        match self.seen.get_mut(what) {
            Some(count) => *count += 1,
            None => _ = self.seen.insert(what.to_owned(), 1),
        }
    }

    /// Adds what another world has seen.
    pub fn add(&mut self, other: Self) {
        for (kind, count) in other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (what, count) in other.seen {
            *self.seen.entry(what).or_default() += count;
        }
        for (cell, count) in other.cells {
            *self.cells.entry(cell).or_default() += count;
        }
    }

    /// What of the plan was in it.
    pub(crate) fn of_plan(&mut self, plan: &Plan) {
        self.seen(&format!("scenario {}", plan.scenario));
        for deed in &plan.deeds {
            self.seen(&format!("an agent {}", deed.act.name()));
        }
    }
}

impl World {
    /// Counts which step took which recovery where, if that is counted.
    pub(crate) fn count(&mut self) {
        let steps = match &mut self.servers.watched().seen {
            Some(seen) if !seen.is_empty() => std::mem::take(seen),
            _ => return,
        };
        let committed: Vec<&str> = steps.iter().filter_map(|step| step.strip_prefix("committed ")).collect();
        for step in &committed {
            for event in step.split(" + ") {
                self.coverage.seen(&format!("event {event}"));
            }
        }
        let Some(last) = committed.last() else { return };
        for call in self.servers.kept.calls().unwrap_or_default() {
            let after = call.recovery.as_ref().map_or("none".to_owned(), |recovery| phase(&recovery.phase));
            let before = self.coverage.phases.insert(call.conference.to_string(), after.clone());
            let before = before.unwrap_or_else(|| "unknown".into());
            if before != after {
                *self.coverage.cells.entry((before, (*last).to_owned(), after)).or_default() += 1;
            }
        }
    }
}

/// A phase without who is in it.
fn phase(phase: &rejoin_recovery::Phase) -> String {
    use rejoin_recovery::Phase;
    match phase {
        Phase::Grace => "grace".into(),
        Phase::Away => "away".into(),
        Phase::Rejoining => "rejoining".into(),
        Phase::Holding => "holding".into(),
        Phase::Requeueing { target: Some(_) } => "to the agent".into(),
        Phase::Requeueing { target: None } => "to any agent".into(),
        Phase::Queued { target: Some(_) } => "queued".into(),
        Phase::Queued { target: None } => "queued for any".into(),
        Phase::Ended(ending) => ending.name().into(),
    }
}
