//! The store on SQLite (WAL, `synchronous=FULL`): what is committed survives the loss of power.

use super::schema::{MIGRATIONS, integer, millis, once, timer_name, timer_named};
use super::{Change, JobId, Line, Stored, StoredJob};
use crate::error::Error;
use rejoin_protocol::{CallSid, ConferenceSid, Millis};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Row as _};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::str::FromStr as _;
use std::time::Duration;

/// How long lines of timelines are kept.
const KEEP_LINES: Millis = Millis::seconds(7 * 24 * 3600);

/// The connection that writes.
#[derive(Debug)]
pub struct Store {
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    /// Held as long as the store is open: a second server on the same calls would do everything twice.
    _lock: File,
}

impl Store {
    /// Opens the database (`sqlite:path`), creates it if needed and brings its tables up to date.
    ///
    /// Fails when another server has it open, or the file cannot be used.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let mut lock_name = options.get_filename().as_os_str().to_owned();
        lock_name.push(".lock");
        let lock = File::create(&lock_name).map_err(Error::Lock)?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::Error(error) => Error::Lock(error),
            std::fs::TryLockError::WouldBlock => Error::InUse,
        })?;
        // It holds what Twilio knows of customers; the files that SQLite puts beside it get the same permissions.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(options.get_filename())
            .map_err(sqlx::Error::Io)?;
        let mut connection = SqliteConnection::connect_with(&options).await?;
        MIGRATIONS.run(&mut connection).await?;
        Ok(Self { connection, options, _lock: lock })
    }

    /// Readers of timelines beside this connection.
    pub fn timelines(&self) -> Timelines {
        let options = self.options.clone().read_only(true).create_if_missing(false);
        Timelines { pool: SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options) }
    }

    /// Everything that was open. A row that cannot be read is left alone and reported: the other calls go on.
    pub async fn load(&mut self) -> Result<Stored, Error> {
        let mut stored = Stored::default();
        for row in sqlx::query("select conference, state from calls").fetch_all(&mut self.connection).await? {
            let (conference, state): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            match serde_json::from_str(&state) {
                Ok(call) => stored.calls.push(call),
                Err(error) => tracing::error!(
                    conference,
                    line = error.line(),
                    column = error.column(),
                    "a stored call cannot be read and is not gone on with"
                ),
            }
        }
        let jobs = "select id, conference, action, deadline from jobs where closed = 0 order by id";
        for row in sqlx::query(jobs).fetch_all(&mut self.connection).await? {
            let (conference, action): (String, String) = (row.try_get(1)?, row.try_get(2)?);
            let id = JobId(row.try_get(0)?);
            match (ConferenceSid::try_from(conference), serde_json::from_str(&action)) {
                (Ok(conference), Ok(action)) => {
                    let deadline = millis(row.try_get(3)?);
                    stored.jobs.push(StoredJob { id, conference, action, deadline });
                }
                _ => tracing::error!(job = id.0, "a stored job cannot be read and is not carried out"),
            }
        }
        for row in
            sqlx::query("select conference, timer, at from timers").fetch_all(&mut self.connection).await?
        {
            match (ConferenceSid::try_from(row.try_get::<String, _>(0)?), timer_named(row.try_get(1)?)) {
                (Ok(conference), Ok(timer)) => {
                    stored.timers.push((conference, timer, millis(row.try_get(2)?)));
                }
                _ => tracing::error!("a stored timer cannot be read and is not gone on with"),
            }
        }
        Ok(stored)
    }

    /// Carries out the changes in one transaction, which is durable when this returns.
    ///
    /// For each [`Change::AddJob`], in order: the job's number, or `None` when it was there already.
    pub async fn commit(&mut self, now: Millis, changes: &[Change]) -> Result<Vec<Option<JobId>>, Error> {
        let mut added = vec![];
        let mut transaction = self.connection.begin().await?;
        let db = &mut *transaction;
        for change in changes {
            match change {
                Change::SaveCall { conference, state } => {
                    sqlx::query(
                        "insert into calls (conference, state) values (?1, ?2)
                         on conflict (conference) do update set state = excluded.state",
                    )
                    .bind(conference.as_str())
                    .bind(state)
                    .execute(&mut *db)
                    .await?;
                }
                Change::Forget(conference) => forget(&mut *db, conference, now).await?,
                Change::AddJob { conference, action, deadline } => {
                    let row = sqlx::query(
                        "insert into jobs (conference, action, once, deadline) values (?1, ?2, ?3, ?4)
                         on conflict do nothing returning id",
                    )
                    .bind(conference.as_str())
                    .bind(serde_json::to_string(action)?)
                    .bind(once(action))
                    .bind(integer(*deadline))
                    .fetch_optional(&mut *db)
                    .await?;
                    added.push(row.map(|row| row.try_get(0)).transpose()?.map(JobId));
                }
                Change::CloseJob(id) => {
                    sqlx::query("update jobs set closed = 1 where id = ?1")
                        .bind(id.0)
                        .execute(&mut *db)
                        .await?;
                }
                Change::SetTimer { conference, timer, at } => {
                    sqlx::query(
                        "insert into timers (conference, timer, at) values (?1, ?2, ?3)
                         on conflict (conference, timer) do update set at = excluded.at",
                    )
                    .bind(conference.as_str())
                    .bind(timer_name(*timer)?)
                    .bind(integer(*at))
                    .execute(&mut *db)
                    .await?;
                }
                Change::ClearTimer { conference, timer } => {
                    sqlx::query("delete from timers where conference = ?1 and timer = ?2")
                        .bind(conference.as_str())
                        .bind(timer_name(*timer)?)
                        .execute(&mut *db)
                        .await?;
                }
                Change::AddLine { customer, line } => {
                    sqlx::query("insert into notes (at, conference, customer, note) values (?1, ?2, ?3, ?4)")
                        .bind(integer(line.at))
                        .bind(line.conference.as_str())
                        .bind(customer.as_ref().map(CallSid::as_str))
                        .bind(serde_json::to_string(&line.note)?)
                        .execute(&mut *db)
                        .await?;
                }
            }
        }
        transaction.commit().await?;
        Ok(added)
    }

    /// Closes the database in order.
    pub async fn close(self) -> Result<(), Error> {
        Ok(self.connection.close().await?)
    }
}

async fn forget(db: &mut SqliteConnection, conference: &ConferenceSid, now: Millis) -> Result<(), Error> {
    sqlx::query("delete from calls where conference = ?1")
        .bind(conference.as_str())
        .execute(&mut *db)
        .await?;
    sqlx::query("delete from timers where conference = ?1")
        .bind(conference.as_str())
        .execute(&mut *db)
        .await?;
    // Those of the call itself, and any that ended after their call had been forgotten.
    sqlx::query("delete from jobs where closed = 1 and conference not in (select conference from calls)")
        .execute(&mut *db)
        .await?;
    sqlx::query("delete from notes where at < ?1").bind(integer(now - KEEP_LINES)).execute(&mut *db).await?;
    Ok(())
}

/// Reads timelines.
#[derive(Clone, Debug)]
pub struct Timelines {
    pool: SqlitePool,
}

impl Timelines {
    /// All lines of the conferences that this customer was in, oldest first, with their numbers.
    pub async fn of(&self, customer: &CallSid) -> Result<Vec<(i64, Line)>, Error> {
        // Lines from before the customer's leg was known carry none.
        let rows = sqlx::query(
            "select id, at, conference, note from notes where customer = ?1 or (customer is null and
             conference in (select conference from notes where customer = ?1)) order by id",
        )
        .bind(customer.as_str())
        .fetch_all(&self.pool)
        .await?;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let Ok(conference) = ConferenceSid::try_from(row.try_get::<String, _>(2)?) else { continue };
            let note = serde_json::from_str(&row.try_get::<String, _>(3)?)?;
            lines.push((row.try_get(0)?, Line { at: millis(row.try_get(1)?), conference, note }));
        }
        Ok(lines)
    }

    /// How many jobs have not ended, and the first of their deadlines (point in time).
    pub async fn open_jobs(&self) -> Result<(u64, Option<Millis>), Error> {
        let row = sqlx::query("select count(*), min(deadline) from jobs where closed = 0")
            .fetch_one(&self.pool)
            .await?;
        let (count, first): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        Ok((u64::try_from(count).unwrap_or(0), first.map(millis)))
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
