//! SQLite in a simulation with a clock of its own: the real file, the real statements, real transactions.
//!
//! SQLite answers from its own threads, after some wall-clock time that the simulation must not notice. So each
//! question holds up the whole simulation until the answer is there. Connections use a runtime beside the
//! simulation's.
//!
//! A killed server leaves the file, and the log beside it, as they are at that moment; the next server opens a copy
//! of both, as it would find them after `kill -9`. Uncommitted changes are lost.

use super::Store;
use super::database::{Connections, Database, recoveries_of};
use crate::error::Error;
use crate::explain::{self, Story, Subject};
use crate::history::Recovered;
use crate::surroundings::Surroundings;
use rejoin_protocol::ConferenceSid;
use rejoin_recovery::Call;
use sqlx::any::AnyPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use std::fmt;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How often a waiting thread checks again, in case only the runtime that it holds up was notified.
const LOOKS_AGAIN: Duration = Duration::from_millis(1);

/// A temporary folder for the file. Cheap to clone; clones share it, and the last one removes it.
#[derive(Clone)]
pub struct Disk(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    /// `None` while it is being dropped.
    beside: Option<Runtime>,
    last: Mutex<Last>,
}

/// The last server.
#[derive(Default)]
struct Last {
    /// Number of killed servers.
    killed: u32,
    /// Its connections stay open until the file was copied: the last connection to close would write to it.
    server: Option<(Surroundings, Connections)>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

impl Disk {
    /// An empty database, in the system's temporary folder.
    pub fn new() -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let beside = Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
        let folder = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("rejoin-world-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            match std::fs::create_dir(&folder) {
                Ok(()) => break folder,
                // A killed program had the same number before.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        Ok(Self(Arc::new(Shared { folder, beside: Some(beside), last: Mutex::default() })))
    }

    /// All calls as last committed, for observers of a simulation.
    pub fn calls(&self) -> Result<Vec<Call>, Error> {
        let states = self.look("select state from calls order by conference")?;
        Ok(states.iter().filter_map(|state| serde_json::from_str(state).ok()).collect())
    }

    /// The stories of all calls that lost an agent, as `rejoin explain` reads them. Calls of one customer have one story.
    pub fn stories(&self) -> Result<Vec<(Subject, Story)>, Error> {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite:{}?mode=ro", self.last().path(&self.0.folder).display());
        let mut stories: Vec<(Subject, Story)> = vec![];
        for conference in self.look("select conference from story group by conference order by min(id)")? {
            let Ok(conference) = ConferenceSid::try_from(conference) else { continue };
            if stories.iter().any(|(_, story)| story.conferences().contains(&conference)) {
                continue;
            }
            let subject = Subject::Conference(conference);
            let story = self.hold(async {
                let pool = AnyPoolOptions::new().max_connections(1).connect(&url).await?;
                explain::read(&mut *pool.acquire().await?, &subject).await
            })?;
            stories.extend(story.map(|story| (subject, story)));
        }
        Ok(stories)
    }

    /// The recoveries that have ended, as the history of a server counts them.
    pub fn recoveries(&self) -> Result<Vec<Recovered>, Error> {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite:{}?mode=ro", self.last().path(&self.0.folder).display());
        self.hold(async {
            let pool = AnyPoolOptions::new().max_connections(1).connect(&url).await?;
            recoveries_of(&mut *pool.acquire().await?).await
        })
    }

    /// Overwrites a call's stored state, as another version or a damaged disk would: for tests of how it is handled.
    pub fn put_state(&self, conference: &ConferenceSid, state: &str) -> Result<(), Error> {
        let path = self.last().path(&self.0.folder);
        self.hold(async {
            let mut connection: SqliteConnection =
                SqliteConnectOptions::new().filename(path).connect().await?;
            let put = sqlx::query("update calls set state = $1 where conference = $2");
            put.bind(state).bind(conference.as_str()).execute(&mut connection).await?;
            Ok(connection.close().await?)
        })
    }

    /// Number of open jobs.
    pub fn open_jobs(&self) -> Result<usize, Error> {
        Ok(self.look("select action from jobs where closed = 0")?.len())
    }

    /// Loses jobs, timers or calls, as a store that is not durable would: for tests of the tests.
    pub fn lose(&self, jobs: bool, timers: bool, calls: bool) -> Result<(), Error> {
        let of = [(jobs, "delete from jobs"), (timers, "delete from timers"), (calls, "delete from calls")];
        of.into_iter().filter(|(lost, _)| *lost).try_for_each(|(_, delete)| self.look(delete).map(|_| ()))
    }

    /// Ends all leases, as if no server had renewed its own: their jobs are free.
    pub fn end_leases(&self) -> Result<(), Error> {
        self.look("update servers set until = 0").map(|_| ())
    }

    /// The first column of a query, over a connection of its own.
    fn look(&self, sql: &'static str) -> Result<Vec<String>, Error> {
        let path = self.last().path(&self.0.folder);
        self.hold(async {
            let mut connection: SqliteConnection =
                SqliteConnectOptions::new().filename(path).connect().await?;
            let rows = sqlx::query(sql).fetch_all(&mut connection).await?;
            connection.close().await?;
            rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
        })
    }

    /// Opens it for another server.
    pub(super) async fn open(&self, surroundings: &Surroundings) -> Result<Database, Error> {
        let url = format!("sqlite:{}", self.left_behind().map_err(sqlx::Error::Io)?.display());
        let open = Database::open(&url, Store::DEADLINE, surroundings.clone(), Some(self.clone()));
        let database = self.answer(surroundings, open).await?;
        self.last().server = Some((surroundings.clone(), database.connections()));
        Ok(database)
    }

    /// The file as the last server has left it.
    fn left_behind(&self) -> io::Result<PathBuf> {
        let mut last = self.last();
        let before = last.path(&self.0.folder);
        if last.server.as_ref().is_none_or(|(surroundings, _)| !surroundings.is_killed()) {
            return Ok(before);
        }
        last.killed += 1;
        let path = last.path(&self.0.folder);
        for end in ["", "-wal"] {
            let [from, to] = [&before, &path].map(|path| {
                let mut name = path.clone().into_os_string();
                name.push(end);
                name
            });
            match std::fs::copy(from, to) {
                // A database that was closed gracefully has no log.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        last.server = None;
        Ok(path)
    }

    /// Waits for an answer, which takes no time in the simulation. A server that is killed meanwhile gets none, and
    /// what it had begun is not committed.
    pub(super) async fn answer<T>(
        &self,
        surroundings: &Surroundings,
        question: impl Future<Output = T>,
    ) -> T {
        let answer = self.hold(async {
            tokio::select! {
                biased;
                answer = question => Some(answer),
                () = surroundings.killed() => None,
            }
        });
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }

    /// Holds this thread, and with it the simulation, until there is an answer.
    fn hold<T>(&self, question: impl Future<Output = T>) -> T {
        let _beside = self.0.beside.as_ref().map(Runtime::enter);
        let waker = Waker::from(Arc::new(Unparks(thread::current())));
        // Without tokio's budget, which would make it yield to tasks that are held up.
        let mut question = pin!(tokio::task::unconstrained(question));
        loop {
            if let Poll::Ready(answer) = question.as_mut().poll(&mut Context::from_waker(&waker)) {
                return answer;
            }
            thread::park_timeout(LOOKS_AGAIN);
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn path(&self, folder: &std::path::Path) -> PathBuf {
        folder.join(format!("rejoin-{}.db", self.killed))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(beside) = self.beside.take() {
            // Inside an asynchronous context its shutdown cannot be awaited.
            beside.shutdown_background();
        }
        // What stays in a temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Unparks(Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
