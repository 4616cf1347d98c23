//! A story in readable form.

use super::{Found, Story};
use crate::story::{Entry, Input, Source, Then};
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::Note;
use serde_json::Value;
use std::fmt::{self, Write as _};

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.customer {
            Some(customer) => writeln!(f, "Customer {customer}")?,
            None => writeln!(f, "The customer's leg was never known")?,
        }
        self.fmt_events(f)?;
        if !self.jobs.is_empty() {
            writeln!(f, "\nWanted of Twilio (job, until when it made sense)")?;
        }
        for job in &self.jobs {
            let state = if job.ended { "ended" } else { "OPEN " };
            let taken = if job.taken > 1 { format!(", taken {} times", job.taken) } else { String::new() };
            writeln!(f, "  {:>7}  {}  {state}  {}{taken}", job.id, time(job.deadline), job.what)?;
        }
        for call in &self.calls {
            let state = if call.over { "over" } else { "open" };
            writeln!(f, "\nNow: {} is {state}, {} in it", call.conference, call.joined.len())?;
            for (leg, worker) in &call.agents {
                let there = if call.joined.contains(leg) { "in it" } else { "gone" };
                writeln!(f, "  agent {worker} by {leg}: {there}")?;
            }
            if let Some((recovery, phase)) = &call.recovery {
                writeln!(f, "  recovery {recovery}: {phase:?}")?;
            }
        }
        Ok(())
    }
}

/// An event with its details.
struct Event<'a> {
    at: Millis,
    conference: &'a ConferenceSid,
    server: Option<&'a str>,
    text: String,
    below: Vec<String>,
}

impl Story {
    /// Everything in chronological order: events first, then decisions.
    fn fmt_events(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let came = self.entries.iter().map(came);
        let decided = self.lines.iter().map(|line| Event {
            at: line.at,
            conference: &line.conference,
            server: None,
            text: format!("= {}", words(&line.note)),
            below: vec![],
        });
        let unread = self.unread.iter().map(|unread| Event {
            at: unread.at,
            conference: &unread.conference,
            server: unread.server.as_deref(),
            text: format!("? of another version of Rejoin: {}", unread.name()),
            below: vec![unread.stored.to_string()],
        });
        let mut events: Vec<Event<'_>> = came.chain(decided).chain(unread).collect();
        events.sort_by_key(|event| event.at);
        let first = events.first().map_or(Millis(0), |event| event.at);
        let (mut conference, mut server) = (None, None);
        for event in events {
            if conference != Some(event.conference) {
                writeln!(f, "\nConference {}", event.conference)?;
                conference = Some(event.conference);
            }
            if event.server.is_some() && server != event.server {
                let again = if server.is_some() { "from here on " } else { "" };
                writeln!(f, "  ({again}server {})", event.server.unwrap_or_default())?;
                server = event.server;
            }
            let since = first.until(event.at).0;
            let (whole, part) = (since / 1000, since % 1000);
            writeln!(f, "  {}  {whole:>5}.{part:03} s  {}", time(event.at), event.text)?;
            for line in event.below {
                writeln!(f, "{:41}{line}", "")?;
            }
        }
        Ok(())
    }
}

fn came(found: &Found) -> Event<'_> {
    let Found { at, conference, server, entry } = found;
    let (text, below) = match entry {
        Entry::Input(input) => input_words(*at, input),
        Entry::TakenUp { job, action, begun_before } => {
            let before = if *begun_before { ", which an earlier attempt may have carried out" } else { "" };
            (format!("* job {job} is taken up{before}: {action}"), vec![])
        }
        Entry::Asked { job, action, request, status, code, request_id, took_ms, error } => {
            let answer = answer_words((*status, *code), error.as_deref(), *took_ms, request_id.as_deref());
            (format!("> {request}: {answer}"), vec![format!("for job {job}: {action}")])
        }
        Entry::Again { job, action, error, pause_ms } => {
            (format!("* job {job} is tried again after {pause_ms} ms: {action}"), vec![error.clone()])
        }
    };
    Event { at: *at, conference, server: Some(server), text, below }
}

/// How Twilio answered, or that it did not: `503 (unavailable) in 2 ms, RQ…`.
pub(super) fn answer_words(
    (status, code): (Option<u16>, Option<u32>),
    error: Option<&str>,
    took_ms: u64,
    request_id: Option<&str>,
) -> String {
    let mut text = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    // Writing to a string cannot fail.
    let _ = match (code, error) {
        (Some(code), Some(error)) => write!(text, " ({error}, code {code})"),
        (None, Some(error)) => write!(text, " ({error})"),
        (Some(code), None) => write!(text, " (code {code})"),
        (None, None) => Ok(()),
    };
    let _ = write!(text, " in {took_ms} ms");
    if let Some(id) = request_id {
        let _ = write!(text, ", {id}");
    }
    text
}

pub(super) fn source_words(source: Source) -> &'static str {
    match source {
        Source::Callback => "callback",
        Source::EventStream => "event stream",
        Source::Plugin => "plugin",
        Source::Document => "document asked for",
        Source::Job => "job ended",
        Source::Timer => "timer",
        Source::Operator => "operator",
    }
}

fn input_words(at: Millis, input: &Input) -> (String, Vec<String>) {
    let mut text = format!("< {}: {}", source_words(input.from), input.kind);
    if let Some(id) = &input.id {
        let _ = write!(text, " ({id})");
    }
    for (name, value) in &input.about {
        let _ = write!(text, "  {name}: {}", plain(value));
    }
    (text, input.then.iter().map(|then| then_words(at, then)).collect())
}

/// What followed.
pub(super) fn then_words(at: Millis, then: &Then) -> String {
    match then {
        Then::Job { action, deadline } => format!("-> {action}, within {}", after(at, *deadline)),
        Then::Timer { timer, at: due } => format!("-> timer {timer:?} in {}", after(at, *due)),
        Then::Told { stage } => format!("-> the desktop is told: {stage}"),
    }
}

fn after(at: Millis, then: Millis) -> String {
    let after = at.until(then).0;
    format!("{}.{:03} s", after / 1000, after % 1000)
}

pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A note in readable form: its name in JSON, and its fields.
pub(super) fn words(note: &Note) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(note) else {
        return format!("{note:?}");
    };
    let mut text =
        fields.remove("what").and_then(|what| what.as_str().map(str::to_owned)).unwrap_or_default();
    for (name, value) in fields {
        let _ = write!(text, "  {name}: {}", plain(&value));
    }
    text
}

/// `2026-11-20 15:04:05.678`, UTC.
pub(crate) fn time(at: Millis) -> String {
    let (days, within) = (at.0 / 86_400_000, at.0 % 86_400_000);
    // Years begin in March here (https://howardhinnant.github.io/date_algorithms.html).
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_of_year = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_of_year + 2) / 5 + 1;
    let month = if month_of_year < 10 { month_of_year + 3 } else { month_of_year - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (seconds, part) = (within / 1000, within % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{part:03}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_recovery::Loss;

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(time(Millis(0)), "1970-01-01 00:00:00.000");
        assert_eq!(time(Millis(1_537_831_364_240)), "2018-09-24 23:22:44.240");
        assert_eq!(time(Millis(1_582_934_400_000)), "2020-02-29 00:00:00.000");
    }

    #[test]
    fn notes_are_shown_in_words() {
        assert_eq!(words(&Note::AgentLost { by: None }), "agent-lost");
        assert_eq!(words(&Note::AgentLost { by: Some(Loss::NoMark) }), "agent-lost  by: no-mark");
        let ended = Note::Ended { outcome: "rejoined".into(), after: Millis(5) };
        assert_eq!(words(&ended), "ended  after: 5  outcome: rejoined");
    }
}
