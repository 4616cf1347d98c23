//! Commands of operators that read the database, or change it, in a process of their own beside running servers.

use crate::config::Config;
use crate::engine;
use crate::error::Error;
use crate::execute::Executor;
use crate::explain::{self, Story, Subject};
use crate::given_up;
use crate::held_back;
use crate::report::{self, Report};
use crate::store::hosts::Hosts;
use crate::store::newest_tables;
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::{Call, Event, Timer};
use rejoin_setup::doctor::database::Tables;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Row as _};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Timeout of a connection to a server of the database.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// Timeout of the whole answer.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The story of a recovery. `None`: the store has nothing about that (any more).
pub async fn explain(database_url: &str, subject: &Subject) -> Result<Option<Story>, Error> {
    let pool = reading(database_url).await?;
    // Its connection ends with this program, also where the database does not answer.
    asked(explain::read(&pool, subject)).await
}

/// The jobs that were given up.
pub async fn given_up(database_url: &str) -> Result<given_up::Listed, Error> {
    let pool = reading(database_url).await?;
    let listed = async { given_up::read(&mut *pool.acquire().await?).await };
    Ok(given_up::Listed(asked(listed).await?))
}

/// The calls and jobs that are held back.
pub async fn held_back(database_url: &str) -> Result<held_back::Listed, Error> {
    let pool = reading(database_url).await?;
    asked(async { held_back::read(&mut *pool.acquire().await?).await }).await
}

/// Releases a quarantined call, which is then polled at once. True if it was quarantined.
pub async fn release(database_url: &str, conference: &ConferenceSid, now: Millis) -> Result<bool, Error> {
    let pool = writing(database_url).await?;
    let is_file = database_url.starts_with("sqlite:");
    asked(held_back::release(&pool, is_file, conference, now)).await
}

/// Copies a database file while servers use it, as one consistent state. The copy is complete when this returns: it gets
/// its name last. Only this user may read it.
///
/// Fails when the file exists, or the database is not a file.
pub async fn backup(database_url: &str, file: &Path) -> Result<(), Error> {
    if !database_url.starts_with("sqlite:") {
        return Err(Error::Setting {
            name: "DATABASE_URL",
            why: "not a file: PostgreSQL has programs for backups of its own, such as pg_dump",
        });
    }
    if file.try_exists().map_err(Error::Backup)? {
        return Err(Error::Backup(io::ErrorKind::AlreadyExists.into()));
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    // A run that was cut off may have left it.
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::Backup(error)),
        _ => {}
    }
    // It contains what Twilio knows about customers.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(Error::Backup)?;
    let pool = reading(database_url).await?;
    let copy = sqlx::query("vacuum into $1").bind(part.to_string_lossy().into_owned());
    copy.execute(&pool).await?;
    pool.close().await;
    let whole = || {
        File::open(part)?.sync_all()?;
        std::fs::rename(part, file)?;
        // The name is durable, too.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    whole().map_err(Error::Backup)
}

/// What [`restored`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Calls that go on, or whose recovery is open.
    pub open: usize,
    /// Calls that are over here: the customer has hung up, or is elsewhere.
    pub over: usize,
    /// Calls that are [held back](crate::held_back), and stay so.
    pub held_back: usize,
}

/// Makes a database that was restored from a backup usable, before servers start on it: Twilio has gone on since. Each call
/// is polled, and takes the answer over ([`Event::Restored`]): a customer who was sent on since the backup is not taken out of
/// a call with an agent. Jobs of the backup count as begun, so that they are looked up. It may be repeated.
///
/// Fails when the database is another account's. Fails without any change when Twilio does not say how a call is.
pub async fn restored(config: &Config) -> Result<Restored, Error> {
    let url = &config.storage.database_url;
    let store = config.storage.open().await?;
    let done = async {
        store.belongs_to(&config.account).await?;
        let executor = Executor::new(config.client()?, Arc::new(config.clone()));
        let pool = writing(url).await?;
        let all = sqlx::query("select conference, state from calls order by conference");
        let (mut found, mut events) = (Restored::default(), vec![]);
        for row in all.fetch_all(&pool).await? {
            let state: String = row.try_get(1)?;
            match Call::read(&state).ok().filter(|call| call.quarantine.is_none()) {
                Some(call) => {
                    let seen = Box::new(executor.poll_after_restore(&call).await?);
                    events.push(Event::Restored { conference: call.conference, seen });
                }
                None => found.held_back += 1,
            }
        }
        for event in events {
            let machine = engine::apply(&store, &config.policies(), event.clone()).await?;
            let Event::Restored { conference, .. } = event else { continue };
            match machine.call(&conference) {
                Some(call) if !call.closed => found.open += 1,
                _ => found.over += 1,
            }
        }
        after_restore(&pool, url.starts_with("sqlite:")).await?;
        Ok(found)
    };
    let done = done.await;
    store.close().await;
    done
}

/// The rest of a restored database.
async fn after_restore(pool: &AnyPool, is_file: bool) -> Result<(), Error> {
    asked(async {
        let mut transaction = pool.begin().await?;
        let db = &mut *transaction;
        // Time passes until a server starts: before all that was due since the backup, each call is polled again.
        let look = "insert into timers (conference, timer, at) select conference, $1, 0 from calls where true
                    on conflict (conference, timer) do update set at = excluded.at";
        sqlx::query(look).bind(Timer::CatchUp.name()).execute(&mut *db).await?;
        sqlx::query("update jobs set fence = 1 where closed = 0 and fence = 0").execute(&mut *db).await?;
        // Pages have heard numbers that this database does not know.
        let instance = if is_file {
            "update meta set value = cast(abs(random() >> 1) as text) where name = 'instance'"
        } else {
            "update meta set value = floor(random() * 9e18)::bigint::text where name = 'instance'"
        };
        sqlx::query(instance).execute(&mut *db).await?;
        Ok(transaction.commit().await?)
    })
    .await
}

/// How recoveries have ended, by day.
pub async fn report(database_url: &str) -> Result<Report, Error> {
    let pool = reading(database_url).await?;
    asked(report::read(&pool)).await
}

/// The version of the database's tables, and the newest one that this program knows.
pub async fn tables(database_url: &str) -> Result<Tables, Error> {
    let pool = reading(database_url).await?;
    let read = async {
        let row = sqlx::query("select max(version) from _sqlx_migrations").fetch_one(&pool).await?;
        Ok(Tables {
            applied: row.try_get::<Option<i64>, _>(0)?.unwrap_or_default(),
            known: newest_tables(database_url),
        })
    };
    asked(read).await
}

/// A connection for reading. It may lead to a standby if there is no primary.
async fn reading(database_url: &str) -> Result<AnyPool, Error> {
    sqlx::any::install_default_drivers();
    let is_file = database_url.starts_with("sqlite:") && !database_url.contains('?');
    let url = match Hosts::of(database_url) {
        Ok(hosts) => hosts.readable(CONNECTED_WITHIN).await?,
        // Otherwise SQLite would create a missing database.
        Err(_) if is_file => format!("{database_url}?mode=ro"),
        Err(_) => database_url.to_owned(),
    };
    connect(&url).await
}

/// A connection for writing, to the primary.
async fn writing(database_url: &str) -> Result<AnyPool, Error> {
    sqlx::any::install_default_drivers();
    let url = match Hosts::of(database_url) {
        Ok(hosts) => hosts.primary(CONNECTED_WITHIN).await?,
        Err(_) => database_url.to_owned(),
    };
    connect(&url).await
}

async fn connect(url: &str) -> Result<AnyPool, Error> {
    Ok(AnyPoolOptions::new().max_connections(1).acquire_timeout(CONNECTED_WITHIN).connect(url).await?)
}

/// Waits for an answer, with a deadline.
async fn asked<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(READ_WITHIN, answer).await.unwrap_or(Err(Error::Unanswered(READ_WITHIN)))
}
