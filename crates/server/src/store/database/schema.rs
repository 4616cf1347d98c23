//! The tables, and the conversion of values.

use rejoin_protocol::Millis;
use rejoin_recovery::Timer;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr};
use std::sync::{Arc, LazyLock};

/// Migrations of a folder, numbered by their order. `sqlx::migrate!` does the same, but compiles all of sqlx twice:
/// for the server, and for the compiler.
macro_rules! migrations {
    ($folder:literal: $($name:literal)*) => {
        numbered(&[$((
            $name,
            include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")),
        )),*])
    };
}

/// The migrations. They are only ever added to.
pub(super) static SQLITE: LazyLock<Migrator> = LazyLock::new(|| {
    migrations!("sqlite":
        "0001_start" "0002_shared" "0003_old" "0004_pushes" "0005_story" "0006_figures" "0007_given_up" "0008_early_marks"
        "0009_quiet_workers" "0010_switches" "0011_call_rows" "0012_jobs_of_call" "0013_history"
        "0014_conversations" "0015_attendance"
    )
});
pub(super) static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| {
    migrations!("postgres":
        "0001_start" "0002_old" "0003_pushes" "0004_story" "0005_figures" "0006_given_up" "0007_early_marks"
        "0008_quiet_workers" "0009_switches" "0010_call_rows" "0011_jobs_of_call" "0012_history"
        "0013_conversations" "0014_attendance"
    )
});

fn numbered(files: &[(&'static str, &'static str)]) -> Migrator {
    let migration = |(version, (name, sql)): (i64, &(&'static str, &'static str))| {
        let description = name.split_once('_').map_or("", |(_, description)| description).replace('_', " ");
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(files).map(migration).collect())
}

/// The number of the newest migration for a database with this URL.
pub(crate) fn newest_tables(url: &str) -> i64 {
    let migrator = if url.starts_with("sqlite:") { &SQLITE } else { &POSTGRES };
    migrator.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// A different number makes the next start rebuild the keys of all stored calls: to be changed with
/// [`rejoin_recovery::Call::keys`].
pub(super) const KEYS: &str = "1";

/// Runs one statement with its rows as JSON. Without rows nothing is sent.
pub(super) async fn rows(
    db: &mut AnyConnection,
    sql: &Arc<str>,
    rows: &[Value],
) -> Result<Vec<AnyRow>, sqlx::Error> {
    if rows.is_empty() {
        return Ok(vec![]);
    }
    sqlx::query(AssertSqlSafe(Arc::clone(sql))).bind(array(rows)?).fetch_all(db).await
}

/// The rows as one JSON array.
pub(super) fn array(rows: &[Value]) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A timer's name, as in JSON.
pub(super) fn timer_name(timer: Timer) -> Result<String, serde_json::Error> {
    serde_json::to_value(timer).map(|name| name.as_str().unwrap_or_default().to_owned())
}

/// The timer with this name.
pub(super) fn timer_named(name: String) -> Result<Timer, serde_json::Error> {
    serde_json::from_value(Value::String(name))
}

/// The databases' integers are signed.
pub(super) fn integer(at: Millis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// The reverse; negative numbers are never written here.
pub(super) fn millis(at: i64) -> Millis {
    Millis(u64::try_from(at).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[tokio::test]
    async fn every_migration_in_the_folders_is_run() {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        for (name, migrator) in [("sqlite", &SQLITE), ("postgres", &POSTGRES)] {
            let there = Migrator::new(folders.join(name)).await.unwrap();
            let of = |migrator: &Migrator| -> Vec<_> {
                let all = migrator.iter();
                all.map(|it| (it.version, it.description.clone(), it.no_tx, it.checksum.clone())).collect()
            };
            assert_eq!(of(migrator), of(&there), "{name}");
        }
    }
}
