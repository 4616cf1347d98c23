//! This server's clock against the database's. Timers are points in time by the servers' clocks, and leases by the
//! database's: where they differ, a server begins too soon or too late, and another one may think that it is gone.

use crate::figures;
use rejoin_protocol::Millis;
use std::time::Duration;
use tokio::time::Instant;

/// More than this is told to operators (milliseconds).
pub const ALARM: u64 = 200;
/// With more than this a server does not count as ready (milliseconds).
pub const NOT_READY: u64 = 1000;

/// How far the database's clock is ahead of ours, at least (milliseconds); negative: behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew(pub i64);

impl Skew {
    /// From a question: when it was asked and answered by our clock, and what time it was there in between. Of a skew that
    /// can be the time that the answer took nothing is known.
    pub fn between(asked: Millis, theirs: Millis, answered: Millis) -> Self {
        let ahead = |of: Millis| {
            i64::try_from(theirs.0).unwrap_or(i64::MAX) - i64::try_from(of.0).unwrap_or(i64::MAX)
        };
        let (first, last) = (asked.min(answered), asked.max(answered));
        Self(if theirs < first {
            ahead(first)
        } else if theirs > last {
            ahead(last)
        } else {
            0
        })
    }

    /// Is it to be told to operators?
    pub fn alarms(self) -> bool {
        self.0.unsigned_abs() > ALARM
    }

    /// Can the server work with it?
    pub fn is_bearable(self) -> bool {
        self.0.unsigned_abs() <= NOT_READY
    }
}

/// Tells operators of a skew, and again each minute as long as it lasts.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Instant>);

/// So often.
const AGAIN: Duration = Duration::from_secs(60);

impl Alarm {
    /// What was measured last.
    pub(crate) fn look(&mut self, skew: Option<Skew>) {
        let Some(skew) = skew else { return };
        #[allow(clippy::cast_precision_loss)] // Nothing here comes near 2^52.
        metrics::gauge!(figures::CLOCK_SKEW).set(skew.0 as f64 / 1000.0);
        match (skew.alarms(), self.0) {
            (true, Some(told)) if told.elapsed() < AGAIN => {}
            (true, _) => {
                tracing::warn!(
                    ahead_ms = skew.0,
                    "the database's clock is not this server's: timers go off too soon or too late for calls that several \
                     servers see to; look at NTP on both machines"
                );
                self.0 = Some(Instant::now());
            }
            (false, Some(_)) => {
                tracing::info!(ahead_ms = skew.0, "the database's clock is this server's again");
                self.0 = None;
            }
            (false, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_the_answer_took_is_no_skew() {
        let skew = |asked, theirs, answered| Skew::between(Millis(asked), Millis(theirs), Millis(answered)).0;
        assert_eq!(skew(1000, 1000, 1000), 0);
        assert_eq!(skew(1000, 1900, 2000), 0, "a slow answer");
        assert_eq!(skew(1000, 900, 1010), -100);
        assert_eq!(skew(1000, 1260, 1010), 250);
        assert_eq!(skew(1000, 900, 800), 0, "our clock was set back meanwhile");
    }

    #[test]
    fn the_bounds_are_those_of_the_runbook() {
        assert!(!Skew(200).alarms() && Skew(-201).alarms());
        assert!(Skew(-1000).is_bearable() && !Skew(1001).is_bearable());
    }
}
