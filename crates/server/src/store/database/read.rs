//! Reads beside the transactions: as it was when somebody last committed.

use super::Database;
use super::schema::{integer, millis};
use crate::error::Error;
use crate::given_up::{self, GivenUp};
use crate::store::{LOOKS_APART, Line, OpenJobs, TIMERS_OF_OTHERS};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use rejoin_recovery::{Call, Key, Timer};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A call out of its row. One that cannot be read is reported: the other calls go on.
pub(super) fn call(row: &AnyRow) -> Result<Option<Call>, sqlx::Error> {
    let (conference, state): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    if state.is_empty() {
        return Ok(None); // it may begin now
    }
    match serde_json::from_str(&state) {
        Ok(call) => Ok(Some(call)),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            tracing::error!(conference, line, column, "a stored call cannot be read and is not gone on with");
            Ok(None)
        }
    }
}

/// Keys as an array.
pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(Value::from).collect::<Value>().to_string()
}

impl Database {
    /// The calls that share one of these keys, with the other calls of their customers.
    pub(in crate::store) async fn find(&self, keys: &BTreeSet<Key>) -> Result<Vec<Call>, Error> {
        let keys = texts(keys.iter().map(Key::as_str));
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.find_calls))).bind(keys);
        let rows = find.fetch_all(&self.reading).await?;
        rows.iter().filter_map(|row| call(row).transpose()).map(|call| Ok(call?)).collect()
    }

    /// The next timers: whose they are, and when this server has to take care of them.
    pub(in crate::store) async fn next_timers(
        &self,
        most: usize,
    ) -> Result<Vec<(ConferenceSid, Millis)>, Error> {
        let others = if self.is_shared() { TIMERS_OF_OTHERS } else { Millis(0) };
        let next = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.next_timers)))
            .bind(self.server.clone())
            .bind(integer(others))
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let mut timers = vec![];
        for row in next.fetch_all(&self.reading).await? {
            match ConferenceSid::try_from(row.try_get::<String, _>(0)?) {
                Ok(conference) => timers.push((conference, millis(row.try_get(1)?))),
                Err(_) => tracing::error!("a stored timer cannot be read and is not gone on with"),
            }
        }
        Ok(timers)
    }

    /// Sets a timer for each call that is watched, one after the other.
    pub(in crate::store) async fn look_at_all(&self) -> Result<(), Error> {
        let look = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.look_at_all)))
            .bind(Timer::Missed.name())
            .bind(Timer::Watch.name())
            .bind(integer(self.surroundings.now()))
            .bind(integer(LOOKS_APART))
            .bind(self.server.clone());
        look.execute(&self.writing).await?;
        Ok(())
    }

    /// The timeline of a customer: all lines of the conferences that he was in, oldest first, with their numbers.
    pub(in crate::store) async fn timeline(&self, customer: &CallSid) -> Result<Vec<(i64, Line)>, Error> {
        // Lines from before the customer's leg was known carry none.
        let rows = sqlx::query(
            "select id, at, conference, note from notes where customer = $1 or (customer is null and
             conference in (select conference from notes where customer = $1)) order by id",
        )
        .bind(customer.as_str())
        .fetch_all(&self.reading)
        .await?;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let Ok(conference) = ConferenceSid::try_from(row.try_get::<String, _>(2)?) else { continue };
            let note = serde_json::from_str(&row.try_get::<String, _>(3)?)?;
            lines.push((row.try_get(0)?, Line { at: millis(row.try_get(1)?), conference, note }));
        }
        Ok(lines)
    }

    /// What was given up lately, the last one first.
    pub(in crate::store) async fn given_up(&self) -> Result<Vec<GivenUp>, Error> {
        given_up::read(&self.reading).await
    }

    /// Jobs that have not ended.
    pub(in crate::store) async fn open_jobs(&self) -> Result<OpenJobs, Error> {
        let row = sqlx::query("select count(*), min(deadline), min(since) from jobs where closed = 0")
            .fetch_one(&self.reading)
            .await?;
        let count: i64 = row.try_get(0)?;
        let (first, oldest): (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        let count = u64::try_from(count).unwrap_or(0);
        Ok(OpenJobs { count, first: first.map(millis), oldest: oldest.map(millis) })
    }
}
