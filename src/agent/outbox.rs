//! Registrations and marks for the server: kept across reloads and outages, delivered in order, each at least once
//! unless it is out of date; the server deduplicates by [`DeliveryId`].

use crate::agent::{Config, Delivery, Effect, Kept, PostId, Request, Timer};
use rejoin_protocol::api::{DeliveryId, GracefulMark, Registration};
use rejoin_protocol::{CallSid, Millis, WorkerSid};

/// Maximum number of pending requests, more than a desktop ever has; a long outage of the server must not fill the
/// browser's storage.
const MOST: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// Number of this page's last request.
    number: u32,
    /// Oldest first.
    waiting: Vec<Kept>,
    under_way: Option<(PostId, DeliveryId)>,
    /// Consecutive failures of the oldest request.
    failures: u32,
    /// True while nothing is sent before the timer is due.
    paused: bool,
}

impl Outbox {
    /// Adds a request of this page, and drops others when there are too many.
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
        // What the agent does now must not wait for the retry of something older.
        self.resume(out);
        id
    }

    /// Takes over requests of earlier pages of this worker. Those of another worker are not for this one to send.
    pub(super) fn adopt(&mut self, worker: &WorkerSid, kept: Vec<Kept>, out: &mut Vec<Effect>) {
        for kept in kept {
            if kept.worker != *worker {
                out.push(Effect::Unkeep(kept.id));
            } else if !self.waiting.iter().any(|other| other.id == kept.id) {
                // In order. The standard library's sort would be 1.5 % of the download.
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

    /// Sends the oldest request that is still wanted, unless one is in flight or has just failed. `wanted` gets its
    /// age.
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

    /// The request of this post, if it is in this outbox and in flight.
    pub(super) fn under_way(&self, post: PostId) -> Option<&Kept> {
        let (_, id) = self.under_way.filter(|(under_way, _)| *under_way == post)?;
        self.waiting.iter().find(|kept| kept.id == id)
    }

    /// The server has accepted it, or never will.
    pub(super) fn done(&mut self, id: DeliveryId, out: &mut Vec<Effect>) {
        self.under_way = None;
        self.failures = 0;
        self.drop(id, out);
    }

    /// Schedules a retry. After a 401 an early one is useless: a new token of Flex resumes it at once.
    pub(super) fn postpone(&mut self, config: &Config, now: Millis, refused: bool, out: &mut Vec<Effect>) {
        self.under_way = None;
        self.failures += 1;
        self.paused = true;
        let pause = if refused { config.longest_retry } else { config.retry_after(self.failures) };
        out.push(Effect::SetTimer { timer: Timer::Outbox, at: now + pause });
    }

    /// Allows the next attempt at once.
    pub(super) fn resume(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.paused) {
            out.push(Effect::ClearTimer { timer: Timer::Outbox });
        }
    }

    /// The server is reachable. The request in flight may have been lost before.
    pub(super) fn reached(&mut self, out: &mut Vec<Effect>) {
        self.failures = 0;
        self.resume(out);
    }

    /// The network is back: the request in flight is given up.
    pub(super) fn again(&mut self, out: &mut Vec<Effect>) {
        self.under_way = None;
        self.reached(out);
    }

    /// True when a registration of this leg has still to be sent.
    pub(super) fn will_register(&self, leg: &CallSid) -> bool {
        let under_way = self.under_way.map(|(_, id)| id);
        self.waiting.iter().filter(|kept| Some(kept.id) != under_way).any(
            |kept| matches!(&kept.delivery, Delivery::Register(registration) if registration.worker_leg == *leg),
        )
    }

    /// Marks that the server has not answered yet.
    pub(super) fn marks(&self) -> Vec<GracefulMark> {
        let marks = self.waiting.iter().filter_map(|kept| match kept.request("") {
            Request::Graceful(mark) => Some(mark),
            Request::Register(_) | Request::Hello(_) | Request::Claim(_) => None,
        });
        marks.collect()
    }

    fn drop(&mut self, id: DeliveryId, out: &mut Vec<Effect>) {
        self.waiting.retain(|kept| kept.id != id);
        out.push(Effect::Unkeep(id));
    }
}

impl Kept {
    /// The request as it is sent. The stored form contains neither its id nor the worker's name.
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
