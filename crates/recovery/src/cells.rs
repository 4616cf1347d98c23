//! The names of states and events in `docs/transitions.md`, so that the simulation can count which cells occur. Nothing else
//! depends on them.

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
    /// The event's name in the table; `None`: it has no row there.
    pub row: Option<&'static str>,
}

/// The cells of an event, with the conferences of its calls. `before` and `after` are the machine before and after the
/// event.
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

/// The agent whom the table calls “the agent”: the lost or covered one, else the first.
fn agent(call: &Call) -> Option<&WorkerSid> {
    let away = || call.covered.values().find(|covered| covered.is_open()).map(|covered| &covered.absence);
    let lost = call.recovery.as_ref().map(|recovery| &recovery.absence).or_else(away);
    let lost = lost.map(|absence| &absence.agent);
    lost.or_else(|| call.facts.roster.agents.values().next()).map(|agent| &agent.worker)
}
