//! The database, as this machine reaches it, and the version of its tables.

use super::Finding;

const CHECK: &str = "database";

/// The versions of a database's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Number of the last migration that was run.
    pub applied: i64,
    /// Number of the last migration that this program knows.
    pub known: i64,
}

/// `Err`: why it cannot be read, without secrets.
pub fn judge(read: &Result<Tables, String>) -> Finding {
    match read {
        Ok(Tables { applied, known }) if applied == known => {
            Finding::ok(CHECK, format!("it answers, and its tables have version {applied}"))
        }
        Ok(Tables { applied, known }) if applied < known => Finding::warning(
            CHECK,
            format!("its tables have version {applied}, this program's {known}"),
            "calls go on",
            "start a server of this version, or run `rejoin migrate`",
        ),
        Ok(Tables { applied, known }) => Finding::failed(
            CHECK,
            format!("its tables have version {applied}, this program knows {known}"),
            "a server of this version refuses to start on it",
            "use the newer release",
        ),
        Err(why) => Finding::failed(
            CHECK,
            why.clone(),
            "without its database a server answers webhooks with 503, and no new call is protected",
            "check DATABASE_URL, the database's host, and its log",
        ),
    }
}
