//! The view "Now", in sections that change one by one.

mod conversations;

use super::overview::{Open, Overview, Requests, Step};
use super::session::Role;
use super::table::table;
use super::texts::{Texts, fill};
use crate::explain::time;
use crate::pace::LaneStatus;
use crate::store::SeenServer;
use maud::{Markup, html};
use rejoin_protocol::Millis;
use std::fmt::Display;

/// A section of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// The id of its element.
    pub(crate) id: &'static str,
    /// Its element.
    pub(crate) html: String,
}

/// The sections, in their order. `rows`: maximum number of recoveries that are shown.
pub(crate) fn sections(texts: &Texts, overview: &Overview, role: Role, rows: usize) -> Vec<Section> {
    let section = |id: &'static str, title: &str, inside: &Markup| {
        let heading = format!("{id}-title");
        let html = html! {
            section id=(id) aria-labelledby=(heading) { h2 id=(heading) { (title) } (inside) }
        };
        Section { id, html: html.into_string() }
    };
    let mut sections = vec![
        section("storm", texts.storm, &storm(texts, overview, role)),
        section("calls", texts.calls, &calls(texts, overview)),
        section("recoveries", texts.recoveries, &recoveries(texts, overview, rows)),
    ];
    if overview.has_conversations {
        sections.push(section("conversations", texts.chats, &chats(texts, overview, rows)));
    }
    sections.extend([
        section("undone", texts.undone, &undone(texts, overview)),
        section("servers", texts.servers, &servers(texts, overview)),
        section("twilio", texts.twilio, &twilio(texts, overview)),
        section("database", texts.database, &database(texts, overview)),
    ]);
    sections
}

fn chats(texts: &Texts, overview: &Overview, rows: usize) -> Markup {
    match &overview.seen {
        Some(seen) => conversations::conversations(texts, overview.at, &seen.conversations, rows),
        None => unread(texts),
    }
}

/// What a screen reader is told when it changes.
pub(crate) fn summary(texts: &Texts, overview: &Overview) -> String {
    let open = overview.open().len();
    let mut said = match (&overview.seen, open) {
        (None, _) => texts.unread.to_owned(),
        (Some(_), 0) => texts.summary_none.to_owned(),
        (Some(_), open) => fill(texts.summary, &[("n", &open)]),
    };
    let absent = overview.seen.as_ref().map_or(0, |seen| seen.conversations.absent);
    if overview.has_conversations && absent > 0 {
        said.push(' ');
        said.push_str(&fill(texts.summary_chats, &[("n", &absent)]));
    }
    for (is_so, text) in
        [(overview.pace.storm, texts.summary_storm), (overview.pace.failsafe, texts.summary_failsafe)]
    {
        if is_so {
            said.push(' ');
            said.push_str(text);
        }
    }
    said
}

/// Terms with their values.
fn facts(all: &[(&str, Markup)]) -> Markup {
    html! {
        dl {
            @for (term, value) in all {
                div { dt { (term) } dd { (value) } }
            }
        }
    }
}

/// A value that is marked when something is wrong.
fn marked(is_bad: bool, value: &impl Display) -> Markup {
    html! { span class=[is_bad.then_some("bad")] { (value) } }
}

fn unread(texts: &Texts) -> Markup {
    html! { p.bad { (texts.unread) } }
}

fn seconds(texts: &Texts, time: Millis) -> String {
    fill(texts.seconds, &[("n", &(time.0 / 1000))])
}

fn storm(texts: &Texts, overview: &Overview, role: Role) -> Markup {
    let pace = &overview.pace;
    let lost = fill(texts.storm_on, &[("n", &pace.lost)]);
    html! {
        @if pace.storm { p.bad { (lost) } } @else { p.good { (texts.storm_none) } }
        @if pace.failsafe {
            p.bad { (texts.failsafe_on) }
            @if role == Role::Operator {
                p { a.button href="/console/storm/go-on" id="go-on" { (texts.go_on) } }
            }
        } @else {
            p.good { (texts.failsafe_none) }
        }
        (facts(&[(texts.lost_lately, html! { (pace.lost) })]))
    }
}

fn recoveries(texts: &Texts, overview: &Overview, rows: usize) -> Markup {
    let Some(seen) = &overview.seen else { return unread(texts) };
    let open = overview.open();
    let read = seen.calls.len();
    let is_cut = (read as u64) < seen.recovering || open.len() > rows;
    let gaps: [(&str, &dyn ToString); 3] = [("n", &seen.recovering), ("m", &read), ("r", &rows)];
    let heads = [
        texts.for_seconds,
        texts.step,
        texts.waits_for,
        texts.goes_on,
        texts.agent,
        texts.customer,
        texts.task,
    ];
    let caption = format!("{} ({})", texts.recoveries_caption, open.len());
    let shown: Vec<_> = open.iter().take(rows).map(|open| recovery(texts, open)).collect();
    html! {
        @if open.is_empty() { p.good { (texts.recoveries_none) } } @else { (table(&caption, &heads, &shown)) }
        @if is_cut { p { (fill(texts.recoveries_read, &gaps)) } }
    }
}

fn recovery(texts: &Texts, open: &Open<'_>) -> Vec<Markup> {
    let (name, waits) = step(texts, open.step);
    let goes_on = match open.goes_on {
        Some(Millis(0)) => texts.now_due.to_owned(),
        Some(time) => seconds(texts, time),
        None => "–".to_owned(),
    };
    vec![
        html! { (seconds(texts, open.since)) },
        html! { strong { (name) } },
        html! { (waits) },
        html! { (goes_on) },
        html! { code { (open.worker) } },
        html! {
            @match open.customer {
                Some(leg) => a id=(format!("recovery-{}", open.task)) href=(format!("/console/calls/{leg}")) { code { (leg) } },
                None => (texts.not_known),
            }
        },
        html! { code { (open.task) } },
    ]
}

/// Rung and phase, and what is waited for.
fn step(texts: &Texts, step: Step) -> (&'static str, &'static str) {
    match step {
        Step::Grace => (texts.grace, texts.grace_waits),
        Step::PageGone => (texts.page_gone, texts.page_gone_waits),
        Step::InPlace => (texts.in_place, texts.in_place_waits),
        Step::Holding => (texts.holding, texts.holding_waits),
        Step::Stranded => (texts.stranded, texts.stranded_waits),
        Step::RequeueSame => (texts.requeue_same, texts.requeue_same_waits),
        Step::QueuedSame => (texts.queued_same, texts.queued_same_waits),
        Step::RequeueAny => (texts.requeue_any, texts.requeue_any_waits),
        Step::QueuedAny => (texts.queued_any, texts.queued_any_waits),
        Step::Covered => (texts.covered, texts.covered_waits),
        Step::CoveredInPlace => (texts.covered_in_place, texts.covered_in_place_waits),
    }
}

fn calls(texts: &Texts, overview: &Overview) -> Markup {
    let Some(seen) = &overview.seen else { return unread(texts) };
    let counts = seen.counts;
    let unprotected = marked(counts.unprotected > 0, &counts.unprotected);
    html! {
        (facts(&[
            (texts.calls_open, html! { (counts.open) }),
            (texts.calls_protected, html! { (counts.open.saturating_sub(counts.unprotected)) }),
            (texts.calls_unprotected, unprotected),
        ]))
        @if counts.unprotected > 0 { p { (texts.unprotected_why) } }
    }
}

fn undone(texts: &Texts, overview: &Overview) -> Markup {
    let held_back = &overview.held_back;
    let held_back = html! {
        @if held_back.is_empty() { "0" }
        @for (number, (why, calls)) in held_back.iter().enumerate() {
            @if number > 0 { ", " }
            span.bad { (calls) " " code { (why) } }
        }
    };
    html! {
        @match &overview.seen {
            None => (unread(texts)),
            Some(seen) => {
                (facts(&[
                    (texts.jobs_open, html! { (seen.jobs.count) }),
                    (texts.given_up, html! {
                        (seen.given_up.len())
                        @if seen.given_up.len() as i64 >= crate::given_up::LISTED { "+" }
                    }),
                ]))
                @if let Some(last) = seen.given_up.first() {
                    p {
                        (fill(texts.given_up_last, &[("time", &time(last.at))])) ": "
                        code { (last.what) } " " span lang="en" { (last.reason) } " (" code { (last.conference) } ")"
                    }
                }
            }
        }
        (facts(&[(texts.held_back, held_back), (texts.jobs_unreadable, html! { (overview.jobs_unreadable) })]))
        p { a href="/console/held-back" id="list-held-back" { (texts.list_held_back) } }
    }
}

fn servers(texts: &Texts, overview: &Overview) -> Markup {
    let Some(seen) = &overview.seen else { return unread(texts) };
    let caption = format!("{} ({})", texts.servers, seen.servers.len());
    let row = |server: &SeenServer| {
        let pages = server.pages.or(server.is_this.then_some(overview.pages as u64));
        vec![
            html! { code { (server.id) } @if server.is_this { " (" (texts.this_server) ")" } },
            marked(server.lease_ms <= 0, &lease(texts, server.lease_ms)),
            html! { (pages.map_or(texts.not_known.to_owned(), |pages| pages.to_string())) },
        ]
    };
    let rows: Vec<_> = seen.servers.iter().map(row).collect();
    table(&caption, &[texts.server, texts.lease, texts.pages], &rows)
}

/// How long a lease lasts, or how long ago it ended.
fn lease(texts: &Texts, lease_ms: i64) -> String {
    let text = if lease_ms > 0 { texts.lease_lasts } else { texts.lease_ended };
    fill(text, &[("n", &(lease_ms.unsigned_abs() / 1000))])
}

fn database(texts: &Texts, overview: &Overview) -> Markup {
    let state = overview.database;
    let ago = |ago: Millis| fill(texts.ago, &[("n", &(ago.0 / 1000))]);
    let mut all = vec![];
    if let Some(seen) = &overview.seen {
        all.push((texts.kind, html! { (if seen.is_shared { "PostgreSQL" } else { "SQLite" }) }));
    }
    all.push((texts.committed, html! { (state.committed_ago.map_or(texts.not_known.to_owned(), ago)) }));
    if let Some(skew) = state.skew_ms {
        all.push((texts.skew, html! { (fill(texts.milliseconds, &[("n", &skew)])) }));
    }
    if let Some(timeline) = overview.seen.as_ref().and_then(|seen| seen.timeline.as_ref()) {
        all.push((texts.timeline, html! { code { (timeline) } }));
    }
    html! {
        @if overview.seen.is_none() { (unread(texts)) }
        (facts(&all))
    }
}

fn twilio(texts: &Texts, overview: &Overview) -> Markup {
    let heads = [texts.api, texts.in_flight, texts.waiting, texts.oldest, texts.rate, texts.throttled];
    let row = |lane: &LaneStatus| {
        let waiting = html! {
            @if lane.waiting.is_empty() { "0" }
            @for (number, (rank, count)) in lane.waiting.iter().enumerate() {
                @if number > 0 { ", " }
                (count) " " code { (rank) }
            }
        };
        vec![
            html! { code { (lane.family) } },
            html! { (lane.out) },
            waiting,
            html! { (seconds(texts, Millis(lane.oldest_ms))) },
            html! { (fill(texts.per_second, &[("n", &lane.per_second)])) },
            marked(lane.throttled > 0, &lane.throttled),
        ]
    };
    let rows: Vec<_> = overview.pace.lanes.iter().map(row).collect();
    html! {
        (table(texts.twilio_caption, &heads, &rows))
        @if let Some((since, requests)) = overview.lately { p { (failed(texts.requests_lately, since, requests)) } }
        p { (failed(texts.requests_failed, Millis(0), overview.requests)) }
    }
}

/// How many requests have failed, as a sentence.
fn failed(text: &str, since: Millis, Requests { all, failed }: Requests) -> String {
    let (seconds, percent) = (since.0 / 1000, tenths_of_percent(failed, all));
    fill(text, &[("n", &failed), ("m", &all), ("p", &percent), ("s", &seconds)])
}

/// A share as text, in percent with one decimal.
fn tenths_of_percent(part: u64, all: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(all.max(1));
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
