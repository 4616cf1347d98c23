//! This server's clock compared with the database's. Timers are points in time by the servers' clocks, and leases by
//! the database's: if they differ, a server acts too soon or too late, and another one may consider it gone.

use crate::figures;
use rejoin_protocol::Millis;
use std::time::Duration;
use tokio::time::Instant;

/// A larger skew is reported to operators (milliseconds).
pub const ALARM: u64 = 200;
/// With a larger skew a server is not ready (milliseconds).
pub const NOT_READY: u64 = 1000;

/// Lower bound of how far the database's clock is ahead of ours (milliseconds); negative: behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew(pub i64);

impl Skew {
    /// The skew from a request: when it was sent and answered by our clock, and the database's time in between. A
    /// difference that the round trip can explain is not counted.
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

    /// True when operators should know of it.
    pub fn alarms(self) -> bool {
        self.0.unsigned_abs() > ALARM
    }

    /// True when the server can work with it.
    pub fn is_bearable(self) -> bool {
        self.0.unsigned_abs() <= NOT_READY
    }
}

/// Reports a skew to operators, and again each minute while it lasts.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Instant>);

/// Interval of the reports.
const AGAIN: Duration = Duration::from_secs(60);

impl Alarm {
    /// Handles the last measurement.
    pub(crate) fn look(&mut self, skew: Option<Skew>) {
        let Some(skew) = skew else { return };
        #[allow(clippy::cast_precision_loss)] // Nothing here comes near 2^52.
        metrics::gauge!(figures::CLOCK_SKEW).set(skew.0 as f64 / 1000.0);
        match (skew.alarms(), self.0) {
            (true, Some(told)) if told.elapsed() < AGAIN => {}
            (true, _) => {
                tracing::warn!(
                    ahead_ms = skew.0,
                    "the database's clock differs from this server's: timers of calls that several servers handle fire too early or too late; check NTP on both machines"
                );
                self.0 = Some(Instant::now());
            }
            (false, Some(_)) => {
                tracing::info!(ahead_ms = skew.0, "the database's clock agrees with this server's again");
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
    fn the_round_trip_does_not_count_as_skew() {
        let skew = |asked, theirs, answered| Skew::between(Millis(asked), Millis(theirs), Millis(answered)).0;
        assert_eq!(skew(1000, 1000, 1000), 0);
        assert_eq!(skew(1000, 1900, 2000), 0, "a slow answer");
        assert_eq!(skew(1000, 900, 1010), -100);
        assert_eq!(skew(1000, 1260, 1010), 250);
        assert_eq!(skew(1000, 900, 800), 0, "our clock was set back meanwhile");
    }

    #[test]
    fn the_bounds_match_the_runbook() {
        assert!(!Skew(200).alarms() && Skew(-201).alarms());
        assert!(Skew(-1000).is_bearable() && !Skew(1001).is_bearable());
    }
}
