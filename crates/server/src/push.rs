//! Who listens: the push channels of desktops.

use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::Push;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// A desktop that does not take so many pushes is dropped; it comes back and is told what is open.
const BUFFER: usize = 64;

/// All open channels. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pushes {
    channels: Arc<Mutex<HashMap<WorkerSid, Vec<Channel>>>>,
}

#[derive(Debug)]
struct Channel {
    /// Of the page; 0 when it did not say.
    epoch: u64,
    sender: mpsc::Sender<Push>,
}

impl Pushes {
    /// Opens a channel for a page. It is closed by dropping the receiver.
    pub fn subscribe(&self, worker: &WorkerSid, epoch: u64) -> mpsc::Receiver<Push> {
        let (sender, receiver) = mpsc::channel(BUFFER);
        let mut channels = self.lock();
        let of_worker = channels.entry(worker.clone()).or_default();
        of_worker.retain(|channel| !channel.sender.is_closed());
        of_worker.push(Channel { epoch, sender });
        receiver
    }

    /// Tells all pages of a worker. None may be there.
    pub fn publish(&self, worker: &WorkerSid, push: &Push) {
        let mut channels = self.lock();
        if let Some(of_worker) = channels.get_mut(worker) {
            of_worker.retain(|channel| channel.sender.try_send(push.clone()).is_ok());
            if of_worker.is_empty() {
                channels.remove(worker);
            }
        }
    }

    /// Is a page of this worker connected that is older than `epoch`?
    pub fn older_page_connected(&self, worker: &WorkerSid, epoch: u64) -> bool {
        let channels = self.lock();
        let mut of_worker = channels.get(worker).into_iter().flatten();
        of_worker.any(|channel| channel.epoch != 0 && channel.epoch < epoch && !channel.sender.is_closed())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerSid, Vec<Channel>>> {
        // No code that could panic runs under the lock.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_protocol::api::{RecoveryView, Stage};
    use rejoin_protocol::{RecoveryId, ReservationSid, TaskSid};

    fn push() -> Push {
        Push::Recovery {
            recovery: RecoveryView {
                id: RecoveryId::numbered(1),
                task: TaskSid::numbered(1),
                reservation: ReservationSid::numbered(1),
                stage: Stage::Queued,
                remaining_ms: None,
            },
        }
    }

    #[test]
    fn every_page_of_the_worker_hears_it_and_nobody_else() {
        let (pushes, ada, bo) = (Pushes::default(), WorkerSid::numbered(1), WorkerSid::numbered(2));
        let (mut one, mut two) = (pushes.subscribe(&ada, 1), pushes.subscribe(&ada, 2));
        let mut other = pushes.subscribe(&bo, 1);
        pushes.publish(&ada, &push());
        assert_eq!((one.try_recv(), two.try_recv()), (Ok(push()), Ok(push())));
        assert!(other.try_recv().is_err());
    }

    #[test]
    fn an_older_page_counts_as_long_as_it_is_connected() {
        let (pushes, ada) = (Pushes::default(), WorkerSid::numbered(1));
        let old = pushes.subscribe(&ada, 5);
        assert!(pushes.older_page_connected(&ada, 6));
        assert!(!pushes.older_page_connected(&ada, 5), "itself");
        assert!(!pushes.older_page_connected(&WorkerSid::numbered(2), 6));
        drop(old);
        assert!(!pushes.older_page_connected(&ada, 6));
    }

    #[test]
    fn a_page_that_does_not_listen_is_dropped() {
        let (pushes, ada) = (Pushes::default(), WorkerSid::numbered(1));
        let mut deaf = pushes.subscribe(&ada, 1);
        for _ in 0..=BUFFER {
            pushes.publish(&ada, &push());
        }
        for _ in 0..BUFFER {
            assert!(deaf.try_recv().is_ok());
        }
        assert_eq!(deaf.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
