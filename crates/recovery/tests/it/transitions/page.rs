//! The document.

use super::cell::{Cell, cell};
use super::events::{Group, Row, groups};
use super::states::{STATES, State};
use super::why::why;

const HEAD: &str = "\
# What the recovery machine does

Generated from the code: a test brings a call into each state, sends it each event, and writes down what the machine does. After a change of
the machine, `REJOIN_WRITE_DOCS=1 cargo test -p rejoin-recovery --test it transitions` regenerates this page; without the variable the same
test fails when the page is out of date. [recovery.md](recovery.md) has the durations.
";

const OVERVIEW: &str = "\
## Overview

Letters: the next state. `!`: the machine acts, and the state stays. `·`: the machine notes the event. Empty: it ignores the event, for the
reason below. `X`: the call is over, and there was no recovery. No cell is a defect: an event that should be impossible, such as the
waiting music for a customer who was never sent to the queue, is ignored and does no harm.
";

/// More states than this are not named one by one.
const OTHERS: usize = 8;

pub(super) fn page() -> String {
    let groups = groups();
    let states = STATES.iter().map(|state| vec![state.code.into(), state.name.into(), state.about.into()]);
    let mut page = format!("{HEAD}\n## States\n\n{}", table(&["", "state", "what it is"], states.collect()));
    page += &format!("\n{OVERVIEW}\n{}", overview(&groups));
    for group in &groups {
        let rows = group.rows.iter().flat_map(folded).collect();
        let about = ["event", "states", "what the machine does"];
        page += &format!("\n## {}\n\n{}", group.name, table(&about, rows));
    }
    page
}

fn overview(groups: &[Group]) -> String {
    let codes = STATES.iter().map(|state| state.code);
    let head: Vec<_> = std::iter::once("").chain(codes).collect();
    let rows = groups.iter().flat_map(|group| &group.rows).map(|row| {
        let signs = STATES.iter().map(|state| cell(state, row).0.sign().to_owned());
        std::iter::once(row.name.clone()).chain(signs).collect()
    });
    table(&head, rows.collect())
}

/// States in which an event has the same effect share a line. The effect in most states comes last.
fn folded(row: &Row) -> Vec<Vec<String>> {
    let mut lines: Vec<(String, Vec<&str>)> = vec![];
    for state in &STATES {
        let text = text(row, state, &cell(state, row).0);
        match lines.iter_mut().find(|(other, _)| *other == text) {
            Some((_, names)) => names.push(state.name),
            None => lines.push((text, vec![state.name])),
        }
    }
    let most = lines.iter().map(|(_, names)| names.len()).max().unwrap_or_default();
    if most > OTHERS {
        lines.sort_by_key(|(_, names)| names.len() == most);
    }
    let last = lines.len() - 1;
    let line = |(i, (text, names)): (usize, (String, Vec<&str>))| {
        let name = if i == 0 { row.name.clone() } else { String::new() };
        let names = match names.len() {
            all if all == STATES.len() => "all".into(),
            most if most > OTHERS && i == last => "all others".into(),
            _ => names.join(", "),
        };
        vec![name, names, text]
    };
    lines.into_iter().enumerate().map(line).collect()
}

fn text(row: &Row, state: &State, cell: &Cell) -> String {
    match why(&row.name, state.code).filter(|_| cell.is_ignored()) {
        Some(why) => format!("ignored: {why}"),
        None => cell.text(),
    }
}

/// The table as Prettier formats it.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|i| rows.iter().map(|row| row[i].chars().count()).chain([head[i].chars().count(), 3]).max())
        .map(Option::unwrap_or_default)
        .collect();
    let line = |cells: Vec<String>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let dashes = widths.iter().map(|width| "-".repeat(*width)).collect();
    let all = [head.iter().map(|cell| (*cell).to_owned()).collect(), dashes].into_iter().chain(rows);
    all.map(line).collect()
}
