//! A clock that continues smoothly when the wall clock is set. All waits of a recovery are points in time: a clock
//! that jumps by minutes would end all of them at once (a call that has just ended would be forgotten while Twilio
//! still asks about it), or none.
//!
//! Time passes by a monotonic clock, starting from the wall clock's time when the server was started. A wall clock
//! that differs for [`SETTLED_AFTER`] is trusted: it was wrong at the start, and has been corrected.

use std::sync::{Mutex, PoisonError};

/// A difference up to this comes from measuring and slewing, and is followed at once. In milliseconds.
const TOLERATED: i64 = 50;
/// A difference that is stable for this long is not a mistake that is being corrected. In milliseconds.
pub(super) const SETTLED_AFTER: u64 = 120_000;

/// How far the wall clock is ahead of the monotonic one.
#[derive(Debug)]
pub(super) struct Steady(Mutex<Option<Ahead>>);

#[derive(Clone, Copy, Debug)]
struct Ahead {
    /// The value in use, in milliseconds.
    by: i64,
    /// A differing value of the wall clock, and since when by the monotonic clock.
    otherwise: Option<(i64, u64)>,
}

impl Steady {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The current time, from the readings of both clocks, in milliseconds.
    pub(super) fn now(&self, unset: u64, wall: u64) -> u64 {
        let ahead = i64::try_from(i128::from(wall) - i128::from(unset)).unwrap_or_default();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get_or_insert(Ahead { by: ahead, otherwise: None });
        known.otherwise = match known.otherwise {
            _ if near(ahead, known.by) => {
                known.by = ahead;
                None
            }
            Some((said, since)) if near(ahead, said) => {
                let is_settled = unset >= since + SETTLED_AFTER;
                if is_settled {
                    known.by = ahead;
                }
                (!is_settled).then_some((ahead, since))
            }
            Some(_) | None => Some((ahead, unset)),
        };
        unset.saturating_add_signed(known.by)
    }
}

fn near(one: i64, other: i64) -> bool {
    one.abs_diff(other) <= TOLERATED.unsigned_abs()
}

/// This machine's monotonic clock, in milliseconds. It includes time in which the machine is suspended. `None`: there
/// is none.
#[cfg(target_os = "linux")]
pub(super) fn unset() -> Option<u64> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).ok()?, u64::try_from(now.tv_nsec).ok()?);
    Some(seconds * 1_000 + nanos / 1_000_000)
}

/// Elsewhere a monotonic clock that includes suspended time is not available.
#[cfg(not(target_os = "linux"))]
pub(super) fn unset() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_000_000;
    const HOUR: u64 = 3_600_000;

    #[test]
    fn a_clock_that_is_set_and_corrected_changes_nothing() {
        for wrong in [START + HOUR, START - 900_000, START + 200] {
            let steady = Steady::new();
            assert_eq!(steady.now(0, START), START);
            for second in 1..=119 {
                let at = second * 1_000;
                assert_eq!(steady.now(at, wrong + at), START + at, "{second} s after it was set");
            }
            assert_eq!(steady.now(119_500, START + 119_500), START + 119_500);
            // Wrong again: the wait starts again from here.
            assert_eq!(steady.now(130_000, wrong + 130_000), START + 130_000);
            assert_eq!(steady.now(245_000, wrong + 245_000), START + 245_000);
        }
    }

    #[test]
    fn a_clock_that_stays_as_it_was_set_is_trusted() {
        let steady = Steady::new();
        assert_eq!(steady.now(0, START), START);
        let right = START + HOUR;
        assert_eq!(steady.now(1_000, right + 1_000), START + 1_000);
        let settled = 1_000 + SETTLED_AFTER;
        assert_eq!(steady.now(settled, right + settled), right + settled);
        assert_eq!(steady.now(settled + 1, right + settled + 1), right + settled + 1);
    }

    #[test]
    fn a_clock_that_is_slewed_is_followed() {
        let steady = Steady::new();
        assert_eq!(steady.now(0, START), START);
        for step in 1..=1_000 {
            let (unset, wall) = (step * 1_000, START + step * 1_010);
            assert_eq!(steady.now(unset, wall), wall, "ten milliseconds in a second");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_a_monotonic_clock() {
        assert!(unset().is_some_and(|first| unset() >= Some(first)));
    }
}
