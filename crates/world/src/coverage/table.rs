//! Tables of what occurred and what never did.

use super::Coverage;
use super::cases::{CASES, How};
use crate::plan::{Act, FaultKind};
use rejoin_recovery::cells::Cell;
use std::fmt;

/// The table of cells. It is generated from the machine, and the machine's tests check it.
const TRANSITIONS: &str = include_str!("../../../../docs/transitions.md");

/// A row of its overview: an event, and for each state the sign of what the machine does; empty where the event is
/// ignored.
struct Row<'a> {
    name: &'a str,
    signs: Vec<&'a str>,
}

fn columns(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// The states and the rows of the overview.
fn overview() -> (Vec<&'static str>, Vec<Row<'static>>) {
    let lines = TRANSITIONS.lines().skip_while(|line| *line != "## Overview").skip(1);
    let mut table = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let states = table.next().map(columns).unwrap_or_default().into_iter().skip(1).collect();
    let rows = table.skip(1).map(|line| {
        let mut columns = columns(line).into_iter();
        Row { name: columns.next().unwrap_or_default(), signs: columns.collect() }
    });
    (states, rows.collect())
}

/// A count in at most five characters.
fn short(count: u64) -> String {
    match count {
        0..=99_999 => count.to_string(),
        100_000..=9_999_999 => format!("{}k", count / 1_000),
        _ => format!("{}M", count / 1_000_000),
    }
}

impl Coverage {
    fn count_of(&self, state: &'static str, row: &'static str) -> u64 {
        self.cells.get(&Cell { state, row: Some(row) }).copied().unwrap_or_default()
    }

    fn cases(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut never = vec![];
        writeln!(f, "cases (docs/cases.md):")?;
        for (place, case) in CASES.iter().enumerate() {
            let (number, what) = (case.number, case.what);
            let count = self.cases.get(&place).copied().unwrap_or_default();
            match case.how {
                How::Never(why) => writeln!(f, "  {:>9}  {number:>2}  {what}: {why}", "–")?,
                _ => writeln!(f, "  {count:>9}  {number:>2}  {what}")?,
            }
            if count == 0 && !matches!(case.how, How::Never(_)) {
                never.push(format!("{number} ({what})"));
            }
        }
        list_never(f, "cases", &never)
    }

    fn transitions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (states, rows) = overview();
        let widest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
        writeln!(
            f,
            "transitions (docs/transitions.md); “-”: never, “.”: never, and nothing would follow from it:"
        )?;
        write!(f, "  {:widest$}", "")?;
        states.iter().try_for_each(|state| write!(f, "{state:>6}"))?;
        writeln!(f)?;
        let (mut never, mut occurred, mut all) = (vec![], [0, 0], [0, 0]);
        for row in &rows {
            write!(f, "  {:<widest$}", row.name)?;
            let mut sum = 0;
            for (state, sign) in states.iter().zip(&row.signs) {
                let (count, ignored) = (self.count_of(state, row.name), sign.is_empty());
                all[usize::from(ignored)] += 1;
                occurred[usize::from(ignored)] += u32::from(count > 0);
                sum += count;
                let text = match (count, ignored) {
                    (0, true) => ".".into(),
                    (0, false) => "-".into(),
                    _ => short(count),
                };
                write!(f, "{text:>6}")?;
            }
            writeln!(f)?;
            if sum == 0 {
                never.push(row.name.to_owned());
            }
        }
        let [does, ignored] = occurred;
        writeln!(
            f,
            "  {does} of {} cells in which the machine acts or notes the event, {ignored} of {} in which it ignores the event",
            all[0], all[1]
        )?;
        let over: u64 = self.cells.iter().filter(|(cell, _)| cell.state == "X").map(|(_, count)| count).sum();
        writeln!(f, "  {over} events about calls that were over, without a recovery")?;
        let unlisted: Vec<_> = self.unlisted.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(f, "  events without a row there: {}", unlisted.join(", "))?;
        list_never(f, "events", &never)
    }

    fn faults_and_acts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut never = vec![];
        writeln!(f, "faults and deeds:")?;
        let faults = FaultKind::ALL.into_iter().filter(|kind| kind.strikes());
        let faults = faults.map(|kind| (kind.name(), self.faults.get(&kind)));
        let acts = Act::ALL.into_iter().map(|act| (act.name(), self.acts.get(act.name())));
        for (kind, (name, count)) in faults.map(|it| ("fault", it)).chain(acts.map(|it| ("an agent", it))) {
            let count = count.copied().unwrap_or_default();
            writeln!(f, "  {count:>9}  {kind}: {name}")?;
            if count == 0 {
                never.push(name.to_owned());
            }
        }
        list_never(f, "faults and deeds", &never)
    }
}

fn list_never(f: &mut fmt::Formatter<'_>, what: &str, never: &[String]) -> fmt::Result {
    let never = if never.is_empty() { "none".into() } else { never.join("; ") };
    writeln!(f, "  {what} that never occurred: {never}\n")
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cases(f)?;
        self.transitions(f)?;
        self.faults_and_acts(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_overview_of_the_docs_is_parsed() {
        let (states, rows) = overview();
        assert_eq!((states.len(), states[0], states[24]), (25, "–", "EF"));
        assert!(rows.len() > 80 && rows.iter().all(|row| row.signs.len() == states.len()), "{}", rows.len());
        let leaves = rows.iter().find(|row| row.name == "the agent's leg leaves").expect("a row");
        assert_eq!((leaves.signs[2], leaves.signs[8]), ("G", ""));
    }

    /// The cases after it are of conversations, which no world has.
    const LAST_OF_CALLS: u8 = 26;

    #[test]
    fn each_case_of_a_call_in_the_docs_has_a_detector() {
        let docs = include_str!("../../../../docs/cases.md");
        let numbers = docs.lines().filter_map(|line| columns(line).first()?.parse::<u8>().ok());
        let numbers: BTreeSet<u8> = numbers.filter(|number| *number <= LAST_OF_CALLS).collect();
        assert_eq!(numbers.len(), usize::from(LAST_OF_CALLS));
        assert_eq!(CASES.iter().map(|case| case.number).collect::<BTreeSet<_>>(), numbers);
    }

    #[test]
    fn what_never_occurred_is_listed() {
        let mut coverage = Coverage::default();
        coverage.cells.insert(Cell { state: "T", row: Some("the agent's leg leaves") }, 123_456);
        coverage.acts.insert(Act::Mute.name(), 7);
        let text = coverage.to_string();
        let line =
            |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).expect("a row");
        assert!(line("the agent's leg leaves ").contains("  123k "), "{text}");
        assert!(!line("events that never").contains("the agent's leg leaves;"), "{text}");
        assert!(line("events that never").contains("the customer hangs up;"), "{text}");
        assert!(line("cases that never").contains("3 (two callbacks of one conference at once)"), "{text}");
        let deeds = line("faults and deeds that never");
        assert!(deeds.contains("429") && !deeds.contains("mutes") && deeds.contains("signs out"), "{text}");
        assert!(!text.contains("takes an agent offline"), "it does nothing: {text}");
    }
}
