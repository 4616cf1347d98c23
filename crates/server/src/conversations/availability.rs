//! Whether agents are at a desktop, whether or not its page reaches us: Flex sets an agent offline some time after their last desktop is
//! gone, if the account's logout settings say so (<https://www.twilio.com/docs/flex/admin-guide/setup/logout-settings>).

use crate::store::Store;
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_setup::logout::{self, NOTICED_WITHIN};
use rejoin_twilio::{Client, Error};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long the account's logout settings are taken as read. An administrator changes them in Twilio's console.
const READ_EVERY: Duration = Duration::from_secs(600);
/// How long after an attempt that failed they are read again.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// How long an answer about a worker is waited for. What TaskRouter knows would keep a customer from being told; without it they are.
const PATIENCE: Millis = Millis::seconds(10);

/// The account's logout settings.
#[derive(Debug)]
pub(super) struct Desktops {
    /// As the server's settings have them; 0: Flex sets nobody offline.
    set: Option<Millis>,
    /// As they were read from the account last.
    read: Mutex<Option<Read>>,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    again_at: Instant,
    /// After this time without a desktop an agent is offline; `None`: they stay as they are.
    offline_after: Option<Millis>,
}

impl Desktops {
    /// With the server's setting, if there is one.
    pub(super) fn new(offline_after_ms: Option<u64>) -> Self {
        Self { set: offline_after_ms.map(Millis), read: Mutex::new(None) }
    }

    /// Of each worker: the last point in time at which they were at a desktop for sure; `None`: they are not available. A worker is
    /// missing if Twilio does not answer within `PATIENCE` after `since`; all are in an account that sets nobody offline.
    ///
    /// # Errors
    /// Twilio did not answer, and may do so if it is asked again.
    pub(super) async fn ask(
        &self,
        client: &Client,
        store: &Store,
        workers: BTreeSet<WorkerSid>,
        since: Millis,
    ) -> Result<BTreeMap<WorkerSid, Option<Millis>>, Error> {
        let mut found = BTreeMap::new();
        let Some(offline_after) = self.offline_after(client).await else { return Ok(found) };
        for worker in workers {
            let asked_at = store.now();
            match client.fetch_worker(&worker).await {
                Ok(it) => {
                    let at = Millis(asked_at.0.saturating_sub((offline_after + NOTICED_WITHIN).0));
                    found.insert(worker, it.available.then_some(at));
                }
                Err(Error::Gone) => {
                    found.insert(worker, None);
                }
                Err(error) if error.is_passing() && asked_at < since + PATIENCE => return Err(error),
                Err(error) => tracing::debug!(%worker, %error, "whether an agent is available is not known"),
            }
        }
        Ok(found)
    }

    /// After how long without a desktop Flex sets an agent offline; `None`: it does not, or that cannot be read.
    async fn offline_after(&self, client: &Client) -> Option<Millis> {
        if let Some(set) = self.set {
            return Some(set).filter(|set| *set > Millis(0));
        }
        let mut read = self.read.lock().await;
        if let Some(read) = read.filter(|read| Instant::now() < read.again_at) {
            return read.offline_after;
        }
        let (offline_after, again) = match client.flex_configuration().await {
            Ok(configuration) => {
                let offline_after = logout::offline_after(&configuration);
                if read.is_none_or(|read| read.offline_after != offline_after) {
                    tracing::info!(
                        offline_after_ms = offline_after.map(|after| after.0),
                        "the account's logout settings are read"
                    );
                }
                (offline_after, READ_EVERY)
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    "the account's logout settings cannot be read: an agent of a conversation whose page does not reach this server may be \
                     taken for gone"
                );
                (read.and_then(|read| read.offline_after), READ_AGAIN)
            }
        };
        *read = Some(Read { again_at: Instant::now() + again, offline_after });
        offline_after
    }
}
