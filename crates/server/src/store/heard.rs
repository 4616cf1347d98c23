//! What is said to desktops, and what servers tell each other of it.
//!
//! A push gets its number, counted for each worker, in the transaction that it follows from. Nobody ever sees a number
//! before the one that it follows.

use super::{database, memory};
use crate::error::Error;
use rejoin_protocol::api::Push;
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_recovery::Call;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long a push is kept for a page that comes back.
pub(super) const KEPT: Millis = Millis::seconds(600);
/// How long the number of a worker's last push is kept at least, after that push. Then counting begins anew. A page would
/// miss something only if one channel stayed open for all that time and nothing was said over it.
pub(super) const COUNTED: Millis = Millis::seconds(7 * 24 * 3600);
/// A page that missed more than that is to ask.
pub(super) const REPLAYED: u64 = 256;

/// How far a page has heard: `id` of a server-sent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushId {
    /// Numbers of another database mean nothing here.
    pub(super) instance: i64,
    /// The worker's last push.
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

    /// What a page has missed that has heard as far as `since`, while this is how far there is something to hear; nothing,
    /// if it is a new page. `kept`: what was said after a number. `None`: that is not known any more.
    pub(super) async fn missed<Reading: Future<Output = Result<Vec<(u64, Push)>, Error>>>(
        self,
        since: Option<&str>,
        kept: impl FnOnce(u64) -> Reading,
    ) -> Result<Option<Vec<(u64, Push)>>, Error> {
        let Some(since) = since else { return Ok(Some(vec![])) };
        let Some(since) = self.since(since) else { return Ok(None) };
        Ok(self.complete(since, kept(since).await?))
    }

    /// From which number on a page has to be told. `None`: that is not known any more.
    fn since(self, since: &str) -> Option<u64> {
        let (instance, number) = since.rsplit_once('-')?;
        let (instance, number): (i64, u64) = (instance.parse().ok()?, number.parse().ok()?);
        let is_known = instance == self.instance && number <= self.number;
        Some(number).filter(|number| is_known && self.number - number <= REPLAYED)
    }

    /// What was missed since that number, if it is all there: each worker's numbers have no gaps, and when one is missing
    /// it is not kept any more.
    fn complete(self, since: u64, missed: Vec<(u64, Push)>) -> Option<Vec<(u64, Push)>> {
        (missed.len() as u64 == self.number - since).then_some(missed)
    }
}

/// What a page has to be told when it comes, all as it was at one moment.
#[derive(Clone, Debug)]
pub struct Heard {
    /// How far it has heard then.
    pub position: PushId,
    /// What it missed; `None`: that is not known any more.
    pub missed: Option<Vec<(u64, Push)>>,
    /// The worker's calls.
    pub calls: Vec<Call>,
}

/// A push that was stored: whose it is, its number, and what is said.
pub type Pushed = (WorkerSid, u64, Push);

/// What servers tell each other. A version may be among them that says more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Hint {
    /// The worker has pushes up to this number.
    Said { worker: WorkerSid, number: u64 },
    /// A page of this epoch acts.
    Acts { worker: WorkerSid, epoch: u64 },
    /// A page has connected. Later sessions have higher numbers.
    Connected { worker: WorkerSid, epoch: u64, session: i64 },
}

/// Hears what other servers say.
#[derive(Debug)]
pub(crate) enum Hints {
    Database(database::Listener),
    Memory(memory::Listener),
}

impl Hints {
    /// The next one; `None` when the connection is lost. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Option<Hint> {
        match self {
            Self::Database(listener) => listener.next().await,
            Self::Memory(listener) => listener.next().await,
        }
    }
}
