//! The tables, and how values are written into them.

use rejoin_protocol::Millis;
use rejoin_recovery::Timer;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AssertSqlSafe};
use std::sync::Arc;

/// Bring a database up to date. Migrations are only ever added.
pub(super) static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
pub(super) static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// Another number makes the next start give all stored calls their keys anew: to be changed when
/// [`rejoin_recovery::Call::keys`] does.
pub(super) const KEYS: &str = "1";

/// One statement with its rows as JSON. Without rows nothing is asked.
pub(super) async fn rows(
    db: &mut AnyConnection,
    sql: &Arc<str>,
    rows: &[Value],
) -> Result<Vec<AnyRow>, sqlx::Error> {
    if rows.is_empty() {
        return Ok(vec![]);
    }
    sqlx::query(AssertSqlSafe(Arc::clone(sql))).bind(Value::from(rows).to_string()).fetch_all(db).await
}

/// A timer's name: the one it has in JSON.
pub(super) fn timer_name(timer: Timer) -> Result<String, serde_json::Error> {
    serde_json::to_value(timer).map(|name| name.as_str().unwrap_or_default().to_owned())
}

/// The timer of this name.
pub(super) fn timer_named(name: String) -> Result<Timer, serde_json::Error> {
    serde_json::from_value(Value::String(name))
}

/// The databases' integers are signed.
pub(super) fn integer(at: Millis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// Back again; what is negative was never written here.
pub(super) fn millis(at: i64) -> Millis {
    Millis(u64::try_from(at).unwrap_or(0))
}
