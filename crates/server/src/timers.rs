//! Timers of a batch's calls, in the order in which they are due. The store has all timers.

use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::Timer;
use std::collections::{BTreeMap, BTreeSet};

/// The timers that are set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<(ConferenceSid, Timer), Millis>,
    order: BTreeSet<(Millis, ConferenceSid, Timer)>,
}

impl Timers {
    pub(crate) fn new(timers: impl IntoIterator<Item = (ConferenceSid, Timer, Millis)>) -> Self {
        let mut new = Self::default();
        for (conference, timer, at) in timers {
            new.set(conference, timer, at);
        }
        new
    }

    /// Takes the oldest timer that is due.
    pub(crate) fn take_due(&mut self, now: Millis) -> Option<(ConferenceSid, Timer)> {
        let (_, conference, timer) = self.order.first().filter(|(at, _, _)| *at <= now)?.clone();
        self.clear(&conference, timer);
        Some((conference, timer))
    }

    /// Clears the timers of a forgotten call.
    pub(crate) fn clear_all(&mut self, conference: &ConferenceSid) {
        let of = |(c, _): &&(ConferenceSid, Timer)| c == conference;
        let timers: Vec<Timer> = self.at.keys().filter(of).map(|(_, timer)| *timer).collect();
        for timer in timers {
            self.clear(conference, timer);
        }
    }

    pub(crate) fn set(&mut self, conference: ConferenceSid, timer: Timer, at: Millis) {
        self.clear(&conference, timer);
        self.order.insert((at, conference.clone(), timer));
        self.at.insert((conference, timer), at);
    }

    pub(crate) fn clear(&mut self, conference: &ConferenceSid, timer: Timer) {
        let key = (conference.clone(), timer);
        if let Some(at) = self.at.remove(&key) {
            self.order.remove(&(at, key.0, timer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that are due.
    fn due(timers: &mut Timers, now: u64) -> Vec<(ConferenceSid, Timer)> {
        std::iter::from_fn(|| timers.take_due(Millis(now))).collect()
    }

    #[test]
    fn the_last_setting_counts() {
        let (a, b) = (ConferenceSid::numbered(1), ConferenceSid::numbered(2));
        let mut timers = Timers::new([(a.clone(), Timer::Ping, Millis(50))]);
        timers.set(a.clone(), Timer::Ping, Millis(20));
        timers.set(b.clone(), Timer::Grace, Millis(10));
        timers.set(b.clone(), Timer::Forget, Millis(15));
        timers.set(a.clone(), Timer::LookUp, Millis(12));
        timers.clear(&a, Timer::LookUp);
        assert_eq!(due(&mut timers, 9), []);
        assert_eq!(
            due(&mut timers, 20),
            [(b.clone(), Timer::Grace), (b.clone(), Timer::Forget), (a.clone(), Timer::Ping)]
        );
        assert_eq!(due(&mut timers, 100), [], "the first setting is gone");
        timers.set(b.clone(), Timer::Ping, Millis(1));
        timers.clear_all(&b);
        assert_eq!(due(&mut timers, 100), [], "forgotten with its call");
    }
}
