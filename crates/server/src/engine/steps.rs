//! Names of batches among the steps at which a test kills the program.

use super::Work;
use rejoin_protocol::ConferenceSid;
use std::collections::BTreeSet;

/// The kinds of its events, each once.
pub(super) fn named(works: &[Work], due: &[ConferenceSid]) -> String {
    let events = works.iter().filter_map(|work| work.event.as_deref()).map(ToString::to_string);
    let timers = (!due.is_empty()).then(|| "timers".to_owned());
    let names: BTreeSet<String> = events.chain(timers).collect();
    names.into_iter().collect::<Vec<_>>().join(" + ")
}
