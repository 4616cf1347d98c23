//! Reads of the last committed state, outside of transactions.

use super::Database;
use super::schema::{integer, millis};
use crate::error::Error;
use crate::given_up::{self, GivenUp};
use crate::store::held_back::{self, HeldBack, Why};
use crate::store::{CallCounts, LOOKS_APART, Line, OpenJobs, TIMERS_OF_OTHERS};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use rejoin_recovery::{Call, Key, Timer};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A call from its row, or why it cannot be read. `None`: it may begin now.
pub(super) fn call(row: &AnyRow) -> Result<Option<Result<Call, Why>>, sqlx::Error> {
    let state: String = row.try_get(1)?;
    Ok((!state.is_empty()).then(|| held_back::read(&state)))
}

/// Keys as a JSON array.
pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(Value::from).collect::<Value>().to_string()
}

impl Database {
    /// The calls that share one of these keys, with the other calls of their customers. Unreadable ones are returned
    /// separately.
    pub(in crate::store) async fn find(
        &self,
        keys: &BTreeSet<Key>,
    ) -> Result<(Vec<Call>, Vec<HeldBack>), Error> {
        let keys = texts(keys.iter().map(Key::as_str));
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.find_calls))).bind(keys);
        let (mut calls, mut unreadable) = (vec![], vec![]);
        for row in find.fetch_all(&mut *self.reading().await?).await? {
            match call(&row)? {
                Some(Ok(call)) => calls.push(call),
                Some(Err(why)) => unreadable.push((row.try_get(0)?, why)),
                None => {}
            }
        }
        if unreadable.is_empty() {
            return Ok((calls, vec![]));
        }
        let mut connection = self.reading().await?;
        Ok((calls, self.held_back_with_keys(&mut connection, unreadable).await?))
    }

    /// Calls that cannot be read, with their keys.
    pub(super) async fn held_back_with_keys(
        &self,
        db: &mut AnyConnection,
        unreadable: Vec<(String, Why)>,
    ) -> Result<Vec<HeldBack>, Error> {
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if !unreadable.is_empty() {
            let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.keys_of)));
            let find = find.bind(texts(unreadable.iter().map(|(name, _)| name.as_str())));
            for row in find.fetch_all(db).await? {
                keys.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?);
            }
        }
        let held_back = unreadable.into_iter().filter_map(|(name, why)| {
            let keys = keys.remove(&name).unwrap_or_default();
            let conference = ConferenceSid::try_from(name).ok()?;
            Some(HeldBack { conference, keys, why, call: None })
        });
        Ok(held_back.collect())
    }

    /// The next timers: their calls, and when this server has to handle them. `without`: calls whose timers are left
    /// out. Timers that this build does not know are left to one that does.
    pub(in crate::store) async fn next_timers(
        &self,
        most: usize,
        without: &[ConferenceSid],
    ) -> Result<Vec<(ConferenceSid, Millis)>, Error> {
        let others = if self.is_shared() { TIMERS_OF_OTHERS } else { Millis(0) };
        let next = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.next_timers)))
            .bind(self.server.clone())
            .bind(integer(others))
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .bind(texts(without.iter().map(ConferenceSid::as_str)))
            .bind(texts(Timer::ALL.iter().map(Timer::name)));
        let mut timers = vec![];
        for row in next.fetch_all(&mut *self.reading().await?).await? {
            match ConferenceSid::try_from(row.try_get::<String, _>(0)?) {
                Ok(conference) => timers.push((conference, millis(row.try_get(1)?))),
                Err(_) => tracing::error!("a stored timer cannot be read and is skipped"),
            }
        }
        Ok(timers)
    }

    /// Schedules a poll of each watched call, one after the other.
    pub(in crate::store) async fn look_at_all(&self) -> Result<(), Error> {
        self.look_at_all_on(&mut *self.writing().await?).await
    }

    /// The same, in a transaction.
    pub(super) async fn look_at_all_on(&self, db: &mut AnyConnection) -> Result<(), Error> {
        let look = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.look_at_all)))
            .bind(Timer::CatchUp.name())
            .bind(Timer::Watchdog.name())
            .bind(integer(self.surroundings.now()))
            .bind(integer(LOOKS_APART))
            .bind(self.server.clone());
        look.execute(db).await?;
        Ok(())
    }

    /// Schedules a poll of the watched calls with these keys for now.
    pub(in crate::store) async fn look_at(&self, keys: &BTreeSet<Key>) -> Result<(), Error> {
        let look = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.look_at)))
            .bind(texts(keys.iter().map(Key::as_str)))
            .bind(Timer::CatchUp.name())
            .bind(integer(self.surroundings.now()))
            .bind(self.server.clone())
            .bind(Timer::Watchdog.name());
        look.execute(&mut *self.writing().await?).await?;
        Ok(())
    }

    /// Everything stored that is held back.
    pub(in crate::store) async fn held_back(&self) -> Result<crate::held_back::Listed, Error> {
        crate::held_back::read(&mut *self.reading().await?).await
    }

    /// The timeline of a customer: all lines of the customer's conferences, oldest first, with their numbers.
    pub(in crate::store) async fn timeline(&self, customer: &CallSid) -> Result<Vec<(i64, Line)>, Error> {
        // Lines from before the customer's leg was known have none.
        let rows = sqlx::query(
            "select id, at, conference, note from notes where customer = $1 or (customer is null and
             conference in (select conference from notes where customer = $1)) order by id",
        )
        .bind(customer.as_str())
        .fetch_all(&mut *self.reading().await?)
        .await?;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let Ok(conference) = ConferenceSid::try_from(row.try_get::<String, _>(2)?) else { continue };
            // Lines of another version are not shown.
            let Ok(note) = serde_json::from_str(&row.try_get::<String, _>(3)?) else { continue };
            lines.push((row.try_get(0)?, Line { at: millis(row.try_get(1)?), conference, note }));
        }
        Ok(lines)
    }

    /// Jobs that were given up lately, last one first.
    pub(in crate::store) async fn given_up(&self) -> Result<Vec<GivenUp>, Error> {
        given_up::read(&mut *self.reading().await?).await
    }

    /// Open calls: those that do not wait to be forgotten. If a call's agent is known, the worker is among its keys.
    pub(in crate::store) async fn count_calls(&self) -> Result<CallCounts, Error> {
        count_calls(&mut *self.reading().await?).await
    }

    /// Open jobs.
    pub(in crate::store) async fn open_jobs(&self) -> Result<OpenJobs, Error> {
        open_jobs(&mut *self.reading().await?).await
    }
}

/// [`Database::count_calls`] on this connection.
pub(super) async fn count_calls(db: &mut AnyConnection) -> Result<CallCounts, Error> {
    let count = "select count(*), count(known.conference) from calls left join (
                     select distinct conference from keys where key >= 'WK' and key < 'WL'
                 ) known on known.conference = calls.conference
                 where not exists (
                     select 1 from timers where timers.conference = calls.conference and timer = $1
                 )";
    let row = sqlx::query(count).bind(Timer::Forget.name()).fetch_one(db).await?;
    let (open, known): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(CallCounts { open: number(open), unprotected: number(open - known) })
}

/// [`Database::open_jobs`] on this connection.
pub(super) async fn open_jobs(db: &mut AnyConnection) -> Result<OpenJobs, Error> {
    let row = sqlx::query("select count(*), min(deadline), min(since) from jobs where closed = 0");
    let row = row.fetch_one(db).await?;
    let count: i64 = row.try_get(0)?;
    let (first, oldest): (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
    let count = u64::try_from(count).unwrap_or(0);
    Ok(OpenJobs { count, first: first.map(millis), oldest: oldest.map(millis) })
}
