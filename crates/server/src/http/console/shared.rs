//! What the console shows is read once for all who look, and only while somebody does.

use super::REQUESTS_PER_MINUTE;
use crate::clock::Skew;
use crate::console::{DatabaseSeen, Overview, Requests};
use crate::figures;
use crate::held_back::Listed;
use crate::http::App;
use crate::http::rate::Rate;
use crate::store::Seen;
use rejoin_protocol::Millis;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};
use tokio::time::Instant;

/// How often it is read at most.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// The next reading begins at the earliest after this many times the duration of the last one.
const SHARE: u32 = 10;
/// How often all calls are read for those that are held back.
const HELD_BACK_EVERY: Duration = Duration::from_secs(30);
/// Maximum number of calls with a recovery that are read.
const CALLS: usize = 500;
/// Maximum number of pages that follow.
const FOLLOWERS: usize = 64;

/// How far back failed requests are counted for "of late".
const LATELY: Millis = Millis::seconds(300);

type Slot<T> = Arc<Mutex<Option<(Instant, Duration, T)>>>;

/// What was read last.
#[derive(Debug)]
pub(crate) struct Console {
    overview: Slot<Arc<Overview>>,
    held_back: Slot<Option<Arc<Listed>>>,
    /// The counts of requests to Twilio when it was read, of late (points in time).
    counts: std::sync::Mutex<VecDeque<(Millis, Requests)>>,
    pub(super) seats: Arc<Semaphore>,
    /// Rate of requests, by session.
    pub(super) rate: Rate,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            overview: Slot::default(),
            held_back: Slot::default(),
            counts: std::sync::Mutex::default(),
            seats: Arc::new(Semaphore::new(FOLLOWERS)),
            rate: Rate::new(REQUESTS_PER_MINUTE),
        }
    }
}

impl Console {
    /// Notes these counts. Returns the requests of late, and since when.
    fn lately(&self, now: Millis, requests: Requests) -> Option<(Millis, Requests)> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        while counts.front().is_some_and(|(at, _)| at.until(now) > LATELY) {
            counts.pop_front();
        }
        let first = counts.front().copied();
        counts.push_back((now, requests));
        let (at, before) = first?;
        let (all, failed) =
            (requests.all.saturating_sub(before.all), requests.failed.saturating_sub(before.failed));
        Some((at.until(now), Requests { all, failed }))
    }

    /// What was read is old: an operator has changed something.
    pub(super) async fn forget(&self) {
        *self.overview.lock().await = None;
        *self.held_back.lock().await = None;
    }
}

/// How things stand. Who asks while it is read waits for the same answer.
pub(in crate::http) async fn overview(app: &Arc<App>) -> Arc<Overview> {
    let read = |app: Arc<App>| async move {
        let seen = app.store.seen(CALLS).await;
        if let Err(error) = &seen {
            tracing::warn!(%error, "the console could not read the database");
        }
        Arc::new(made(&app, seen.ok()))
    };
    let known = shared(app, &app.console.overview, EVERY, read).await;
    known.unwrap_or_else(|| Arc::new(made(app, None)))
}

/// All that is held back. `None`: the database did not answer in time.
pub(super) async fn held_back(app: &Arc<App>) -> Option<Arc<Listed>> {
    let read = |app: Arc<App>| async move { app.store.held_back().await.ok().map(Arc::new) };
    shared(app, &app.console.held_back, HELD_BACK_EVERY, read).await.flatten()
}

/// What is in this place, if it is not older than that, or else what `read` returns.
async fn shared<T, F>(
    app: &Arc<App>,
    slot: &Slot<T>,
    every: Duration,
    read: impl FnOnce(Arc<App>) -> F,
) -> Option<T>
where
    T: Clone + Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut last: OwnedMutexGuard<_> = Arc::clone(slot).lock_owned().await;
    if let Some((at, counts_for, known)) = &*last
        && at.elapsed() < *counts_for
    {
        return Some(known.clone());
    }
    let reading = read(Arc::clone(app));
    // In a task of its own: who closes their page ends no question to the database in the middle.
    let task = tokio::spawn(app.store.surroundings().task(async move {
        let begun = Instant::now();
        let known = reading.await;
        *last = Some((begun, every.max(begun.elapsed() * SHARE), known.clone()));
        known
    }));
    task.await.ok()
}

fn made(app: &App, seen: Option<Seen>) -> Overview {
    let (all, failed) = figures::twilio_requests();
    let (now, requests) = (app.store.now(), Requests { all, failed });
    let (held_back, jobs_unreadable) = app.store.count_held_back();
    let committed = app.store.answers().map(|(_, committed)| committed.elapsed().as_millis());
    Overview {
        at: now,
        seen,
        has_conversations: app.conversations.is_on(),
        database: DatabaseSeen {
            committed_ago: committed.map(|ago| Millis(u64::try_from(ago).unwrap_or(u64::MAX))),
            skew_ms: app.store.skew().map(|Skew(skew)| skew),
        },
        pace: app.turns.status(),
        requests,
        lately: app.console.lately(now, requests),
        pages: app.pushes.sessions(),
        held_back,
        jobs_unreadable,
    }
}
