//! Callbacks that could not be stored, and that Twilio does not repeat. Their calls are polled as soon as the store
//! accepts writes again; the watchdog would poll them only minutes later.

use super::Work;
use crate::store::Store;
use rejoin_recovery::{Event, Key};
use std::collections::BTreeSet;

/// Maximum number of remembered keys. Beyond that all watched calls are polled.
const REMEMBERED: usize = 4096;

/// Keys of the calls.
#[derive(Debug, Default)]
pub(super) struct Unheard(BTreeSet<Key>);

impl Unheard {
    /// This input was answered with an error. Pages and Event Streams repeat theirs.
    pub(super) fn missed(&mut self, work: &Work, store: &Store) {
        let key = match work.event.as_deref() {
            Some(Event::Conference(event)) if work.delivery.is_none() => {
                Key::Conference(event.conference.clone())
            }
            Some(Event::EnteredQueue { recovery, .. } | Event::LeftQueue { recovery, .. }) => {
                Key::Recovery(recovery.clone())
            }
            _ => return,
        };
        self.0.insert(key);
        if self.0.len() > REMEMBERED {
            self.0.clear();
            store.look_at_all_soon();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Schedules polls of those calls. True when the store has accepted it.
    pub(super) async fn look(&mut self, store: &Store) -> bool {
        // Without a lease nothing could be sent to Twilio now.
        let leased = match store.leased() {
            Some(_) => Ok(()),
            None => store.renew().await,
        };
        let looked = match leased {
            Ok(()) => store.look_at(&self.0).await,
            refused => refused,
        };
        match looked {
            Ok(()) => {
                tracing::warn!(calls = self.0.len(), "callbacks could not be stored: their calls are polled");
                self.0.clear();
                true
            }
            Err(error) => {
                tracing::debug!(%error, "calls with unstored callbacks cannot be read yet");
                false
            }
        }
    }
}
