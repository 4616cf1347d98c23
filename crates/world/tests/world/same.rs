//! The same seed gives the same timeline, byte for byte.

use rejoin_world::Runner;
use rejoin_world::plan::{Act, Plan, draw};
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
fn the_same_seed_gives_the_same_timeline_again() {
    for seed in SEEDS {
        let first = timeline(seed);
        assert!(first.lines().count() > 20, "seed {seed}: hardly anything happens");
        assert_eq!(first, timeline(seed), "seed {seed}");
    }
    assert_ne!(timeline(100), timeline(101));
}

#[test]
fn the_same_seed_gives_the_same_timeline_in_another_process() {
    for seed in SEEDS.step_by(10) {
        let output = Command::new(env!("CARGO_BIN_EXE_simulate"))
            .args(["--seed", &seed.to_string()])
            .output()
            .expect("the program runs");
        let output = String::from_utf8(output.stdout).expect("text");
        assert!(output.contains(&timeline(seed)), "seed {seed}");
    }
}

#[test]
fn a_kept_plan_runs_with_its_own_seed_or_with_others() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/stories/the-phone-in-another-browser-has-what-was-accepted-here.json"
    );
    let simulate = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_simulate")).args(["--plan", file]).args(args).output();
        String::from_utf8(output.expect("the program runs").stdout).expect("text")
    };
    let as_it_is = simulate(&[]);
    assert!(as_it_is.ends_with("\n1 worlds, 0 violations\n"), "{as_it_is}");
    let plan = std::fs::read_to_string(file).expect("a plan");
    let plan: Plan = serde_json::from_str(&plan).expect("a plan");
    assert_eq!(simulate(&["--seed", &plan.seed.to_string()]), as_it_is);
    let times =
        |output: &str| output.lines().filter(|line| line.contains(" s  ")).map(String::from).collect();
    let (first, other): (Vec<_>, Vec<_>) = (times(&as_it_is), times(&simulate(&["--seed", "7"])));
    assert!(first.len() > 20, "{as_it_is}");
    assert_ne!(first, other, "another seed gives other latencies");
    let many = simulate(&["--seed", "7", "--seeds", "3"]);
    assert!(many.ends_with("\n3 worlds, 0 violations\n"), "{many}");
}

#[test]
fn counting_coverage_does_not_change_the_timeline() {
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
fn each_drawn_deed_has_a_row_in_the_coverage() {
    let drawn = (1..2_000).flat_map(|seed| draw(seed, None).deeds);
    let drawn: BTreeSet<_> = drawn.map(|deed| deed.act.name()).collect();
    assert_eq!(drawn, Act::ALL.iter().map(|act| act.name()).collect());
}
