//! The story of a recovery from the store: what came in and what was decided, which jobs and requests to Twilio
//! followed, with all times, and the current state of the calls. [`beside`](crate::beside) reads it from the database. A
//! conversation has a [story of its own](ConversationStory).

mod conversation;
mod draw;
mod heard;
mod show;

pub use conversation::{ConversationNow, ConversationStory, FoundEntry};
pub(crate) use show::time;

use crate::error::Error;
use crate::story::Entry;
use rejoin_protocol::{
    CallSid, ConferenceSid, ConversationSid, InteractionChannelSid, Millis, RecoveryId, TaskSid, WorkerSid,
};
use rejoin_recovery::{Action, Call, Note, Phase};
use rejoin_timeline::Timeline;
use serde::Serialize;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use std::collections::BTreeSet;
use std::fmt;

/// What is asked of the database. Each is found by an index, however much is kept: an operator waits for the answer.
const BY_KEY: &str = "select conference from keys where key = $1";
const BY_RECOVERY: &str = "select distinct conference from story where recovery = $1";
const BY_CUSTOMER: &str = "select distinct conference from notes where customer = $1";
const CUSTOMER: &str = "select customer from notes where conference = $1 and customer is not null";
const NOTES: &str = "select at, customer, note from notes where conference = $1 order by id";
const STORY: &str = "select at, server, entry, id from story where conference = $1 order by id";
const JOBS: &str = "select id, action, deadline, closed, fence from jobs where conference = $1";
const CALL: &str = "select state from calls where conference = $1";

/// The subject of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `RJ…`, or the agent's leg that was lost.
    Recovery(RecoveryId),
    /// `CF…`: a conference that the customer was in.
    Conference(ConferenceSid),
    /// `CA…` of the customer.
    Leg(CallSid),
    /// `CH…`.
    Conversation(ConversationSid),
    /// `UO…`: the channel of a conversation.
    Channel(InteractionChannelSid),
    /// `WT…`: a task of a conversation, or of a call that goes on.
    Task(TaskSid),
}

impl Subject {
    /// Parses any of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let recovery = RecoveryId::parse(text).map(Self::Recovery);
        let conference = || ConferenceSid::parse(text).map(Self::Conference);
        let leg = || CallSid::parse(text).map(Self::Leg);
        let conversation = || ConversationSid::parse(text).map(Self::Conversation);
        let channel = || InteractionChannelSid::parse(text).map(Self::Channel);
        let task = || TaskSid::parse(text).map(Self::Task);
        let of_call = recovery.or_else(|_| conference()).or_else(|_| leg());
        of_call.or_else(|_| conversation()).or_else(|_| channel()).or_else(|_| task()).map_err(|_| {
            "a recovery (RJ…), a conference (CF…), the leg of a customer (CA…), a conversation (CH…), its channel (UO…) or a task \
             (WT…) is wanted, with 32 digits"
                .to_owned()
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovery(recovery) => recovery.fmt(f),
            Self::Conference(conference) => conference.fmt(f),
            Self::Leg(leg) => leg.fmt(f),
            Self::Conversation(conversation) => conversation.fmt(f),
            Self::Channel(channel) => channel.fmt(f),
            Self::Task(task) => task.fmt(f),
        }
    }
}

/// What is known about a subject.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Explained {
    /// A call.
    Call(Box<Story>),
    /// A conversation.
    Conversation(ConversationStory),
}

impl Explained {
    /// The story as it is drawn. It contains no personal data.
    pub fn timeline(&self, subject: &Subject) -> Timeline {
        match self {
            Self::Call(story) => story.timeline(subject),
            Self::Conversation(story) => story.timeline(subject),
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(story) => story.fmt(f),
            Self::Conversation(story) => story.fmt(f),
        }
    }
}

/// A story, oldest line first. It contains no personal data.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// The customer's leg, once known.
    pub customer: Option<CallSid>,
    /// The decisions.
    pub lines: Vec<Line>,
    /// Events, and requests to Twilio.
    pub entries: Vec<Found>,
    /// The jobs.
    pub jobs: Vec<Job>,
    /// The current calls. They are kept until ten minutes after their end.
    pub calls: Vec<Now>,
    /// What another version of Rejoin has stored, and this one cannot read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

impl Story {
    /// The conferences that it is about.
    pub fn conferences(&self) -> BTreeSet<&ConferenceSid> {
        let entries = self.entries.iter().map(|found| &found.conference);
        let lines = self.lines.iter().map(|line| &line.conference);
        entries.chain(lines).chain(self.unread.iter().map(|unread| &unread.conference)).collect()
    }
}

/// A decision or an entry that this version cannot read.
#[derive(Clone, Debug, Serialize)]
pub struct Unread {
    /// When it was written (point in time).
    pub at: Millis,
    /// The conference.
    pub conference: ConferenceSid,
    /// The server that wrote it, where that is stored.
    pub server: Option<String>,
    /// As it is stored: JSON, or else a text.
    pub stored: Value,
}

/// A decision.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// When it was made (point in time).
    pub at: Millis,
    /// The conference.
    pub conference: ConferenceSid,
    /// The decision.
    pub note: Note,
}

/// An entry, and the server that wrote it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// When it was written (point in time).
    pub at: Millis,
    /// The conference.
    pub conference: ConferenceSid,
    /// The server: each start has another name.
    pub server: String,
    /// The entry.
    pub entry: Entry,
}

/// A job for Twilio.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its number in the log.
    pub id: i64,
    /// The conference.
    pub conference: ConferenceSid,
    /// Its action.
    pub what: String,
    /// The action with its parts; `None`: another version's.
    #[serde(skip)]
    pub action: Option<Action>,
    /// When it stops making sense (point in time).
    pub deadline: Millis,
    /// True once it has ended.
    pub ended: bool,
    /// Number of servers that have had it, one after the other.
    pub taken: i64,
}

/// The current state of a call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Now {
    /// The conference.
    pub conference: ConferenceSid,
    /// True once the call is over.
    pub over: bool,
    /// The joined legs.
    pub joined: Vec<CallSid>,
    /// Its agents, by leg.
    pub agents: Vec<(CallSid, WorkerSid)>,
    /// Its recovery, and its phase.
    pub recovery: Option<(RecoveryId, Phase)>,
}

/// Reads the story of a call or a conversation. `None`: the store has nothing about it (any more).
pub(crate) async fn explain(db: &mut AnyConnection, subject: &Subject) -> Result<Option<Explained>, Error> {
    if let Some(story) = conversation::read(&mut *db, subject).await? {
        return Ok(Some(Explained::Conversation(story)));
    }
    Ok(read(db, subject).await?.map(|story| Explained::Call(Box::new(story))))
}

/// Reads the story of a call. `None`: the store has nothing about it (any more).
pub(crate) async fn read(db: &mut AnyConnection, subject: &Subject) -> Result<Option<Story>, Error> {
    let mut conferences: BTreeSet<String> = BTreeSet::new();
    match subject {
        Subject::Conference(conference) => {
            conferences.insert(conference.to_string());
        }
        Subject::Leg(leg) => conferences.extend(conferences_of(&mut *db, leg.as_str()).await?),
        Subject::Task(task) => {
            let named = sqlx::query(BY_KEY).bind(task.to_string()).fetch_all(&mut *db).await?;
            conferences.extend(names(&named)?);
        }
        Subject::Conversation(_) | Subject::Channel(_) => return Ok(None),
        Subject::Recovery(recovery) => {
            let named = sqlx::query(BY_KEY).bind(recovery.to_string()).fetch_all(&mut *db).await?;
            conferences.extend(names(&named)?);
            let told = sqlx::query(BY_RECOVERY).bind(recovery.to_string()).fetch_all(&mut *db).await?;
            conferences.extend(names(&told)?);
        }
    }
    // The customer may have been in other conferences, too.
    for conference in conferences.clone() {
        let customer = sqlx::query(CUSTOMER).bind(conference).fetch_optional(&mut *db).await?;
        if let Some(customer) = customer {
            conferences.extend(conferences_of(&mut *db, &customer.try_get::<String, _>(0)?).await?);
        }
    }
    let mut story =
        Story { customer: None, lines: vec![], entries: vec![], jobs: vec![], calls: vec![], unread: vec![] };
    for name in conferences {
        let Ok(conference) = ConferenceSid::try_from(name) else { continue };
        add(&mut *db, &mut story, &conference).await?;
    }
    story.lines.sort_by_key(|line| line.at);
    story.jobs.sort_by_key(|job| job.id);
    story.entries.sort_by_key(|found| found.at);
    story.unread.sort_by_key(|unread| unread.at);
    let is_empty = story.lines.is_empty() && story.jobs.is_empty() && story.calls.is_empty();
    let is_untold = story.entries.is_empty() && story.unread.is_empty();
    Ok((!(is_empty && is_untold)).then_some(story))
}

async fn conferences_of(db: &mut AnyConnection, customer: &str) -> Result<Vec<String>, Error> {
    let rows = sqlx::query(BY_CUSTOMER).bind(customer.to_owned());
    names(&rows.fetch_all(&mut *db).await?)
}

fn names(rows: &[AnyRow]) -> Result<Vec<String>, Error> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

async fn add(db: &mut AnyConnection, story: &mut Story, conference: &ConferenceSid) -> Result<(), Error> {
    let rows = sqlx::query(NOTES).bind(conference.as_str()).fetch_all(&mut *db).await?;
    for row in rows {
        let customer: Option<String> = row.try_get(1)?;
        story.customer = story.customer.take().or_else(|| CallSid::try_from(customer?).ok());
        let (at, stored) = (millis(&row, 0)?, row.try_get::<String, _>(2)?);
        match serde_json::from_str(&stored) {
            Ok(note) => story.lines.push(Line { at, conference: conference.clone(), note }),
            Err(_) => story.unread.push(Unread::of(at, conference, None, stored)),
        }
    }
    let rows = sqlx::query(STORY).bind(conference.as_str()).fetch_all(&mut *db).await?;
    for row in rows {
        let (at, stored) = (millis(&row, 0)?, row.try_get::<String, _>(2)?);
        let server = row.try_get(1)?;
        match serde_json::from_str(&stored) {
            Ok(entry) => story.entries.push(Found { at, conference: conference.clone(), server, entry }),
            Err(_) => story.unread.push(Unread::of(at, conference, Some(server), stored)),
        }
    }
    let rows = sqlx::query(JOBS).bind(conference.as_str()).fetch_all(&mut *db).await?;
    for row in rows {
        let stored: String = row.try_get(1)?;
        let action: Option<Action> = serde_json::from_str(&stored).ok();
        let (id, ended) = (row.try_get(0)?, row.try_get::<i64, _>(3)? != 0);
        let (deadline, taken) = (millis(&row, 2)?, row.try_get(4)?);
        let what = action.as_ref().map_or_else(|| unread_action(&stored), |action| action.name().to_owned());
        story.jobs.push(Job { id, conference: conference.clone(), what, action, deadline, ended, taken });
    }
    let row = sqlx::query(CALL).bind(conference.as_str()).fetch_optional(&mut *db).await?;
    if let Some(row) = row
        && let Ok(call) = Call::read(&row.try_get::<String, _>(0)?)
    {
        let roster = &call.facts.roster;
        let joined = roster.participants.keys().filter(|leg| roster.is_reported_joined(leg));
        story.calls.push(Now {
            conference: call.conference.clone(),
            over: call.closed,
            joined: joined.cloned().collect(),
            agents: call
                .facts
                .roster
                .agents
                .iter()
                .map(|(leg, agent)| (leg.clone(), agent.worker.clone()))
                .collect(),
            recovery: call
                .recovery
                .as_ref()
                .map(|recovery| (recovery.absence.id.clone(), recovery.phase.clone())),
        });
    }
    Ok(())
}

impl Unread {
    fn of(at: Millis, conference: &ConferenceSid, server: Option<String>, stored: String) -> Self {
        let stored = serde_json::from_str(&stored).unwrap_or(Value::String(stored));
        Self { at, conference: conference.clone(), server, stored }
    }

    /// Its name, where it has one as entries and decisions do.
    fn name(&self) -> &str {
        self.stored.get("what").and_then(Value::as_str).unwrap_or("without a name")
    }
}

/// An action of another version by its stored name: JSON with that name as the only key, or the name alone.
fn unread_action(stored: &str) -> String {
    let name = match serde_json::from_str(stored) {
        Ok(Value::Object(action)) => action.into_iter().next().map(|(name, _)| name),
        Ok(Value::String(name)) => Some(name),
        Ok(_) | Err(_) => None,
    };
    format!("an action of another version of Rejoin: {}", name.as_deref().unwrap_or("without a name"))
}

pub(crate) fn millis(row: &AnyRow, column: usize) -> Result<Millis, Error> {
    Ok(Millis(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

    /// PostgreSQL's are in the tests of the console: it counts what it has read.
    #[tokio::test]
    async fn given_a_call_when_sqlite_reads_its_story_then_each_statement_uses_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("rejoin.db").display());
        Store::open(&url).await.unwrap().close().await;
        let mut db = AnyConnection::connect(&url).await.unwrap();
        let of_calls = [BY_KEY, BY_RECOVERY, BY_CUSTOMER, CUSTOMER, NOTES, STORY, JOBS, CALL];
        for statement in of_calls.into_iter().chain(conversation::STATEMENTS) {
            let plan = sqlx::query(AssertSqlSafe(format!("explain query plan {statement}"))).bind("CF1");
            let steps = plan.fetch_all(&mut db).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
            assert!(!steps.is_empty(), "{statement}");
            assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{statement}: {steps:?}");
        }
    }
}
