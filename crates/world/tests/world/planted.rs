//! The simulation can fail: each defect that is put in is found within this many seeds.

use rejoin_world::plan::{Scenario, draw};
use rejoin_world::{Planted, Runner};

/// The defect, the worlds in which it is looked for, and within how many of them it is found.
const WITHIN: [(Planted, Scenario, u64); 2] =
    [(Planted::PingTwice, Scenario::Refresh, 50), (Planted::MarksIgnored, Scenario::Mixed, 20)];

#[test]
fn each_planted_defect_is_found() {
    let mut missed = vec![];
    for (planted, scenario, within) in WITHIN {
        let mut runner = Runner::new().expect("settings");
        runner.planted = Some(planted);
        let found = (1..=within).find_map(|seed| {
            let plan = planted.plan(draw(seed, Some(scenario)));
            Some((seed, runner.run(&plan).expect("a world").broken?))
        });
        match found {
            Some((seed, broken)) => println!("{planted:?}: seed {seed}: {broken}"),
            None => missed.push((planted, within)),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
