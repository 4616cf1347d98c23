//! The story of a conversation: what came in that changed something, which row of the table decided, what Twilio was asked for and
//! how it answered, and how the conversation stands.

mod draw;
mod show;

use super::{BY_RECOVERY, STORY, Subject, millis, names};
use crate::error::Error;
use crate::story::ConversationEntry;
use rejoin_conversations::Conversation;
use rejoin_protocol::{ConversationSid, Millis, WorkerSid};
use serde::Serialize;
use serde_json::Value;
use sqlx::{AnyConnection, Row as _};

const BY_TASK: &str = "select conversation from conversation_keys where key = $1";
const STATE: &str = "select state from conversations where conversation = $1";
/// For the check that each is found by an index.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [BY_TASK, STATE];

/// The story of a conversation, oldest entry first. It has no text of anybody, and nobody but by SIDs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationStory {
    /// The conversation.
    pub conversation: ConversationSid,
    /// What happened.
    pub entries: Vec<FoundEntry>,
    /// How it stands; `None`: it is over, and forgotten.
    pub now: Option<ConversationNow>,
}

/// An entry, and the server that wrote it.
#[derive(Clone, Debug, Serialize)]
pub struct FoundEntry {
    /// Its number: it grows with each entry of any story.
    pub id: i64,
    /// When it was written (point in time).
    pub at: Millis,
    /// The server: each start has another name.
    pub server: String,
    /// What happened.
    #[serde(skip)]
    pub entry: Option<ConversationEntry>,
    /// The same as it is stored. Another version's may not be read.
    #[serde(rename = "entry")]
    pub stored: Value,
}

/// How a conversation stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationNow {
    /// Its attendance; `None`: this version has not judged it yet.
    pub attendance: Option<&'static str>,
    /// The row that decided, its words.
    pub because: Option<&'static str>,
    /// Since when (point in time).
    pub since: Option<Millis>,
    /// The agents on it.
    pub agents: Vec<WorkerSid>,
    /// Since when the customer waits for an answer (point in time).
    pub unanswered_since: Option<Millis>,
    /// When the absence ends by itself (point in time), while there is one.
    pub absent_until: Option<Millis>,
    /// What Twilio is being asked for.
    pub requested: Vec<&'static str>,
    /// When it is judged again without any news (point in time).
    pub judged_at: Option<Millis>,
}

impl ConversationNow {
    fn of(conversation: &Conversation) -> Self {
        let judged = conversation.judged();
        let agents = conversation.facts().roster().agents();
        Self {
            attendance: judged.map(|(row, ..)| row.attendance.name()),
            because: judged.map(|(row, ..)| row.when),
            since: judged.map(|(.., since)| since),
            agents: agents.filter_map(|(_, agent)| agent.worker().cloned()).collect(),
            unanswered_since: conversation.facts().unanswered_since(),
            absent_until: conversation.absence().map(|absence| absence.deadline),
            requested: conversation.requests().in_flight().map(rejoin_conversations::Action::name).collect(),
            judged_at: conversation.timer(),
        }
    }
}

impl FoundEntry {
    /// An entry as it is stored: JSON.
    pub(crate) fn read(id: i64, at: Millis, server: String, stored: String) -> Self {
        let entry = serde_json::from_str(&stored).ok();
        let stored = serde_json::from_str(&stored).unwrap_or(Value::String(stored));
        Self { id, at, server, entry, stored }
    }
}

impl ConversationStory {
    /// The story of these entries, of a conversation with this stored state; `None`: there is nothing about it.
    pub(crate) fn of(
        conversation: ConversationSid,
        entries: Vec<FoundEntry>,
        state: Option<&str>,
    ) -> Option<Self> {
        let state = state.and_then(|state| serde_json::from_str(state).ok());
        let now = state.as_ref().map(ConversationNow::of);
        let is_known = now.is_some() || !entries.is_empty();
        is_known.then_some(Self { conversation, entries, now })
    }

    /// True while nobody has the conversation.
    pub fn is_open(&self) -> bool {
        self.now.as_ref().is_some_and(|now| now.absent_until.is_some())
    }
}

/// Reads the story of the conversation. `None`: the subject is none, or the store has nothing about it (any more).
pub(super) async fn read(
    db: &mut AnyConnection,
    subject: &Subject,
) -> Result<Option<ConversationStory>, Error> {
    let conversation = match subject {
        Subject::Conversation(conversation) => Some(conversation.clone()),
        Subject::Channel(channel) => found(&mut *db, channel.as_str()).await?,
        Subject::Task(task) => found(&mut *db, task.as_str()).await?,
        Subject::Recovery(_) | Subject::Conference(_) | Subject::Leg(_) => None,
    };
    let Some(conversation) = conversation else { return Ok(None) };
    let mut entries = vec![];
    let rows = sqlx::query(STORY).bind(conversation.as_str()).fetch_all(&mut *db).await?;
    for row in rows {
        entries.push(FoundEntry::read(row.try_get(3)?, millis(&row, 0)?, row.try_get(1)?, row.try_get(2)?));
    }
    let row = sqlx::query(STATE).bind(conversation.as_str()).fetch_optional(&mut *db).await?;
    let state: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    Ok(ConversationStory::of(conversation, entries, state.as_deref()))
}

/// The conversation with this task or channel: the newest one that its story or its keys name.
async fn found(db: &mut AnyConnection, name: &str) -> Result<Option<ConversationSid>, Error> {
    for statement in [BY_TASK, BY_RECOVERY] {
        let named = sqlx::query(statement).bind(name.to_owned()).fetch_all(&mut *db).await?;
        let mut named = names(&named)?.into_iter().filter_map(|name| ConversationSid::try_from(name).ok());
        if let Some(conversation) = named.next() {
            return Ok(Some(conversation));
        }
    }
    Ok(None)
}
