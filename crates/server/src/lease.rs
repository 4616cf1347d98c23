//! Renews this server's lease, and keeps it from sending requests for jobs that may be another server's: without
//! renewals others take its jobs. What was counted since is written at the same time.

use crate::clock::Alarm;
use crate::jobs::{ANSWERED_WITHIN, Job};
use crate::pace::Turns;
use crate::store::{Claim, LEASE, Store, Tenure};
use rejoin_protocol::Millis;
use rejoin_twilio::{Family, Gate, Passing};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Interval of renewals: two in a row may fail.
const EVERY: Millis = Millis(LEASE.0 / 4);

/// Runs until the task is aborted. The rate limits are shared with the other running servers.
pub(crate) async fn run(store: Store, turns: Turns) {
    let mut alarm = Alarm::default();
    loop {
        match store.servers().await {
            Ok(servers) => turns.share(servers),
            Err(error) => tracing::warn!(%error, "the number of running servers cannot be read"),
        }
        tokio::time::sleep(Duration::from_millis(EVERY.0)).await;
        if let Err(error) = store.renew().await {
            tracing::warn!(%error, "this server's lease could not be renewed");
        }
        alarm.look(store.skew());
        if let Err(error) = store.keep_switches().await {
            tracing::warn!(%error, "switches could not be written; the report will lack them, or they are written later");
        }
    }
}

/// A gate that lets the requests of a job pass, each in its turn, while the job is ours.
#[derive(Debug)]
pub(crate) struct Ours {
    turns: Arc<dyn Gate>,
    store: Store,
    claim: Claim,
    /// The tenure in which it was last known to be ours.
    tenure: Mutex<Tenure>,
}

impl Ours {
    pub(crate) fn new(turns: Arc<dyn Gate>, store: Store, job: &Job) -> Self {
        Self { turns, store, claim: job.claim, tenure: Mutex::new(job.tenure) }
    }

    async fn is_ours(&self) -> bool {
        let Some(leased) = self.store.leased() else { return false };
        if *self.tenure.lock().unwrap_or_else(PoisonError::into_inner) == leased {
            return true;
        }
        // The lease had ended: this server was suspended, or the database was away. Another server may have the job
        // now.
        let asked = tokio::time::timeout(ANSWERED_WITHIN, self.store.call_of(self.claim)).await;
        let is_ours = matches!(asked, Ok(Ok(Some(_)))) && self.store.leased() == Some(leased);
        if is_ours {
            *self.tenure.lock().unwrap_or_else(PoisonError::into_inner) = leased;
        }
        is_ours
    }
}

impl Gate for Ours {
    fn pass(&self, family: Family) -> Passing<'_> {
        Box::pin(async move {
            let turn = self.turns.pass(family).await?;
            // Checked last: a server can be suspended at any point.
            if self.is_ours().await {
                return Some(turn);
            }
            tracing::warn!(
                job = self.claim.job.0,
                "not sent: this server's lease has expired, or another server owns the job"
            );
            None
        })
    }
}
