//! Twilio's connection overrides: how long Twilio waits for a webhook, and how often it tries again. They stand in the
//! fragment of the webhook's address (<https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>).

use crate::Millis;

/// Overrides of addresses from which Twilio fetches a document. A caller hears nothing meanwhile, so an attempt is short.
pub const TWIML: &str = "ct=2000&rt=4000&tt=14000&rc=3&rp=all";
/// Overrides of addresses by which the fallback sends a caller back to the first server: one short attempt, because Twilio asks
/// the fallback again when it fails.
pub const BACK: &str = "ct=1000&rt=2000&tt=3000&rc=0";
/// Overrides of addresses to which Twilio reports events.
pub const CALLBACKS: &str = CALLBACKS_FRAGMENT.split_at(1).1;
/// The same as they end an address.
pub const CALLBACKS_FRAGMENT: &str = "#ct=2000&rt=5000&tt=15000&rc=5&rp=all";

/// Twilio's edges, from which a request can leave.
const EDGES: [&str; 8] =
    ["ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla"];

/// How Twilio sends a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Overrides {
    /// How long Twilio waits for a connection, `ct`: 100 to 10,000 ms.
    pub connect: Millis,
    /// How long Twilio waits for the answer to begin, and between two packets of it, `rt`: 100 to 15,000 ms.
    pub read: Millis,
    /// How long all attempts together may take, `tt`: 100 to 15,000 ms.
    pub total: Millis,
    /// How often Twilio tries again, `rc`: 0 to 5.
    pub retries: u32,
    /// The failures after which Twilio tries again, `rp`.
    pub policy: Policy,
}

/// Failures after which Twilio tries again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The answer has a status of 400 to 499.
    pub refused: bool,
    /// The answer has a status of 500 to 599.
    pub broken: bool,
    /// There was no connection.
    pub connect: bool,
    /// The answer did not come in time.
    pub read: bool,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// There was no connection in time, or it was refused.
    Connect,
    /// There was a connection, and no answer in time, or it broke.
    Read,
    /// The status of the answer, which is not 2xx.
    Status(u16),
}

impl Default for Overrides {
    /// What Twilio does without overrides.
    fn default() -> Self {
        Self {
            connect: Millis(5_000),
            read: Millis(15_000),
            total: Millis(15_000),
            retries: 1,
            policy: Policy { connect: true, ..Policy::default() },
        }
    }
}

impl Overrides {
    /// Overrides, as they stand behind the `#`. What is not named stays as it is without overrides.
    ///
    /// # Errors
    /// The first part that Twilio does not document, or whose value is out of its range.
    pub fn parse(text: &str) -> Result<Self, &str> {
        let mut overrides = Self::default();
        for part in text.split('&') {
            if !overrides.set(part) {
                return Err(part);
            }
        }
        Ok(overrides)
    }

    /// The overrides of an address, and the parts of its fragment that are none. Those are ignored.
    pub fn of(url: &str) -> (Self, Vec<&str>) {
        let mut overrides = Self::default();
        let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
        let parts = fragment.split('&').filter(|part| !part.is_empty());
        let ignored = parts.filter(|part| !overrides.set(part)).collect();
        (overrides, ignored)
    }

    /// True when Twilio tries again after this failure, if it has not done so too often.
    pub fn retries_after(&self, failed: Failed) -> bool {
        match failed {
            Failed::Connect => self.policy.connect,
            Failed::Read => self.policy.read,
            Failed::Status(400..=499) => self.policy.refused,
            Failed::Status(500..=599) => self.policy.broken,
            Failed::Status(_) => false,
        }
    }

    /// False for a part that does not exist, or whose value is out of range: it changes nothing.
    fn set(&mut self, part: &str) -> bool {
        let Some((key, value)) = part.split_once('=') else { return false };
        let within = |least, most| value.parse().ok().filter(|number| (least..=most).contains(number));
        let place = match key {
            "ct" => (&mut self.connect.0, within(100, 10_000)),
            "rt" => (&mut self.read.0, within(100, 15_000)),
            "tt" => (&mut self.total.0, within(100, 15_000)),
            "rc" => {
                let Some(retries) = within(0, 5) else { return false };
                self.retries = retries as u32;
                return true;
            }
            "rp" => {
                let Some(policy) = Policy::parse(value) else { return false };
                self.policy = policy;
                return true;
            }
            // They change from where Twilio connects, and how, but not how often.
            "e" => return value.split(',').all(|edge| EDGES.contains(&edge)),
            "sni" => return matches!(value, "y" | "n"),
            _ => return false,
        };
        match place {
            (place, Some(value)) => *place = value,
            (_, None) => return false,
        }
        true
    }
}

impl Policy {
    /// A list with commas.
    fn parse(list: &str) -> Option<Self> {
        let mut policy = Self::default();
        for kind in list.split(',') {
            match kind {
                "4xx" => policy.refused = true,
                "5xx" => policy.broken = true,
                "ct" => policy.connect = true,
                "rt" => policy.read = true,
                "all" => policy = Self { refused: true, broken: true, connect: true, read: true },
                _ => return None,
            }
        }
        Some(policy)
    }
}

/// The address with these overrides; none if they are empty.
pub fn with_overrides(url: &str, overrides: &str) -> String {
    if overrides.is_empty() { url.to_owned() } else { [url, "#", overrides].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_as_without_overrides() {
        assert_eq!(Overrides::parse("rc=0"), Ok(Overrides { retries: 0, ..Overrides::default() }));
        assert_eq!(Overrides::of("https://a/b?c"), (Overrides::default(), vec![]));
        assert_eq!(Overrides::of("https://a/b#"), (Overrides::default(), vec![]));
        let all = Policy { refused: true, broken: true, connect: true, read: true };
        let callbacks = Overrides {
            connect: Millis(2_000),
            read: Millis(5_000),
            total: Millis(15_000),
            retries: 5,
            policy: all,
        };
        assert_eq!(Overrides::parse(CALLBACKS), Ok(callbacks));
        let twiml = Overrides { read: Millis(4_000), total: Millis(14_000), retries: 3, ..callbacks };
        assert_eq!(Overrides::of(&with_overrides("https://a/b?c", TWIML)), (twiml, vec![]));
    }

    #[test]
    fn a_value_out_of_its_range_is_refused() {
        for good in
            ["ct=100", "ct=10000", "rt=15000", "tt=100", "rc=5", "rp=4xx,ct", "e=dublin,tokyo", "sni=y"]
        {
            assert!(Overrides::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "ct", "ct=", "ct=99", "ct=10001", "rt=99", "rt=15001", "tt=15001", "tt=-1", "rc=6", "rc=1.5",
            "rp=", "rp=3xx", "rp=all,", "e=", "e=mars", "sni=yes", "zz=1", " ct=100", "#ct=100",
        ] {
            assert_eq!(Overrides::parse(bad), Err(bad));
        }
        assert_eq!(Overrides::parse("rc=1&ct=1&rt=1"), Err("ct=1"), "the first one");
    }

    #[test]
    fn parts_that_are_no_overrides_are_ignored_in_an_address() {
        let (overrides, ignored) = Overrides::of("https://a/b#rc=9&rt=200&section-2");
        assert_eq!(overrides, Overrides { read: Millis(200), ..Overrides::default() });
        assert_eq!(ignored, ["rc=9", "section-2"]);
    }

    #[test]
    fn the_policy_names_the_failures_that_are_tried_again() {
        let all =
            [Failed::Connect, Failed::Read, Failed::Status(429), Failed::Status(503), Failed::Status(302)];
        let tried =
            |text: &str| all.map(|failed| Overrides::parse(text).expect("good").retries_after(failed));
        assert_eq!(tried("rc=2"), [true, false, false, false, false]);
        assert_eq!(tried("rp=rt"), [false, true, false, false, false]);
        assert_eq!(tried("rp=4xx"), [false, false, true, false, false]);
        assert_eq!(tried("rp=5xx,ct"), [true, false, false, true, false]);
        assert_eq!(tried("rp=all"), [true, true, true, true, false]);
    }
}
