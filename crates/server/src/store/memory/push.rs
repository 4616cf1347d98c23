//! Pushes to desktops, and the sessions of desktops on other servers.

use super::Server;
use crate::error::Error;
use crate::store::heard::{Begun, Heard, Hint, KEPT, PushId, REPLAYED};
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::Push;
use tokio::sync::broadcast;

/// A simulation has only one store.
const INSTANCE: i64 = 1;

/// Receives hints of other servers.
#[derive(Debug)]
pub(crate) struct Listener {
    hints: broadcast::Receiver<(String, Hint)>,
    server: String,
}

impl Listener {
    /// The next hint; `None` when some were missed.
    pub(in crate::store) async fn next(&mut self) -> Option<Hint> {
        loop {
            let (server, hint) = self.hints.recv().await.ok()?;
            if server != self.server {
                return Some(hint);
            }
        }
    }
}

impl Server {
    pub(super) fn tell_others(&self, hint: Hint) {
        // There may be no listener.
        let _ = self.memory.0.hints.send((self.name.clone(), hint));
    }

    pub(in crate::store) async fn say_newer_page(&self, worker: &WorkerSid, epoch: u64) -> Result<(), Error> {
        self.tell_others(Hint::Acts { worker: worker.clone(), epoch });
        Ok(())
    }

    pub(in crate::store) async fn say_lost_page(&self, worker: &WorkerSid, epoch: u64) -> Result<(), Error> {
        self.tell_others(Hint::Lost { worker: worker.clone(), epoch });
        Ok(())
    }

    pub(in crate::store) async fn say_silent_page(
        &self,
        worker: &WorkerSid,
        session: i64,
    ) -> Result<(), Error> {
        self.tell_others(Hint::Silent { worker: worker.clone(), session });
        Ok(())
    }

    pub(in crate::store) fn listen(&self) -> Option<Listener> {
        let hints = self.memory.0.hints.subscribe();
        self.is_shared().then(|| Listener { hints, server: self.name.clone() })
    }

    pub(in crate::store) async fn heard(
        &self,
        worker: &WorkerSid,
        since: Option<&str>,
    ) -> Result<Heard, Error> {
        let (position, calls) = {
            let data = self.memory.data();
            let number = data.workers.get(worker).copied().unwrap_or_default();
            let related = data.related([worker.as_str()]);
            let calls = related.iter().filter_map(|call| data.call(call)).collect();
            (PushId { instance: INSTANCE, number }, calls)
        };
        let missed = position.missed(since, |since| self.pushes_since(worker, since)).await?;
        Ok(Heard { position, missed, calls })
    }

    pub(in crate::store) async fn pushes_since(
        &self,
        worker: &WorkerSid,
        number: u64,
    ) -> Result<Vec<(u64, Push)>, Error> {
        let data = self.memory.data();
        let range = (worker.clone(), number.saturating_add(1))..=(worker.clone(), u64::MAX);
        let pushes = data.pushes.range(range).take(usize::try_from(REPLAYED).unwrap_or(usize::MAX));
        Ok(pushes.map(|((_, number), (_, push))| (*number, push.clone())).collect())
    }

    pub(in crate::store) async fn last_pushes(
        &self,
        workers: &[WorkerSid],
    ) -> Result<Vec<(WorkerSid, u64)>, Error> {
        let data = self.memory.data();
        let last = workers.iter().filter_map(|worker| Some((worker.clone(), *data.workers.get(worker)?)));
        Ok(last.collect())
    }

    pub(in crate::store) async fn forget_pushes(&self) -> Result<(), Error> {
        let before = self.surroundings.now() - KEPT;
        self.memory.data().pushes.retain(|_, (at, _)| *at >= before);
        Ok(())
    }

    pub(in crate::store) async fn begin_session(
        &self,
        worker: &WorkerSid,
        epoch: u64,
    ) -> Result<Option<Begun>, Error> {
        if !self.is_shared() {
            return Ok(None);
        }
        let mut data = self.memory.data();
        let session = data.number();
        data.sessions.insert(session, (self.name.clone(), worker.clone(), epoch));
        drop(data);
        self.tell_others(Hint::Connected { worker: worker.clone(), epoch, session });
        Ok(Some(Begun { session, came_from: None }))
    }

    pub(in crate::store) async fn end_session(&self, id: i64) -> Result<(), Error> {
        self.memory.data().sessions.remove(&id);
        Ok(())
    }

    pub(in crate::store) async fn sessions_elsewhere(&self, worker: &WorkerSid) -> Result<Vec<u64>, Error> {
        let data = self.memory.data();
        let running = self.running(&data);
        let elsewhere = data
            .sessions
            .values()
            .filter(|(server, of, _)| of == worker && *server != self.name && running.contains(server));
        Ok(elsewhere.map(|(_, _, epoch)| *epoch).collect())
    }
}
