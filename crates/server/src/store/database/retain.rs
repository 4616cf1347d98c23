//! Retention: what is kept, and for how long.

use super::Database;
use super::schema::{integer, millis, rows};
use crate::error::Error;
use crate::report::{DAY, figure, within};
use crate::store::heard::COUNTED;
use crate::switches::Unwritten;
use rejoin_protocol::Millis;
use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Maximum number of rows that are handled in one transaction: other transactions wait for it.
const AT_ONCE: i64 = 500;
/// Maximum number of batches of expired recoveries that are counted before they are deleted.
const AT_MOST: usize = 1000;

impl Database {
    /// Deletes what is older than this. Recoveries leave figures ([`crate::report`]). Each part has its own deadline.
    pub(in crate::store) async fn tidy(&self, keep: Millis) -> Result<(), Error> {
        self.forget_pushes().await?;
        self.limited(self.forget_early()).await?;
        self.limited(self.forget_desks()).await?;
        self.forget_former_sessions().await?;
        self.forget_history(keep).await;
        let before = integer(self.surroundings.now() - keep);
        while self.limited(self.reduce(before)).await? == AT_ONCE.unsigned_abs() {}
        let untold_since = integer(self.surroundings.now() - keep.max(COUNTED));
        let (sql, workers) = (&self.sql, &self.sql.forget_workers);
        for (sql, before) in
            [(&sql.forget_story, before), (&sql.forget_jobs, before), (workers, untold_since)]
        {
            let forget = || async {
                let forget = sqlx::query(AssertSqlSafe(Arc::clone(sql))).bind(before).bind(AT_ONCE);
                Ok(forget.execute(&mut *self.writing().await?).await?.rows_affected())
            };
            while self.limited(forget()).await? == AT_ONCE.unsigned_abs() {}
        }
        Ok(())
    }

    /// Deletes what the history has of expired recoveries. Before their lines are deleted, those are counted that an older version
    /// has left. If that fails the history lacks them: nothing else waits for it.
    async fn forget_history(&self, keep: Millis) {
        if self.is_simulated() {
            return;
        }
        let before = self.surroundings.now() - keep;
        let forgotten = async {
            for _ in 0..AT_MOST {
                if !self.has_uncounted_from_before(before).await? {
                    break;
                }
                self.keep_history().await?;
            }
            self.forget_recoveries(before).await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "the history of expired recoveries could not be deleted; retrying later");
        }
    }

    /// Adds switches to those of their days.
    pub(in crate::store) async fn add_switches(&self, switches: &Unwritten) -> Result<(), Error> {
        // In a fixed order, so that concurrent servers do not deadlock.
        let sums = switches.iter().map(|((day, cause), sum)| {
            let (what, why) = cause.names();
            json!({
                "day": day, "what": what, "cause": why, "count": sum.count, "timed": sum.timed,
                "took": integer(sum.took), "calls": sum.calls,
            })
        });
        rows(&mut *self.writing().await?, &self.sql.add_switches, &sums.collect::<Vec<_>>()).await?;
        self.has_committed();
        Ok(())
    }

    /// Reduces lines of timelines, oldest first: what leaves a figure is counted, and they are deleted. Returns their
    /// number.
    async fn reduce(&self, before: i64) -> Result<u64, Error> {
        let mut transaction = self.begin().await?;
        let db = &mut *transaction;
        let forget =
            sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.forget_notes))).bind(before).bind(AT_ONCE);
        let gone = forget.fetch_all(&mut *db).await?;
        let mut figures: BTreeMap<(u64, String, u64), (u64, Millis)> = BTreeMap::new();
        for row in &gone {
            let (at, note): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            if let Some((name, after)) = serde_json::from_str(&note).ok().and_then(figure) {
                let key = (millis(at).0 / DAY.0, name, within(after).map_or(0, |within| within.0));
                let (count, took) = figures.entry(key).or_default();
                (*count, *took) = (*count + 1, *took + after);
            }
        }
        // In a fixed order, so that concurrent servers do not deadlock.
        let figures = figures.into_iter().map(|((day, outcome, bound), (count, took))| {
            json!({"day": day, "outcome": outcome, "bound": bound, "count": count, "took": integer(took)})
        });
        rows(db, &self.sql.add_figures, &figures.collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        Ok(gone.len() as u64)
    }
}
