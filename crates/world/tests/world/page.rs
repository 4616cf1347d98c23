//! A timeline as a page: everything in one file, and no data can inject markup.

use rejoin_server::story;
use rejoin_world::html;
use rejoin_world::plan::{Scenario, draw};
use rejoin_world::timeline::{Entry, Kind, Lane};
use rejoin_world::{Outcome, Runner, StoreKind};
use std::process::Command;

const SEED: u64 = 4;

fn recorded() -> (rejoin_world::plan::Plan, Outcome) {
    let mut runner = Runner::new().expect("settings");
    runner.records = true;
    let plan = draw(SEED, None);
    let outcome = runner.run(&plan).expect("a world");
    (plan, outcome)
}

fn about(what: &str) -> html::About {
    html::About { title: what.into(), summary: what.into(), command: what.into() }
}

#[test]
fn a_written_page_is_self_contained() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("page.html");
    let output = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(["--seed", &SEED.to_string(), "--html"])
        .arg(&file)
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let page = std::fs::read_to_string(file).expect("the page");
    let (_, outcome) = recorded();
    assert_eq!(page.matches("<th scope=\"row\"").count(), outcome.timeline.len(), "one row for each entry");
    for needs in ["src=", "href=", "@import", "url(", "<link", "fetch(", "import("] {
        assert!(!page.contains(needs), "{needs}");
    }
    assert!(page.contains("default-src 'none'"), "the browser enforces it");
    assert!(page.contains("prefers-color-scheme: dark"));
}

#[test]
fn markup_in_data_is_escaped() {
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
    let page = html::page(&plan, &outcome, &about(evil));
    assert!(!page.contains("<img"), "markup from data became an element");
    let text = "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;";
    assert_eq!(page.matches(text).count(), 5, "the entry and the heading keep their text");
}

#[test]
fn long_pauses_are_replaced_by_a_note() {
    let (plan, outcome) = recorded();
    let times: Vec<u64> = outcome.timeline.iter().map(|entry| entry.at).collect();
    let pauses = times.windows(2).filter(|pair| pair[1] - pair[0] >= 1_000).count();
    let page = html::page(&plan, &outcome, &about(""));
    assert!(pauses > 3);
    assert_eq!(page.matches("s in which nothing happens").count(), pauses);
}

#[test]
fn people_are_named_and_sids_and_tokens_are_shortened() {
    let (_, outcome) = recorded();
    let text: String = outcome.timeline.iter().map(|entry| format!("{entry}\n")).collect();
    for word in text.split(|char: char| !char.is_ascii_alphanumeric()) {
        assert!(word.len() < 34, "{word}");
    }
    assert!(!text.contains("eyJ"), "a token");
    for text_part in ["customer 0 joins CF-", "rings the phone of agent 1", "agent 0: accepts WR-"] {
        assert!(text.contains(text_part), "{text_part}");
    }
}

#[test]
fn the_overview_shows_who_talks_to_whom_and_who_is_there() {
    let (plan, outcome) = recorded();
    let page = html::page(&plan, &outcome, &about(""));
    let overview = page.split("<form").next().expect("what is above the table");
    let strip = |name: &str| {
        let strips = overview.split("<div class=\"strip\">");
        strips.into_iter().find(|strip| strip.starts_with(&format!("<b>{name}</b>"))).expect("a strip")
    };
    assert!(strip("customer 1").contains("<u class=\"silence\""), "while the agent's page reloads");
    assert!(strip("customer 1").contains("<s>agent 0</s>"));
    assert!(strip("agent 0").contains("<s>customer 1</s>"), "the same in the agent's strip");
    assert_eq!(strip("agent 0").matches("<s>loads</s>").count(), 2, "the first page, and the reloaded one");
    assert!(strip("agent 0").contains(">adds a third party</em>"), "a deed in words");
    assert!(strip("server").contains("<u class=\"here\""));
    for class in ["talk", "music", "silence", "loading", "here", "away"] {
        // The legend has what is there.
        assert_eq!(
            overview.contains(&format!("<li><u class=\"{class}\"></u>")),
            overview.contains(&format!("<u class=\"{class}\" data-left")),
            "{class}"
        );
    }
}

/// What is drawn of a call from the server's database has the same style and script as the page of its world, and agrees with it.
#[test]
fn given_worlds_on_sqlite_when_their_calls_are_explained_then_one_renderer_draws_both() {
    let mut runner = Runner::new().expect("settings");
    (runner.store, runner.records, runner.explains) = (StoreKind::Sqlite, true, true);
    let (mut stories, mut recovered) = (0, 0);
    for (scenario, seed) in [(Scenario::Refresh, 1), (Scenario::Crash, 21), (Scenario::Mixed, 4)] {
        let plan = draw(seed, Some(scenario));
        let outcome = runner.run(&plan).expect("a world");
        let whole = html::page(&plan, &outcome, &about("a world"));
        let head = |page: &str| {
            page.split_once("<style>").expect("a style").1.split("</head>").next().map(str::to_owned)
        };
        let foot = |page: &str| page.split_once("<script>").expect("a script").1.to_owned();
        let heard: Vec<&str> = outcome
            .timeline
            .iter()
            .filter(|entry| entry.kind == Kind::Hears)
            .map(|entry| &*entry.text)
            .collect();
        for (subject, story) in &outcome.stories {
            let timeline = story.timeline(subject);
            let page = rejoin_timeline::page(&timeline);
            assert_eq!((head(&page), foot(&page)), (head(&whole), foot(&whole)), "{scenario}, seed {seed}");
            assert!(timeline.entries.is_sorted_by_key(|entry| entry.at), "{scenario}, seed {seed}");
            let asked =
                story.entries.iter().filter(|found| matches!(found.entry, story::Entry::Asked { .. }));
            let answers = timeline.entries.iter().filter(|entry| entry.kind == Kind::Answer);
            assert_eq!(answers.count(), asked.count(), "{scenario}, seed {seed}");
            stories += 1;
            let talks = timeline.entries.iter().filter(|entry| entry.text.starts_with("talks to ")).count();
            recovered += usize::from(talks > 1);
            assert!(talks == 0 || heard.iter().any(|heard| heard.starts_with("talks to ")));
        }
    }
    assert!(stories > 3 && recovered > 1, "{stories} stories, {recovered} with a customer who talks again");
}
