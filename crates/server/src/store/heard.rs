//! Pushes to desktops, and hints between servers.
//!
//! A push gets its number, counted for each worker, in the transaction that it follows from. A number is never
//! visible before its predecessor.

use super::{database, memory};
use crate::error::Error;
use rejoin_protocol::api::Push;
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_recovery::Call;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long a push is stored for a page that reconnects.
pub(super) const KEPT: Millis = Millis::seconds(600);
/// How long the number of a worker's last push is kept at least. Later, counting starts again. A page would miss
/// something only if one channel stayed open for all that time without a push.
pub(super) const COUNTED: Millis = Millis::seconds(7 * 24 * 3600);
/// A page that missed more pushes than this has to ask.
pub(super) const REPLAYED: u64 = 256;

/// A page's position: `id` of a server-sent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushId {
    /// Identifies the database: numbers of another one mean nothing here.
    pub(crate) instance: i64,
    /// Number of the worker's last push.
    pub number: u64,
}

impl fmt::Display for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.number)
    }
}

impl PushId {
    /// The position after a push.
    #[must_use]
    pub fn at(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// The pushes that a page at the position `since` has missed, with `self` as the current position; none for a new
    /// page. `kept` reads the pushes after a number. `None`: they are no longer known.
    pub(super) async fn missed<Reading: Future<Output = Result<Vec<(u64, Push)>, Error>>>(
        self,
        since: Option<&str>,
        kept: impl FnOnce(u64) -> Reading,
    ) -> Result<Option<Vec<(u64, Push)>>, Error> {
        let Some(since) = since else { return Ok(Some(vec![])) };
        let Some(since) = self.since(since) else { return Ok(None) };
        Ok(self.complete(since, kept(since).await?))
    }

    /// The number after which a page must receive pushes. `None`: they are no longer known.
    fn since(self, since: &str) -> Option<u64> {
        let (instance, number) = since.rsplit_once('-')?;
        let (instance, number): (i64, u64) = (instance.parse().ok()?, number.parse().ok()?);
        let is_known = instance == self.instance && number <= self.number;
        Some(number).filter(|number| is_known && self.number - number <= REPLAYED)
    }

    /// The missed pushes, if they are complete: a worker's numbers have no gaps, so a missing one is no longer
    /// stored.
    fn complete(self, since: u64, missed: Vec<(u64, Push)>) -> Option<Vec<(u64, Push)>> {
        (missed.len() as u64 == self.number - since).then_some(missed)
    }
}

/// What a page receives when it connects, all from one snapshot.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The page's position after that.
    pub position: PushId,
    /// The pushes that it missed; `None`: they are no longer known.
    pub missed: Option<Vec<(u64, Push)>>,
    /// The worker's calls.
    pub calls: Vec<Call>,
}

/// A page's session that was registered.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// Later sessions have higher numbers.
    pub session: i64,
    /// Where the same page was before, if that was at another server, and is known.
    pub(crate) came_from: Option<CameFrom>,
}

/// The other server that a page comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CameFrom {
    /// The page still counts as connected there.
    Unnoticed,
    /// The page's channel there has ended, this long ago.
    Ended(Millis),
}

/// How long the server is remembered that a page was connected to.
pub(super) const REMEMBERED: Millis = Millis::seconds(600);

/// A stored push: its worker, its number, and its content.
pub type Pushed = (WorkerSid, u64, Push);

/// Hints between servers. Newer versions may send others.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Hint {
    /// The worker has pushes up to this number.
    Said { worker: WorkerSid, number: u64 },
    /// A page of this epoch acts.
    Acts { worker: WorkerSid, epoch: u64 },
    /// A page has connected. Later sessions have higher numbers.
    Connected { worker: WorkerSid, epoch: u64, session: i64 },
    /// The channel of this page has ended, and the page is not back.
    Lost { worker: WorkerSid, epoch: u64 },
    /// The page of this session does not answer any more.
    Silent { worker: WorkerSid, session: i64 },
}

/// Receives hints of other servers.
#[derive(Debug)]
pub(crate) enum Hints {
    Database(database::Listener),
    Memory(memory::Listener),
}

impl Hints {
    /// The next hint; `None` when the connection is lost. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Option<Hint> {
        match self {
            Self::Database(listener) => listener.next().await,
            Self::Memory(listener) => listener.next().await,
        }
    }
}
