//! Storms: many agents lost at once, by an office without network, an outage at Twilio, or a defect that makes it
//! look so.
//!
//! Each server counts the losses that it hears of, and of several each takes its share of these numbers.
//!
//! From [`Pacing::storm_at`] losses within [`WITHIN`] on there is a storm: operators are alerted, and announcements
//! come before everything else. From [`Pacing::failsafe_at`] losses in one storm on the failsafe is active: pings and
//! requeues for any agent are held back, because a queue that thousands enter at once has no agents and refuses most
//! of them (Twilio's default is 100 waiting calls per workflow), and because thousands of lost agents may be a
//! mistake of ours. Lines are still kept, customers still hear the announcement, and agents who are back still get
//! their own customers. It ends when an operator says so, or by itself a while after the last losses.

use super::settings::Pacing;
use rejoin_protocol::{Millis, RecoveryId};
use std::collections::{BTreeMap, VecDeque};

/// Losses within this time are counted together.
pub(super) const WITHIN: Millis = Millis::seconds(10);

/// News for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A storm has begun.
    Storm {
        /// Number of agents lost by now.
        lost: usize,
    },
    /// The failsafe is active.
    Failsafe {
        /// Number of agents lost by now.
        lost: usize,
    },
    /// Requests that the failsafe held back go out.
    FailsafeOver {
        /// True when an operator has ended it.
        by_operator: bool,
    },
    /// The storm is over, and every customer has heard the announcement.
    Over {
        /// Number of agents lost in it.
        lost: usize,
        /// How long it lasted.
        lasted: Millis,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Storm {
    /// For all servers together.
    at: usize,
    failsafe_at: usize,
    /// Number of servers that hear of losses, each of its part.
    servers: usize,
    failsafe_for: Millis,
    /// Losses of late, or since the storm began: by recovery, and when they were noticed.
    known: BTreeMap<RecoveryId, Millis>,
    order: VecDeque<(Millis, RecoveryId)>,
    /// Number of the storm's losses that have left the window.
    before: usize,
    began: Option<Millis>,
    failsafe: Failsafe,
    /// When there was last a storm.
    last: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failsafe {
    Open,
    Stands,
    /// An operator has ended it, which has not been reported yet.
    Confirmed,
    /// Ended for the rest of this storm.
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

    /// Number of losses within the last [`WITHIN`], or in this storm.
    pub(super) fn count(&self, now: Millis) -> usize {
        match self.began {
            Some(_) => self.before + self.order.len(),
            None => self.order.iter().filter(|(at, _)| at.until(now) < WITHIN).count(),
        }
    }

    /// When it must be checked next (point in time).
    pub(super) fn next(&self, now: Millis) -> Option<Millis> {
        self.began.map(|_| now + Millis::seconds(1))
    }

    /// Checks whether a storm has begun, or ended. `urgent`: a customer still waits for the announcement.
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
