//! The leases of the other servers, as this one has seen them renewed, by its own clock.
//!
//! In the database a lease ends by the database's clock. When that clock is set forward, by NTP or after its machine was
//! suspended, all leases end at once there, while the servers that have them go on: each would take the work of the
//! others, and do it a second time. So a server takes work only when the lease of its owner has ended by its own clock, too.

use super::LEASE;
use rejoin_protocol::Millis;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const LASTS: Duration = Duration::from_millis(LEASE.0);

/// What the database says of another server.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) server: String,
    /// End of its lease, by the database's clock.
    pub(super) until: Millis,
}

/// What this server has seen of the others.
#[derive(Debug, Default)]
pub(super) struct Leases {
    seen: BTreeMap<String, Seen>,
    /// When they were last asked for.
    asked: Option<Instant>,
}

#[derive(Debug)]
struct Seen {
    until: Millis,
    /// The time of its last renewal.
    renewed: Instant,
}

impl Leases {
    /// Takes in what the database says, asked at one time and answered at another. `now`: the time by the database's clock.
    /// Returns the number of the servers that run, by either clock.
    pub(super) fn see(
        &mut self,
        (asked, answered): (Instant, Instant),
        now: Millis,
        rows: impl IntoIterator<Item = Row>,
    ) -> u64 {
        let mut before = std::mem::take(&mut self.seen);
        let mut running = 0;
        for Row { server, until } in rows {
            let renewed = match before.remove(&server) {
                Some(seen) if seen.until == until => seen.renewed,
                _ => {
                    let age = Duration::from_millis(now.0.saturating_sub(until.0.saturating_sub(LEASE.0)));
                    let by_database = answered.checked_sub(age);
                    // It was renewed after it was last asked for, whatever the database's clock says.
                    by_database.max(self.asked).unwrap_or(answered)
                }
            };
            running += u64::from(until > now || answered < renewed + LASTS);
            self.seen.insert(server, Seen { until, renewed });
        }
        self.asked = Some(asked);
        running
    }

    /// The servers whose leases last at this time.
    pub(super) fn running(&self, now: Instant) -> impl Iterator<Item = &str> {
        self.seen
            .iter()
            .filter(move |(_, seen)| now < seen.renewed + LASTS)
            .map(|(server, _)| server.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds since the start, by this server's clock.
    struct Eyes(Instant, Leases);

    impl Eyes {
        fn new() -> Self {
            Self(Instant::now(), Leases::default())
        }

        /// What the database says at this time by our clock, and by its own.
        fn see(&mut self, at: u64, now: u64, rows: &[(&str, u64)]) -> u64 {
            let rows =
                rows.iter().map(|(server, until)| Row { server: (*server).into(), until: Millis(*until) });
            let at = self.at(at);
            self.1.see((at, at), Millis(now), rows)
        }

        fn at(&self, at: u64) -> Instant {
            self.0 + Duration::from_millis(at)
        }

        fn running(&self, at: u64) -> Vec<&str> {
            self.1.running(self.at(at)).collect()
        }
    }

    const NOW: u64 = 1_000_000;

    #[test]
    fn a_lease_ends_by_both_clocks_at_the_same_time_while_they_agree() {
        let mut eyes = Eyes::new();
        assert_eq!(eyes.see(10_000, NOW, &[("b", NOW + 4_000)]), 1);
        assert_eq!(eyes.running(13_999), ["b"]);
        assert_eq!(eyes.running(14_000), [""; 0]);
        assert_eq!(eyes.see(11_100, NOW + 1_100, &[("b", NOW + 5_200)]), 1);
        assert_eq!(eyes.running(15_199), ["b"]);
        assert_eq!(eyes.running(15_200), [""; 0]);
        assert_eq!(eyes.see(15_200, NOW + 5_200, &[("b", NOW + 5_200)]), 0, "it was killed");
    }

    #[test]
    fn a_clock_that_is_set_forward_ends_no_lease() {
        const SET: u64 = 3_600_000;
        let mut eyes = Eyes::new();
        eyes.see(10_000, NOW, &[("b", NOW + 4_000)]);
        // Before its next renewal.
        assert_eq!(eyes.see(10_500, NOW + SET + 500, &[("b", NOW + 4_000)]), 1);
        assert_eq!(eyes.running(13_999), ["b"]);
        // Renewed just before the clock was set: not before it was last asked for.
        assert_eq!(eyes.see(11_600, NOW + SET + 1_600, &[("b", NOW + 5_500)]), 1);
        assert_eq!(eyes.running(14_999), ["b"]);
        // Renewed by the new clock.
        assert_eq!(eyes.see(12_700, NOW + SET + 2_700, &[("b", NOW + SET + 7_000)]), 1);
        assert_eq!(eyes.running(16_999), ["b"]);
        assert_eq!(eyes.running(17_000), [""; 0]);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_lease_that_was_seen_longer_here() {
        let mut eyes = Eyes::new();
        eyes.see(10_000, NOW, &[("b", NOW + 4_000)]);
        eyes.see(11_000, NOW - 59_000, &[("b", NOW + 4_000)]);
        assert_eq!(eyes.running(14_000), [""; 0], "the database alone says that it lasts");
        eyes.see(15_000, NOW - 55_000, &[("b", NOW - 51_000)]);
        assert_eq!(eyes.running(18_999), ["b"]);
    }

    #[test]
    fn of_a_server_that_is_first_seen_only_the_database_knows() {
        let mut eyes = Eyes::new();
        assert_eq!(eyes.see(10_000, NOW, &[("killed", NOW - 1), ("runs", NOW + 1)]), 1);
        assert_eq!(eyes.running(10_000), ["runs"]);
        assert_eq!(eyes.see(11_000, NOW + 1_000, &[]), 0, "it has left");
        assert_eq!(eyes.running(11_000), [""; 0]);
    }
}
