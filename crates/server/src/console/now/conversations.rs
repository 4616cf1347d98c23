//! The section about conversations: those without an agent, those that may have none, and how the last absences ended.

use super::super::table::table;
use super::super::texts::{Texts, fill};
use super::{facts, marked, seconds};
use crate::store::SeenConversations;
use maud::{Markup, html};
use rejoin_conversations::{Action, Attendance, Cause, Conversation, Ending, Way};
use rejoin_protocol::{Millis, WorkerSid};
use std::collections::BTreeSet;

/// The section's content. `rows`: maximum number of conversations that are shown; `at`: when it was read.
pub(super) fn conversations(texts: &Texts, at: Millis, seen: &SeenConversations, rows: usize) -> Markup {
    let count = |of: &dyn Fn(Attendance) -> bool| -> u64 {
        let these = Attendance::ALL.into_iter().filter(|attendance| of(*attendance));
        these.filter_map(|attendance| seen.counts.get(attendance.name())).sum()
    };
    let open = count(&Attendance::may_have_nobody);
    let unsure = open.saturating_sub(seen.absent);
    let attended =
        count(&|it| matches!(it, Attendance::Attended | Attendance::Unjudged | Attendance::Graceful));
    let parked = count(&|it| matches!(it, Attendance::Parked | Attendance::Paused | Attendance::Left));
    let heads = [
        texts.for_seconds,
        texts.chat_stands,
        texts.chat_gone,
        texts.chat_told,
        texts.chat_next,
        texts.goes_on,
        texts.chat_deadline,
        texts.chat,
    ];
    let mut listed: Vec<_> =
        seen.open.iter().map(|conversation| (since(conversation), conversation)).collect();
    listed.sort_by_key(|(since, it)| (it.absence().is_none(), *since, it.sid().clone()));
    let shown: Vec<_> = listed.iter().take(rows).map(|(since, it)| row(texts, at, *since, it)).collect();
    let is_cut = (shown.len() as u64) < seen.absent + unsure;
    let ended: Vec<_> = seen.ended.iter().filter_map(|it| ended(texts, at, it)).collect();
    html! {
        (facts(&[
            (texts.chats_absent, marked(seen.absent > 0, &seen.absent)),
            (texts.chats_unsure, html! { (unsure) }),
            (texts.chats_attended, html! { (attended) }),
            (texts.chats_parked, html! { (parked) }),
        ]))
        @if shown.is_empty() { p.good { (texts.chats_none) } } @else { (table(texts.chats_caption, &heads, &shown)) }
        @if is_cut { p { (fill(texts.chats_read, &[("n", &seen.absent), ("u", &unsure), ("r", &rows)])) } }
        @if !ended.is_empty() {
            (table(texts.chats_ended_caption, &[texts.chat_ended, texts.chat_ending, texts.chat], &ended))
        }
    }
}

/// Since when it has nobody, or is judged as it is (point in time).
fn since(conversation: &Conversation) -> Millis {
    let judged = conversation.judged().map(|(.., since)| since).unwrap_or_default();
    match conversation.absence() {
        Some(absence) => match absence.cause {
            Cause::Unattended { since, .. } => since,
            Cause::Unrouted | Cause::Woken => absence.began_at,
        },
        None => judged,
    }
}

fn row(texts: &Texts, at: Millis, since: Millis, it: &Conversation) -> Vec<Markup> {
    let absence = it.absence();
    let told = match absence.map(|absence| absence.told_at) {
        Some(Some(told)) => fill(texts.ago, &[("n", &(told.until(at).0 / 1000))]),
        Some(None) => texts.chat_not_told.to_owned(),
        None => "–".to_owned(),
    };
    let remaining = |time: Option<Millis>| match time.map(|time| at.until(time)) {
        Some(Millis(0)) => texts.now_due.to_owned(),
        Some(time) => seconds(texts, time),
        None => "–".to_owned(),
    };
    let way = absence.and_then(|absence| match absence.cause {
        Cause::Unattended { way, .. } => Some(way_name(texts, way)),
        Cause::Unrouted | Cause::Woken => None,
    });
    vec![
        html! { (seconds(texts, since.until(at))) },
        html! { strong { (stands(texts, it)) } },
        html! {
            @let agents = agents(it);
            @if agents.is_empty() { "–" }
            @for (number, worker) in agents.iter().enumerate() {
                @if number > 0 { ", " }
                code { (worker) }
            }
            @if let Some(way) = way { " (" (way) ")" }
        },
        html! { (told) },
        html! { (next(texts, it)) },
        html! { (remaining(it.timer())) },
        html! { (remaining(absence.map(|absence| absence.deadline))) },
        link("open", it),
    ]
}

/// `list`: in which list. By its id the link stays the same element in the page when its row moves.
fn link(list: &str, it: &Conversation) -> Markup {
    html! { a id=(format!("{list}-{}", it.sid())) href=(format!("/console/calls/{}", it.sid())) { code { (it.sid()) } } }
}

/// The agents who are on it, or were when the absence began.
fn agents(it: &Conversation) -> BTreeSet<&WorkerSid> {
    match it.absence() {
        Some(absence) => absence.lost.values().chain(&absence.last_agent).collect(),
        None => it.facts().roster().agents().filter_map(|(_, agent)| agent.worker()).collect(),
    }
}

fn stands(texts: &Texts, it: &Conversation) -> &'static str {
    let Some((row, ..)) = it.judged() else { return texts.not_known };
    match row.attendance {
        Attendance::Undecided => texts.chat_undecided,
        Attendance::Waiting => texts.chat_waiting,
        Attendance::Awaited => texts.chat_awaited,
        Attendance::Unattended => texts.chat_unattended,
        Attendance::Unrouted => texts.chat_unrouted,
        Attendance::Woken => texts.chat_woken,
        // The list was read by a column that a server of an older version does not write.
        Attendance::Attended | Attendance::Unjudged | Attendance::Graceful => texts.chats_attended,
        Attendance::Parked | Attendance::Paused | Attendance::Left => texts.chats_parked,
        Attendance::Closed | Attendance::Foreign => texts.ending_closed,
    }
}

fn way_name(texts: &Texts, way: Way) -> &'static str {
    match way {
        Way::Goodbye => texts.chat_goodbye,
        Way::PushClosed => texts.chat_push_closed,
        Way::PollingStopped => texts.chat_polling_stopped,
    }
}

/// What is waited for: the answer to what is requested, or else what would change the state.
fn next(texts: &Texts, it: &Conversation) -> &'static str {
    let requested = it.requests().in_flight().find_map(|action| match action {
        Action::Tell { .. } => Some(texts.chat_next_tell),
        Action::Invite { .. } => Some(texts.chat_next_invite),
        Action::Park { .. } => Some(texts.chat_next_park),
        Action::Close { .. } => Some(texts.chat_next_close),
        Action::Poll { .. } => Some(texts.chat_next_look),
        Action::CloseParticipant { .. } => None,
    });
    requested.unwrap_or_else(|| match it.judged().map(|(row, ..)| row.attendance) {
        Some(Attendance::Awaited) => texts.chat_next_page,
        Some(Attendance::Waiting) if it.absence().is_some() => texts.chat_next_accept,
        Some(Attendance::Waiting) => texts.chat_next_flex,
        Some(Attendance::Unattended | Attendance::Unrouted | Attendance::Woken) => texts.chat_next_invite,
        _ => texts.chat_next_look,
    })
}

fn ended(texts: &Texts, at: Millis, it: &Conversation) -> Option<Vec<Markup>> {
    let (ending, ended) = it.last_ending()?;
    let ending = match ending {
        Ending::Back => texts.ending_back,
        Ending::SameAgent => texts.ending_same,
        Ending::OtherAgent => texts.ending_other,
        Ending::Graceful => texts.ending_graceful,
        Ending::Parked => texts.ending_parked,
        Ending::Closed => texts.ending_closed,
    };
    let ago = fill(texts.ago, &[("n", &(ended.until(at).0 / 1000))]);
    Some(vec![html! { (ago) }, html! { (ending) }, link("ended", it)])
}
