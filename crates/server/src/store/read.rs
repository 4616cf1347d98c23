//! Reads beside the transactions: as it was when somebody last committed.

use super::schema::{integer, millis};
use super::{Line, Store, TIMERS_OF_OTHERS};
use crate::error::Error;
use crate::given_up::{self, GivenUp};
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use rejoin_recovery::{Call, Key};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Jobs that have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenJobs {
    /// How many.
    pub count: u64,
    /// The first of their deadlines (point in time).
    pub first: Option<Millis>,
    /// Since when the oldest is wanted, or with the server that took it over (point in time, by the database's clock).
    pub oldest: Option<Millis>,
}

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

impl Store {
    /// The calls that share one of these keys, with the other calls of their customers.
    pub async fn find(&self, keys: &BTreeSet<Key>) -> Result<Vec<Call>, Error> {
        let keys = texts(keys.iter().map(Key::as_str));
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.0.sql.find_calls))).bind(keys);
        let rows = find.fetch_all(&self.0.reading).await?;
        rows.iter().filter_map(|row| call(row).transpose()).map(|call| Ok(call?)).collect()
    }

    /// The next timers: whose they are, and when this server has to take care of them.
    pub async fn next_timers(&self, most: usize) -> Result<Vec<(ConferenceSid, Millis)>, Error> {
        let others = if self.is_shared() { TIMERS_OF_OTHERS } else { Millis(0) };
        let next = sqlx::query(AssertSqlSafe(Arc::clone(&self.0.sql.next_timers)))
            .bind(self.0.server.clone())
            .bind(integer(others))
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let mut timers = vec![];
        for row in next.fetch_all(&self.0.reading).await? {
            match ConferenceSid::try_from(row.try_get::<String, _>(0)?) {
                Ok(conference) => timers.push((conference, millis(row.try_get(1)?))),
                Err(_) => tracing::error!("a stored timer cannot be read and is not gone on with"),
            }
        }
        Ok(timers)
    }

    /// The timeline of a customer: all lines of the conferences that he was in, oldest first, with their numbers.
    pub async fn timeline(&self, customer: &CallSid) -> Result<Vec<(i64, Line)>, Error> {
        // Lines from before the customer's leg was known carry none.
        let rows = sqlx::query(
            "select id, at, conference, note from notes where customer = $1 or (customer is null and
             conference in (select conference from notes where customer = $1)) order by id",
        )
        .bind(customer.as_str())
        .fetch_all(&self.0.reading)
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
    pub async fn given_up(&self) -> Result<Vec<GivenUp>, Error> {
        given_up::read(&self.0.reading).await
    }

    /// Jobs that have not ended.
    pub async fn open_jobs(&self) -> Result<OpenJobs, Error> {
        let row = sqlx::query("select count(*), min(deadline), min(since) from jobs where closed = 0")
            .fetch_one(&self.0.reading)
            .await?;
        let count: i64 = row.try_get(0)?;
        let (first, oldest): (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        let count = u64::try_from(count).unwrap_or(0);
        Ok(OpenJobs { count, first: first.map(millis), oldest: oldest.map(millis) })
    }
}
