//! As much of Sync as Flex uses: what all desktops share.

mod lists;
mod live;
mod objects;

pub(crate) use objects::{Answer, Notification, Subscriptions, Sync, Tunnelled};

use crate::{clock, model::SyncChange};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Number of notifications that a slow socket may lag behind before it loses some.
const NOTIFICATIONS: usize = 1024;

/// Sync, and who hears of its changes.
pub(crate) struct SharedSync {
    objects: Mutex<Sync>,
    notifications: broadcast::Sender<Notification>,
}

impl Default for SharedSync {
    fn default() -> Self {
        Self { objects: Mutex::default(), notifications: broadcast::channel(NOTIFICATIONS).0 }
    }
}

impl SharedSync {
    /// The objects.
    pub(crate) fn objects(&self) -> MutexGuard<'_, Sync> {
        // A panic elsewhere leaves these plain collections consistent.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a change of what the Conversations SDK sees, and notifies subscribers.
    pub(crate) fn apply(&self, change: SyncChange) {
        let told = self.objects().apply(clock::now(), change);
        self.notify(told);
    }

    /// Sends notifications to all sockets, which keep those that they have subscribed to.
    pub(crate) fn notify(&self, told: Vec<Notification>) {
        for notification in told {
            // Fails only without subscribers.
            let _ = self.notifications.send(notification);
        }
    }

    /// All notifications from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Notification> {
        self.notifications.subscribe()
    }
}
