//! When a page last answered a call message: what one server has heard counts for all.

use super::Database;
use crate::error::Error;
use rejoin_protocol::Millis;
use sqlx::Row as _;

/// Its name among the facts.
const ANSWERED: &str = "call message answered";

impl Database {
    /// As it was stored last (point in time); 0: it was not.
    pub(in crate::store) async fn call_message_answered(&self) -> Result<Millis, Error> {
        let stored = sqlx::query("select value from meta where name = $1").bind(ANSWERED);
        let stored = stored.fetch_optional(&mut *self.reading().await?).await?;
        let stored: Option<String> = stored.map(|row| row.try_get(0)).transpose()?;
        Ok(stored.and_then(|at| at.parse().ok()).map_or(Millis(0), Millis))
    }

    pub(in crate::store) async fn keep_call_message_answered(&self, at: Millis) -> Result<(), Error> {
        let keep = "insert into meta (name, value) values ($1, $2)
                    on conflict (name) do update set value = excluded.value";
        let keep = sqlx::query(keep).bind(ANSWERED).bind(at.0.to_string());
        keep.execute(&mut *self.writing().await?).await?;
        self.has_committed();
        Ok(())
    }
}
