//! The same seed gives the same timeline, byte for byte.

use rejoin_world::Runner;
use rejoin_world::plan::draw;
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
