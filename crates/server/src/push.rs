//! Who listens: the push channels of desktops.

use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::Push;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// A desktop that does not take so many pushes is dropped; it comes back and is told what it missed.
const BUFFER: usize = 64;
/// So many pushes, to whomever, are kept for desktops that come back.
const KEPT: usize = 4096;

/// All open channels. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pushes(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// Numbers of another server, or of this one before it was started, mean nothing here.
    instance: u64,
    /// The number of the last push.
    last: u64,
    kept: VecDeque<(u64, WorkerSid, Push)>,
    channels: HashMap<WorkerSid, Vec<Channel>>,
}

#[derive(Debug)]
struct Channel {
    /// Of the page; 0 when it did not say.
    epoch: u64,
    sender: mpsc::Sender<Numbered>,
}

/// How far a desktop has heard: `id` of a server-sent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushId {
    instance: u64,
    number: u64,
}

impl fmt::Display for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.number)
    }
}

/// A push, and how far a desktop that has it has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// How far.
    pub id: PushId,
    /// What is said.
    pub push: Push,
}

/// A page's channel. It is closed by dropping the receiver.
#[derive(Debug)]
pub struct Subscription {
    /// What the page missed, and whether another one acts.
    pub first: Vec<Numbered>,
    /// How far the page has heard after that.
    pub position: PushId,
    /// Everything that is said from now on.
    pub receiver: mpsc::Receiver<Numbered>,
}

impl Pushes {
    /// `instance`: another number at each start of a server.
    pub fn new(instance: u64) -> Self {
        let (kept, channels) = (VecDeque::new(), HashMap::new());
        Self(Arc::new(Mutex::new(Inner { instance, last: 0, kept, channels })))
    }

    /// Opens a channel for a page that has heard as far as `since`: text of a [`PushId`], `None` for a new page. Older
    /// pages of the worker are told that this one acts.
    pub fn subscribe(&self, worker: &WorkerSid, epoch: u64, since: Option<&str>) -> Subscription {
        let (sender, receiver) = mpsc::channel(BUFFER);
        let mut inner = self.lock();
        let position = inner.position();
        let mut first = since.map(|since| inner.missed(worker, since)).unwrap_or_default();
        if inner.newer_page_connected(worker, epoch) {
            first.push(Numbered { id: position, push: Push::Superseded });
        }
        inner.supersede(worker, epoch);
        inner.channels.entry(worker.clone()).or_default().push(Channel { epoch, sender });
        Subscription { first, position, receiver }
    }

    /// Tells all pages of a worker. None may be there.
    pub fn publish(&self, worker: &WorkerSid, push: &Push) {
        let mut inner = self.lock();
        inner.last += 1;
        if inner.kept.len() == KEPT {
            inner.kept.pop_front();
        }
        let id = inner.position();
        inner.kept.push_back((id.number, worker.clone(), push.clone()));
        inner.tell(worker, &Numbered { id, push: push.clone() }, |_| true);
    }

    /// A page has shown itself: the older ones are told that it acts.
    pub fn supersede(&self, worker: &WorkerSid, epoch: u64) {
        self.lock().supersede(worker, epoch);
    }

    /// Is a page of this worker connected that is older than `epoch`?
    pub fn older_page_connected(&self, worker: &WorkerSid, epoch: u64) -> bool {
        self.lock().open(worker).any(|other| other != 0 && other < epoch)
    }

    /// Is a page of this worker connected that is newer than `epoch`?
    pub fn newer_page_connected(&self, worker: &WorkerSid, epoch: u64) -> bool {
        self.lock().newer_page_connected(worker, epoch)
    }

    /// So many desktops listen.
    pub fn sessions(&self) -> usize {
        let channels = &self.lock().channels;
        channels.values().flatten().filter(|channel| !channel.sender.is_closed()).count()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that could panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn position(&self) -> PushId {
        PushId { instance: self.instance, number: self.last }
    }

    /// What was said after `since`; if that is not known any more, that the page is to ask.
    fn missed(&self, worker: &WorkerSid, since: &str) -> Vec<Numbered> {
        let since = since.split_once('-').and_then(|(instance, number)| {
            let (instance, number): (u64, u64) = (instance.parse().ok()?, number.parse().ok()?);
            (instance == self.instance && number <= self.last).then_some(number)
        });
        let oldest = self.kept.front().map_or(self.last, |(number, ..)| number - 1);
        match since.filter(|since| *since >= oldest) {
            Some(since) => {
                let later = self.kept.iter().filter(|(number, to, _)| *number > since && to == worker);
                let numbered = |&(number, _, ref push): &(u64, WorkerSid, Push)| {
                    let id = PushId { instance: self.instance, number };
                    Numbered { id, push: push.clone() }
                };
                later.map(numbered).collect()
            }
            None => vec![Numbered { id: self.position(), push: Push::Ask }],
        }
    }

    /// Epochs of the pages that are connected.
    fn open(&self, worker: &WorkerSid) -> impl Iterator<Item = u64> {
        let of_worker = self.channels.get(worker).into_iter().flatten();
        of_worker.filter(|channel| !channel.sender.is_closed()).map(|channel| channel.epoch)
    }

    fn newer_page_connected(&self, worker: &WorkerSid, epoch: u64) -> bool {
        epoch != 0 && self.open(worker).any(|other| other > epoch)
    }

    fn supersede(&mut self, worker: &WorkerSid, epoch: u64) {
        let said = Numbered { id: self.position(), push: Push::Superseded };
        self.tell(worker, &said, |other| other != 0 && other < epoch);
    }

    fn tell(&mut self, worker: &WorkerSid, said: &Numbered, whom: impl Fn(u64) -> bool) {
        if let Some(of_worker) = self.channels.get_mut(worker) {
            of_worker.retain(|channel| match whom(channel.epoch) {
                true => channel.sender.try_send(said.clone()).is_ok(),
                false => !channel.sender.is_closed(),
            });
            if of_worker.is_empty() {
                self.channels.remove(worker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_protocol::api::{RecoveryView, Stage};
    use rejoin_protocol::{RecoveryId, ReservationSid, TaskSid};

    fn push(number: u128) -> Push {
        Push::Recovery {
            recovery: RecoveryView {
                id: RecoveryId::numbered(number),
                task: TaskSid::numbered(1),
                reservation: ReservationSid::numbered(1),
                stage: Stage::Queued,
                remaining_ms: None,
                too_often: false,
            },
        }
    }

    fn said(subscription: &mut Subscription) -> Vec<Push> {
        std::iter::from_fn(|| subscription.receiver.try_recv().ok()).map(|numbered| numbered.push).collect()
    }

    fn first(subscription: &Subscription) -> Vec<Push> {
        subscription.first.iter().map(|numbered| numbered.push.clone()).collect()
    }

    fn people() -> (Pushes, WorkerSid, WorkerSid) {
        (Pushes::new(7), WorkerSid::numbered(1), WorkerSid::numbered(2))
    }

    #[test]
    fn every_page_of_the_worker_hears_it_and_nobody_else() {
        let (pushes, ada, bo) = people();
        let (mut one, mut two) = (pushes.subscribe(&ada, 0, None), pushes.subscribe(&ada, 0, None));
        let mut other = pushes.subscribe(&bo, 1, None);
        pushes.publish(&ada, &push(1));
        assert_eq!((said(&mut one), said(&mut two)), (vec![push(1)], vec![push(1)]));
        assert_eq!(said(&mut other), []);
    }

    #[test]
    fn an_older_page_counts_as_long_as_it_is_connected() {
        let (pushes, ada, bo) = people();
        let old = pushes.subscribe(&ada, 5, None);
        assert!(pushes.older_page_connected(&ada, 6));
        assert!(!pushes.older_page_connected(&ada, 5), "itself");
        assert!(!pushes.older_page_connected(&bo, 6));
        drop(old);
        assert!(!pushes.older_page_connected(&ada, 6));
    }

    #[test]
    fn the_newest_page_acts_and_the_others_are_told() {
        let (pushes, ada, bo) = people();
        let mut old = pushes.subscribe(&ada, 5, None);
        let mut silent = pushes.subscribe(&ada, 0, None);
        let mut of_bo = pushes.subscribe(&bo, 1, None);
        let mut new = pushes.subscribe(&ada, 6, None);
        assert_eq!(said(&mut old), [Push::Superseded]);
        assert_eq!((said(&mut new), said(&mut silent), said(&mut of_bo)), (vec![], vec![], vec![]));
        assert!(pushes.newer_page_connected(&ada, 5) && !pushes.newer_page_connected(&ada, 6));
        assert!(!pushes.newer_page_connected(&bo, 1) && !pushes.newer_page_connected(&ada, 0));
        assert_eq!(first(&pushes.subscribe(&ada, 4, None)), [Push::Superseded], "one that comes late, too");
        pushes.supersede(&ada, 6);
        assert_eq!((said(&mut old), said(&mut new)), (vec![Push::Superseded], vec![]));
        drop(new);
        assert!(!pushes.newer_page_connected(&ada, 5));
        assert_eq!(first(&pushes.subscribe(&ada, 5, None)), []);
    }

    #[test]
    fn a_page_that_comes_back_is_told_what_it_missed() {
        let (pushes, ada, bo) = people();
        let begin = pushes.subscribe(&ada, 1, None).position.to_string();
        for (number, worker) in [(1, &ada), (2, &bo), (3, &ada)] {
            pushes.publish(worker, &push(number));
        }
        let all = pushes.subscribe(&ada, 1, Some(&begin));
        assert_eq!(first(&all), [push(1), push(3)]);
        let rest = pushes.subscribe(&ada, 1, Some(&all.first[0].id.to_string()));
        assert_eq!(first(&rest), [push(3)]);
        assert_eq!(first(&pushes.subscribe(&ada, 1, Some(&rest.position.to_string()))), []);
    }

    #[test]
    fn what_is_not_known_any_more_is_to_be_asked_for() {
        let (pushes, ada, bo) = people();
        let begin = pushes.subscribe(&ada, 1, None).position.to_string();
        assert_eq!(begin, "7-0");
        for id in ["6-0", "7-1", "7", "", "x-0", "7--1", "7-0-0"] {
            assert_eq!(first(&pushes.subscribe(&ada, 1, Some(id))), [Push::Ask], "{id:?}");
        }
        for _ in 0..KEPT {
            pushes.publish(&bo, &push(1));
        }
        assert_eq!(first(&pushes.subscribe(&ada, 1, Some(&begin))), []);
        pushes.publish(&bo, &push(1));
        assert_eq!(first(&pushes.subscribe(&ada, 1, Some(&begin))), [Push::Ask]);
        assert_eq!(first(&pushes.subscribe(&ada, 1, Some("7-1"))), []);
    }

    #[test]
    fn a_page_that_does_not_listen_is_dropped() {
        let (pushes, ada, _) = people();
        let mut deaf = pushes.subscribe(&ada, 1, None);
        for _ in 0..=BUFFER {
            pushes.publish(&ada, &push(1));
        }
        for _ in 0..BUFFER {
            assert!(deaf.receiver.try_recv().is_ok());
        }
        assert_eq!(deaf.receiver.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
