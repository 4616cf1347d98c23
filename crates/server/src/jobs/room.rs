//! Limits the number of jobs of each crowd that a server has at once: thousands of jobs that wait, or that the failsafe
//! holds back, leave room for announcements.

use super::Job;
use crate::pace::Crowd;
use rejoin_recovery::Action;
use std::sync::Arc;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The entrance of the queue.
#[derive(Clone, Debug)]
pub struct Door {
    jobs: UnboundedSender<Job>,
    rooms: Rooms,
}

/// The jobs that have a place.
#[derive(Debug)]
pub struct Inside {
    /// In the order of their commits.
    pub jobs: UnboundedReceiver<Job>,
    pub(crate) rooms: Rooms,
}

/// One semaphore for each crowd.
#[derive(Clone, Debug)]
pub(crate) struct Rooms([Arc<Semaphore>; 3]);

/// A job's place, until it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Door {
    /// A queue with room for this many jobs of each crowd.
    pub fn new(each: usize) -> (Self, Inside) {
        let (sender, jobs) = mpsc::unbounded_channel();
        let rooms = Rooms(Crowd::ALL.map(|_| Arc::new(Semaphore::new(each))));
        (Self { jobs: sender, rooms: rooms.clone() }, Inside { jobs, rooms })
    }

    /// A place for a job with this action, if there is one.
    pub(crate) fn place(&self, action: &Action) -> Option<Place> {
        self.rooms.place(action).filter(|_| !self.jobs.is_closed())
    }

    /// Sends a job that has its place.
    pub(crate) fn send(&self, job: Job) {
        // If the queue has ended meanwhile, the job is in the store for others.
        let _ = self.jobs.send(job);
    }
}

impl Rooms {
    pub(crate) fn place(&self, action: &Action) -> Option<Place> {
        let permit = Arc::clone(self.of(Crowd::of(action))).try_acquire_owned().ok()?;
        Some(Place { _permit: Arc::new(permit) })
    }

    /// Number of free places.
    pub(crate) fn free(&self, crowd: Crowd) -> usize {
        self.of(crowd).available_permits()
    }

    fn of(&self, crowd: Crowd) -> &Arc<Semaphore> {
        let [urgent, kept_back, others] = &self.0;
        match crowd {
            Crowd::Urgent => urgent,
            Crowd::KeptBack => kept_back,
            Crowd::Others => others,
        }
    }
}
