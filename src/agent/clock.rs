//! The time of a page. Waits are counted by it, so that they end on time when the machine's clock is set back: a clock that was
//! an hour ahead until the network corrected it would otherwise make a page wait for an hour.

use rejoin_protocol::Millis;

/// Gives a page its time. It follows the machine's clock forward, also over the machine's sleep, and goes on evenly while that
/// clock is behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// How far the time is ahead of what has passed since the page began.
    ahead: u64,
}

impl Clock {
    /// A clock that has not been read yet.
    pub const fn new() -> Self {
        Self { ahead: 0 }
    }

    /// The page's time. `wall` is the machine's clock (point in time), `passed` the time since the page began, by a clock that
    /// nobody sets.
    pub fn at(&mut self, wall: Millis, passed: Millis) -> Millis {
        self.ahead = self.ahead.max(wall.0.saturating_sub(passed.0));
        Millis(self.ahead + passed.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(of: &[(u64, u64)]) -> Vec<u64> {
        let mut clock = Clock::default();
        of.iter().map(|(wall, passed)| clock.at(Millis(*wall), Millis(*passed)).0).collect()
    }

    #[test]
    fn time_goes_on_evenly_when_the_clock_is_set_back() {
        assert_eq!(
            times(&[(5_000_000, 10), (1_400_500, 510), (1_401_000, 1010)]),
            [5_000_000, 5_000_500, 5_001_000]
        );
    }

    #[test]
    fn time_follows_the_clock_forward() {
        assert_eq!(times(&[(1_000, 10), (61_500, 510), (2_000, 1010)]), [1_000, 61_500, 62_000]);
    }
}
