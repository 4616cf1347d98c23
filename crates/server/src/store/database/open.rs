//! Opens a database and migrates it.

use super::checkpoint;
use super::history::HistorySql;
use super::hosts::{Hosts, Unusable};
use super::migration;
use super::pooler;
use super::read::texts;
use super::schema::{KEYS, SQLITE, rows};
use super::servers::Servers;
use super::sql::{Dialect, Sql};
use super::transact::key_rows;
use super::{Database, Place};
use crate::error::Error;
use crate::store::{Disk, Stored};
use crate::surroundings::Surroundings;
use rejoin_protocol::AccountSid;
use rejoin_recovery::{Call, Timer};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor as _, Row as _};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How the connection that writes is set up. Calls change every few seconds: a cache of 8 MB keeps a thousand of them
/// (<https://www.sqlite.org/pragma.html>).
const WRITING: &str = "pragma cache_size = -8000";
/// Maximum wait for another connection to the file (ms).
pub(super) const BUSY_TIMEOUT: &str = "pragma busy_timeout = 5000";

/// Maximum wait for a connection: Twilio has a fallback address.
const CONNECTION_WITHIN: Duration = Duration::from_secs(2);
/// In a simulation a connection is available as soon as this machine is fast enough.
const HELD_WITHIN: Duration = Duration::from_secs(600);
/// The settings of a connection that only reads a file.
const READS: &str = "pragma query_only = on";
/// Number of calls that are read at once when keys are rebuilt.
const PAGE: i64 = 500;

impl Database {
    /// Opens the database (`sqlite:path` or `postgres://…`), creates the file if needed and migrates the tables.
    ///
    /// Fails when another server has the file, or the database cannot be used.
    pub(in crate::store) async fn open(
        url: &str,
        deadline: Duration,
        surroundings: Surroundings,
        disk: Option<Disk>,
    ) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let database = if url.starts_with("sqlite:") {
            sqlite(url, deadline, surroundings, disk).await?
        } else {
            postgres(url, deadline, surroundings).await?
        };
        database.make_keys().await?;
        database.limited(database.arrive()).await?;
        Ok(database)
    }

    /// The account that the database is bound to; this one, if it was bound to none.
    pub(in crate::store) async fn account(&self, account: &AccountSid) -> Result<String, Error> {
        let mut transaction = self.begin().await?;
        let bind = "insert into meta (name, value) values ('account', $1) on conflict (name) do nothing";
        sqlx::query(bind).bind(account.as_str()).execute(&mut *transaction).await?;
        let bound = sqlx::query("select value from meta where name = 'account'");
        let bound = bound.fetch_one(&mut *transaction).await?.try_get(0)?;
        transaction.commit().await?;
        Ok(bound)
    }

    /// All calls.
    pub(in crate::store) async fn stored(&self) -> Result<Stored, Error> {
        let all = "select conference, state from calls where state != '' order by conference";
        let mut stored = Stored::default();
        for row in sqlx::query(all).fetch_all(&mut *self.reading().await?).await? {
            let call = Call::read(&row.try_get::<String, _>(1)?).ok();
            match call.filter(|call| call.quarantine.is_none()) {
                Some(call) => stored.calls.push(call),
                None => stored.held_back += 1,
            }
        }
        Ok(stored)
    }

    pub(in crate::store) async fn after_restore(&self) -> Result<(), Error> {
        let mut transaction = self.begin().await?;
        let db = &mut *transaction;
        let poll = "insert into timers (conference, timer, at) select conference, $1, 0 from calls where true
                    on conflict (conference, timer) do update set at = excluded.at";
        sqlx::query(poll).bind(Timer::CatchUp.name()).execute(&mut *db).await?;
        self.count_as_begun(db).await?;
        Ok(transaction.commit().await?)
    }

    /// Open jobs count as begun, so that their effect is looked up first, and pages ask for what they have missed: the
    /// numbers of messages that they have heard mean nothing any more.
    pub(super) async fn count_as_begun(&self, db: &mut AnyConnection) -> Result<(), Error> {
        sqlx::query("update jobs set fence = 1 where closed = 0 and fence = 0").execute(&mut *db).await?;
        let instance = match self.dialect {
            Dialect::Sqlite => {
                "update meta set value = cast(abs(random() >> 1) as text) where name = 'instance'"
            }
            Dialect::Postgres => {
                "update meta set value = floor(random() * 9e18)::bigint::text where name = 'instance'"
            }
        };
        sqlx::query(instance).execute(&mut *db).await?;
        Ok(())
    }

    /// Makes calls that an older version has stored findable by keys.
    async fn make_keys(&self) -> Result<(), Error> {
        let mut transaction = self.answered(self.begin()).await?;
        let db = &mut *transaction;
        let known = match self.dialect {
            Dialect::Sqlite => "select value from meta where name = 'keys'",
            // One server builds them, the others wait.
            Dialect::Postgres => "select value from meta where name = 'keys' for update",
        };
        let known = self.answered(sqlx::query(known).fetch_one(&mut *db)).await?;
        if known.try_get::<String, _>(0)? == KEYS {
            return Ok(());
        }
        let mut after = String::new();
        while let Some(last) = self.answered(self.make_keys_after(db, &after)).await? {
            after = last;
        }
        let made = sqlx::query("update meta set value = $1 where name = 'keys'").bind(KEYS);
        self.answered(made.execute(&mut *db)).await?;
        self.surroundings.reach(|| "keys made".to_owned()).await;
        self.answered(transaction.commit()).await
    }

    /// The same for one page of calls, after this one. Returns the last one of the page; `None` when there are no more.
    async fn make_keys_after(&self, db: &mut AnyConnection, after: &str) -> Result<Option<String>, Error> {
        let page = "select conference, state from calls where conference > $1 order by conference limit $2";
        let page = sqlx::query(page).bind(after).bind(PAGE).fetch_all(&mut *db).await?;
        let Some(last) = page.last() else { return Ok(None) };
        let last = last.try_get(0)?;
        let (mut keys, mut read) = (vec![], vec![]);
        for row in page {
            let (conference, state): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            // An unreadable call keeps its old keys.
            let Ok(call) = Call::read(&state) else { continue };
            keys.extend(key_rows(&conference, &call.keys()));
            read.push(conference);
        }
        let delete = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql.delete_keys_of)));
        delete.bind(texts(read.iter().map(String::as_str))).execute(&mut *db).await?;
        rows(db, &self.sql.add_keys, &keys).await?;
        Ok(Some(last))
    }

    /// One step of many, with the deadline. In a simulation the disk answers in no time.
    async fn answered<T, E>(&self, step: impl Future<Output = Result<T, E>>) -> Result<T, Error>
    where
        Error: From<E>,
    {
        if self.disk.is_some() {
            return Ok(step.await?);
        }
        Ok(tokio::time::timeout(self.deadline, step)
            .await
            .map_err(|_| Error::Unanswered(self.deadline))??)
    }
}

async fn sqlite(
    url: &str,
    deadline: Duration,
    surroundings: Surroundings,
    disk: Option<Disk>,
) -> Result<Database, Error> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut lock_name = options.get_filename().as_os_str().to_owned();
    lock_name.push(".lock");
    let lock = File::create(&lock_name).map_err(Error::Lock)?;
    lock.try_lock().map_err(|error| match error {
        std::fs::TryLockError::Error(error) => Error::Lock(error),
        std::fs::TryLockError::WouldBlock => Error::InUse,
    })?;
    // It contains what Twilio knows about customers; SQLite's other files get the same permissions.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(options.get_filename())
        .map_err(sqlx::Error::Io)?;
    let mut connection = SqliteConnection::connect_with(&options).await?;
    surroundings.reach(|| "migrating".to_owned()).await;
    SQLITE.run(&mut connection).await?;
    surroundings.reach(|| "migrated".to_owned()).await;
    // No other server can be running: what an earlier one had is free at once.
    sqlx::query("delete from servers").execute(&mut connection).await?;
    connection.close().await?;
    // There are no power cuts in a simulation: what was handed to the system survives a kill.
    let (within, synchronous, own_checkpoint) = match &disk {
        None => (CONNECTION_WITHIN, "full", checkpoint::AT_LAST),
        Some(_) => (HELD_WITHIN, "off", checkpoint::BY_THE_WRITER),
    };
    let setup = format!(
        "{BUSY_TIMEOUT}; {WRITING}; pragma synchronous = {synchronous}; pragma wal_autocheckpoint = {own_checkpoint}"
    );
    let reads = format!("{BUSY_TIMEOUT}; {READS}");
    Ok(Database {
        dialect: Dialect::Sqlite,
        sql: Sql::new(Dialect::Sqlite),
        history_sql: HistorySql::new(Dialect::Sqlite),
        conversations: super::conversations::Sql::new(Dialect::Sqlite),
        place: Place::File {
            writing: pool(url, 1, setup, within)?,
            reading: pool(url, 4, reads.clone(), within)?,
            aside: pool(url, 2, reads, within)?,
        },
        deadline,
        committed: Mutex::new(Instant::now()),
        skew: Mutex::default(),
        leases: Mutex::default(),
        server: surroundings.server(),
        surroundings,
        disk,
        lock: Mutex::new(Some(lock)),
    })
}

async fn postgres(url: &str, deadline: Duration, surroundings: Surroundings) -> Result<Database, Error> {
    let hosts = Hosts::of(url).map_err(|unusable| Error::Setting {
        name: "DATABASE_URL",
        why: match unusable {
            Unusable::NotOne => {
                "postgres://user@host/name is wanted, or several hosts with commas between them"
            }
            Unusable::ReadOnly => "target_session_attrs has to be read-write: the server has to write",
        },
    })?;
    let servers = Servers::new(hosts, deadline);
    let url = servers.url().await?;
    pooler::refuse(&url, deadline).await?;
    migration::migrate(&url, deadline, &surroundings).await?;
    let (dialect, sql) = (Dialect::Postgres, Sql::new(Dialect::Postgres));
    Ok(Database {
        dialect,
        sql,
        history_sql: HistorySql::new(dialect),
        conversations: super::conversations::Sql::new(dialect),
        place: Place::Servers(Arc::new(servers)),
        deadline,
        committed: Mutex::new(Instant::now()),
        skew: Mutex::default(),
        leases: Mutex::default(),
        server: surroundings.server(),
        surroundings,
        disk: None,
        lock: Mutex::new(None),
    })
}

fn pool(url: &str, most: u32, setup: impl Into<Arc<str>>, within: Duration) -> Result<AnyPool, Error> {
    let setup = setup.into();
    let options = AnyConnectOptions::from_str(url)?;
    Ok(AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(within)
        .before_acquire(|connection, _| {
            // A transaction that could not even be rolled back, because the disk was full, would never end.
            let is_free = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_free) })
        })
        .after_connect(move |connection, _| {
            let setup = AssertSqlSafe(Arc::clone(&setup));
            Box::pin(async move { connection.execute(setup).await.map(|_| ()) })
        })
        .connect_lazy_with(options))
}
