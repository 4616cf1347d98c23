//! Databases for tests: a file, or a database of a PostgreSQL that is started for these tests only.

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Connection as _, Executor as _, PgConnection, Row as _};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A new database for one test.
pub(crate) struct Database {
    pub(crate) url: String,
    _folder: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("rejoin.db").display());
        Self { url, _folder: Some(folder) }
    }

    /// A database that was made elsewhere.
    pub(crate) fn at(url: String) -> Self {
        Self { url, _folder: None }
    }

    pub(crate) async fn postgres() -> Self {
        static POSTGRES: OnceLock<Postgres> = OnceLock::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let postgres = tokio::task::spawn_blocking(|| POSTGRES.get_or_init(Postgres::start)).await.unwrap();
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        postgres.create(&name).await;
        Self { url: postgres.url(&name), _folder: None }
    }

    /// A connection beside the server's.
    pub(crate) async fn beside(&self) -> AnyPool {
        sqlx::any::install_default_drivers();
        // Many tests do this at once.
        AnyPoolOptions::new().max_connections(1).connect(&self.url).await.unwrap()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres:")
    }

    /// Overwrites a call's stored state.
    pub(crate) async fn put_state(&self, conference: &rejoin_protocol::ConferenceSid, state: &str) {
        let beside = self.beside().await;
        let put = sqlx::query("update calls set state = $1 where conference = $2");
        let put = put.bind(state).bind(conference.as_str()).execute(&beside).await.unwrap();
        assert_eq!(put.rows_affected(), 1);
        beside.close().await;
    }

    /// Makes the database refuse every row of this table.
    pub(crate) async fn refuse(&self, table: &str) {
        let beside = self.beside().await;
        let statements = if self.is_postgres() {
            vec![
                "create function refuse() returns trigger language plpgsql as
                 $$ begin raise exception 'full'; end $$"
                    .to_owned(),
                format!(
                    "create trigger refuse before insert on {table} for each row execute function refuse()"
                ),
            ]
        } else {
            vec![format!(
                "create trigger refuse before insert on {table} begin select raise(abort, 'full'); end"
            )]
        };
        for statement in statements {
            beside.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        }
        beside.close().await;
    }

    /// Makes the database accept rows again.
    pub(crate) async fn accept(&self, table: &str) {
        let beside = self.beside().await;
        let on = if self.is_postgres() { format!(" on {table}") } else { String::new() };
        beside.execute(sqlx::AssertSqlSafe(format!("drop trigger refuse{on}"))).await.unwrap();
        if self.is_postgres() {
            beside.execute("drop function refuse").await.unwrap();
        }
        beside.close().await;
    }
}

/// A PostgreSQL in a folder of its own, reached by a socket in it. It ends with the process that holds its input:
/// this one, however that ends.
pub(crate) struct Postgres {
    folder: TempDir,
    guard: Child,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // It has ended already when it was stopped.
        let _ = self.guard.wait();
    }
}

/// Runs PostgreSQL until the input ends, then stops it and removes its folder. The stories start theirs by it, too.
const GUARD: &str = include_str!("../../../../scripts/lib/postgres.sh");

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let owner = owner();
        if id_of_process() == 0 {
            chown(folder.path(), Some(owner), Some(owner)).unwrap();
        }
        let guard = guard(folder.path(), owner);
        Self { folder, guard }
    }

    /// Stops it in the middle of whatever it does.
    pub(crate) fn stop(&mut self) {
        std::fs::write(self.folder.path().join("keep"), "").unwrap();
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
        std::fs::remove_file(self.folder.path().join("keep")).unwrap();
    }

    /// Starts it again with its data.
    pub(crate) fn start_again(&mut self) {
        self.guard = guard(self.folder.path(), owner());
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("postgres://rejoin@localhost/{name}?host={}&sslmode=disable", self.folder.path().display())
    }

    pub(crate) async fn create(&self, name: &str) {
        self.execute(&[format!("create database {name}")]).await;
    }

    /// The socket that it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// Over a connection of its own, without any simulated network.
    pub(crate) async fn execute(&self, statements: &[String]) {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        for statement in statements {
            connection.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// The first column of the first row, as text.
    pub(crate) async fn read(&self, name: &str, query: &str) -> String {
        let mut connection = PgConnection::connect(&self.url(name)).await.unwrap();
        let query = format!("select ({query})::text");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        row.get(0)
    }

    /// A standby of this one, which streams from a port of this machine and has this name.
    pub(crate) fn standby(&self, port: u16, name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let owner = owner();
        if id_of_process() == 0 {
            chown(folder.path(), Some(owner), Some(owner)).unwrap();
        }
        let copied = Command::new("sh")
            .args(["-c", COPY])
            .env("BIN", programs())
            .env("FOLDER", folder.path())
            .env("OWNER", owner.to_string())
            .env("PRIMARY", format!("host=127.0.0.1 port={port} user=rejoin application_name={name}"))
            .status()
            .unwrap();
        assert!(copied.success(), "pg_basebackup");
        let guard = guard(folder.path(), owner);
        Self { folder, guard }
    }

    /// `kill -9`: it writes nothing and sends no notice.
    pub(crate) fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    }

    /// Promotes the standby.
    pub(crate) async fn promote(&self) {
        assert_eq!(self.read("postgres", "pg_promote(true, 60)").await, "true");
    }
}

/// Copies a running primary.
const COPY: &str = r#"
as=
[ "$(id -u)" = 0 ] && as="setpriv --reuid=$OWNER --regid=$OWNER --clear-groups --"
cd "$FOLDER" && exec $as "$BIN/pg_basebackup" -d "$PRIMARY" -D data -R -X stream --checkpoint=fast --no-sync
"#;

/// Debian's user for it. A socket needs no other.
pub(crate) fn owner() -> u32 {
    id_of("postgres").or_else(|| id_of("nobody")).unwrap_or(65534)
}

/// Starts it, and returns when it accepts connections.
fn guard(folder: &Path, owner: u32) -> Child {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD])
        .env("BIN", programs())
        .env("FOLDER", folder)
        .env("OWNER", owner.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh starts");
    let mut log = BufReader::new(guard.stderr.take().unwrap());
    let mut all = String::new();
    while !all.contains("ready to accept") {
        let read = log.read_line(&mut all).unwrap();
        assert!(read > 0, "PostgreSQL did not start:\n{all}");
    }
    // A full pipe would stop PostgreSQL where it stands: it logs each client that was killed.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    guard
}

/// The folder of `initdb`, `pg_basebackup` and `postgres`: in the path, or where Debian puts them.
pub(crate) fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // The highest version first.
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|version| version.unwrap().path().join("bin"))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let complete = |folder: &&PathBuf| {
        ["initdb", "pg_basebackup", "postgres"].iter().all(|name| folder.join(name).exists())
    };
    folders.iter().find(complete).cloned().expect(
        "PostgreSQL is missing, and the store is tested on it. On Debian: apt-get install postgresql. \
         Elsewhere: have initdb, pg_basebackup and postgres in the PATH.",
    )
}

fn id_of(user: &str) -> Option<u32> {
    let id = Command::new("id").args(["-u", user]).output().ok()?;
    String::from_utf8(id.stdout).ok()?.trim().parse().ok()
}

pub(crate) fn id_of_process() -> u32 {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    String::from_utf8(id.stdout).unwrap().trim().parse().unwrap()
}

/// Runs the same tests on both databases.
macro_rules! on_both {
    ($($name:ident,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&$crate::database::Database::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&$crate::database::Database::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// The folder of a database file.
pub(crate) fn file(database: &Database) -> PathBuf {
    Path::new(database.url.strip_prefix("sqlite:").expect("a file")).to_owned()
}
