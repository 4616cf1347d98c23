//! Claims of jobs.

use super::Server;
use super::data::Data;
use crate::error::Error;
use crate::pace::Crowd;
use crate::store::leases::{Leases, Row};
use crate::store::{Claim, JobId, LEASE, OpenJobs, StoredJob, Tenure};
use rejoin_protocol::Millis;
use rejoin_recovery::Call;
use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use tokio::time::Instant;

/// After this time a job that this server has a claim to but does not know of is taken up again.
const FORGOTTEN_AFTER: Millis = Millis(5000);

impl Server {
    pub(in crate::store) async fn claim(
        &self,
        held: impl IntoIterator<Item = JobId>,
        crowds: &[Crowd],
        most: usize,
        tenure: Tenure,
    ) -> Result<(Vec<StoredJob>, Vec<JobId>), Error> {
        let taken = self.take(held, crowds, most, tenure);
        if !taken.is_empty() {
            self.surroundings.pass(|| "jobs taken".to_owned()).await;
        }
        Ok((taken, vec![]))
    }

    pub(in crate::store) async fn give_back(&self, claim: Claim) -> Result<(), Error> {
        let mut data = self.memory.data();
        let row = data.jobs.all.get_mut(&claim.job);
        if let Some(row) = row.filter(|row| !row.is_closed && row.fence == claim.fence) {
            row.owner = None;
        }
        Ok(())
    }

    fn take(
        &self,
        held: impl IntoIterator<Item = JobId>,
        crowds: &[Crowd],
        most: usize,
        tenure: Tenure,
    ) -> Vec<StoredJob> {
        let now = self.memory.now();
        let mut data = self.memory.data();
        // Called often, and usually there is no job.
        if data.jobs.open.is_empty() {
            return vec![];
        }
        let running = self.running(&data);
        let free = |id: &JobId| {
            let row = data.jobs.all.get(id)?;
            let is_free = match &row.owner {
                None => true,
                Some(owner) if *owner == self.name && row.since + FORGOTTEN_AFTER < now => true,
                Some(owner) => !running.contains(owner),
            };
            is_free.then_some(*id)
        };
        let priorities: BTreeSet<i64> = crowds.iter().flat_map(|crowd| crowd.priorities()).collect();
        let open = data.jobs.open.iter().filter(|(priority, _)| priorities.contains(priority));
        let mut free: Vec<JobId> = open.filter_map(|(_, id)| free(id)).collect();
        if !free.is_empty() {
            let held: BTreeSet<JobId> = held.into_iter().collect();
            free.retain(|id| !held.contains(id));
            free.truncate(most);
            free.sort_unstable();
        }
        let take = |id: JobId| {
            let row = data.jobs.all.get_mut(&id)?;
            (row.owner, row.since) = (Some(self.name.clone()), now);
            row.fence += 1;
            Some(StoredJob {
                claim: Claim { job: id, fence: row.fence },
                conference: row.conference.clone(),
                action: row.action.clone(),
                deadline: row.deadline,
                tenure,
            })
        };
        free.into_iter().filter_map(take).collect()
    }

    pub(in crate::store) async fn call_of(&self, claim: Claim) -> Result<Option<Option<Call>>, Error> {
        let data = self.memory.data();
        let row = data.jobs.all.get(&claim.job);
        let row = row.filter(|row| !self.is_fenced() || (!row.is_closed && row.fence == claim.fence));
        let Some(row) = row else { return Ok(None) };
        let call = data.call(&row.conference);
        let is_quarantined = call.as_ref().is_some_and(|call| call.quarantine.is_some());
        match is_quarantined || data.unreadable.contains_key(&row.conference) {
            true => Err(Error::HeldBack),
            false => Ok(Some(call)),
        }
    }

    pub(in crate::store) async fn renew(&self) -> Result<(), Error> {
        let until = self.memory.now() + LEASE;
        self.memory.data().servers.insert(self.name.clone(), until);
        Ok(())
    }

    pub(in crate::store) async fn count_others(&self) -> Result<u64, Error> {
        let (now, seen) = (self.memory.now(), Instant::now());
        let data = self.memory.data();
        let others = data.servers.iter().filter(|(server, _)| **server != self.name);
        let others = others.map(|(server, until)| Row { server: server.clone(), until: *until });
        Ok(self.leases().see((seen, seen), now, others))
    }

    /// The servers whose leases last.
    pub(super) fn running(&self, data: &Data) -> BTreeSet<String> {
        let (now, leases) = ((self.memory.now(), Instant::now()), self.leases());
        let rows = data.servers.iter().map(|(server, until)| Row { server: server.clone(), until: *until });
        rows.filter(|row| leases.lasts(row, now)).map(|row| row.server).collect()
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::store) async fn leave(&self) -> Result<(), Error> {
        let mut data = self.memory.data();
        for row in data.jobs.all.values_mut() {
            if !row.is_closed && row.owner.as_ref() == Some(&self.name) {
                row.owner = None;
            }
        }
        data.servers.remove(&self.name);
        data.sessions.retain(|_, (server, _, _)| *server != self.name);
        Ok(())
    }

    pub(in crate::store) async fn open_jobs(&self) -> Result<OpenJobs, Error> {
        let data = self.memory.data();
        let open = || data.jobs.open.iter().filter_map(|(_, id)| data.jobs.all.get(id));
        Ok(OpenJobs {
            count: open().count() as u64,
            first: open().map(|row| row.deadline).min(),
            oldest: open().map(|row| row.since).min(),
        })
    }
}
