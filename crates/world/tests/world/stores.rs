//! The same seed gives the same timeline, byte for byte, on the store in memory and on SQLite, whatever becomes of
//! the server.

use rejoin_world::plan::{FaultKind, Scenario, draw};
use rejoin_world::timeline::Entry;
use rejoin_world::{Outcome, Runner, StoreKind};

/// Worlds in which the server is killed at commits, at answers and at any time, and stopped gracefully. Another one
/// costs a third of a second.
const WORLDS: [(Scenario, u64); 9] = [
    (Scenario::Refresh, 1),
    (Scenario::Refresh, 9),
    (Scenario::Crash, 21),
    (Scenario::Graceful, 14),
    (Scenario::Transfer, 35),
    (Scenario::Others, 1),
    (Scenario::Outbound, 24),
    (Scenario::Tabs, 17),
    (Scenario::Mixed, 4),
];

#[test]
fn the_same_seed_gives_the_same_timeline_on_sqlite() {
    let on = |store| {
        let mut runner = Runner::new().expect("settings");
        (runner.records, runner.store) = (true, store);
        runner
    };
    let (memory, sqlite) = (on(StoreKind::Memory), on(StoreKind::Sqlite));
    let mut died = std::collections::BTreeSet::new();
    for (scenario, seed) in WORLDS {
        let plan = draw(seed, Some(scenario));
        let [kept, written] = [&memory, &sqlite].map(|runner| runner.run(&plan).expect("a world"));
        let lines = |outcome: &Outcome| outcome.timeline.iter().map(Entry::to_string).collect::<Vec<_>>();
        for (number, pair) in lines(&kept).iter().zip(&lines(&written)).enumerate() {
            assert_eq!(pair.0, pair.1, "{scenario}, seed {seed}, line {number}");
        }
        assert_eq!(kept.timeline.len(), written.timeline.len(), "{scenario}, seed {seed}");
        assert_eq!(kept.broken.is_some(), written.broken.is_some(), "{scenario}, seed {seed}");
        died.extend(written.coverage.faults.into_keys());
    }
    for kind in [
        FaultKind::DiesAfterCommit,
        FaultKind::DiesAfterEffect,
        FaultKind::ServerDies,
        FaultKind::ServerRestarts,
    ] {
        assert!(died.contains(&kind), "no world here has the fault: {}", kind.name());
    }
}
