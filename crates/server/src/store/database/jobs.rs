//! Who carries out which job.

use super::Database;
use super::read::call;
use super::schema::{integer, millis};
use super::sql::Dialect;
use crate::error::Error;
use crate::pace::Crowd;
use crate::store::{Claim, JobId, LEASE, StoredJob, Tenure};
use rejoin_protocol::ConferenceSid;
use rejoin_recovery::Call;
use serde_json::Value;
use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _, Transaction};
use std::sync::Arc;

impl Database {
    /// A transaction that writes.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.dialect {
            Dialect::Sqlite => self.writing.begin_with("begin immediate").await,
            Dialect::Postgres => self.writing.begin().await,
        }
    }

    /// SQLite is told what time it is: by this server's clock.
    pub(super) fn timed<'q>(&self, query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        match self.dialect {
            Dialect::Sqlite => query.bind(integer(self.surroundings.now())),
            Dialect::Postgres => query,
        }
    }

    /// Takes up to `most` jobs of these crowds that nobody has, the most important first. `held`: those that this server
    /// has already.
    pub(in crate::store) async fn claim(
        &self,
        held: impl IntoIterator<Item = JobId>,
        crowds: &[Crowd],
        most: usize,
        tenure: Tenure,
    ) -> Result<Vec<StoredJob>, Error> {
        let held = held.into_iter().map(|job| Value::from(job.0)).collect::<Value>().to_string();
        let claim = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.claim_jobs)))
            .bind(held)
            .bind(self.server.clone())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .bind(crowds.iter().flat_map(|crowd| crowd.priorities()).collect::<Value>().to_string());
        let mut jobs = vec![];
        for row in self.timed(claim).fetch_all(&self.writing).await? {
            jobs.extend(job(&row, tenure)?);
        }
        jobs.sort_by_key(|job| job.claim.job);
        Ok(jobs)
    }

    /// The call of a job; the outer `None` when the job is not ours any more, the inner one when its call is forgotten.
    pub(in crate::store) async fn call_of(&self, claim: Claim) -> Result<Option<Option<Call>>, Error> {
        let find =
            sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.call_of_job))).bind(claim.job.0).bind(claim.fence);
        let Some(row) = find.fetch_optional(&self.reading).await? else { return Ok(None) };
        let known: Option<String> = row.try_get(1)?;
        Ok(Some(if known.is_some() { call(&row)? } else { None }))
    }

    /// Renews this server's lease.
    pub(in crate::store) async fn renew(&self) -> Result<(), Error> {
        let renew = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.renew_server)));
        let renew = renew.bind(self.server.clone()).bind(integer(LEASE));
        self.timed(renew).execute(&self.writing).await?;
        Ok(())
    }

    /// How many servers run.
    pub(in crate::store) async fn count_servers(&self) -> Result<u64, Error> {
        let count = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.count_servers)));
        let count: i64 = self.timed(count).fetch_one(&self.reading).await?.try_get(0)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// This server is there from now on.
    pub(in crate::store) async fn arrive(&self) -> Result<(), Error> {
        let end = AssertSqlSafe(Arc::clone(&self.sql.end_others));
        self.timed(sqlx::query(end)).execute(&self.writing).await?;
        if self.is_shared() {
            let end = "delete from sessions where server not in (select id from servers)";
            sqlx::query(end).execute(&self.writing).await?;
        }
        Ok(())
    }

    /// What this server has is free for others, who need not wait for the end of its lease.
    pub(in crate::store) async fn leave(&self) -> Result<(), Error> {
        for sql in [&self.sql.release_jobs, &self.sql.end_server] {
            let sql = AssertSqlSafe(Arc::clone(sql));
            sqlx::query(sql).bind(self.server.clone()).execute(&self.writing).await?;
        }
        if self.is_shared() {
            let end = sqlx::query("delete from sessions where server = $1").bind(self.server.clone());
            end.execute(&self.writing).await?;
        }
        Ok(())
    }
}

/// A job out of `id, conference, action, deadline, fence`.
fn job(row: &AnyRow, tenure: Tenure) -> Result<Option<StoredJob>, sqlx::Error> {
    let (id, fence) = (row.try_get(0)?, row.try_get(4)?);
    let (conference, action): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    match (ConferenceSid::try_from(conference), serde_json::from_str(&action)) {
        (Ok(conference), Ok(action)) => {
            let (claim, deadline) = (Claim { job: JobId(id), fence }, millis(row.try_get(3)?));
            Ok(Some(StoredJob { claim, conference, action, deadline, tenure }))
        }
        _ => {
            tracing::error!(job = id, "a stored job cannot be read and is not carried out");
            Ok(None)
        }
    }
}
