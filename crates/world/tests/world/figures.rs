//! What was published of the simulation is still so: the figures in docs/figures.json, and the recoveries that databases are filled
//! with for measurements.
//!
//! All of it takes minutes, optimised. Here the first of those worlds are played: a change of the product that shows in the figures
//! shows in a few of them.

use rejoin_world::day::{Day, ordinary};
use rejoin_world::recovery::line;
use rejoin_world::{Runner, StoreKind};
use serde_json::Value;
use std::path::Path;
use std::thread;

/// Seeds whose recoveries are compared. Each takes a tenth of a second or more: the store is a file.
const RECOVERIES: u64 = 24;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).expect(file)
}

/// Plays these seeds on all processors, in turns, and joins what becomes of each.
fn played<T: Default + Send>(
    seeds: u64,
    set_up: impl Fn(&mut Runner) + Sync,
    play: impl Fn(&Runner, u64, &mut T) + Sync,
) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = |first: usize| {
        let mut runner = Runner::new().expect("settings");
        set_up(&mut runner);
        let mut found = T::default();
        (1..=seeds).skip(first).step_by(threads).for_each(|seed| play(&runner, seed, &mut found));
        found
    };
    let work = &work;
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        all.into_iter().map(|one| one.join().expect("worlds")).collect()
    })
}

#[test]
fn the_published_figures_of_an_ordinary_day_are_still_true() {
    let figures: Value = serde_json::from_str(&read("docs/figures.json")).expect("JSON");
    let sample = &figures["day"]["sample"];
    let seeds = sample["seeds"].as_u64().expect("a number");
    let kept: Vec<&str> = sample["table"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| line.as_str().expect("a line"))
        .collect();
    assert!(seeds >= 40 && kept.len() > 4, "a sample of {seeds} worlds shows nothing");
    let days = played(
        seeds,
        |_| {},
        |runner, seed, day: &mut Day| {
            let plan = ordinary(seed);
            let outcome = runner.run(&plan).expect("a world");
            assert!(outcome.broken.is_none(), "seed {seed}: {:?}", outcome.broken);
            day.add(&plan, outcome.losses);
        },
    );
    let mut whole = Day::default();
    days.into_iter().for_each(|day| whole.join(day));
    let made = whole.to_string();
    let made: Vec<&str> = made.lines().collect();
    assert!(
        made == kept,
        "the product has other figures than docs/figures.md says:\n{}\n\nwas\n\n{}\n\nIf that is meant, measure them again: \
         npm run figures -- --only day",
        made.join("\n"),
        kept.join("\n")
    );
}

#[test]
fn the_recoveries_that_databases_are_filled_with_are_still_those_of_the_simulation() {
    let all = read("crates/load/data/recoveries.txt");
    let seed = |line: &str| line.split(' ').next().and_then(|seed| seed.parse::<u64>().ok()).expect("a seed");
    let kept: Vec<&str> = all.lines().filter(|line| seed(line) <= RECOVERIES).collect();
    assert!(kept.len() > 10, "{kept:?}");
    let files = |runner: &mut Runner| (runner.store, runner.explains) = (StoreKind::Sqlite, true);
    let found = played(RECOVERIES, files, |runner, seed, lines: &mut Vec<(u64, String)>| {
        let outcome = runner.run(&ordinary(seed)).expect("a world");
        lines.extend(outcome.recoveries.iter().map(|it| (seed, line(seed, it).trim_end().to_owned())));
    });
    let mut made: Vec<_> = found.into_iter().flatten().collect();
    // Those of one world stay in their order.
    made.sort_by_key(|(seed, _)| *seed);
    let made: Vec<&str> = made.iter().map(|(_, line)| line.as_str()).collect();
    assert!(
        made == kept,
        "the simulation has other recoveries than crates/load/data/recoveries.txt:\n{}\n\nwas\n\n{}\n\nIf that is meant, write \
         them again: npm run simulate -- --ordinary-day --seeds 800 --recoveries crates/load/data/recoveries.txt",
        made.join("\n"),
        kept.join("\n")
    );
}
