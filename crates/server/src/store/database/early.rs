//! Early marks, which wait for their call.

use super::Database;
use super::read::texts;
use super::schema::{integer, rows};
use crate::error::Error;
use crate::store::Batch;
use rejoin_recovery::{Call, EarlyMark, EarlyMarkKey, Key};
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use std::sync::Arc;

impl Database {
    /// The early marks of a batch: those of its workers and tasks, and of the found calls' tasks.
    pub(super) async fn early_marks(
        &self,
        db: &mut AnyConnection,
        batch: &Batch,
        calls: &[Call],
    ) -> Result<Vec<EarlyMark>, Error> {
        let named = batch.keys.iter().filter(|key| matches!(key, Key::Task(_) | Key::Worker(_)));
        let keys = texts(named.map(Key::as_str).chain(calls.iter().map(|call| call.task.as_str())));
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.early_marks))).bind(keys);
        let mut found = vec![];
        for row in find.fetch_all(db).await? {
            match serde_json::from_str(&row.try_get::<String, _>(0)?) {
                Ok(mark) => found.push(mark),
                Err(_) => tracing::error!("a stored mark cannot be read and is skipped"),
            }
        }
        Ok(found)
    }

    pub(super) async fn write_early(
        &self,
        db: &mut AnyConnection,
        changes: &[(EarlyMarkKey, Option<EarlyMark>)],
    ) -> Result<(), Error> {
        let (mut kept, mut dropped): (Vec<Value>, Vec<Value>) = (vec![], vec![]);
        for ((task, worker, reservation), mark) in changes {
            match mark {
                Some(early) => kept.push(json!({
                    "task": task, "worker": worker, "reservation": reservation,
                    "at": integer(early.at), "mark": serde_json::to_string(early)?,
                })),
                None => dropped.push(json!({"task": task, "worker": worker, "reservation": reservation})),
            }
        }
        rows(db, &self.sql.keep_early, &kept).await?;
        rows(db, &self.sql.drop_early, &dropped).await?;
        Ok(())
    }

    /// Forgets those whose call has not become known.
    pub(super) async fn forget_early(&self) -> Result<(), Error> {
        let before = integer(self.surroundings.now() - EarlyMark::WAITS);
        let forget = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.forget_early))).bind(before);
        forget.execute(&mut *self.writing().await?).await?;
        Ok(())
    }
}
