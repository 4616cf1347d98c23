//! A fixed lot of seeds, and every plan that ever broke a rule.

use rejoin_world::Runner;
use rejoin_world::plan::{Plan, draw};

/// So many: what fits into two minutes without optimisation.
const SEEDS: u64 = 2000;
/// Defects that are known and not mended yet, and limits, by the seeds that find them: docs/simulation.md tells them.
const OPEN: [(u64, &str); 1] =
    [(1160, "another plugin sets the flag when the agent goes, and there is no route for ended conferences")];
/// The same, by their plans in tests/stories.
const OPEN_STORIES: &[(&str, &str)] = &[];

/// Half of the lot, so that two processors play it.
fn hold(seeds: impl Iterator<Item = u64>) {
    let runner = Runner::new().expect("settings");
    let broken: Vec<String> = seeds
        .filter(|seed| !OPEN.iter().any(|(open, _)| open == seed))
        .filter_map(|seed| {
            let broken = runner.run(&draw(seed, None)).expect("a world").broken?;
            Some(format!("seed {seed}: {broken}"))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_fixed_lot_of_seeds_holds() {
    hold((1..=SEEDS).step_by(2));
}

#[test]
fn the_other_half_of_it_holds() {
    hold((2..=SEEDS).step_by(2));
}

/// Every plan that ever broke a rule holds, but for those whose defect is open: they break it still. Whoever mends one takes
/// its name off the list.
#[test]
fn every_plan_that_ever_broke_a_rule_holds_or_is_named_as_open() {
    let runner = Runner::new().expect("settings");
    let stories = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut broken = vec![];
    for file in std::fs::read_dir(stories).expect("stories") {
        let file = file.expect("a story").path();
        let plan = std::fs::read_to_string(&file).expect("a story");
        let plan: Plan = serde_json::from_str(&plan).expect("a plan");
        if runner.run(&plan).expect("a world").broken.is_some() {
            broken.push(file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned());
        }
    }
    broken.sort();
    let open: Vec<&str> = OPEN_STORIES.iter().map(|(story, _)| *story).collect();
    assert_eq!(broken, open, "which stories break a rule");
}
