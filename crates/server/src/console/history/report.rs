//! The page that `rejoin report --html` writes: tables and pictures of the history, and what else was counted, in one file.

use super::page::{more, permille, section};
use super::tables::{Drawn, Table, Value, summary, tables};
use super::texts::{Texts, of};
use crate::console::page::{alone, clock};
use crate::console::{Language, fill};
use crate::history::{Meaning, minute};
use crate::report_page::Page;
use maud::html;

/// The tables of the history that it leaves out: a page that is passed on names no agent.
const LEFT_OUT: [&str; 1] = ["agents"];

/// The file.
pub(crate) fn report(language: Language, page: &Page) -> String {
    let texts = of(language);
    let (asked, sums) = (&page.asked, &page.sums);
    let (from, to) = asked.range.times();
    let [from, to] = [from, to].map(|at| minute(at).replace('T', " "));
    let written = fill(texts.written, &[("time", &clock(page.at)), ("version", &env!("CARGO_PKG_VERSION"))]);
    let main = html! {
        p.range { (fill(texts.shown, &[("from", &from), ("to", &to)])) }
        p { (written) }
        @if sums.uncounted > 0 { p.notice { (fill(texts.uncounted_yet, &[("n", &more(sums.uncounted))])) } }
        @if sums.cells.is_empty() { p.good { (texts.nothing) } } @else { (key_figures(texts, page)) }
        div.sections.history {
            @for table in &all(texts, page) { (section(texts, asked, table, false)) }
        }
    };
    alone(language, texts.report, &main)
}

fn key_figures(texts: &Texts, page: &Page) -> maud::Markup {
    let sums = &page.sums;
    let [same, any, lost, unneeded] = Meaning::ALL.map(|meaning| sums.count(meaning));
    let missed = same + any + lost;
    let share = |part: u64| match permille(part, missed) {
        Some(permille) => format!("{}.{} %", permille / 10, permille % 10),
        None => "–".to_owned(),
    };
    html! {
        dl.key-figures {
            div { dt { (texts.recoveries) } dd { (missed + unneeded) } }
            div { dt { (texts.rate_same) } dd { (share(same)) } }
            div { dt { (texts.rate_any) } dd { (share(same + any)) } }
            div { dt { (texts.lost) } dd { (share(lost)) } }
            @for (name, histogram) in [(texts.voice, sums.voice()), (texts.heard, sums.heard())] {
                @if let Some(sentence) = summary(texts, &histogram) {
                    div.wide { dt { (name) } dd { (sentence) } }
                }
            }
        }
    }
}

/// All tables, those of the history first.
fn all(texts: &Texts, page: &Page) -> Vec<Table> {
    let mut all = tables(texts, &page.asked, &page.sums);
    all.retain(|table| !LEFT_OUT.contains(&table.id));
    all.push(silent(texts, page));
    all.push(switches(texts, page));
    all
}

fn silent(texts: &Texts, page: &Page) -> Table {
    let (count, answered) = page.silent;
    let row = vec![Value::Count(count), Value::Count(answered), Value::Share(answered, count)];
    Table {
        id: "silent",
        title: texts.silent,
        about: Some(texts.silent_why.to_owned()),
        columns: vec![
            ("silent-pages", texts.silent_pages),
            ("answered", texts.answered),
            ("percent", texts.share),
        ],
        rows: if page.silent == (0, 0) { vec![] } else { vec![row] },
        drawn: Drawn::Nothing,
    }
}

fn switches(texts: &Texts, page: &Page) -> Table {
    let row = |it: &crate::report::SwitchedInAll| {
        vec![
            Value::Text(it.what.clone()),
            Value::Text(it.cause.clone()),
            Value::Count(it.count),
            it.mean.map_or(Value::Text(String::new()), Value::Took),
            Value::Count(it.calls),
        ]
    };
    Table {
        id: "switches",
        title: texts.switches,
        about: Some(texts.switches_why.to_owned()),
        columns: vec![
            ("switch", texts.switch),
            ("cause", texts.cause),
            ("times", texts.times),
            ("mean-seconds", texts.without_service),
            ("calls", texts.calls),
        ],
        rows: page.switches.iter().map(row).collect(),
        drawn: Drawn::Nothing,
    }
}
