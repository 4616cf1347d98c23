//! The tables of the view "History". Its pictures and its files show what is in them, and nothing else.

use super::texts::Texts;
use crate::explain::time;
use crate::history::{Asked, BOUNDS, Cell as Sum, HOUR, Histogram, Meaning, Rung, Sums};
use rejoin_protocol::Millis;
use std::collections::BTreeMap;

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Its name in addresses and files.
    pub(crate) id: &'static str,
    /// Its heading.
    pub(super) title: &'static str,
    /// A sentence about it.
    pub(super) about: Option<String>,
    /// Names in files, and headings.
    pub(super) columns: Vec<(&'static str, &'static str)>,
    pub(super) rows: Vec<Vec<Value>>,
    /// What its picture draws.
    pub(super) drawn: Drawn,
}

/// The picture of a table.
#[derive(Clone, Debug)]
pub(super) enum Drawn {
    Nothing,
    /// By time: recoveries by [`Meaning`].
    Bars(Vec<(String, [u64; 4])>),
    /// By time: parts that had the same agent, and any agent, in permille.
    Lines(Vec<(String, Option<(u64, u64)>)>),
    Distribution(Histogram),
}

/// What is in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text of the database's.
    Text(String),
    /// An agent's SID, as the database has it.
    Worker(String),
    /// A name in files, and what it is called.
    Name(&'static str, &'static str),
    Count(u64),
    /// A part of a whole; of nothing there is no part.
    Share(u64, u64),
    /// An upper bound; `None`: above all of them.
    Within(Option<Millis>),
    /// A duration.
    Took(Millis),
    /// A point in time, by day or hour.
    At(String),
}

/// The names of an hour or a day.
fn at(start: u64, span: u64) -> String {
    time(Millis(start * HOUR.0)).chars().take(if span == 1 { 16 } else { 10 }).collect()
}

/// Number of recoveries by meaning.
fn meanings<'a>(cells: impl IntoIterator<Item = &'a Sum>) -> [u64; 4] {
    let mut counts = [0; 4];
    for cell in cells {
        counts[cell.meaning() as usize] += cell.count;
    }
    counts
}

/// Those of them whose customer missed an agent.
fn missed([same, any, lost, _]: [u64; 4]) -> u64 {
    same + any + lost
}

/// All tables, in their order on the page.
pub(crate) fn tables(texts: &Texts, asked: &Asked, sums: &Sums) -> Vec<Table> {
    let cells = &sums.cells;
    let all = meanings(cells);
    vec![
        results(texts, all),
        over_time(texts, asked, cells),
        rate(texts, asked, cells),
        distribution("time-to-voice", texts.voice, None, texts, sums.voice()),
        distribution("first-sound", texts.heard, Some(texts.heard_why), texts, sums.heard()),
        rungs(texts, cells),
        causes(texts, cells, all[2]),
        agents(texts, sums),
        versions(texts, sums),
    ]
}

fn meaning(texts: &Texts, meaning: Meaning) -> Value {
    let text = match meaning {
        Meaning::Same => texts.same,
        Meaning::Any => texts.any,
        Meaning::Lost => texts.lost,
        Meaning::Unneeded => texts.unneeded,
    };
    Value::Name(meaning.name(), text)
}

fn results(texts: &Texts, all: [u64; 4]) -> Table {
    let row = |of: Meaning| {
        let count = all[of as usize];
        let share = match of {
            Meaning::Unneeded => Value::Share(0, 0),
            _ => Value::Share(count, missed(all)),
        };
        vec![meaning(texts, of), Value::Count(count), share]
    };
    Table {
        id: "results",
        title: texts.results,
        about: Some(texts.unneeded_why.to_owned()),
        columns: vec![("result", texts.result), ("recoveries", texts.recoveries), ("percent", texts.share)],
        rows: Meaning::ALL.into_iter().map(row).collect(),
        drawn: Drawn::Nothing,
    }
}

/// Each hour or day of the range, with its recoveries by meaning.
fn by_time(asked: &Asked, cells: &[Sum]) -> Vec<(String, [u64; 4])> {
    let range = asked.range;
    let mut counts: BTreeMap<u64, Vec<&Sum>> = BTreeMap::new();
    for cell in cells {
        counts.entry(cell.start).or_default().push(cell);
    }
    let starts = (0..).map(|step| range.from + step * range.span).take_while(|start| *start < range.to);
    starts.map(|start| (at(start, range.span), meanings(counts.remove(&start).unwrap_or_default()))).collect()
}

fn over_time(texts: &Texts, asked: &Asked, cells: &[Sum]) -> Table {
    let points = by_time(asked, cells);
    let row = |(at, counts): &(String, [u64; 4])| {
        let sum = Value::Count(counts.iter().sum());
        [Value::At(at.clone()), sum].into_iter().chain(counts.map(Value::Count)).collect()
    };
    Table {
        id: "over-time",
        title: texts.over_time,
        about: None,
        columns: vec![
            ("begins", texts.begins),
            ("recoveries", texts.recoveries),
            ("same-agent", texts.same),
            ("any-agent", texts.any),
            ("lost", texts.lost),
            ("not-needed", texts.unneeded),
        ],
        rows: points.iter().map(row).collect(),
        drawn: Drawn::Bars(points),
    }
}

fn rate(texts: &Texts, asked: &Asked, cells: &[Sum]) -> Table {
    let points = by_time(asked, cells);
    let row = |(at, counts): &(String, [u64; 4])| {
        let [same, any, _, _] = *counts;
        vec![
            Value::At(at.clone()),
            Value::Share(same, missed(*counts)),
            Value::Share(same + any, missed(*counts)),
        ]
    };
    let permille = |(at, counts): &(String, [u64; 4])| {
        let [same, any, _, _] = *counts;
        let part = |count: u64| (count * 1000).checked_div(missed(*counts));
        (at.clone(), part(same).zip(part(same + any)))
    };
    Table {
        id: "success",
        title: texts.rate,
        about: None,
        columns: vec![
            ("begins", texts.begins),
            ("same-agent-percent", texts.rate_same),
            ("with-an-agent-percent", texts.rate_any),
        ],
        rows: points.iter().map(row).collect(),
        drawn: Drawn::Lines(points.iter().map(permille).collect()),
    }
}

fn distribution(
    id: &'static str,
    title: &'static str,
    why: Option<&str>,
    texts: &Texts,
    histogram: Histogram,
) -> Table {
    let all = histogram.count();
    let mut seen = 0;
    let rows = histogram.0.iter().enumerate().map(|(bucket, count)| {
        seen += count;
        vec![Value::Within(BOUNDS.get(bucket).copied()), Value::Count(*count), Value::Share(seen, all)]
    });
    let rows = if all == 0 { vec![] } else { rows.collect() };
    let shares = summary(texts, &histogram);
    let about: Vec<&str> = shares.as_deref().into_iter().chain(why).collect();
    Table {
        id,
        title,
        about: (!about.is_empty()).then(|| about.join(" ")),
        columns: vec![
            ("within-seconds", texts.within),
            ("recoveries", texts.recoveries),
            ("percent-so-far", texts.so_far),
        ],
        rows,
        drawn: Drawn::Distribution(histogram),
    }
}

/// The bounds within which half, 90 % and 99 % are, as a sentence. `None`: there is none.
pub(super) fn summary(texts: &Texts, histogram: &Histogram) -> Option<String> {
    let [half, most, nearly] = [50, 90, 99].map(|hundredths| histogram.share(hundredths));
    let [half, most, nearly] = [half?, most?, nearly?].map(|bound| within(texts, bound));
    Some(crate::console::fill(texts.percentiles, &[("a", &half), ("b", &most), ("c", &nearly)]))
}

/// A bound in words.
pub(super) fn within(texts: &Texts, bound: Option<Millis>) -> String {
    match bound {
        Some(bound) => seconds(bound),
        None => crate::console::fill(texts.over, &[("n", &(BOUNDS[BOUNDS.len() - 1].0 / 1000))]),
    }
}

/// Seconds, with a decimal where there is one.
pub(super) fn seconds(of: Millis) -> String {
    match of.0 % 1000 {
        0 => format!("{} s", of.0 / 1000),
        part => format!("{}.{} s", of.0 / 1000, part / 100),
    }
}

fn rung(texts: &Texts, name: &str) -> Value {
    let Some(rung) = Rung::named(name) else { return Value::Text(name.to_owned()) };
    Value::Name(rung.name(), texts.rung_name(rung))
}

fn rungs(texts: &Texts, cells: &[Sum]) -> Table {
    let mut by_rung: BTreeMap<&str, Vec<&Sum>> = BTreeMap::new();
    for cell in cells {
        by_rung.entry(&cell.rung).or_default().push(cell);
    }
    let order = |name: &str| Rung::ALL.into_iter().position(|rung| rung.name() == name).unwrap_or(usize::MAX);
    let mut by_rung: Vec<_> = by_rung.into_iter().collect();
    by_rung.sort_by_key(|(name, _)| order(name));
    let row = |(name, cells): (&str, Vec<&Sum>)| {
        let counts = meanings(cells);
        let [same, any, lost, _] = counts;
        vec![
            rung(texts, name),
            Value::Count(counts.iter().sum()),
            Value::Count(same),
            Value::Count(any),
            Value::Count(lost),
            Value::Share(same + any, missed(counts)),
        ]
    };
    Table {
        id: "rungs",
        title: texts.rungs,
        about: None,
        columns: vec![
            ("rung", texts.rung),
            ("recoveries", texts.recoveries),
            ("same-agent", texts.same),
            ("any-agent", texts.any),
            ("lost", texts.lost),
            ("with-an-agent-percent", texts.rate_any),
        ],
        rows: by_rung.into_iter().map(row).collect(),
        drawn: Drawn::Nothing,
    }
}

fn causes(texts: &Texts, cells: &[Sum], lost: u64) -> Table {
    let mut by_cause: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.meaning() == Meaning::Lost) {
        *by_cause.entry((&cell.outcome, &cell.cause, &cell.rung)).or_default() += cell.count;
    }
    let mut by_cause: Vec<_> = by_cause.into_iter().collect();
    by_cause.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let row = |((outcome, cause, at), count): ((&str, &str, &str), u64)| {
        let why = match (outcome, cause) {
            ("customer-left", _) => Value::Name("customer-left", texts.customer_left),
            (_, "nobody-took-it") => Value::Name("nobody-took-it", texts.nobody_took_it),
            (_, "not-requeued") => Value::Name("not-requeued", texts.not_requeued),
            (_, "" | "other") => Value::Name("other", texts.other_cause),
            (_, cause) => Value::Text(cause.to_owned()),
        };
        vec![why, rung(texts, at), Value::Count(count), Value::Share(count, lost)]
    };
    Table {
        id: "causes",
        title: texts.causes,
        about: None,
        columns: vec![
            ("cause", texts.cause),
            ("rung", texts.rung),
            ("recoveries", texts.recoveries),
            ("percent", texts.share),
        ],
        rows: by_cause.into_iter().map(row).collect(),
        drawn: Drawn::Nothing,
    }
}

fn agents(texts: &Texts, sums: &Sums) -> Table {
    let row = |agent: &crate::history::Agent| {
        vec![Value::Worker(agent.worker.clone()), Value::Count(agent.losses), Value::Count(agent.lost)]
    };
    Table {
        id: "agents",
        title: texts.agents,
        about: Some(texts.agents_why.to_owned()),
        columns: vec![("agent", texts.agent), ("losses", texts.losses), ("lost", texts.lost)],
        rows: sums.agents.iter().map(row).collect(),
        drawn: Drawn::Nothing,
    }
}

fn versions(texts: &Texts, sums: &Sums) -> Table {
    let all = sums.versions.iter().map(|(_, count)| count).sum();
    let row = |(version, count): &(String, u64)| {
        vec![Value::Text(version.clone()), Value::Count(*count), Value::Share(*count, all)]
    };
    Table {
        id: "versions",
        title: texts.versions,
        about: Some(texts.versions_why.to_owned()),
        columns: vec![("version", texts.version), ("pages", texts.pages), ("percent", texts.share)],
        rows: sums.versions.iter().map(row).collect(),
        drawn: Drawn::Nothing,
    }
}
