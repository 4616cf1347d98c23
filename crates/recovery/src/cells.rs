//! What the table of `docs/transitions.md` calls the state of a call and an event, so that whoever lets machines run can
//! count which cells of it occur. Nothing is decided by it.

mod row;
mod state;

pub use state::state_of;

use crate::{Call, Event, Machine};
use rejoin_protocol::{ConferenceSid, WorkerSid};

/// An event about a call in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The state's letters; `X`: the call is over, and there was no recovery.
    pub state: &'static str,
    /// The event as the table names it; `None`: it has no line there.
    pub row: Option<&'static str>,
}

/// The cells of an event, with the calls that it is about. `before` and `after` it was handled.
pub fn cells(before: &Machine, event: &Event, after: &Machine) -> Vec<(ConferenceSid, Cell)> {
    let mut cells = vec![];
    for conference in row::conferences(before, event) {
        let call = before.call(&conference);
        let row = row::of(call, after.call(&conference), event);
        let cell = Cell { state: state_of(call), row };
        cells.push((conference, cell));
    }
    cells.extend(row::elsewhere(before, event, after));
    cells
}

/// Who is meant by “the agent”: who is lost or away, else who was there first.
fn agent(call: &Call) -> Option<&WorkerSid> {
    let away = || call.covered.values().find(|covered| covered.is_open()).map(|covered| &covered.absence);
    let lost = call.recovery.as_ref().map(|recovery| &recovery.absence).or_else(away);
    let lost = lost.map(|absence| &absence.agent);
    lost.or_else(|| call.facts.roster.agents.values().next()).map(|agent| &agent.worker)
}
