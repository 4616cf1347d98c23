//! Push channels of desktops.
//!
//! A push is stored in the transaction that it follows from and gets its number there, counted for each worker. A
//! page that reconnects, to any server, therefore receives what it missed; and a server that hears of a push by
//! another one reads it from the store. What it does not hear of it finds by polling the store, a few seconds later.

mod channels;
mod lost;
mod session;
mod ticket;

pub use channels::Said;
pub use session::Session;
pub(crate) use ticket::Ticket;

use crate::error::Error;
use crate::figures::SILENT_PAGES;
use crate::store::{CameFrom, Heard, Hint, Hints, LOOKS_APART, PushId, Store};
use crate::surroundings::Surroundings;
use crate::switches::{Cause, Switch};
use channels::Channels;
use rejoin_protocol::api::Push;
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_recovery::{Call, Event};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// A desktop that is behind by this many pushes is disconnected; it reconnects and receives what it missed.
const BUFFER: usize = 64;
/// Pause after the database could not be listened to.
const PAUSE: Duration = Duration::from_millis(500);
/// Within this time pages that were connected before a restart of the server are back, as they retry after half a
/// second or so, and are accepted a moment later. After a long outage they take longer.
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// How often the store is checked for pushes of other servers that were not heard of: a connection may be dead
/// without a sign.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// All open channels of this server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pushes {
    store: Store,
    /// When pages that were connected before are back.
    back_at: Instant,
    channels: Arc<Mutex<Channels>>,
    /// Notified when a channel has ended.
    ended: Arc<Notify>,
}

/// A page's channel. Dropping it closes it.
#[derive(Debug)]
pub struct Subscription {
    /// Messages that the page missed, and whether another page acts.
    pub first: Vec<Said>,
    /// The page's position after those.
    pub position: PushId,
    /// The worker's calls at that position.
    pub calls: Vec<Call>,
    /// Receives all later messages.
    pub receiver: mpsc::Receiver<Said>,
    /// While this exists the page counts as connected.
    pub presence: Presence,
    /// While this exists other servers know of the page.
    pub session: Option<Session>,
}

impl Subscription {
    /// The number that names this channel: to all servers on the same database.
    pub fn number(&self) -> i64 {
        self.session.as_ref().map_or(self.presence.channel.cast_signed(), Session::number)
    }
}

/// The presence of a page's channel.
#[derive(Debug)]
pub struct Presence {
    pushes: Pushes,
    worker: WorkerSid,
    epoch: u64,
    channel: u64,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let now = self.pushes.store.surroundings().now();
        if self.pushes.lock().ended(now, &self.worker, self.epoch, self.channel) {
            self.pushes.ended.notify_one();
        }
    }
}

impl Pushes {
    /// Channels over this store.
    pub fn new(store: Store) -> Self {
        Self { store, back_at: Instant::now() + BACK_WITHIN, channels: Arc::default(), ended: Arc::default() }
    }

    /// Opens a channel for a page at the position `since`: text of a [`PushId`], `None` for a new page. Older pages
    /// of the worker get the message that this one acts; an older channel of the same page ends.
    pub async fn subscribe(
        &self,
        worker: &WorkerSid,
        epoch: u64,
        since: Option<&str>,
    ) -> Result<Subscription, Error> {
        let (sender, receiver) = mpsc::channel(BUFFER);
        // Before the store is read: no later message is missed.
        let channel = self.lock().open(worker, epoch, sender).ok_or(Error::TooManyPages)?;
        let presence = Presence { pushes: self.clone(), worker: worker.clone(), epoch, channel };
        let (session, came_from) = Session::begin(&self.store, worker, epoch).await?.unzip();
        let Heard { position, missed, calls } = self.store.heard(worker, since).await?;
        if let Some(came_from) = came_from.flatten() {
            self.moved_here(came_from, &calls);
        }
        self.lock().opened(worker, channel, position, session.as_ref().map(Session::number));
        self.catch_up(worker, u64::MAX).await;
        let mut first: Vec<Said> = match missed {
            Some(missed) => missed.into_iter().map(Said::from).collect(),
            // The messages since then are no longer known.
            None => vec![Said { number: None, push: Push::Ask }],
        };
        if self.newer_page_connected(worker, epoch).await {
            first.push(Said { number: None, push: Push::Superseded });
        }
        self.lock().supersede(worker, epoch);
        Ok(Subscription { first, position, calls, receiver, presence, session })
    }

    /// A page was connected to another server before.
    fn moved_here(&self, came_from: CameFrom, calls: &[Call]) {
        let (cause, took) = match came_from {
            CameFrom::Unnoticed => (Cause::ServerUnnoticed, None),
            CameFrom::Ended(since) => (Cause::ServerEnded, Some(since)),
        };
        let calls = calls.iter().filter(|call| !call.closed).count() as u64;
        self.store.switched(Switch { cause, took, calls: Some(calls) });
    }

    /// Sends a push to all pages of a worker that are connected here, if any.
    pub fn publish(&self, worker: &WorkerSid, number: u64, push: &Push) {
        let behind = self.lock().tell(worker, number, push);
        if behind {
            // Another server has sent something in between.
            let (pushes, worker) = (self.clone(), worker.clone());
            let surroundings = self.store.surroundings();
            tokio::spawn(surroundings.task(async move { pushes.catch_up(&worker, number).await }));
        }
    }

    /// A page has shown itself: older pages, on all servers, get the message that it acts.
    pub async fn supersede(&self, worker: &WorkerSid, epoch: u64) {
        self.lock().supersede(worker, epoch);
        if let Err(error) = self.store.say_newer_page(worker, epoch).await {
            tracing::warn!(%error, "pages at other servers could not be notified that a newer one acts");
        }
    }

    /// True when a page of this worker that is older than `epoch` is connected to any server. Also true when that
    /// cannot be found out: that page may have the call.
    pub async fn older_page_connected(&self, worker: &WorkerSid, epoch: u64) -> bool {
        if self.lock().has_older(worker, epoch) {
            return true;
        }
        match self.store.sessions_elsewhere(worker).await {
            Ok(others) => others.into_iter().any(|other| other != 0 && other < epoch),
            Err(error) => {
                tracing::warn!(%error, "pages connected to other servers could not be read");
                true
            }
        }
    }

    /// The same, for a page that considers an older one's leg orphaned: in the first two seconds of this server it
    /// waits for pages that were connected to the server before. One of them may have the call, in another browser.
    /// If one is connected here, the page is asked to repeat its hello once it is not: it may have gone this instant.
    pub async fn older_page_back(&self, worker: &WorkerSid, epoch: u64) -> bool {
        loop {
            let older = self.lock().waits_for_older(worker, epoch);
            if older || self.older_page_connected(worker, epoch).await {
                return true;
            }
            if self.back_at <= Instant::now() {
                return false;
            }
            tokio::time::sleep_until(self.back_at).await;
        }
    }

    /// True when a page of this worker that is newer than `epoch` is connected to any server.
    pub async fn newer_page_connected(&self, worker: &WorkerSid, epoch: u64) -> bool {
        let newer = |other: u64| epoch != 0 && other > epoch;
        if self.lock().epochs(worker).any(newer) {
            return true;
        }
        let others = self.store.sessions_elsewhere(worker).await;
        others.unwrap_or_default().into_iter().any(newer)
    }

    /// True when a page of this worker is connected to any server, or has been to this one since then. The time
    /// before this server was started is unknown, and so are pages that other servers have lost.
    pub async fn was_there(&self, worker: &WorkerSid, since: Millis) -> Result<bool, Error> {
        if self.lock().was_there(worker, since) {
            return Ok(true);
        }
        Ok(!self.store.sessions_elsewhere(worker).await?.is_empty())
    }

    /// The pages that are connected to this server, with their epochs.
    pub(crate) fn pages(&self) -> Vec<(WorkerSid, u64)> {
        self.lock().pages()
    }

    /// True if a page is connected to this server.
    pub(crate) fn has_channels(&self) -> bool {
        self.lock().has_open_ones()
    }

    /// True if more pages were lost in the last seconds than crash at once: the fault is on the way to this server, or in it.
    pub(crate) fn are_many_lost(&self) -> bool {
        self.lock().are_many_lost(Instant::now())
    }

    /// Asks this page, if it is connected to this server, to repeat its hello. One that polls does so by itself.
    pub(crate) fn ask_again(&self, worker: &WorkerSid, epoch: u64) {
        self.lock().ask_again(worker, epoch);
    }

    /// True while the channel with this number is open at this server.
    pub(crate) fn is_open(&self, worker: &WorkerSid, number: i64) -> bool {
        self.lock().is_open(worker, number)
    }

    /// The page at the other end of this channel does not answer any more: the channel ends, at whichever server it is.
    pub(crate) async fn silent(&self, worker: &WorkerSid, number: i64) {
        metrics::counter!(SILENT_PAGES).increment(1);
        tracing::info!(%worker, "a page has answered no ping for a while: its push channel is ended");
        if self.lock().silent(worker, number) || !self.store.is_shared() {
            return;
        }
        if let Err(error) = self.store.say_silent_page(worker, number).await {
            tracing::warn!(%error, "the server that a silent page is connected to could not be told");
        }
    }

    /// A page has sent a request: it lives, whether or not its channel is open.
    pub(crate) fn heard(&self, worker: &WorkerSid, epoch: u64) {
        self.lock().heard(worker, epoch);
    }

    /// The time, as calls have it (point in time).
    pub(crate) fn now(&self) -> Millis {
        self.store.surroundings().now()
    }

    /// The surroundings of the store.
    pub(crate) fn surroundings(&self) -> &Surroundings {
        self.store.surroundings()
    }

    /// Number of desktops that are connected here.
    pub fn sessions(&self) -> usize {
        self.lock().open_ones()
    }

    /// Follows other servers' pushes, until the task is aborted.
    pub(crate) async fn listen(self) {
        if !self.store.is_shared() {
            return std::future::pending().await;
        }
        tokio::select! {
            biased;
            () = self.follow() => {}
            () = self.look_again() => {}
        }
    }

    /// Reports pages that were connected here and are not back on any server, a few seconds after their channel has
    /// ended, to the machine, until the task is aborted. The pages are handled one by one: if thousands are gone at
    /// once each is polled for in its turn, at the pace at which a started server polls all calls. A page that is
    /// back by then is not.
    ///
    /// `tell` hands an event to the machine. The engine is not named here: it publishes by this module.
    pub(crate) async fn watch_lost<Told>(self, tell: impl Fn(Event) -> Told)
    where
        Told: Future<Output = Result<(), Error>>,
    {
        loop {
            let (due, next) = self.lock().lost(Instant::now());
            if let Some((worker, epoch)) = due {
                self.tell_lost(&tell, worker, epoch).await;
                tokio::time::sleep(Duration::from_millis(LOOKS_APART.0)).await;
                continue;
            }
            let sleeps = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.ended.notified() => {}
                () = sleeps => {}
            }
        }
    }

    async fn tell_lost<Told>(&self, tell: &impl Fn(Event) -> Told, worker: WorkerSid, epoch: u64)
    where
        Told: Future<Output = Result<(), Error>>,
    {
        // When that cannot be found out: an unnecessary poll does no harm.
        let elsewhere = self.store.sessions_elsewhere(&worker).await.unwrap_or_default();
        if elsewhere.contains(&epoch) {
            return;
        }
        tracing::info!(%worker, epoch, "a page's push channel ended and the page has not reconnected");
        if let Err(error) = tell(Event::PushLost { worker: worker.clone(), epoch }).await {
            tracing::warn!(%error, "polls for the calls of a page that may be gone are delayed");
        }
        self.ask_newer(&worker, epoch).await;
    }

    /// Asks newer pages of the worker to repeat their hello, at whichever server they are: what they said counted for little
    /// while the lost page was connected. With one server they were asked as its channel ended ([`Self::older_page_back`]).
    async fn ask_newer(&self, worker: &WorkerSid, epoch: u64) {
        if !self.store.is_shared() {
            return;
        }
        self.lock().ask_newer(worker, epoch);
        if let Err(error) = self.store.say_lost_page(worker, epoch).await {
            tracing::warn!(%error, "pages at other servers could not be asked again after an older one was lost");
        }
    }

    /// Never ends.
    async fn follow(&self) {
        loop {
            match self.store.listen().await {
                Ok(Some(hints)) => {
                    // Messages from the time without a listener.
                    self.look().await;
                    self.hear(hints).await;
                    tracing::warn!("the notification connection to the database was lost; reconnecting");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "notifications from other servers cannot be received; retrying");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Runs until the connection is lost.
    async fn hear(&self, mut hints: Hints) {
        while let Some(hint) = hints.next().await {
            match hint {
                Hint::Said { worker, number } => self.catch_up(&worker, number).await,
                Hint::Acts { worker, epoch } => self.lock().supersede(&worker, epoch),
                Hint::Connected { worker, epoch, session } => {
                    self.lock().connected_elsewhere(&worker, epoch, session);
                }
                Hint::Lost { worker, epoch } => self.lock().ask_newer(&worker, epoch),
                Hint::Silent { worker, session } => drop(self.lock().silent(&worker, session)),
            }
        }
    }

    /// Never ends.
    async fn look_again(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look().await;
        }
    }

    /// Sends connected pages the pushes that they have not received yet.
    async fn look(&self) {
        let workers = self.lock().workers();
        if workers.is_empty() {
            return;
        }
        match self.store.instance().await {
            Ok(Some(instance)) => {
                let closed = self.lock().close_others(instance);
                if closed > 0 {
                    tracing::warn!(
                        closed,
                        "messages to pages may have been lost with a database: the pages connect again"
                    );
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "unknown whether messages to pages were lost; retrying"),
        }
        match self.store.last_pushes(&workers).await {
            Ok(last) => {
                for (worker, number) in last {
                    self.catch_up(&worker, number).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "missed notifications cannot be read; retrying");
            }
        }
    }

    /// Sends the pages of a worker the pushes that they have not received yet, at least up to this number.
    async fn catch_up(&self, worker: &WorkerSid, number: u64) {
        let Some(told) = self.lock().behind(worker, number) else { return };
        match self.store.pushes_since(worker, told).await {
            Ok(missed) => self.lock().tell_all(worker, &missed),
            Err(error) => tracing::warn!(%error, "a notification from another server cannot be read"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        // No code that could panic runs under the lock.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
