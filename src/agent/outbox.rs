//! Registrations and marks on their way to the server: kept across reloads and outages, delivered in order, each once.

use crate::agent::{Config, Delivery, Effect, Kept, PostId, Request, Timer};
use rejoin_protocol::api::{DeliveryId, GracefulMark, Registration};
use rejoin_protocol::{Millis, WorkerSid};

/// More than a desktop ever has under way; a server that is away for long must not fill the browser's storage.
const MOST: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// Of the last request of this page.
    number: u32,
    /// Oldest first.
    waiting: Vec<Kept>,
    under_way: Option<(PostId, DeliveryId)>,
    /// Of the oldest one, in a row.
    failures: u32,
    /// Nothing is sent before the timer is due.
    paused: bool,
}

impl Outbox {
    /// A request of this page. What may no longer wait is dropped for it.
    pub(super) fn put(
        &mut self,
        now: Millis,
        epoch: u64,
        worker: &WorkerSid,
        delivery: Delivery,
        out: &mut Vec<Effect>,
    ) -> DeliveryId {
        self.number = self.number.wrapping_add(1);
        let id = DeliveryId { epoch, number: self.number };
        let kept = Kept { id, worker: worker.clone(), made: now, delivery };
        out.push(Effect::Keep(kept.clone()));
        self.waiting.push(kept);
        if self.waiting.len() > MOST {
            let first = self.waiting[usize::from(self.under_way.is_some())].id;
            self.drop(first, out);
        }
        // What the agent does now is not to wait for the next attempt of something older.
        self.resume(out);
        id
    }

    /// What earlier pages of this worker have left. Another worker's is not for this one to send.
    pub(super) fn adopt(&mut self, worker: &WorkerSid, kept: Vec<Kept>, out: &mut Vec<Effect>) {
        for kept in kept {
            if kept.worker != *worker {
                out.push(Effect::Unkeep(kept.id));
            } else if !self.waiting.iter().any(|other| other.id == kept.id) {
                // In order. The standard library's way to sort would be 1.5 % of the download.
                let later = |other: &Kept| (other.made, other.id) > (kept.made, kept.id);
                let place = self.waiting.iter().position(later).unwrap_or(self.waiting.len());
                self.waiting.insert(place, kept);
            }
        }
        while self.waiting.len() > MOST {
            let first = self.waiting[0].id;
            self.drop(first, out);
        }
    }

    /// Sends the oldest request that is still wanted, unless one is under way or failed just now. `wanted` hears how
    /// old it is.
    pub(super) fn pump(
        &mut self,
        now: Millis,
        next: &mut u32,
        name: &str,
        wanted: impl Fn(&Kept, Millis) -> bool,
        out: &mut Vec<Effect>,
    ) {
        if self.under_way.is_some() || self.paused {
            return;
        }
        while let Some(first) = self.waiting.first() {
            let id = first.id;
            // A clock that was set back makes nothing older.
            if !wanted(first, first.made.until(now)) {
                self.drop(id, out);
                continue;
            }
            *next = next.wrapping_add(1);
            self.under_way = Some((PostId(*next), id));
            out.push(Effect::Post { id: PostId(*next), request: first.request(name) });
            return;
        }
    }

    /// The request of this post, if it is one of these and under way.
    pub(super) fn under_way(&self, post: PostId) -> Option<&Kept> {
        let (_, id) = self.under_way.filter(|(under_way, _)| *under_way == post)?;
        self.waiting.iter().find(|kept| kept.id == id)
    }

    /// The server has taken it, or never will.
    pub(super) fn done(&mut self, id: DeliveryId, out: &mut Vec<Effect>) {
        self.under_way = None;
        self.failures = 0;
        self.drop(id, out);
    }

    /// It is sent again later. A token that is refused today is refused in a second, too: Flex gets a new one.
    pub(super) fn postpone(&mut self, config: &Config, now: Millis, refused: bool, out: &mut Vec<Effect>) {
        self.under_way = None;
        self.failures += 1;
        self.paused = true;
        let pause = if refused { config.longest_retry } else { config.retry_after(self.failures) };
        out.push(Effect::SetTimer { timer: Timer::Outbox, at: now + pause });
    }

    /// The next attempt may be made at once.
    pub(super) fn resume(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.paused) {
            out.push(Effect::ClearTimer { timer: Timer::Outbox });
        }
    }

    /// The server is there. What is under way may have been lost before.
    pub(super) fn reached(&mut self, out: &mut Vec<Effect>) {
        self.failures = 0;
        self.resume(out);
    }

    /// The network is back: what is under way is not waited for any longer.
    pub(super) fn again(&mut self, out: &mut Vec<Effect>) {
        self.under_way = None;
        self.reached(out);
    }

    /// Marks that the server has not answered yet.
    pub(super) fn marks(&self) -> Vec<GracefulMark> {
        let marks = self.waiting.iter().filter_map(|kept| match kept.request("") {
            Request::Graceful(mark) => Some(mark),
            Request::Register(_) | Request::Hello(_) => None,
        });
        marks.collect()
    }

    fn drop(&mut self, id: DeliveryId, out: &mut Vec<Effect>) {
        self.waiting.retain(|kept| kept.id != id);
        out.push(Effect::Unkeep(id));
    }
}

impl Kept {
    /// As it is sent. What is stored has neither its id nor the worker's name in it.
    fn request(&self, name: &str) -> Request {
        let id = Some(self.id);
        match self.delivery.clone() {
            Delivery::Register(registration) => {
                let worker_name = name.chars().take(200).collect();
                Request::Register(Registration { id, worker_name, ..registration })
            }
            Delivery::Graceful(mark) => Request::Graceful(GracefulMark { id, ..mark }),
        }
    }
}
