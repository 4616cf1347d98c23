//! A timeline as a page: everything in one file, and nothing in it that data could add.

use rejoin_world::html;
use rejoin_world::plan::draw;
use rejoin_world::timeline::{Entry, Kind, Lane};
use rejoin_world::{Outcome, Runner};
use std::process::Command;

const SEED: u64 = 4;

fn recorded() -> (rejoin_world::plan::Plan, Outcome) {
    let mut runner = Runner::new().expect("settings");
    runner.records = true;
    let plan = draw(SEED, None);
    let outcome = runner.run(&plan).expect("a world");
    (plan, outcome)
}

#[test]
fn a_page_is_written_that_needs_nothing_else() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("page.html");
    let told = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(["--seed", &SEED.to_string(), "--html"])
        .arg(&file)
        .output()
        .expect("the program runs");
    assert!(told.status.success(), "{told:?}");
    let page = std::fs::read_to_string(file).expect("the page");
    let (_, outcome) = recorded();
    assert_eq!(page.matches("<th scope=\"row\"").count(), outcome.timeline.len(), "one row for each");
    for needs in ["src=", "href=", "@import", "url(", "<link", "fetch(", "import("] {
        assert!(!page.contains(needs), "{needs}");
    }
    assert!(page.contains("default-src 'none'"), "and the browser holds it to that");
    assert!(page.contains("prefers-color-scheme: dark"));
}

#[test]
fn what_comes_from_data_is_text() {
    let (plan, mut outcome) = recorded();
    let evil = "<img src=x onerror=alert(1)>\"'&";
    outcome.timeline.push(Entry {
        at: outcome.lasted,
        from: Lane::Twilio,
        to: None,
        kind: Kind::Hears,
        text: evil.into(),
        lost: false,
    });
    let page = html::page(&plan, &outcome, evil);
    assert!(!page.contains("<img"), "it is not an element");
    let text = "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;";
    assert_eq!(page.matches(text).count(), 2, "the entry and the command are there as they are");
}

#[test]
fn pauses_are_left_out_and_said_to_be() {
    let (plan, outcome) = recorded();
    let times: Vec<u64> = outcome.timeline.iter().map(|entry| entry.at).collect();
    let pauses = times.windows(2).filter(|pair| pair[1] - pair[0] >= 1_000).count();
    let page = html::page(&plan, &outcome, "");
    assert!(pauses > 3);
    assert_eq!(page.matches("s in which nothing happens").count(), pauses);
}
