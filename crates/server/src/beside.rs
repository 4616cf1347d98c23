//! Commands of operators that read the database, or change it, in a process of their own beside running servers.

use crate::config::Config;
use crate::console;
use crate::error::Error;
use crate::explain::{self, Explained, Story, Subject};
use crate::given_up;
use crate::held_back;
use crate::history::Asked;
use crate::report::{self, Report};
use crate::report_page::Page;
use crate::restore::{Restored, restore};
use crate::store::hosts::Hosts;
use crate::store::{LEASE, Store, newest_tables};
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_setup::doctor::database::Tables;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Row as _};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Timeout of a connection to a server of the database.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// Interval at which leases are read until they end: the database sends no notice.
const LEASES_READ_EVERY: Duration = Duration::from_millis(100);
/// How long no lease may begin before a database counts as unused: servers renew theirs more often.
const LEASES_QUIET_FOR: Duration = Duration::from_millis(LEASE.0 / 2);
/// Timeout of the whole answer.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The story of a call or a conversation. `None`: the store has nothing about that (any more).
pub async fn explain(database_url: &str, subject: &Subject) -> Result<Option<Explained>, Error> {
    let pool = reading(database_url).await?;
    // Its connection ends with this program, also where the database does not answer.
    asked(async { explain::explain(&mut *pool.acquire().await?, subject).await }).await
}

/// The story of a call alone.
pub(crate) async fn call(database_url: &str, subject: &Subject) -> Result<Option<Story>, Error> {
    let pool = reading(database_url).await?;
    asked(async { explain::read(&mut *pool.acquire().await?, subject).await }).await
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

/// Makes a database that was restored from a backup usable, before servers start on it ([`restore`]).
///
/// Fails when the database is another account's, or servers run on it. Fails without any change when Twilio does not say how a
/// call is.
pub async fn restored(config: &Config) -> Result<Restored, Error> {
    let store = config.storage.open().await?;
    let restored = async {
        store.belongs_to(&config.account).await?;
        // The lock of a file keeps others out. Servers of PostgreSQL are known by their leases, which work through a pooler, and
        // end by themselves where a server was killed or its connection is half open. Locks of a session do neither.
        alone(&store).await?;
        let restored = restore(&store, config.client()?, config).await?;
        match store.other_servers().await? {
            0 => Ok(restored),
            others => Err(Error::ServedMeanwhile(others)),
        }
    };
    let restored = restored.await;
    store.close().await;
    restored
}

/// Waits until no other server has a lease: those of servers that were killed, or that ran when the backup was made, end by
/// themselves. Fails when one was renewed. Where the whole host was suspended, the leases of servers that run have ended, too, until
/// they renew them: so no lease may begin for a while.
async fn alone(store: &Store) -> Result<(), Error> {
    // Even if the database's clock says otherwise, because it was set back.
    let ended = Instant::now() + Duration::from_millis(2 * LEASE.0);
    let mut quiet_since = None;
    loop {
        let now = Instant::now();
        match store.other_servers().await? {
            0 if !store.is_shared() => return Ok(()),
            0 if now >= *quiet_since.get_or_insert(now) + LEASES_QUIET_FOR => return Ok(()),
            0 => {}
            others if now >= ended || quiet_since.is_some() => return Err(Error::Served(others)),
            _ => {}
        }
        tokio::time::sleep(LEASES_READ_EVERY).await;
    }
}

/// How recoveries have ended, by day.
pub async fn report(database_url: &str) -> Result<Report, Error> {
    let pool = reading(database_url).await?;
    asked(async { report::read(&mut *pool.acquire().await?).await }).await
}

/// How recoveries have ended in this span of time, as of one moment: one HTML file that needs nothing else. `now`: when it is read;
/// `language`: one of [`report_page::LANGUAGES`](crate::report_page::LANGUAGES), English if it is none of them.
pub async fn page(database_url: &str, span: &Asked, now: Millis, language: &str) -> Result<String, Error> {
    let pool = reading(database_url).await?;
    let begin = match database_url.starts_with("sqlite:") {
        true => "begin",
        false => "begin isolation level repeatable read, read only",
    };
    let read = async {
        let mut moment = pool.begin_with(begin).await?;
        let page = Page::read(&mut moment, span, now).await?;
        moment.rollback().await?;
        Ok(page)
    };
    Ok(console::history::report(console::Language::preferred(language), &asked(read).await?))
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
