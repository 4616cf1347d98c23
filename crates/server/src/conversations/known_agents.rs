//! Which member of a conversation is which agent. Twilio's list of the interaction's participants does not say; a member's
//! identity is that of the agent's Voice SDK client, which the worker's `contact_uri` names.

use rejoin_protocol::WorkerSid;
use rejoin_twilio::{Client, Error};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Maximum number of workers that are remembered.
const MOST: usize = 10_000;

/// Identities of workers. They stay as they are while a worker exists.
#[derive(Debug, Default)]
pub(super) struct KnownAgents(Mutex<BTreeMap<WorkerSid, String>>);

impl KnownAgents {
    /// The identity of this worker; `None`: the worker has none, or is gone.
    pub(super) async fn identity(
        &self,
        client: &Client,
        worker: &WorkerSid,
    ) -> Result<Option<String>, Error> {
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(worker) {
            return Ok(Some(known.clone()));
        }
        let attributes = match client.fetch_worker(worker).await {
            Ok(found) => found.attributes,
            Err(Error::Gone) => return Ok(None),
            Err(error) => return Err(error),
        };
        let attributes: Value =
            attributes.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let uri = attributes["contact_uri"].as_str();
        let identity = uri.and_then(|uri| uri.strip_prefix("client:")).map(str::to_owned);
        if let Some(identity) = &identity {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(worker.clone(), identity.clone());
        }
        Ok(identity)
    }
}
