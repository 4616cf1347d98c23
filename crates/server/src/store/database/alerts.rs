//! Alerts about peers. The database stores which of the running servers tells the targets of an alert, so that only one does.

use super::Database;
use crate::error::Error;
use sqlx::{AssertSqlSafe, Row as _};
use std::collections::BTreeSet;

/// Begin of their names among the facts.
const ALERT: &str = "alert:";

impl Database {
    /// Makes an alert this server's. False: another running server has it, or this one has it already.
    pub(in crate::store) async fn claim_alert(&self, key: &str) -> Result<bool, Error> {
        let claim = format!(
            "insert into meta (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value
             where meta.value <> excluded.value
                 and meta.value not in {running}",
            running = self.dialect.running("$3", "$4")
        );
        self.changes_alert(claim, key).await
    }

    /// Forgets an alert. False: another running server has it, or it is not there.
    pub(in crate::store) async fn release_alert(&self, key: &str) -> Result<bool, Error> {
        let release = format!(
            "delete from meta where name = $1
                 and (value = $2 or value not in {running})",
            running = self.dialect.running("$3", "$4")
        );
        self.changes_alert(release, key).await
    }

    /// True when no running server has the alert.
    pub(in crate::store) async fn is_alert_free(&self, key: &str) -> Result<bool, Error> {
        let of = format!(
            "select count(*) from meta where name = $1 and value in {running}",
            running = self.dialect.running("$2", "$3")
        );
        let of = sqlx::query(AssertSqlSafe(of)).bind(format!("{ALERT}{key}")).bind(self.known_leases());
        let count: i64 = self.timed(of).fetch_one(&mut *self.reading().await?).await?.try_get(0)?;
        Ok(count == 0)
    }

    async fn changes_alert(&self, change: String, key: &str) -> Result<bool, Error> {
        let change = sqlx::query(AssertSqlSafe(change)).bind(format!("{ALERT}{key}"));
        let change = change.bind(self.server.clone()).bind(self.known_leases());
        let changed = self.timed(change).execute(&mut *self.writing().await?).await?;
        self.has_committed();
        Ok(changed.rows_affected() > 0)
    }

    /// The alerts that some server has, or had when it ended.
    pub(in crate::store) async fn alerts(&self) -> Result<BTreeSet<String>, Error> {
        let all = sqlx::query("select name from meta where name like 'alert:%'");
        let rows = all.fetch_all(&mut *self.reading().await?).await?;
        let names: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(names?.iter().filter_map(|name| name.strip_prefix(ALERT)).map(str::to_owned).collect())
    }
}
