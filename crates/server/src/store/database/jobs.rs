//! Claims of jobs, and leases of servers.

use super::read::call;
use super::schema::{integer, millis};
use super::sql::Dialect;
use super::{Database, Place};
use crate::clock::Skew;
use crate::error::Error;
use crate::pace::Crowd;
use crate::store::leases::{Leases, Row};
use crate::store::{Claim, JobId, LEASE, StoredJob, Tenure};
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::Call;
use serde_json::Value;
use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use std::sync::{Arc, MutexGuard, PoisonError};
use tokio::time::Instant;

impl Database {
    /// Binds the time for SQLite: this server's clock.
    pub(super) fn timed<'q>(&self, query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        match self.dialect {
            Dialect::Sqlite => query.bind(integer(self.surroundings.now())),
            Dialect::Postgres => query,
        }
    }

    /// Takes up to `most` free jobs of these crowds, the most important first. `held`: jobs that this server already
    /// has. Unreadable jobs are given back, and returned separately.
    pub(in crate::store) async fn claim(
        &self,
        held: impl IntoIterator<Item = JobId>,
        crowds: &[Crowd],
        most: usize,
        tenure: Tenure,
    ) -> Result<(Vec<StoredJob>, Vec<JobId>), Error> {
        let held = held.into_iter().map(|job| Value::from(job.0)).collect::<Value>().to_string();
        let claim = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.claim_jobs)))
            .bind(held)
            .bind(self.server.clone())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .bind(crowds.iter().flat_map(|crowd| crowd.priorities()).collect::<Value>().to_string())
            .bind(self.known_leases());
        let (mut jobs, mut unreadable) = (vec![], vec![]);
        for row in self.timed(claim).fetch_all(&mut *self.writing().await?).await? {
            match job(&row, tenure)? {
                Ok(job) => jobs.push(job),
                Err(claim) => unreadable.push(claim),
            }
        }
        // A server of the version that has stored it may read it.
        for claim in &unreadable {
            self.give_back(*claim).await?;
        }
        jobs.sort_by_key(|job| job.claim.job);
        Ok((jobs, unreadable.into_iter().map(|claim| claim.job).collect()))
    }

    /// Gives a job back: no server has a claim to it then.
    pub(in crate::store) async fn give_back(&self, claim: Claim) -> Result<(), Error> {
        let give = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.give_back)));
        give.bind(claim.job.0).bind(claim.fence).execute(&mut *self.writing().await?).await?;
        Ok(())
    }

    /// The call of a job; the outer `None` when the job is no longer ours, the inner one when its call is forgotten.
    pub(in crate::store) async fn call_of(&self, claim: Claim) -> Result<Option<Option<Call>>, Error> {
        let find =
            sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.call_of_job))).bind(claim.job.0).bind(claim.fence);
        let Some(row) = find.fetch_optional(&mut *self.reading().await?).await? else { return Ok(None) };
        let known: Option<String> = row.try_get(1)?;
        if known.is_none() {
            return Ok(Some(None));
        }
        match call(&row)? {
            Some(Ok(call)) if call.quarantine.is_none() => Ok(Some(Some(call))),
            Some(_) => Err(Error::HeldBack),
            None => Ok(Some(None)),
        }
    }

    /// Renews this server's lease.
    pub(in crate::store) async fn renew(&self) -> Result<(), Error> {
        match &self.place {
            Place::File { writing, .. } => self.renewed(&mut *writing.acquire().await?).await,
            Place::Servers(servers) => self.renewed(&mut *Box::pin(servers.connection()).await?).await,
        }
    }

    /// The same over this connection. The answer contains the database's time.
    pub(super) async fn renewed(&self, db: &mut AnyConnection) -> Result<(), Error> {
        let renew = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.renew_server)));
        let renew = self.timed(renew.bind(self.server.clone()).bind(integer(LEASE)));
        let asked = self.surroundings.now();
        // Fetch the whole answer: SQLite commits, and may refuse to, after the last row.
        let rows = renew.fetch_all(db).await?;
        let theirs: i64 = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
        if let Place::Servers(servers) = &self.place {
            let skew = Skew::between(asked, millis(theirs), self.surroundings.now());
            *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = Some(skew);
            servers.trust();
        }
        self.has_committed();
        Ok(())
    }

    /// Number of other running servers. Looks up their leases.
    pub(in crate::store) async fn count_others(&self) -> Result<u64, Error> {
        let find = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.others))).bind(self.server.clone());
        let mut reading = self.reading().await?;
        let asked = Instant::now();
        let rows = self.timed(find).fetch_all(&mut *reading).await?;
        let answered = Instant::now();
        let (mut now, mut others) = (Millis(0), Vec::with_capacity(rows.len()));
        for row in rows {
            others.push(Row { server: row.try_get(0)?, until: millis(row.try_get(1)?) });
            now = millis(row.try_get(2)?);
        }
        Ok(self.leases().see((asked, answered), now, others))
    }

    /// What this server has seen of the leases of others, a list.
    pub(super) fn known_leases(&self) -> String {
        self.leases().known(Instant::now()).map(Value::from).collect::<Value>().to_string()
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers this server.
    pub(in crate::store) async fn arrive(&self) -> Result<(), Error> {
        let end = AssertSqlSafe(Arc::clone(&self.sql.end_others));
        self.timed(sqlx::query(end)).execute(&mut *self.writing().await?).await?;
        if self.is_shared() {
            let end = "delete from sessions where server not in (select id from servers)";
            sqlx::query(end).execute(&mut *self.writing().await?).await?;
        }
        Ok(())
    }

    /// Releases what this server has, so that others need not wait for the end of its lease.
    pub(in crate::store) async fn leave(&self) -> Result<(), Error> {
        for sql in [&self.sql.release_jobs, &self.sql.end_server] {
            let sql = AssertSqlSafe(Arc::clone(sql));
            sqlx::query(sql).bind(self.server.clone()).execute(&mut *self.writing().await?).await?;
        }
        if self.is_shared() {
            self.end_sessions().await?;
        }
        Ok(())
    }
}

/// A job from `id, conference, action, deadline, fence`, or the claim of one that cannot be read.
fn job(row: &AnyRow, tenure: Tenure) -> Result<Result<StoredJob, Claim>, sqlx::Error> {
    let (id, fence) = (row.try_get(0)?, row.try_get(4)?);
    let (conference, action): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let (claim, deadline) = (Claim { job: JobId(id), fence }, millis(row.try_get(3)?));
    Ok(match (ConferenceSid::try_from(conference), serde_json::from_str(&action)) {
        (Ok(conference), Ok(action)) => Ok(StoredJob { claim, conference, action, deadline, tenure }),
        _ => Err(claim),
    })
}
