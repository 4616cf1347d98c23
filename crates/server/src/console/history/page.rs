//! The page of the view "History".

use super::chart::{self, MEANINGS};
use super::tables::{Drawn, Table, Value, seconds, within};
use super::texts::{Texts, of};
use crate::console::page::frame;
use crate::console::{Language, Role, fill};
use crate::history::{Asked, LAST, Mistake, OUTCOMES, Rung, Sums, minute};
use maud::{Markup, html};
use rejoin_protocol::WorkerSid;

/// A part of a whole, rounded; `None`: of nothing.
pub(super) fn permille(part: u64, whole: u64) -> Option<u64> {
    // Only a whole is 100 %.
    let rounded = (part * 1000 + whole / 2).checked_div(whole)?;
    Some(if part < whole { rounded.min(999) } else { rounded })
}

/// The view. `sums`: `None` if the database did not answer.
pub(crate) fn page(
    language: Language,
    role: Role,
    asked: &Asked,
    mistakes: &[Mistake],
    sums: Option<&Sums>,
) -> String {
    let (texts, common) = (of(language), language.texts());
    let (from, to) = asked.range.times();
    let [from, to] = [from, to].map(|at| minute(at).replace('T', " "));
    let main = html! {
        @for mistake in mistakes {
            p.notice role="status" {
                (match mistake { Mistake::Range => texts.range_unknown, Mistake::Filter => texts.filter_unknown })
            }
        }
        (form(texts, asked, sums))
        p.range { (fill(texts.shown, &[("from", &from), ("to", &to)])) }
        @match sums {
            None => p.bad { (common.unread) },
            Some(sums) => (shown(texts, asked, sums)),
        }
    };
    frame(language, texts.title, Some(role), &main)
}

fn form(texts: &Texts, asked: &Asked, sums: Option<&Sums>) -> Markup {
    let (from, to) = asked.range.times();
    let choice = |name: &str, label: &str, chosen: Option<&str>, choices: &[(String, String)]| {
        html! {
            div {
                label for=(name) { (label) }
                select id=(name) name=(name) {
                    option value="" { (texts.all) }
                    // What is chosen can be unchosen, also where nothing happened.
                    @if let Some(chosen) = chosen && choices.iter().all(|(value, _)| value != chosen) {
                        option value=(chosen) selected { (chosen) }
                    }
                    @for (value, text) in choices {
                        option value=(value) selected[chosen == Some(value)] { (text) }
                    }
                }
            }
        }
    };
    let of_database = |all: Option<&Vec<(String, u64)>>| -> Vec<(String, String)> {
        let known = all.into_iter().flatten().filter(|(sid, _)| !sid.is_empty());
        known.map(|(sid, count)| (sid.clone(), format!("{sid} ({count})"))).collect()
    };
    let rungs = Rung::ALL.map(|rung| (rung.name().to_owned(), texts.rung_name(rung).to_owned()));
    let outcomes = OUTCOMES.map(|name| (name.to_owned(), name.to_owned()));
    html! {
        nav.last aria-label=(texts.time) {
            ul {
                @for ((name, _), text) in LAST.into_iter().zip([texts.last_1d, texts.last_7d, texts.last_30d, texts.last_90d]) {
                    li {
                        a href=(format!("/console/history?{}", asked.with_last(name).query()))
                            aria-current=[(asked.last == Some(name)).then_some("true")] { (text) }
                    }
                }
            }
        }
        form.filters method="get" action="/console/history" {
            div { label for="from" { (texts.from) } input id="from" name="from" type="datetime-local" value=(minute(from)); }
            div { label for="to" { (texts.to) } input id="to" name="to" type="datetime-local" value=(minute(to)); }
            (choice("workflow", texts.workflow, asked.workflow.as_deref(), &of_database(sums.map(|it| &it.workflows))))
            (choice("queue", texts.queue, asked.queue.as_deref(), &of_database(sums.map(|it| &it.queues))))
            div {
                label for="agent" { (texts.agent) }
                input id="agent" name="agent" type="text" value=[asked.worker.as_deref()] placeholder="WK…"
                    maxlength="34" spellcheck="false" autocapitalize="off";
            }
            (choice("rung", texts.rung, asked.rung.map(Rung::name), &rungs))
            (choice("outcome", texts.outcome, asked.outcome, &outcomes))
            div.go {
                button type="submit" { (texts.show) }
                " "
                a.button.quiet href="/console/history" { (texts.reset) }
            }
        }
    }
}

fn shown(texts: &Texts, asked: &Asked, sums: &Sums) -> Markup {
    let tables = super::tables(texts, asked, sums);
    html! {
        @if sums.uncounted > 0 {
            p.notice { (fill(texts.uncounted, &[("n", &more(sums.uncounted))])) }
        }
        @if sums.cells.is_empty() { p.good { (texts.nothing) } }
        p.files {
            (texts.files) " "
            a href=(format!("/console/history.csv?{}", asked.query())) { "CSV" } " "
            a href=(format!("/console/history.json?{}", asked.query())) { "JSON" }
        }
        div.sections.history {
            @for table in &tables { (section(texts, asked, table, true)) }
        }
    }
}

/// A number that is not counted to its end.
pub(super) fn more(count: u64) -> String {
    let sign = if count >= Sums::MOST_UNCOUNTED { "≥ " } else { "" };
    format!("{sign}{count}")
}

/// A table with its heading and its picture. `is_linked`: with links to other pages of the console.
pub(super) fn section(texts: &Texts, asked: &Asked, table: &Table, is_linked: bool) -> Markup {
    let is_empty = table.rows.is_empty();
    let label = fill(texts.picture, &[("title", &table.title)]);
    let picture = match &table.drawn {
        _ if is_empty => None,
        Drawn::Nothing => None,
        Drawn::Bars(points) => Some(html! { (chart::bars(&label, points)) (legend(texts, 4)) }),
        Drawn::Lines(points) => Some(html! { (chart::lines(&label, points)) (legend(texts, 2)) }),
        Drawn::Distribution(histogram) => Some(chart::distribution(&label, histogram)),
    };
    html! {
        section id=(table.id) aria-labelledby=(format!("{}-title", table.id)) {
            h2 id=(format!("{}-title", table.id)) { (table.title) }
            @if let Some(about) = &table.about { p { (about) } }
            @if is_empty { p { (texts.none) } } @else {
                @if let Some(picture) = &picture {
                    figure { (picture) }
                    details { summary { (texts.table) } (rows(texts, asked, table, is_linked)) }
                } @else { (rows(texts, asked, table, is_linked)) }
                @if is_linked {
                    p.files { a href=(format!("/console/history.csv?{}&table={}", asked.query(), table.id))
                        aria-label=(format!("CSV: {}", table.title)) { "CSV" } }
                }
            }
        }
    }
}

fn legend(texts: &Texts, of: usize) -> Markup {
    let names = [texts.same, if of == 2 { texts.rate_any } else { texts.any }, texts.lost, texts.unneeded];
    html! {
        ul.legend { @for (class, name) in MEANINGS.into_iter().zip(names).take(of) { li { span.key.(class) {} (name) } } }
    }
}

fn rows(texts: &Texts, asked: &Asked, table: &Table, is_linked: bool) -> Markup {
    let heads: Vec<&str> = table.columns.iter().map(|(_, head)| *head).collect();
    let rows: Vec<Vec<Markup>> = table
        .rows
        .iter()
        .map(|row| row.iter().map(|value| html! { (cell(texts, asked, value, is_linked)) }).collect())
        .collect();
    crate::console::table::table(table.title, &heads, &rows)
}

fn cell(texts: &Texts, asked: &Asked, value: &Value, is_linked: bool) -> Markup {
    match value {
        Value::Text(text) if text.is_empty() => html! { (texts.not_known) },
        Value::Worker(sid) if sid.is_empty() => html! { (texts.not_known) },
        Value::Text(text) => html! { code { (text) } },
        Value::Worker(sid) if is_linked && WorkerSid::parse(sid).is_ok() => {
            let only = Asked { worker: Some(sid.clone()), ..asked.clone() };
            html! { a href=(format!("/console/history?{}", only.query())) { code { (sid) } } }
        }
        Value::Worker(text) => html! { code { (text) } },
        Value::Name(_, text) => html! { (text) },
        Value::Count(count) => html! { (count) },
        Value::Share(part, whole) => match permille(*part, *whole) {
            Some(permille) => html! { (permille / 10) "." (permille % 10) " %" },
            None => html! { "–" },
        },
        Value::Within(bound) => html! { (within(texts, *bound)) },
        Value::Took(took) => html! { (seconds(*took)) },
        Value::At(at) => html! { (at) },
    }
}
