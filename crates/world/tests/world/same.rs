//! The same seed gives the same timeline, byte for byte.

use rejoin_world::Runner;
use rejoin_world::plan::{Act, draw};
use std::collections::BTreeSet;
use std::process::Command;

const SEEDS: std::ops::Range<u64> = 100..130;

fn timeline(seed: u64) -> String {
    let mut runner = Runner::new().expect("settings");
    runner.records = true;
    let outcome = runner.run(&draw(seed, None)).expect("a world");
    outcome.timeline.iter().map(|entry| format!("{entry}\n")).collect()
}

#[test]
fn the_same_seed_gives_the_same_timeline_twice() {
    for seed in SEEDS {
        let first = timeline(seed);
        assert!(first.lines().count() > 20, "seed {seed}: something happens");
        assert_eq!(first, timeline(seed), "seed {seed}");
    }
    assert_ne!(timeline(100), timeline(101));
}

#[test]
fn the_same_seed_gives_the_same_timeline_in_another_process() {
    for seed in SEEDS.step_by(10) {
        let told = Command::new(env!("CARGO_BIN_EXE_simulate"))
            .args(["--seed", &seed.to_string()])
            .output()
            .expect("the program runs");
        let told = String::from_utf8(told.stdout).expect("text");
        assert!(told.contains(&timeline(seed)), "seed {seed}");
    }
}

#[test]
fn counting_what_occurs_changes_nothing() {
    for seed in SEEDS.take(10) {
        let mut runner = Runner::new().expect("settings");
        (runner.records, runner.counts) = (true, true);
        let outcome = runner.run(&draw(seed, None)).expect("a world");
        let counted: String = outcome.timeline.iter().map(|entry| format!("{entry}\n")).collect();
        assert_eq!(counted, timeline(seed), "seed {seed}");
        assert!(!outcome.coverage.cells.is_empty(), "seed {seed}");
    }
}

#[test]
fn each_deed_that_is_drawn_has_a_line_among_what_occurs() {
    let drawn = (1..2_000).flat_map(|seed| draw(seed, None).deeds);
    let drawn: BTreeSet<_> = drawn.map(|deed| deed.act.name()).collect();
    assert_eq!(drawn, Act::ALL.iter().map(|act| act.name()).collect());
}
