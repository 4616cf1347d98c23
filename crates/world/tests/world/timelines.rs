//! The timelines in the docs match what the current code does with their plans.

use rejoin_world::html::{self, About};
use rejoin_world::plan::Plan;
use rejoin_world::{Runner, StoreKind};
use std::path::Path;

/// Maximum size in bytes: a page that loads more slowly than it reads helps nobody.
const LARGEST: usize = 150_000;

/// A timeline in the docs, from `tests/timelines/NAME.json`.
struct Shown {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    /// Texts that the timeline must contain, or it does not show what its heading says.
    happens: &'static [&'static str],
}

const SHOWN: [Shown; 4] = [
    Shown {
        name: "refresh-back-in-place",
        title: "A refresh, and back in place",
        summary: "The agent reloads the page in the middle of a call. The leg stays; after 1.5 s the customer hears the announcement, and \
                  2 s after the refresh talks to the agent again: the next page has joined the same conference.",
        happens: &[
            "agent 0: refreshes",
            "page 0.2: shows the dialog InPlace",
            "page 0.2: shows the dialog Rejoined",
        ],
    },
    Shown {
        name: "crash-while-the-server-dies",
        title: "A crash, and the server dies as well",
        summary: "The agent's page crashes, and half a second later the server dies for ten seconds. The next page retries until the \
                  server is back, which then puts the agent back in place. Until then the customer hears nothing: an orphaned leg \
                  stands, and no server is there to make an announcement.",
        happens: &[
            "agent 0: crashes",
            "is killed",
            "server 2: starts",
            "page 0.2: shows the dialog Rejoined",
        ],
    },
    Shown {
        name: "cold-transfer-refused-and-the-agent-gone",
        title: "A cold transfer that fails, and an agent who is gone",
        summary: "The agent transfers the customer cold, but TaskRouter refuses: the colleague is busy. The mark of the transfer has \
                  arrived, the agent stays, and closes the browser for good five seconds later. The customer hears the announcement, \
                  waits 15 s for the agent, and goes to the colleague, who is free by then.",
        happens: &[
            "agent 0: transfers cold",
            "refused: ",
            "agent 0: closes the browser for good",
            "customer 0: talks to agent 1",
        ],
    },
    Shown {
        name: "lid-closed-until-the-next-agent",
        title: "A closed lid, until the next agent takes over",
        summary: "The agent closes the lid. The leg stands until Twilio gives it up 30 s later; then the customer hears the announcement, \
                  waits 15 s more, and goes to the next agent. When the agent opens the lid, the page shows who has the customer.",
        happens: &[
            "agent 0: closes the lid",
            "customer 0: talks to agent 1",
            "page 0.1: shows the dialog HandedOver",
        ],
    },
];

/// The timeline whose call the docs also show as the server's database has it.
const EXPLAINED: &str = "crash-while-the-server-dies";

/// Checks a page in the docs, or writes it.
fn is_kept(docs: &Path, name: &str, made: &str) {
    assert!(made.len() < LARGEST, "{name}: {} bytes", made.len());
    let file = docs.join(format!("{name}.html"));
    if std::env::var_os("REJOIN_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(docs).expect("a directory");
        std::fs::write(&file, made).expect("a page");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == made,
        "docs/timelines/{name}.html is out of date: REJOIN_WRITE_DOCS=1 cargo test -p rejoin-world --test world timelines"
    );
}

#[test]
fn the_explained_call_in_the_docs_matches_what_the_database_tells() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plan = std::fs::read_to_string(home.join(format!("tests/timelines/{EXPLAINED}.json")));
    let plan: Plan = serde_json::from_str(&plan.expect("a plan")).expect("a plan");
    let mut runner = Runner::new().expect("settings");
    (runner.store, runner.explains) = (StoreKind::Sqlite, true);
    let outcome = runner.run(&plan).expect("a world");
    let [(subject, story)] = &outcome.stories[..] else { panic!("{} stories", outcome.stories.len()) };
    let timeline = story.timeline(subject);
    for what in
        ["server 2 (", "page-gone", "outcome: rejoined", "talks to agent 1", "hears nothing", "job ended: "]
    {
        assert!(timeline.entries.iter().any(|entry| entry.text.contains(what)), "{what}");
    }
    is_kept(
        &home.join("../../docs/timelines"),
        &format!("{EXPLAINED}-explained"),
        &rejoin_timeline::page(&timeline),
    );
}

#[test]
fn timelines_in_the_docs_match_their_plans() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = home.join("../../docs/timelines");
    let mut runner = Runner::new().expect("settings");
    runner.records = true;
    for Shown { name, title, summary, happens } in SHOWN {
        let plan = format!("crates/world/tests/timelines/{name}.json");
        let about = About {
            title: title.into(),
            summary: summary.into(),
            command: format!("npm run simulate -- --plan {plan}"),
        };
        let plan = std::fs::read_to_string(home.join("../..").join(plan)).expect("a plan");
        let plan: Plan = serde_json::from_str(&plan).expect("a plan");
        let outcome = runner.run(&plan).expect("a world");
        assert!(outcome.broken.is_none(), "{name}: {:?}", outcome.broken);
        let text: String = outcome.timeline.iter().map(|entry| format!("{entry}\n")).collect();
        for what in happens {
            assert!(text.contains(what), "{name}: {what}");
        }
        is_kept(&docs, name, &html::page(&plan, &outcome, &about));
    }
    let mut kept: Vec<String> = std::fs::read_dir(docs)
        .expect("timelines")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    kept.sort();
    let mut shown: Vec<String> = SHOWN.iter().map(|shown| format!("{}.html", shown.name)).collect();
    shown.push(format!("{EXPLAINED}-explained.html"));
    shown.sort();
    assert_eq!(kept, shown, "docs/timelines has no other files");
}
