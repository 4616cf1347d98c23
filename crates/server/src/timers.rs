//! Timers of the machine, by when they are due. The store has the same ones.

use crate::store::Change;
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::Timer;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All timers that are set.
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

    /// Waits until a timer is due; for ever when none is set.
    pub(crate) async fn due(&self, now: Millis) {
        match self.order.first() {
            Some((at, _, _)) => tokio::time::sleep(Duration::from_millis(now.until(*at).0)).await,
            None => std::future::pending().await,
        }
    }

    /// Takes the oldest one, if it is due.
    pub(crate) fn take_due(&mut self, now: Millis) -> Option<(ConferenceSid, Timer)> {
        let (_, conference, timer) = self.order.first().filter(|(at, _, _)| *at <= now)?.clone();
        self.clear(&conference, timer);
        Some((conference, timer))
    }

    /// Follows what is being committed.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::SetTimer { conference, timer, at } => self.set(conference.clone(), *timer, *at),
                Change::ClearTimer { conference, timer } => self.clear(conference, *timer),
                Change::Forget(conference) => {
                    let of = |(c, _): &&(ConferenceSid, Timer)| c == conference;
                    let timers: Vec<Timer> = self.at.keys().filter(of).map(|(_, timer)| *timer).collect();
                    for timer in timers {
                        self.clear(conference, timer);
                    }
                }
                Change::SaveCall { .. }
                | Change::AddJob { .. }
                | Change::CloseJob(_)
                | Change::AddLine { .. } => {}
            }
        }
    }

    fn set(&mut self, conference: ConferenceSid, timer: Timer, at: Millis) {
        self.clear(&conference, timer);
        self.order.insert((at, conference.clone(), timer));
        self.at.insert((conference, timer), at);
    }

    fn clear(&mut self, conference: &ConferenceSid, timer: Timer) {
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
        let set =
            |c: &ConferenceSid, timer, at| Change::SetTimer { conference: c.clone(), timer, at: Millis(at) };
        timers.apply(&[
            set(&a, Timer::Ping, 20),
            set(&b, Timer::Grace, 10),
            set(&b, Timer::Forget, 15),
            set(&a, Timer::Learn, 12),
            Change::ClearTimer { conference: a.clone(), timer: Timer::Learn },
        ]);
        assert_eq!(due(&mut timers, 9), []);
        assert_eq!(
            due(&mut timers, 20),
            [(b.clone(), Timer::Grace), (b.clone(), Timer::Forget), (a.clone(), Timer::Ping)]
        );
        assert_eq!(due(&mut timers, 100), [], "the first setting is gone");
        timers.apply(&[set(&b, Timer::Ping, 1), Change::Forget(b.clone())]);
        assert_eq!(due(&mut timers, 100), [], "forgotten with its call");
    }
}
