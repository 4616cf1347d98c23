//! Conversations: one batch, one transaction.

use super::Database;
use super::read::texts;
use super::schema::{integer, millis, rows};
use super::sql::Dialect;
use super::transact::passes;
use crate::error::Error;
use crate::store::conversations::{BegunAction, ConversationBatch, ConversationChanges, FoundConversations};
use crate::story::{KEPT, ToldConversation};
use rejoin_conversations::{Conversation, Key};
use rejoin_protocol::{ConversationSid, Millis, WorkerSid};
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a transaction that conflicts with others is retried.
const TRY_FOR: Duration = Duration::from_secs(5);
/// How long a desk is kept that has not changed.
const DESKS_KEPT: Millis = Millis::seconds(7 * 24 * 3600);

/// The statements. Parameters are as documented.
#[derive(Clone, Debug)]
pub(super) struct Sql {
    /// Rows for conversations that may begin. `$1`: conversations.
    expect: Arc<str>,
    /// The conversations with these keys, locked in an order that all servers share. `$1`: keys.
    lock: Arc<str>,
    /// The same for desks. `$1`: workers.
    lock_desks: Arc<str>,
    /// `$1`: `conversation`, `state`, `due`, `attendance`, `absent`, `ended`.
    save: Arc<str>,
    /// `$1`: conversations.
    forget: Arc<str>,
    forget_keys: Arc<str>,
    /// Deletes their stories, except where an absence began or Twilio was asked for something: those are kept like the stories of
    /// calls that lost an agent.
    untell: Arc<str>,
    /// Deletes all but the newest entries of the stories of `$1`.
    shorten: Arc<str>,
    /// `$1`: `key`, `conversation`.
    add_keys: Arc<str>,
    /// `$1`: `worker`, `state`, `at`.
    save_desks: Arc<str>,
    /// `$1`: `conversation`, `action`, `until`, `server`.
    begin: Arc<str>,
    /// `$1`: ids as texts.
    end: Arc<str>,
    /// Actions of servers that are gone. `$1`: this server; `$2`: ids of those that it carries out; with time.
    take_over: Arc<str>,
}

impl Sql {
    pub(super) fn new(d: Dialect) -> Self {
        let any = d.any();
        let sql = |text: String| -> Arc<str> { text.into() };
        let update = d.locking("for update");
        let ids = match d {
            Dialect::Sqlite => "in (select value from json_each($2))",
            Dialect::Postgres => "= any(array(select json_array_elements_text($2::json)::bigint))",
        };
        let ended = match d {
            Dialect::Sqlite => "in (select cast(value as integer) from json_each($1))",
            Dialect::Postgres => "= any(array(select json_array_elements_text($1::json)::bigint))",
        };
        let each = match d {
            Dialect::Sqlite => "json_each($1)",
            Dialect::Postgres => "json_array_elements_text($1::json)",
        };
        let found = format!(
            "select conversation from conversation_keys where key {any} union select value from {each}"
        );
        // One array, or PostgreSQL reads all conversations there are.
        let found = match d {
            Dialect::Sqlite => format!("in ({found})"),
            Dialect::Postgres => format!("= any(array({found}))"),
        };
        Self {
            expect: sql(format!(
                "insert into conversations (conversation, state) select value, '' from {each} where true
                 order by value on conflict (conversation) do nothing"
            )),
            lock: sql(format!(
                "select conversation, state from conversations where conversation {found}
                 order by conversation {update}"
            )),
            lock_desks: sql(format!(
                "select worker, state from desks where worker {any} order by worker {update}"
            )),
            save: sql(format!(
                "insert into conversations (conversation, state, due, attendance, absent, ended)
                 select conversation, state, due, attendance, absent, ended from {} where true order by conversation
                 on conflict (conversation) do update set state = excluded.state, due = excluded.due,
                 attendance = excluded.attendance, absent = excluded.absent, ended = excluded.ended",
                d.rows(&[
                    ("conversation", "text"),
                    ("state", "text"),
                    ("due", "bigint"),
                    ("attendance", "text"),
                    ("absent", "bigint"),
                    ("ended", "bigint"),
                ])
            )),
            forget: sql(format!("delete from conversations where conversation {any}")),
            forget_keys: sql(format!("delete from conversation_keys where conversation {any}")),
            untell: sql(format!(
                "delete from story where conference {any} and conference not in (
                     select conference from story where conference {any}
                     and (entry like '{{\"what\":\"began\"%' or entry like '{{\"what\":\"requested\"%')
                 )"
            )),
            shorten: sql(format!(
                "delete from story where id in (
                     select id from (
                         select id, row_number() over (partition by conference order by id desc) as number
                         from story where conference {any}
                     ) as numbered where number > {KEPT}
                 )"
            )),
            add_keys: sql(format!(
                "insert into conversation_keys (key, conversation) select key, conversation from {} where true
                 on conflict (key, conversation) do nothing",
                d.rows(&[("key", "text"), ("conversation", "text")])
            )),
            save_desks: sql(format!(
                "insert into desks (worker, state, at) select worker, state, at from {} where true order by worker
                 on conflict (worker) do update set state = excluded.state, at = excluded.at",
                d.rows(&[("worker", "text"), ("state", "text"), ("at", "bigint")])
            )),
            begin: sql(format!(
                "insert into conversation_actions (conversation, action, until, server)
                 select conversation, action, until, server from {} where true returning id, action, conversation",
                d.rows(&[
                    ("conversation", "text"),
                    ("action", "text"),
                    ("until", "bigint"),
                    ("server", "text")
                ])
            )),
            end: sql(format!("delete from conversation_actions where id {ended}")),
            take_over: sql(format!(
                "update conversation_actions set server = $1 where id in (
                     select id from conversation_actions where not (id {ids}) and (
                         server = $1
                         or server not in {running}
                     ) order by id limit 256 {}
                 ) returning id, conversation, action, until",
                d.locking("for update skip locked"),
                running = d.running("$3", "$4"),
            )),
        }
    }
}

impl Database {
    /// Finds and locks the conversations of a batch, lets `decide` choose the changes, and writes them: all or nothing, durable
    /// when this returns. After a conflict with other servers it is begun again. The actions that begin come back with their
    /// numbers.
    pub(in crate::store) async fn transact_conversations<T>(
        &self,
        batch: &ConversationBatch,
        mut decide: impl FnMut(FoundConversations) -> Result<(ConversationChanges, T), Error>,
    ) -> Result<(Vec<BegunAction>, T), Error> {
        let begun = Instant::now();
        loop {
            match self.attempt_conversations(batch, &mut decide).await {
                Ok(done) => {
                    self.has_committed();
                    return Ok(done);
                }
                Err(error) if passes(&error) && begun.elapsed() < TRY_FOR => {
                    tracing::debug!(%error, "retrying a transaction of conversations");
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt_conversations<T>(
        &self,
        batch: &ConversationBatch,
        decide: &mut impl FnMut(FoundConversations) -> Result<(ConversationChanges, T), Error>,
    ) -> Result<(Vec<BegunAction>, T), Error> {
        let sql = &self.conversations;
        let mut transaction = self.begin().await?;
        let db = &mut *transaction;
        if self.is_shared() && !batch.begins.is_empty() {
            let begins = texts(batch.begins.iter().map(ConversationSid::as_str));
            sqlx::query(AssertSqlSafe(Arc::clone(&sql.expect))).bind(begins).execute(&mut *db).await?;
        }
        let mut found = FoundConversations::default();
        let mut empty: BTreeSet<ConversationSid> = BTreeSet::new();
        let keys = texts(batch.keys.iter().map(Key::as_str));
        for row in sqlx::query(AssertSqlSafe(Arc::clone(&sql.lock))).bind(keys).fetch_all(&mut *db).await? {
            let (sid, state): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if state.is_empty() {
                empty.extend(ConversationSid::parse(&sid));
            } else {
                found.take(sid, &state);
            }
        }
        let workers: BTreeSet<WorkerSid> = found.agents().into_iter().chain(batch.workers.clone()).collect();
        let workers = texts(workers.iter().map(WorkerSid::as_str));
        let lock = sqlx::query(AssertSqlSafe(Arc::clone(&sql.lock_desks))).bind(workers);
        for row in lock.fetch_all(&mut *db).await? {
            let (worker, state): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if let Ok(worker) = WorkerSid::parse(&worker) {
                found.take_desk(worker, &state);
            }
        }
        let (mut changes, told) = decide(found)?;
        // Rows of conversations that did not begin after all.
        let begins: BTreeSet<&ConversationSid> = changes.saved.iter().map(|it| it.sid()).collect();
        let none: Vec<_> = empty.into_iter().filter(|sid| !begins.contains(sid)).collect();
        changes.forgotten.extend(none);
        if changes.is_empty() && batch.ended.is_empty() {
            transaction.rollback().await?;
            return Ok((vec![], told));
        }
        let begun = self.write_conversations(db, batch, changes).await?;
        if self.surroundings.reach(|| "written".to_owned()).await {
            return Err(Error::NotCommitted);
        }
        transaction.commit().await.map_err(|error| match error {
            sqlx::Error::Database(_) => Error::Database(error),
            error => Error::Unsettled(error),
        })?;
        Ok((begun, told))
    }

    async fn write_conversations(
        &self,
        db: &mut AnyConnection,
        batch: &ConversationBatch,
        changes: ConversationChanges,
    ) -> Result<Vec<BegunAction>, Error> {
        let sql = &self.conversations;
        let ConversationChanges { saved, forgotten, desks, begun, told } = changes;
        self.tell_conversations(db, &told).await?;
        if !forgotten.is_empty() {
            let gone = texts(forgotten.iter().map(ConversationSid::as_str));
            for sql in [&sql.forget, &sql.forget_keys, &sql.untell] {
                let sql = AssertSqlSafe(Arc::clone(sql));
                sqlx::query(sql).bind(gone.clone()).execute(&mut *db).await?;
            }
        }
        let (mut states, mut keys) = (vec![], vec![]);
        for conversation in &saved {
            let sid = conversation.sid();
            states.push(json!({
                "conversation": sid, "state": serde_json::to_string(conversation)?,
                "due": conversation.timer().map(integer),
                "attendance": conversation.judged().map_or("", |(row, ..)| row.attendance.name()),
                "absent": conversation.absence().map(|absence| integer(absence.began_at)),
                "ended": conversation.last_ending().map(|(_, at)| integer(at)),
            }));
            keys.extend(
                conversation.keys().iter().map(|key| json!({"key": key.as_str(), "conversation": sid})),
            );
        }
        rows(db, &sql.save, &states).await?;
        rows(db, &sql.add_keys, &keys).await?;
        let now = integer(self.surroundings.now());
        let desks: Result<Vec<Value>, _> = desks
            .iter()
            .map(|(worker, desk)| {
                Ok::<_, serde_json::Error>(
                    json!({"worker": worker, "state": serde_json::to_string(desk)?, "at": now}),
                )
            })
            .collect();
        rows(db, &sql.save_desks, &desks?).await?;
        if !batch.ended.is_empty() {
            let ended: Vec<String> = batch.ended.iter().map(ToString::to_string).collect();
            let ended = texts(ended.iter().map(String::as_str));
            sqlx::query(AssertSqlSafe(Arc::clone(&sql.end))).bind(ended).execute(&mut *db).await?;
        }
        let mut stored = vec![];
        // One by one, because the order of the rows that an insertion returns is not defined.
        for action in begun {
            let row = json!({
                "conversation": action.conversation, "action": serde_json::to_string(&action.action)?,
                "until": integer(action.until), "server": self.server,
            });
            let row = rows(db, &sql.begin, &[row]).await?;
            let id = row.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
            stored.push(BegunAction { id, ..action });
        }
        Ok(stored)
    }

    /// Adds entries to stories. They are in the table of those of calls, by their conversation; what a call has in `recovery` is
    /// here the task or the channel that the entry names.
    async fn tell_conversations(
        &self,
        db: &mut AnyConnection,
        told: &[ToldConversation],
    ) -> Result<(), Error> {
        if told.is_empty() {
            return Ok(());
        }
        let entries = told.iter().map(|told| {
            Ok(json!({
                "at": integer(told.at), "server": self.server, "conference": told.conversation,
                "recovery": told.entry.alias(), "entry": serde_json::to_string(&told.entry)?,
            }))
        });
        rows(db, &self.sql.tell, &entries.collect::<Result<Vec<_>, serde_json::Error>>()?).await?;
        let of: BTreeSet<&str> = told.iter().map(|told| told.conversation.as_str()).collect();
        let shorten = AssertSqlSafe(Arc::clone(&self.conversations.shorten));
        sqlx::query(shorten).bind(texts(of)).execute(&mut *db).await?;
        Ok(())
    }

    /// Conversations that are due by now, at most `most`, and when the next one is due.
    pub(in crate::store) async fn due_conversations(
        &self,
        now: Millis,
        most: usize,
    ) -> Result<(Vec<ConversationSid>, Option<Millis>), Error> {
        let find = "select conversation, due from conversations where due is not null order by due limit $1";
        let find = sqlx::query(find).bind(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
        let (mut due, mut next) = (vec![], None);
        for row in find.fetch_all(&mut *self.reading().await?).await? {
            let at = millis(row.try_get(1)?);
            if at <= now && due.len() < most {
                due.extend(ConversationSid::parse(&row.try_get::<String, _>(0)?));
            } else {
                next = next.or(Some(at));
            }
        }
        Ok((due, next))
    }

    /// Takes over actions of servers that are gone, and own ones that are not among these.
    pub(in crate::store) async fn take_over_conversations(
        &self,
        held: &BTreeSet<i64>,
    ) -> Result<Vec<BegunAction>, Error> {
        let held: Value = held.iter().copied().map(Value::from).collect();
        let take = sqlx::query(AssertSqlSafe(Arc::clone(&self.conversations.take_over)));
        let take =
            self.timed(take.bind(self.server.clone()).bind(held.to_string()).bind(self.known_leases()));
        let mut taken = vec![];
        for row in take.fetch_all(&mut *self.writing().await?).await? {
            match action(&row)? {
                Some(action) => taken.push(action),
                None => tracing::error!(
                    "a stored action of a conversation cannot be read; a server of its release carries it out"
                ),
            }
        }
        Ok(taken)
    }

    pub(in crate::store) async fn conversation(
        &self,
        sid: &ConversationSid,
    ) -> Result<Option<Conversation>, Error> {
        let find =
            sqlx::query("select state from conversations where conversation = $1").bind(sid.to_string());
        let row = find.fetch_optional(&mut *self.reading().await?).await?;
        let state: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
        Ok(state.and_then(|state| serde_json::from_str(&state).ok()))
    }

    /// Workers who have a page with an open push channel, as far as conversations know.
    pub(in crate::store) async fn open_desks(&self) -> Result<FoundConversations, Error> {
        let mut found = FoundConversations::default();
        for row in
            sqlx::query("select worker, state from desks").fetch_all(&mut *self.reading().await?).await?
        {
            let (worker, state): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if let Ok(worker) = WorkerSid::parse(&worker) {
                found.take_desk(worker, &state);
            }
        }
        Ok(found)
    }

    /// All conversations, for the console.
    pub(in crate::store) async fn conversations(&self) -> Result<FoundConversations, Error> {
        let mut found = self.open_desks().await?;
        let all = sqlx::query("select conversation, state from conversations where state <> '' limit 10000");
        for row in all.fetch_all(&mut *self.reading().await?).await? {
            found.take(row.try_get(0)?, &row.try_get::<String, _>(1)?);
        }
        Ok(found)
    }

    /// Forgets desks that have not been heard of for a week.
    pub(super) async fn forget_desks(&self) -> Result<(), Error> {
        let before = integer(self.surroundings.now() - DESKS_KEPT);
        let forget = sqlx::query("delete from desks where at < $1").bind(before);
        forget.execute(&mut *self.writing().await?).await?;
        Ok(())
    }
}

fn action(row: &AnyRow) -> Result<Option<BegunAction>, sqlx::Error> {
    let (sid, action): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let read = ConversationSid::parse(&sid).ok().zip(serde_json::from_str(&action).ok());
    let (id, until) = (row.try_get(0)?, millis(row.try_get(3)?));
    Ok(read.map(|(conversation, action)| BegunAction { id, conversation, action, until }))
}
