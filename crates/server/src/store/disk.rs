//! SQLite in a world that runs in one program on a clock of its own: the real file, the real statements, real transactions.
//!
//! SQLite answers from threads of its own, after a while by the clock on the wall, and nobody in the world is to notice how
//! long that was. So whoever asks holds the whole world until the answer is there. What connections need of a runtime they
//! have beside the world's.
//!
//! A server that is killed leaves the file, and the log beside it, as they are at that moment; the next one opens a copy of
//! both, as it would find them after `kill -9`. What was not committed is gone.

use super::Store;
use super::database::{Connections, Database};
use crate::error::Error;
use crate::surroundings::Surroundings;
use rejoin_recovery::Call;
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

/// Whoever waits looks again after so long, in case that it was only said to the runtime that it holds.
const LOOKS_AGAIN: Duration = Duration::from_millis(1);

/// A folder of its own for the file. Cheap to clone; all clones are the same, and the last one removes it.
#[derive(Clone)]
pub struct Disk(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    /// `None`: at its end.
    beside: Option<Runtime>,
    last: Mutex<Last>,
}

/// Who had it last.
#[derive(Default)]
struct Last {
    /// How many servers were killed.
    killed: u32,
    /// Its connections stay open until the file was copied: the last one that is closed would write to it.
    server: Option<(Surroundings, Connections)>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

impl Disk {
    /// An empty one, in the system's folder for what is temporary.
    pub fn new() -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let beside = Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
        let folder = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("rejoin-world-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            match std::fs::create_dir(&folder) {
                Ok(()) => break folder,
                // A program before this one had the same number, and was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        Ok(Self(Arc::new(Shared { folder, beside: Some(beside), last: Mutex::default() })))
    }

    /// All calls as they were committed last, for whoever watches a world.
    pub fn calls(&self) -> Result<Vec<Call>, Error> {
        let states = self.look("select state from calls order by conference")?;
        Ok(states.iter().filter_map(|state| serde_json::from_str(state).ok()).collect())
    }

    /// Stores this of a call, as another version would, or a damaged disk: for tests of what is made of it.
    pub fn put_state(&self, conference: &rejoin_protocol::ConferenceSid, state: &str) -> Result<(), Error> {
        let path = self.last().path(&self.0.folder);
        self.hold(async {
            let mut connection: SqliteConnection =
                SqliteConnectOptions::new().filename(path).connect().await?;
            let put = sqlx::query("update calls set state = $1 where conference = $2");
            put.bind(state).bind(conference.as_str()).execute(&mut connection).await?;
            Ok(connection.close().await?)
        })
    }

    /// So many jobs have not ended.
    pub fn open_jobs(&self) -> Result<usize, Error> {
        Ok(self.look("select action from jobs where closed = 0")?.len())
    }

    /// Loses jobs, timers or calls, as a store that is not durable would: for tests of what tests find.
    pub fn lose(&self, jobs: bool, timers: bool, calls: bool) -> Result<(), Error> {
        let of = [(jobs, "delete from jobs"), (timers, "delete from timers"), (calls, "delete from calls")];
        of.into_iter().filter(|(lost, _)| *lost).try_for_each(|(_, delete)| self.look(delete).map(|_| ()))
    }

    /// No server has been heard of for too long: what they have is for whoever comes first.
    pub fn end_leases(&self) -> Result<(), Error> {
        self.look("update servers set until = 0").map(|_| ())
    }

    /// The first column, by a connection of its own.
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

    /// For one more server.
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
                // One that was closed in order has no log.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        last.server = None;
        Ok(path)
    }

    /// The answer, which takes no time in the world. A server that is killed on the way gets none, and what it had begun is
    /// not committed.
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

    /// Holds this thread, and with it the world, until there is an answer.
    fn hold<T>(&self, question: impl Future<Output = T>) -> T {
        let _beside = self.0.beside.as_ref().map(Runtime::enter);
        let waker = Waker::from(Arc::new(Unparks(thread::current())));
        // Whoever has done much in one step is asked to let others do something first: they are held.
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
            // Where something asynchronous runs, its end cannot be waited for.
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
