//! The story of a recovery, as the store has it: what was decided and when, what was wanted of Twilio, how the calls are
//! now. It is read beside a server that runs, and changes nothing.

use crate::error::Error;
use crate::queue;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, RecoveryId, WorkerSid};
use rejoin_recovery::{Action, Call, Note, Phase};
use serde::Serialize;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, Row as _};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

/// What a story is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `RJ…`, or the agent's leg that was lost.
    Recovery(RecoveryId),
    /// `CF…`: one that the customer was in.
    Conference(ConferenceSid),
    /// `CA…` of the customer.
    Leg(CallSid),
}

impl Subject {
    /// Reads any of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let recovery = RecoveryId::parse(text).map(Self::Recovery);
        let conference = || ConferenceSid::parse(text).map(Self::Conference);
        let leg = || CallSid::parse(text).map(Self::Leg);
        recovery.or_else(|_| conference()).or_else(|_| leg()).map_err(|_| {
            "a recovery (RJ…), a conference (CF…) or the leg of a customer (CA…) is wanted, with 32 digits".to_owned()
        })
    }
}

/// A story, the oldest line first. Nothing personal is in it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// The customer's leg, once it was known.
    pub customer: Option<CallSid>,
    /// What was decided.
    pub lines: Vec<Line>,
    /// What was wanted of Twilio. Kept until ten minutes after the end of the call.
    pub jobs: Vec<Job>,
    /// The calls as they are. Kept as long.
    pub calls: Vec<Now>,
}

/// A decision.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// When (point in time).
    pub at: Millis,
    /// In which conference.
    pub conference: ConferenceSid,
    /// What.
    pub note: Note,
}

/// Something that was wanted of Twilio.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its number in the log.
    pub id: i64,
    /// For which conference.
    pub conference: ConferenceSid,
    /// What.
    pub what: &'static str,
    /// Until when it made sense (point in time).
    pub deadline: Millis,
    /// Has it ended?
    pub ended: bool,
}

/// A call as it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Now {
    /// Where.
    pub conference: ConferenceSid,
    /// Is it over?
    pub over: bool,
    /// Who is in it.
    pub joined: Vec<CallSid>,
    /// Its agents, by leg.
    pub agents: Vec<(CallSid, WorkerSid)>,
    /// Its recovery, and how far that is.
    pub recovery: Option<(RecoveryId, Phase)>,
}

/// Reads it. `None`: the store has nothing about that (any more).
pub async fn explain(database_url: &str, subject: &Subject) -> Result<Option<Story>, Error> {
    let pool = open(database_url).await?;
    let story = read(&pool, subject).await;
    pool.close().await;
    story
}

async fn open(database_url: &str) -> Result<AnyPool, Error> {
    sqlx::any::install_default_drivers();
    let is_file = database_url.starts_with("sqlite:") && !database_url.contains('?');
    // Without this SQLite would make a database where there is none.
    let url = if is_file { format!("{database_url}?mode=ro") } else { database_url.to_owned() };
    Ok(AnyPoolOptions::new().max_connections(1).connect(&url).await?)
}

async fn read(pool: &AnyPool, subject: &Subject) -> Result<Option<Story>, Error> {
    let mut conferences: BTreeSet<String> = BTreeSet::new();
    match subject {
        Subject::Conference(conference) => {
            conferences.insert(conference.to_string());
        }
        Subject::Leg(leg) => conferences.extend(conferences_of(pool, leg.as_str()).await?),
        Subject::Recovery(recovery) => {
            let named = sqlx::query("select conference from calls where state like $1")
                .bind(format!("%\"{recovery}\"%"))
                .fetch_all(pool)
                .await?;
            conferences.extend(names(&named)?);
        }
    }
    // The customer has been in other conferences, too.
    for conference in conferences.clone() {
        let customer =
            sqlx::query("select customer from notes where conference = $1 and customer is not null")
                .bind(conference)
                .fetch_optional(pool)
                .await?;
        if let Some(customer) = customer {
            conferences.extend(conferences_of(pool, &customer.try_get::<String, _>(0)?).await?);
        }
    }
    let mut story = Story { customer: None, lines: vec![], jobs: vec![], calls: vec![] };
    for name in conferences {
        let Ok(conference) = ConferenceSid::try_from(name) else { continue };
        add(pool, &mut story, &conference).await?;
    }
    story.lines.sort_by_key(|line| line.at);
    story.jobs.sort_by_key(|job| job.id);
    let is_empty = story.lines.is_empty() && story.jobs.is_empty() && story.calls.is_empty();
    Ok((!is_empty).then_some(story))
}

async fn conferences_of(pool: &AnyPool, customer: &str) -> Result<Vec<String>, Error> {
    let rows =
        sqlx::query("select distinct conference from notes where customer = $1").bind(customer.to_owned());
    names(&rows.fetch_all(pool).await?)
}

fn names(rows: &[AnyRow]) -> Result<Vec<String>, Error> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

async fn add(pool: &AnyPool, story: &mut Story, conference: &ConferenceSid) -> Result<(), Error> {
    let rows = sqlx::query("select at, customer, note from notes where conference = $1 order by id")
        .bind(conference.as_str())
        .fetch_all(pool)
        .await?;
    for row in rows {
        let customer: Option<String> = row.try_get(1)?;
        story.customer = story.customer.take().or_else(|| CallSid::try_from(customer?).ok());
        let note = serde_json::from_str(&row.try_get::<String, _>(2)?)?;
        story.lines.push(Line { at: millis(&row, 0)?, conference: conference.clone(), note });
    }
    let rows = sqlx::query("select id, action, deadline, closed from jobs where conference = $1")
        .bind(conference.as_str())
        .fetch_all(pool)
        .await?;
    for row in rows {
        let action: Action = serde_json::from_str(&row.try_get::<String, _>(1)?)?;
        let (id, ended) = (row.try_get(0)?, row.try_get::<i64, _>(3)? != 0);
        let deadline = millis(&row, 2)?;
        let what = queue::name(&action);
        story.jobs.push(Job { id, conference: conference.clone(), what, deadline, ended });
    }
    let row = sqlx::query("select state from calls where conference = $1")
        .bind(conference.as_str())
        .fetch_optional(pool)
        .await?;
    if let Some(row) = row
        && let Ok(call) = serde_json::from_str::<Call>(&row.try_get::<String, _>(0)?)
    {
        let joined = call.participants.iter().filter(|(_, participant)| participant.joined);
        story.calls.push(Now {
            conference: call.conference.clone(),
            over: call.closed,
            joined: joined.map(|(leg, _)| leg.clone()).collect(),
            agents: call.agents.iter().map(|(leg, agent)| (leg.clone(), agent.worker.clone())).collect(),
            recovery: call.recovery.as_ref().map(|recovery| (recovery.id.clone(), recovery.phase.clone())),
        });
    }
    Ok(())
}

fn millis(row: &AnyRow, column: usize) -> Result<Millis, Error> {
    Ok(Millis(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0)))
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.customer {
            Some(customer) => writeln!(f, "Customer {customer}")?,
            None => writeln!(f, "The customer's leg was never known")?,
        }
        let mut conference = None;
        let first = self.lines.first().map_or(Millis(0), |line| line.at);
        for line in &self.lines {
            if conference != Some(&line.conference) {
                writeln!(f, "\nConference {}", line.conference)?;
                conference = Some(&line.conference);
            }
            let since = first.until(line.at).0;
            let (whole, part) = (since / 1000, since % 1000);
            writeln!(f, "  {}  {whole:>5}.{part:03} s  {}", time(line.at), words(&line.note))?;
        }
        if !self.jobs.is_empty() {
            writeln!(f, "\nWanted of Twilio (job, until when it made sense)")?;
        }
        for job in &self.jobs {
            let state = if job.ended { "ended" } else { "OPEN " };
            writeln!(f, "  {:>7}  {}  {state}  {}", job.id, time(job.deadline), job.what)?;
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

/// A note for people: its name in JSON, and what belongs to it.
fn words(note: &Note) -> String {
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::to_value(note) else {
        return format!("{note:?}");
    };
    let mut text =
        fields.remove("what").and_then(|what| what.as_str().map(str::to_owned)).unwrap_or_default();
    for (name, value) in fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Writing into a string does not fail.
        let _ = write!(text, "  {name}: {value}");
    }
    text
}

/// `2026-11-20 15:04:05.678`, UTC.
fn time(at: Millis) -> String {
    let (days, within) = (at.0 / 86_400_000, at.0 % 86_400_000);
    // Years that begin in March (https://howardhinnant.github.io/date_algorithms.html).
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

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(time(Millis(0)), "1970-01-01 00:00:00.000");
        assert_eq!(time(Millis(1_537_831_364_240)), "2018-09-24 23:22:44.240");
        assert_eq!(time(Millis(1_582_934_400_000)), "2020-02-29 00:00:00.000");
    }

    #[test]
    fn notes_are_told_in_words() {
        assert_eq!(words(&Note::AgentLost), "agent-lost");
        let ended = Note::Ended { outcome: "rejoined".into(), after: Millis(5) };
        assert_eq!(words(&ended), "ended  after: 5  outcome: rejoined");
    }
}
