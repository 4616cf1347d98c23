//! One batch, one transaction.

use super::Database;
use super::read::{call, texts};
use super::schema::{array, integer, millis, rows, timer_name, timer_named};
use crate::error::Error;
use crate::pace;
use crate::store::{Batch, Changes, Claim, Committed, Found, JobId, NewJob, StoredJob, Tenure};
use rejoin_protocol::{CallSid, ConferenceSid};
use rejoin_recovery::Key;
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a transaction that conflicts with others is retried.
const TRY_FOR: Duration = Duration::from_secs(5);

impl Database {
    /// Finds and locks the calls of a batch, lets `decide` choose the changes, and writes them: all or nothing,
    /// durable when this returns. After a conflict with other servers it is begun again, and `decide` is called
    /// again, with the new state.
    pub(in crate::store) async fn transact<T>(
        &self,
        batch: &Batch,
        mut decide: impl FnMut(Found) -> Result<(Changes, T), Error>,
        tenure: Tenure,
    ) -> Result<(Committed, T), Error> {
        let begun = Instant::now();
        loop {
            let connections = self.connections_in_use();
            match self.attempt(batch, &mut decide, tenure).await {
                Ok(Some(done)) => {
                    self.has_committed();
                    return Ok(done);
                }
                Ok(None) => {} // a call was added: all are locked again, in their order
                Err(error) if passes(&error) && begun.elapsed() < TRY_FOR => {
                    tracing::debug!(%error, "retrying a transaction");
                    self.notice(&error, connections);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt<T>(
        &self,
        batch: &Batch,
        decide: &mut impl FnMut(Found) -> Result<(Changes, T), Error>,
        tenure: Tenure,
    ) -> Result<Option<(Committed, T)>, Error> {
        let mut transaction = self.begin().await?;
        let Some((found, empty)) = self.lock(&mut transaction, batch).await? else { return Ok(None) };
        let known = found.calls.iter().map(|call| (call.conference.clone(), call.keys())).collect();
        let unreadable: BTreeSet<_> = found.unreadable().cloned().collect();
        let (mut changes, told) = decide(found)?;
        if changes.saved.keys().chain(&changes.forgotten).any(|call| unreadable.contains(call)) {
            return Err(Error::HeldBack); // it must not be overwritten, whatever it is
        }
        // Rows of calls that did not begin after all.
        changes.forgotten.extend(empty.into_iter().filter(|call| !changes.saved.contains_key(call)));
        let committed = self.write(&mut transaction, &changes, &known, tenure).await?;
        if changes.is_empty() {
            transaction.rollback().await?;
        } else {
            if self.surroundings.reach(|| "written".to_owned()).await {
                return Err(Error::NotCommitted);
            }
            transaction.commit().await.map_err(|error| match error {
                // The database has answered: the commit was refused.
                sqlx::Error::Database(_) => Error::Database(error),
                error => Error::Unsettled(error),
            })?;
            if self.surroundings.pass(|| "acknowledged".to_owned()).await {
                return Err(Error::Unsettled(sqlx::Error::PoolTimedOut));
            }
        }
        Ok(Some((committed, told)))
    }

    /// Locks the calls of the batch; also returns the conferences whose calls have no state yet. `None`: there was a
    /// race, and more has to be locked.
    async fn lock(
        &self,
        db: &mut AnyConnection,
        batch: &Batch,
    ) -> Result<Option<(Found, BTreeSet<ConferenceSid>)>, Error> {
        let sql = &self.sql;
        if self.is_shared() && !batch.begins.is_empty() {
            let begins = texts(batch.begins.iter().map(ConferenceSid::as_str));
            sqlx::query(AssertSqlSafe(Arc::clone(&sql.expect_calls))).bind(begins).execute(&mut *db).await?;
        }
        let mut found = Found::default();
        let mut empty = BTreeSet::new();
        let mut names: BTreeSet<String> = batch
            .keys
            .iter()
            .filter(|key| matches!(key, Key::Conference(_)))
            .map(|k| k.as_str().to_owned())
            .collect();
        if !batch.keys.is_empty() {
            let keys = texts(batch.keys.iter().map(Key::as_str));
            let lock = sqlx::query(AssertSqlSafe(Arc::clone(&sql.lock_calls))).bind(keys);
            let (mut locked, mut unreadable) = (BTreeSet::new(), vec![]);
            for row in lock.fetch_all(&mut *db).await? {
                let name: String = row.try_get(0)?;
                match call(&row)? {
                    Some(Ok(call)) => found.add(call),
                    Some(Err(why)) => unreadable.push((name.clone(), why)),
                    None => empty.extend(ConferenceSid::try_from(name.clone())),
                }
                locked.insert(name);
            }
            found.held_back.extend(self.held_back_with_keys(&mut *db, unreadable).await?);
            if self.is_shared() {
                // While another server had one of them locked, it may have stored a call under these keys, or one with the same
                // customer. The legs of those that are locked stay as they are.
                let legs = found.legs();
                let keys = texts(batch.keys.iter().map(Key::as_str).chain(legs.iter().map(String::as_str)));
                let check = sqlx::query(AssertSqlSafe(Arc::clone(&sql.name_calls))).bind(keys);
                for row in check.fetch_all(&mut *db).await? {
                    if !locked.contains(&row.try_get::<String, _>(0)?) {
                        return Ok(None);
                    }
                }
            }
            names.extend(locked);
            found.early = self.early_marks(db, batch, &found.calls).await?;
        }
        if !names.is_empty() {
            let timers = sqlx::query(AssertSqlSafe(Arc::clone(&sql.timers_of)))
                .bind(texts(names.iter().map(String::as_str)));
            for row in timers.fetch_all(&mut *db).await? {
                match (ConferenceSid::try_from(row.try_get::<String, _>(0)?), timer_named(row.try_get(1)?)) {
                    (Ok(conference), Ok(timer)) => {
                        found.timers.push((conference, timer, millis(row.try_get(2)?)));
                    }
                    _ => tracing::error!("a stored timer cannot be read and is skipped"),
                }
            }
        }
        let closes: Vec<Value> =
            batch.closes.iter().map(|claim| json!({"id": claim.job.0, "fence": claim.fence})).collect();
        let mut held = BTreeSet::new();
        for row in rows(db, &sql.held_jobs, &closes).await? {
            held.insert(JobId(row.try_get(0)?));
        }
        found.held = batch.closes.iter().filter(|claim| held.contains(&claim.job)).copied().collect();
        Ok(Some((found, empty)))
    }

    async fn write(
        &self,
        db: &mut AnyConnection,
        changes: &Changes,
        known: &BTreeMap<ConferenceSid, BTreeSet<Key>>,
        tenure: Tenure,
    ) -> Result<Committed, Error> {
        let sql = &self.sql;
        if !changes.forgotten.is_empty() {
            let forgotten = texts(changes.forgotten.iter().map(ConferenceSid::as_str));
            for sql in [&sql.delete_calls, &sql.delete_keys_of, &sql.delete_timers_of] {
                sqlx::query(AssertSqlSafe(Arc::clone(sql))).bind(forgotten.clone()).execute(&mut *db).await?;
            }
        }
        if !changes.untold.is_empty() {
            let untold = texts(changes.untold.iter().map(ConferenceSid::as_str));
            sqlx::query(AssertSqlSafe(Arc::clone(&sql.untell))).bind(untold).execute(&mut *db).await?;
        }
        self.save(db, changes, known).await?;
        let (mut set, mut cleared) = (vec![], vec![]);
        for ((conference, timer), at) in &changes.timers {
            let timer = timer_name(*timer)?;
            match at {
                Some(at) => {
                    set.push(json!({"conference": conference, "timer": timer, "at": integer(*at)}));
                }
                None => cleared.push(json!({"conference": conference, "timer": timer})),
            }
        }
        rows(db, &sql.clear_timers, &cleared).await?;
        if !set.is_empty() {
            let set_timers = sqlx::query(AssertSqlSafe(Arc::clone(&sql.set_timers)));
            set_timers.bind(array(&set)?).bind(self.server.clone()).execute(&mut *db).await?;
        }
        self.write_early(db, &changes.early).await?;
        let closed: Vec<Value> =
            changes.closed.iter().map(|(job, given_up)| json!({"id": job.0, "given_up": given_up})).collect();
        self.timed_rows(db, &sql.close_jobs, &closed).await?;
        let notes = changes.lines.iter().map(|(customer, line, about)| {
            Ok(json!({
                "at": integer(line.at), "conference": line.conference, "customer": customer.as_ref().map(CallSid::as_str),
                "note": serde_json::to_string(&line.note)?,
                "about": about.as_ref().map(serde_json::to_string).transpose()?,
            }))
        });
        rows(db, &sql.add_notes, &notes.collect::<Result<Vec<_>, serde_json::Error>>()?).await?;
        let told = changes.told.iter().map(|told| {
            Ok(json!({
                "at": integer(told.at), "server": self.server, "conference": told.conference,
                "recovery": told.recovery, "entry": serde_json::to_string(&told.entry)?,
            }))
        });
        rows(db, &sql.tell, &told.collect::<Result<Vec<_>, serde_json::Error>>()?).await?;
        let jobs = self.add_jobs(db, &changes.jobs, tenure).await?;
        Ok(Committed { jobs, pushes: self.add_pushes(db, changes).await? })
    }

    /// Saves calls, and those of their keys that are new or gone.
    async fn save(
        &self,
        db: &mut AnyConnection,
        changes: &Changes,
        known: &BTreeMap<ConferenceSid, BTreeSet<Key>>,
    ) -> Result<(), Error> {
        let (mut calls, mut keys, mut changed) = (vec![], vec![], vec![]);
        let mut states = vec![];
        for (conference, saved) in &changes.saved {
            let from = states.len();
            serde_json::to_writer(&mut states, &saved.call)?;
            // SQL counts from 1.
            calls.push(json!({"conference": conference, "at": from + 1, "length": states.len() - from}));
            let before = known.get(conference).filter(|_| !changes.forgotten.contains(conference));
            if before == Some(&saved.keys) {
                continue;
            }
            if before.is_some_and(|before| !before.is_subset(&saved.keys)) {
                changed.push(conference.as_str());
            }
            keys.extend(key_rows(conference.as_str(), &saved.keys));
        }
        if !calls.is_empty() {
            let save = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.save_calls)));
            save.bind(array(&calls)?).bind(states).execute(&mut *db).await?;
        }
        if !changed.is_empty() {
            let delete = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.delete_keys_of)));
            delete.bind(texts(changed)).execute(&mut *db).await?;
        }
        rows(db, &self.sql.add_keys, &keys).await?;
        Ok(())
    }

    /// The same as [`rows`] for a statement with time.
    async fn timed_rows(
        &self,
        db: &mut AnyConnection,
        sql: &Arc<str>,
        rows: &[Value],
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        if rows.is_empty() {
            return Ok(vec![]);
        }
        let query = sqlx::query(AssertSqlSafe(Arc::clone(sql))).bind(array(rows)?);
        self.timed(query).fetch_all(db).await
    }

    async fn add_jobs(
        &self,
        db: &mut AnyConnection,
        jobs: &[NewJob],
        tenure: Tenure,
    ) -> Result<Vec<Option<StoredJob>>, Error> {
        let mut wanted = Vec::with_capacity(jobs.len());
        for job in jobs {
            let (owner, fence) = if job.mine { (Some(&self.server), 1) } else { (None, 0) };
            wanted.push(json!({
                "conference": job.conference, "action": serde_json::to_string(&job.action)?,
                "once": job.action.traits().once.map(|once| once.to_string()), "deadline": integer(job.deadline),
                "priority": pace::priority(&job.action), "owner": owner, "fence": fence,
            }));
        }
        // Equal jobs are interchangeable: it does not matter which number belongs to which.
        let mut added: BTreeMap<(String, String, i64), Vec<i64>> = BTreeMap::new();
        for row in self.timed_rows(db, &self.sql.add_jobs, &wanted).await? {
            let what = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            added.entry(what).or_default().push(row.try_get(0)?);
        }
        for ids in added.values_mut() {
            ids.sort_unstable_by(|a, b| b.cmp(a));
        }
        let stored = jobs.iter().map(|job| {
            let action = serde_json::to_string(&job.action)?;
            let what = (job.conference.as_str().to_owned(), action, integer(job.deadline));
            let id = added.get_mut(&what).and_then(Vec::pop);
            Ok(id.map(|id| StoredJob {
                claim: Claim { job: JobId(id), fence: i64::from(job.mine) },
                conference: job.conference.clone(),
                action: job.action.clone(),
                deadline: job.deadline,
                tenure,
            }))
        });
        stored.collect::<Result<_, serde_json::Error>>().map_err(Error::from)
    }
}

/// A call is found by its conference without a row for it.
pub(super) fn key_rows<'a>(conference: &'a str, keys: &'a BTreeSet<Key>) -> impl Iterator<Item = Value> + 'a {
    let others = keys.iter().filter(|key| !matches!(key, Key::Conference(_)));
    others.map(move |key| json!({"key": key.as_str(), "conference": conference}))
}

/// True when a retry may succeed: there was a conflict, or the connection was lost. A commit whose answer was lost
/// may have succeeded: events have identities and jobs fencing tokens, so that nothing happens twice. A transaction
/// that is still in progress has its calls locked, and is waited for; one that has succeeded is found. Its actions
/// are then not among those that are carried out at once: they are ours in the store, and taken from there after five
/// seconds.
pub(super) fn passes(error: &Error) -> bool {
    let error = match error {
        Error::Unsettled(_) => return true,
        Error::Database(error) => error,
        _ => return false,
    };
    match error {
        sqlx::Error::Database(error) => {
            // https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization failure, deadlock,
            // read-only transaction, lock not available, administrator's shutdown, and connections.
            error.code().is_some_and(|code| {
                matches!(code.as_ref(), "25006" | "40001" | "40P01" | "55P03" | "57P01")
                    || code.starts_with("08")
            })
        }
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}
