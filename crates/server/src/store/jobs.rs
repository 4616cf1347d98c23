//! Who carries out which job.
//!
//! A server holds a lease, which it renews while it runs; a job belongs to the server that has taken it. When a lease
//! ends, the jobs of that server are free. Each time that a job is taken its fence grows, so that a server that was
//! only slow can neither go on with it nor close it any more.

use super::read::call;
use super::schema::{integer, millis};
use super::sql::Dialect;
use super::{Claim, JobId, Lease, Store, StoredJob, Tenure};
use crate::error::Error;
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::Call;
use serde_json::Value;
use sqlx::any::{Any, AnyRow};
use sqlx::{AssertSqlSafe, Row as _, Transaction};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a server's lease lasts when it is not renewed.
pub const LEASE: Millis = Millis(4500);
/// Nothing is sent in the last part of a lease: it is to have arrived before somebody else looks what became of it.
const LAST_PART: Millis = Millis(1000);

impl Store {
    /// A transaction that writes.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.0.dialect {
            Dialect::Sqlite => self.0.writing.begin_with("begin immediate").await,
            Dialect::Postgres => self.0.writing.begin().await,
        }
    }

    /// Takes up to `most` jobs that nobody has, the most important first. `held`: those that this server has already.
    pub async fn claim(
        &self,
        held: impl IntoIterator<Item = JobId>,
        most: usize,
    ) -> Result<Vec<StoredJob>, Error> {
        let held = held.into_iter().map(|job| Value::from(job.0)).collect::<Value>().to_string();
        let claim = sqlx::query(AssertSqlSafe(Arc::clone(&self.0.sql.claim_jobs)))
            .bind(held)
            .bind(self.0.server.clone())
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let (mut jobs, tenure) = (vec![], self.tenure());
        for row in claim.fetch_all(&self.0.writing).await? {
            jobs.extend(job(&row, tenure)?);
        }
        jobs.sort_by_key(|job| job.claim.job);
        Ok(jobs)
    }

    /// The call of a job; the outer `None` when the job is not ours any more, the inner one when its call is forgotten.
    pub async fn call_of(&self, claim: Claim) -> Result<Option<Option<Call>>, Error> {
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.0.sql.call_of_job)))
            .bind(claim.job.0)
            .bind(claim.fence);
        let Some(row) = find.fetch_optional(&self.0.reading).await? else { return Ok(None) };
        let known: Option<String> = row.try_get(1)?;
        Ok(Some(if known.is_some() { call(&row)? } else { None }))
    }

    /// Renews this server's lease.
    pub async fn renew(&self) -> Result<(), Error> {
        // The database counts from when it hears of it, which is later.
        let asked = Instant::now();
        sqlx::query(AssertSqlSafe(Arc::clone(&self.0.sql.renew_server)))
            .bind(self.0.server.clone())
            .bind(integer(LEASE))
            .execute(&self.0.writing)
            .await?;
        let until = asked + Duration::from_millis(LEASE.0);
        let mut lease = self.lease();
        // By now the database may have found the one before at its end, and somebody else its jobs.
        if lease.until.is_some_and(|before| before < Instant::now()) {
            lease.tenure.0 += 1;
        }
        lease.until = Some(lease.until.map_or(until, |other| other.max(until)));
        Ok(())
    }

    /// How many servers run, this one among them.
    pub async fn servers(&self) -> Result<u64, Error> {
        if !self.is_shared() {
            return Ok(1);
        }
        let count = sqlx::query(AssertSqlSafe(Arc::clone(&self.0.sql.count_servers)));
        let count: i64 = count.fetch_one(&self.0.reading).await?.try_get(0)?;
        Ok(u64::try_from(count).unwrap_or(1).max(1))
    }

    /// The lease under which something may be sent now: it lasts for as long as a request takes. `None`: the database has
    /// not heard of this server for too long, and another one may have its jobs.
    pub fn leased(&self) -> Option<Tenure> {
        let lease = self.lease();
        let last_part = Duration::from_millis(LAST_PART.0);
        let lasts = lease.until.is_some_and(|until| Instant::now() + last_part < until);
        (lasts || !self.is_shared()).then_some(lease.tenure)
    }

    /// What is taken from now on is taken under this lease.
    pub(super) fn tenure(&self) -> Tenure {
        self.lease().tenure
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.0.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This server is there from now on.
    pub(super) async fn arrive(&self) -> Result<(), Error> {
        let end = AssertSqlSafe(Arc::clone(&self.0.sql.end_others));
        sqlx::query(end).execute(&self.0.writing).await?;
        if self.is_shared() {
            let end = "delete from sessions where server not in (select id from servers)";
            sqlx::query(end).execute(&self.0.writing).await?;
        }
        self.renew().await
    }

    /// What this server has is free for others, who need not wait for the end of its lease.
    pub(super) async fn leave(&self) -> Result<(), Error> {
        for sql in [&self.0.sql.release_jobs, &self.0.sql.end_server] {
            let sql = AssertSqlSafe(Arc::clone(sql));
            sqlx::query(sql).bind(self.0.server.clone()).execute(&self.0.writing).await?;
        }
        if self.is_shared() {
            let end = sqlx::query("delete from sessions where server = $1").bind(self.0.server.clone());
            end.execute(&self.0.writing).await?;
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
