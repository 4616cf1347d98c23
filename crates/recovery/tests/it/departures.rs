//! `docs/departures.md` is drawn from the decision table.

use rejoin_recovery::{DEPARTURES, MISSED};
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Departures

What kind of departure it was when an agent's leg is gone. The table is drawn from `crates/recovery/src/diagnosis/departure.rs`
(`REJOIN_WRITE_DOCS=1 cargo test -p rejoin-recovery --test it departures`) and read from top to bottom: the first row that holds
decides. Whenever more becomes known of the call, the legs that are undecided are judged again; so is a settled leg, if the conference
turns out to have ended with it, or if only a dead leg is left. A case is in [cases.md](cases.md), a story in `crates/world/tests/stories`.
[`rejoin explain`](runbook.md#why-a-customer-was-requeued) says which loss it was for one call.

";

const SECOND: &str = "
## When an agent left and another one is missed

Asked in this order when a departure was graceful, or a move; after a graceful one again when a third party leaves. The agent whom a row
finds is recovered as if lost now.

";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A table as the formatter of the documents would write it.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let line = |cells: Vec<String>| {
        let cells = cells.iter().enumerate().map(|(n, cell)| format!("{cell:<0$}", width(n)));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = (0..head.len()).map(|column| "-".repeat(width(column))).collect();
    let head = head.iter().map(|&cell| cell.to_owned()).collect();
    [line(head), line(rule)].into_iter().chain(rows.iter().cloned().map(line)).collect()
}

fn page() -> String {
    let departures = DEPARTURES.iter().enumerate().map(|(n, row)| {
        let number = (n + 1).to_string();
        vec![
            number,
            row.when.into(),
            row.departure.name().into(),
            row.departure.follows().into(),
            row.taught_by.into(),
        ]
    });
    let missed = MISSED.iter().enumerate().map(|(n, row)| {
        let when = if row.is_dead { "at once" } else { "after the grace period" };
        vec![(n + 1).to_string(), row.when.into(), when.into(), row.taught_by.into()]
    });
    let first =
        table(&["#", "when", "departure", "what follows", "taught by"], &departures.collect::<Vec<_>>());
    let second = table(&["#", "when", "recovered", "taught by"], &missed.collect::<Vec<_>>());
    [HEAD, &first, SECOND, &second].concat()
}

#[test]
fn departures_md_matches_the_decision_table() {
    let file = root().join("docs/departures.md");
    let made = page();
    if std::env::var_os("REJOIN_WRITE_DOCS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "docs/departures.md is out of date: run this test with REJOIN_WRITE_DOCS=1");
}

#[test]
fn each_row_names_a_story_or_a_case_that_exists() {
    let cases = std::fs::read_to_string(root().join("docs/cases.md")).unwrap();
    let named = DEPARTURES.iter().map(|row| row.taught_by).chain(MISSED.iter().map(|row| row.taught_by));
    for taught_by in named {
        let exists = match taught_by.split_once(' ') {
            Some(("story", story)) => {
                root().join(format!("crates/world/tests/stories/{story}.json")).exists()
            }
            Some(("case", case)) => cases.contains(&format!("| {case:<3} |")),
            _ => false,
        };
        assert!(exists, "{taught_by}");
    }
}

/// The runbook explains each way to lose an agent and each cause of a requeue.
#[test]
fn the_runbook_explains_losses_and_causes() {
    use rejoin_recovery::{Loss, RequeueCause};
    use serde_json::to_value;
    let losses = [
        Loss::NoMark,
        Loss::LegFollowedPage,
        Loss::ProvedDead,
        Loss::EndedConference,
        Loss::ColleagueLeft,
        Loss::NoTransfer,
    ];
    let causes = [
        RequeueCause::AgentBack,
        RequeueCause::AgentNotBack,
        RequeueCause::NotTaken,
        RequeueCause::LostTooOften,
        RequeueCause::ConferenceEnded,
        RequeueCause::Refused,
        RequeueCause::AgentFoundHasLeft,
        RequeueCause::TaskCancelled,
        RequeueCause::NoMusic,
        RequeueCause::QueueLetGo,
        RequeueCause::SentBefore,
        RequeueCause::FoundAlone,
    ];
    let names = losses.iter().map(to_value).chain(causes.iter().map(to_value));
    let names: Vec<String> = names.filter_map(|name| Some(name.ok()?.as_str()?.to_owned())).collect();
    let runbook = std::fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let from = runbook.find("Why a customer was requeued").unwrap();
    let rows = runbook[from..].lines().skip(1).take_while(|line| !line.starts_with('#'));
    let explained: Vec<_> = rows
        .filter_map(|row| row.strip_prefix("| `")?.split('`').next())
        .filter(|name| !["by", "because"].contains(name))
        .collect();
    assert_eq!(explained, names);
}
