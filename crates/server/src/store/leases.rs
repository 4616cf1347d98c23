//! The leases of the other servers, as this one has seen them renewed, by its own clock.
//!
//! In the database a lease ends by the database's clock. When that clock is set forward, by NTP or after its machine was
//! suspended, all leases end at once there, while the servers that have them go on: each would take the work of the
//! others, and do it a second time. When it is set back, the lease of a server that was killed lasts for that much longer, and
//! nobody takes its work. So what this server has seen by its own clock counts more.

use super::LEASE;
use rejoin_protocol::Millis;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const LASTS: Duration = Duration::from_millis(LEASE.0);
/// A lease that was not renewed for so long has ended, whatever the database's clock says.
const ENDED_AFTER: Duration = Duration::from_millis(2 * LEASE.0);

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
    /// Returns the number of the servers that run.
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
            let seen = Seen { until, renewed };
            running += u64::from(seen.lasts(answered).unwrap_or(until > now));
            self.seen.insert(server, seen);
        }
        self.asked = Some(asked);
        running
    }

    /// What the database cannot know: the servers whose leases last at this time, each by its name, and the leases that have
    /// ended, each as the server's name, a colon and the end that the database has.
    pub(super) fn known(&self, now: Instant) -> impl Iterator<Item = String> {
        self.seen.iter().filter_map(move |(server, seen)| match seen.lasts(now)? {
            true => Some(server.clone()),
            false => Some(format!("{server}:{}", seen.until.0)),
        })
    }

    /// True if a lease lasts, from its row in the database and the time by the database's clock and by ours.
    pub(super) fn lasts(&self, row: &Row, (by_database, now): (Millis, Instant)) -> bool {
        match self.seen.get(&row.server).map(|seen| (seen, seen.lasts(now))) {
            Some((_, Some(true))) => true,
            Some((seen, Some(false))) if seen.until == row.until => false,
            _ => row.until > by_database,
        }
    }
}

impl Seen {
    /// Whether it lasts; `None` if the database decides.
    fn lasts(&self, now: Instant) -> Option<bool> {
        match now {
            _ if now < self.renewed + LASTS => Some(true),
            _ if now < self.renewed + ENDED_AFTER => None,
            _ => Some(false),
        }
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

        fn known(&self, at: u64) -> Vec<String> {
            self.1.known(self.at(at)).collect()
        }

        /// Whether a lease lasts, at this time by our clock and the database's.
        fn lasts(&self, at: u64, now: u64, until: u64) -> bool {
            self.1.lasts(&Row { server: "b".into(), until: Millis(until) }, (Millis(now), self.at(at)))
        }
    }

    const NOW: u64 = 1_000_000;

    #[test]
    fn a_lease_ends_by_both_clocks_at_the_same_time_while_they_agree() {
        let mut eyes = Eyes::new();
        assert_eq!(eyes.see(10_000, NOW, &[("b", NOW + 4_000)]), 1);
        assert!(eyes.lasts(13_999, NOW + 3_999, NOW + 4_000));
        assert!(!eyes.lasts(14_000, NOW + 4_000, NOW + 4_000));
        assert_eq!(eyes.see(11_100, NOW + 1_100, &[("b", NOW + 5_200)]), 1);
        assert!(eyes.lasts(15_199, NOW + 5_199, NOW + 5_200));
        assert!(!eyes.lasts(15_200, NOW + 5_200, NOW + 5_200));
        assert_eq!(eyes.see(15_200, NOW + 5_200, &[("b", NOW + 5_200)]), 0, "it was killed");
    }

    #[test]
    fn a_clock_that_is_set_forward_ends_no_lease() {
        const SET: u64 = 3_600_000;
        let mut eyes = Eyes::new();
        eyes.see(10_000, NOW, &[("b", NOW + 4_000)]);
        // Before its next renewal.
        assert_eq!(eyes.see(10_500, NOW + SET + 500, &[("b", NOW + 4_000)]), 1);
        assert_eq!(eyes.known(13_999), ["b"]);
        assert!(eyes.lasts(13_999, NOW + SET + 3_999, NOW + 4_000));
        // Renewed just before the clock was set: not before it was last asked for.
        assert_eq!(eyes.see(11_600, NOW + SET + 1_600, &[("b", NOW + 5_500)]), 1);
        assert_eq!(eyes.known(14_999), ["b"]);
        // Renewed by the new clock.
        assert_eq!(eyes.see(12_700, NOW + SET + 2_700, &[("b", NOW + SET + 7_000)]), 1);
        assert_eq!(eyes.known(16_999), ["b"]);
        assert_eq!(eyes.known(17_000), [""; 0]);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_lease_of_a_server_that_was_killed() {
        const SET: u64 = 3_600_000;
        let mut eyes = Eyes::new();
        eyes.see(10_000, NOW + SET, &[("b", NOW + SET + 4_000)]);
        assert_eq!(eyes.see(11_100, NOW + 1_100, &[("b", NOW + SET + 4_000)]), 1);
        assert_eq!(eyes.known(18_499), [""; 0], "the database decides");
        assert_eq!(eyes.known(18_500), [format!("b:{}", NOW + SET + 4_000)]);
        assert!(!eyes.lasts(18_500, NOW + 8_500, NOW + SET + 4_000));
        assert!(eyes.lasts(18_500, NOW + 8_500, NOW + 13_000), "it was renewed since");
        assert_eq!(eyes.see(18_500, NOW + 8_500, &[("b", NOW + SET + 4_000)]), 0);
        assert_eq!(eyes.see(19_600, NOW + 9_600, &[("b", NOW + 14_000)]), 1, "it was suspended");
        assert_eq!(eyes.known(19_600), ["b"]);
    }

    #[test]
    fn of_a_server_that_is_first_seen_only_the_database_knows() {
        let mut eyes = Eyes::new();
        assert_eq!(eyes.see(10_000, NOW, &[("killed", NOW - 1), ("runs", NOW + 1)]), 1);
        assert_eq!(eyes.known(10_000), ["runs"]);
        assert_eq!(eyes.see(11_000, NOW + 1_000, &[]), 0, "it has left");
        assert_eq!(eyes.known(11_000), [""; 0]);
        assert!(eyes.lasts(11_000, NOW, NOW + 1) && !eyes.lasts(11_000, NOW + 1, NOW + 1));
    }
}
