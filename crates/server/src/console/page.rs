//! The pages: their frame, and what is not a view.

use super::assets::{CSS, SCRIPT, STYLESHEET, TIMELINE_CSS, TIMELINE_SCRIPT};
use super::now::{sections, summary};
use super::overview::Overview;
use super::session::Role;
use super::table::table;
use super::texts::{Language, Texts};
use crate::explain::{Explained, Subject, time};
use crate::held_back::{Held, Listed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rejoin_protocol::Millis;
use sha2::{Digest as _, Sha256};

/// An action that a page asks about before it is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Confirm<'a> {
    /// Ends the failsafe.
    GoOn,
    /// Releases the quarantined call of this conference.
    Release(&'a str),
}

/// A page. `role`: of who is signed in.
pub(super) fn frame(language: Language, title: &str, role: Option<Role>, main: &Markup) -> String {
    framed(language, title, role, main, false)
}

/// The same; `is_call`: it has a timeline.
fn framed(language: Language, title: &str, role: Option<Role>, main: &Markup, is_call: bool) -> String {
    let texts = language.texts();
    let views = [("/console", texts.now), ("/console/history", super::history::title(language))];
    let page = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – " (texts.title) }
                link rel="stylesheet" href=(CSS.path());
                script src=(SCRIPT.path()) defer {}
                @if is_call {
                    link rel="stylesheet" href=(TIMELINE_CSS.path());
                    script src=(TIMELINE_SCRIPT.path()) defer {}
                }
            }
            body {
                a.skip href="#main" { (texts.skip) }
                header {
                    p.brand { (texts.title) }
                    @if let Some(role) = role {
                        nav aria-label=(texts.views) {
                            ul {
                                @for (path, name) in views { li { a href=(path) aria-current=[(title == name).then_some("page")] { (name) } } }
                            }
                        }
                        form.find method="get" action="/console/calls" role="search" {
                            label for="find" { (texts.find) }
                            input id="find" name="id" required spellcheck="false" autocapitalize="off" autocomplete="off"
                                placeholder="CA…, RJ…, CF…, CH…" maxlength="64";
                            button type="submit" { (texts.show) }
                        }
                        form.leave method="post" action="/console/sign-out" {
                            span { (match role { Role::Operator => texts.operator, Role::Supervisor => texts.supervisor }) }
                            button type="submit" { (texts.sign_out) }
                        }
                    }
                }
                main id="main" tabindex="-1" { h1 { (title) } (main) }
            }
        }
    };
    page.into_string()
}

/// A page that needs nothing but its file and has no script. Its policy lets a browser use only the stylesheet in it
/// (<https://www.w3.org/TR/CSP3/#grammardef-hash-source>).
pub(super) fn alone(language: Language, title: &str, main: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        STANDARD.encode(Sha256::digest(STYLESHEET))
    );
    let page = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Rejoin" }
                style { (PreEscaped(STYLESHEET)) }
            }
            body {
                header { p.brand { "Rejoin" } }
                main id="main" { h1 { (title) } (main) }
            }
        }
    };
    page.into_string()
}

/// The form to sign in. `has_token`: an operator token is set. `why`: what was wrong with the last attempt.
pub(crate) fn sign_in(language: Language, has_token: bool, why: Option<&str>) -> String {
    let texts = language.texts();
    let title = if has_token { texts.sign_in } else { texts.off_title };
    let main = html! {
        @if let Some(why) = why { p.bad role="alert" id="why" { (why) } }
        @if has_token {
            form.box method="post" action="/console/session" {
                p id="how" { (texts.sign_in_how) }
                label for="token" { (texts.operator_token) }
                input id="token" name="token" type="password" required autocomplete="current-password"
                    aria-describedby="how" spellcheck="false" autocapitalize="off";
                button type="submit" { (texts.sign_in) }
            }
        } @else {
            p { (texts.off) }
        }
    };
    frame(language, title, None, &main)
}

/// The page after a sign-in from another site, which leads on by itself: the browser sends the cookie only with a request that
/// begins here. `to`: where it leads.
pub(crate) fn moved_on(language: Language, to: &str) -> String {
    let texts = language.texts();
    let main = html! {
        p { (texts.signed_in) }
        p { a href=(to) { (texts.title) } }
    };
    frame(language, texts.sign_in, None, &main)
}

/// A refusal that is no form.
pub(crate) fn refused(language: Language, role: Option<Role>, why: &str) -> String {
    let texts = language.texts();
    let main = html! {
        p.bad { (why) }
        p { a href="/console" { (texts.back) } }
    };
    frame(language, texts.refused_title, role, &main)
}

/// The view "Now". `rows`: maximum number of recoveries; `query`: the address's, for the script. `notice`: what was done, or was
/// wrong with the address.
pub(crate) fn now(
    language: Language,
    role: Role,
    overview: &Overview,
    (rows, query): (usize, &str),
    notice: Option<&str>,
) -> String {
    let texts = language.texts();
    let events = format!("/console/now/events{query}");
    let main = html! {
        @if let Some(notice) = notice { p.notice role="status" { (notice) } }
        (state(texts, overview.at, &events, &format!("/console{query}")))
        // Outside of what is replaced: a screen reader is told when this changes, and of nothing else.
        p.unseen role="status" id="summary" { (summary(texts, overview)) }
        div.sections id="sections" {
            @for section in sections(texts, overview, role, rows) { (PreEscaped(section.html)) }
        }
    };
    frame(language, texts.now, Some(role), &main)
}

/// How old the page is, and whether it is live. `events`: what the script follows; `this`: the page's address.
fn state(texts: &Texts, at: Millis, events: &str, this: &str) -> Markup {
    let as_of = super::texts::fill(texts.as_of, &[("time", &clock(at))]);
    html! {
        div.state id="state"
            data-events=(events)
            data-live=(texts.live) data-paused=(texts.paused) data-broken=(texts.broken) data-old=(texts.old)
            data-ended=(texts.ended) data-pause=(texts.pause) data-resume=(texts.resume)
        {
            p { span id="as-of" data-text=(texts.as_of) { (as_of) } " " span id="mode" role="status" {} }
            p.no-script { (texts.no_script) " " a href=(this) { (texts.reload) } }
            button type="button" id="pause" hidden { (texts.pause) }
        }
    }
}

/// A point in time, in UTC.
pub(crate) fn clock(at: Millis) -> String {
    time(at).split('.').next().unwrap_or_default().to_owned()
}

/// One call or conversation. `at`: when it was read.
pub(crate) fn call(
    language: Language,
    role: Role,
    at: Millis,
    subject: &Subject,
    story: &Explained,
) -> String {
    let texts = language.texts();
    let this = format!("/console/calls/{subject}");
    let main = html! {
        p { code { (subject) } }
        (state(texts, at, &format!("{this}/events"), &this))
        p.unseen role="status" id="summary" { (story_summary(texts, story)) }
        (PreEscaped(timeline(subject, story)))
    };
    let title = match story {
        Explained::Call(_) => texts.call_title,
        Explained::Conversation(_) => texts.chat_title,
    };
    framed(language, title, Some(role), &main, true)
}

/// The element that shows a call, replaced as a whole. Its texts are English, as the log and the documents are.
pub(crate) fn timeline(subject: &Subject, story: &Explained) -> String {
    let drawn = rejoin_timeline::fragment(&story.timeline(subject));
    html! { div id="call" class="call" lang="en" { (PreEscaped(drawn)) } }.into_string()
}

/// What a screen reader is told of a call when it changes.
pub(crate) fn story_summary(texts: &Texts, story: &Explained) -> &'static str {
    match story {
        Explained::Call(story) => {
            let is_open = story.calls.iter().any(|call| !call.over && call.recovery.is_some());
            if is_open { texts.call_open } else { texts.call_quiet }
        }
        Explained::Conversation(story) if story.is_open() => texts.chat_open,
        Explained::Conversation(_) => texts.chat_quiet,
    }
}

/// Nothing is known about it.
pub(crate) fn no_call(language: Language, role: Role, is_wrong: bool) -> String {
    let texts = language.texts();
    let why = if is_wrong { texts.find_wrong } else { texts.call_none };
    let main = html! {
        p.bad { (why) }
        p { a href="/console" { (texts.back) } }
    };
    frame(language, texts.call_title, Some(role), &main)
}

/// All that is held back.
pub(crate) fn held_back(language: Language, role: Role, listed: Option<&Listed>) -> String {
    let texts = language.texts();
    let main = html! {
        @match listed {
            None => p.bad { (texts.unread) },
            Some(listed) => {
                @if listed.calls.is_empty() && listed.jobs.is_empty() { p.good { (texts.held_back_none) } }
                @if !listed.calls.is_empty() { (held_back_calls(texts, role, listed)) }
                @if !listed.jobs.is_empty() {
                    h2 id="jobs" { (texts.held_back_jobs) }
                    ul aria-labelledby="jobs" {
                        @for job in &listed.jobs { li { (texts.job) " " (job.job) ": " code { (job.conference) } } }
                    }
                }
            }
        }
        p { a href="/console" { (texts.back) } }
    };
    frame(language, texts.held_back_title, Some(role), &main)
}

fn held_back_calls(texts: &Texts, role: Role, listed: &Listed) -> Markup {
    let row = |call: &Held| {
        // Only a quarantined call can be released.
        let release = html! {
            @if call.at.is_some() {
                a.button href=(format!("/console/held-back/{}/release", call.conference))
                    aria-label=(format!("{} {}", texts.release, call.conference)) { (texts.release) }
            } @else { "–" }
        };
        vec![
            html! { code { (call.conference) } },
            html! {
                code { (call.why) }
                @if let Some(event) = &call.event { " (" code { (event) } ")" }
                @if let Some(format) = call.format { " (" (format) ")" }
            },
            html! { (call.at.map_or("–".to_owned(), time)) },
            release,
        ]
    };
    let rows: Vec<_> = listed.calls.iter().map(row).collect();
    let heads = [texts.call, texts.why, texts.since, texts.release];
    // A supervisor has no use for the last column.
    let columns = if role == Role::Operator { 4 } else { 3 };
    table(texts.held_back_caption, &heads[..columns], &rows)
}

/// The page that asks whether this is to be done.
pub(crate) fn confirm(language: Language, role: Role, what: Confirm<'_>) -> String {
    let texts = language.texts();
    let (title, means, yes, action, cancel) = match what {
        Confirm::GoOn => (
            texts.go_on_title,
            texts.go_on_means,
            texts.go_on_yes,
            "/console/storm/go-on".to_owned(),
            "/console",
        ),
        Confirm::Release(conference) => (
            texts.release_title,
            texts.release_means,
            texts.release_yes,
            format!("/console/held-back/{conference}/release"),
            "/console/held-back",
        ),
    };
    let main = html! {
        form.box method="post" action=(action) {
            @if let Confirm::Release(conference) = what { p { code { (conference) } } }
            p { (means) }
            p.choice {
                button type="submit" { (yes) }
                " "
                a.button.quiet href=(cancel) { (texts.cancel) }
            }
        }
    };
    frame(language, title, Some(role), &main)
}
