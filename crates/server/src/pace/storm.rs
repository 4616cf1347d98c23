//! Many agents lost at once: an office without network, an outage at Twilio, or a defect that makes it look so.
//!
//! Each server counts what it hears of itself, and of several each takes its share of these numbers for all.
//!
//! From [`Pacing::storm_at`] losses within [`WITHIN`] on it is a storm: operators are told, and announcements come before
//! everything else. From [`Pacing::failsafe_at`] losses in one storm on the failsafe stands: pings and requeues for any agent
//! are kept back, because a queue that thousands enter at once has no agents and refuses most of them (Twilio's default is
//! 100 waiting calls per workflow), and because thousands of lost agents may be a mistake of ours. Lines are kept, customers
//! told, and whoever is back gets the own customer, all the same. It ends when an operator says so, or by itself a while after
//! the last losses.

use super::settings::Pacing;
use rejoin_protocol::{Millis, RecoveryId};
use std::collections::{BTreeMap, VecDeque};

/// Losses within this time are counted together.
pub(super) const WITHIN: Millis = Millis::seconds(10);

/// What operators should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A storm has begun.
    Storm {
        /// So many agents were lost by now.
        lost: usize,
    },
    /// The failsafe stands.
    Failsafe {
        /// So many agents were lost by now.
        lost: usize,
    },
    /// What the failsafe kept back goes out.
    FailsafeOver {
        /// Did an operator say so?
        by_operator: bool,
    },
    /// The storm is over, and every customer was told.
    Over {
        /// So many agents were lost in it.
        lost: usize,
        /// How long it took.
        lasted: Millis,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Storm {
    /// Of all servers together.
    at: usize,
    failsafe_at: usize,
    /// So many servers are told of losses, each of its part.
    servers: usize,
    failsafe_for: Millis,
    /// Lost lately, or since the storm began: by recovery, and when that was noticed.
    known: BTreeMap<RecoveryId, Millis>,
    order: VecDeque<(Millis, RecoveryId)>,
    /// How many of the storm's have left the window.
    before: usize,
    began: Option<Millis>,
    failsafe: Failsafe,
    /// When it last stormed.
    last: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failsafe {
    Open,
    Stands,
    /// An operator has said "go on", which is not told yet.
    Confirmed,
    /// For the rest of this storm.
    Over,
}

impl Storm {
    pub(super) fn new(settings: &Pacing) -> Self {
        let never_at_zero = |at: usize| if at == 0 { usize::MAX } else { at };
        Self {
            at: never_at_zero(settings.storm_at),
            failsafe_at: never_at_zero(settings.failsafe_at),
            servers: 1,
            failsafe_for: settings.failsafe_for(),
            known: BTreeMap::new(),
            order: VecDeque::new(),
            before: 0,
            began: None,
            failsafe: Failsafe::Open,
            last: Millis(0),
        }
    }

    pub(super) fn lost(&mut self, now: Millis, recovery: RecoveryId) {
        if !self.known.contains_key(&recovery) {
            self.known.insert(recovery.clone(), now);
            self.order.push_back((now, recovery));
        }
    }

    pub(super) fn share(&mut self, servers: u64) {
        self.servers = usize::try_from(servers).unwrap_or(usize::MAX);
    }

    pub(super) fn go_on(&mut self) {
        if self.failsafe == Failsafe::Stands {
            self.failsafe = Failsafe::Confirmed;
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.began.is_some()
    }

    pub(super) fn holds_back(&self) -> bool {
        self.failsafe == Failsafe::Stands
    }

    /// Lost within the last [`WITHIN`], or in this storm.
    pub(super) fn count(&self, now: Millis) -> usize {
        match self.began {
            Some(_) => self.before + self.order.len(),
            None => self.order.iter().filter(|(at, _)| at.until(now) < WITHIN).count(),
        }
    }

    /// When it should be looked again (point in time).
    pub(super) fn next(&self, now: Millis) -> Option<Millis> {
        self.began.map(|_| now + Millis::seconds(1))
    }

    /// Has it begun, or ended? `urgent`: does a customer still wait to be told?
    pub(super) fn look(&mut self, now: Millis, urgent: bool) -> Vec<News> {
        while let Some((at, recovery)) = self.order.front()
            && at.until(now) >= WITHIN
        {
            self.known.remove(recovery);
            self.order.pop_front();
            self.before += usize::from(self.began.is_some());
        }
        let mut news = vec![];
        let storming = self.order.len() >= self.at.div_ceil(self.servers);
        if storming {
            self.last = now;
        }
        if storming && self.began.is_none() {
            self.began = Some(now);
            self.before = 0;
            news.push(News::Storm { lost: self.count(now) });
        }
        let Some(began) = self.began else { return news };
        if self.failsafe == Failsafe::Open && self.count(now) >= self.failsafe_at.div_ceil(self.servers) {
            self.failsafe = Failsafe::Stands;
            news.push(News::Failsafe { lost: self.count(now) });
        }
        let by_operator = self.failsafe == Failsafe::Confirmed;
        let by_itself = self.failsafe == Failsafe::Stands && self.last.until(now) >= self.failsafe_for;
        if by_operator || by_itself {
            self.failsafe = Failsafe::Over;
            news.push(News::FailsafeOver { by_operator });
        }
        if !storming && !urgent && self.failsafe != Failsafe::Stands {
            news.push(News::Over { lost: self.count(now), lasted: began.until(now) });
            self.began = None;
            self.before = 0;
            self.failsafe = Failsafe::Open;
        }
        news
    }
}
