//! Switches: the database is another host or another timeline, an agent's page is at another server, or a caller comes back from
//! the fallback. Each is counted, logged, and kept by day for `rejoin report`.
//!
//! Nothing here waits: what is counted is written once a second ([`crate::lease`]), so that a server that is killed loses the
//! last second of it.

use crate::report::DAY;
use rejoin_protocol::Millis;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was switched, and why. Both are labels: there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// This server's connections lead to another host of the database.
    DatabaseHost,
    /// A standby of the database was promoted. Counted once for all servers.
    DatabaseTimeline,
    /// A page is at this server whose channel at another one had ended.
    ServerEnded,
    /// A page is at this server that still counts as connected to another one: that one was killed, or the network between was
    /// cut.
    ServerUnnoticed,
    /// A caller whom the fallback had kept after a call is back.
    FallbackEnded,
    /// A caller is back whom the fallback had no queue for.
    FallbackQueue,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::DatabaseHost,
        Self::DatabaseTimeline,
        Self::ServerEnded,
        Self::ServerUnnoticed,
        Self::FallbackEnded,
        Self::FallbackQueue,
    ];

    /// What was switched, and the name of the cause.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::DatabaseHost => ("database", "host"),
            Self::DatabaseTimeline => ("database", "timeline"),
            Self::ServerEnded => ("server", "ended"),
            Self::ServerUnnoticed => ("server", "unnoticed"),
            Self::FallbackEnded => ("fallback", "ended"),
            Self::FallbackQueue => ("fallback", "queue"),
        }
    }

    /// Of a request that Twilio has signed for this path and query: the fallback's redirect back counts its hops. `None`: it does not
    /// come from there.
    pub(crate) fn of_redirect(path: &str, query: &str) -> Option<Self> {
        let hop = query.split('&').find_map(|pair| pair.strip_prefix("hop="))?;
        hop.parse::<u32>().ok().filter(|hop| *hop > 0)?;
        match path.strip_prefix("/twiml/")?.split('/').next()? {
            "ended" => Some(Self::FallbackEnded),
            "fallback" => Some(Self::FallbackQueue),
            _ => None,
        }
    }
}

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Switch {
    pub(crate) cause: Cause,
    /// How long nothing served meanwhile, if that is known.
    pub(crate) took: Option<Millis>,
    /// Number of calls that it concerned, if that is known.
    pub(crate) calls: Option<u64>,
}

/// Sums of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    /// Number of those whose duration is known.
    pub(crate) timed: u64,
    pub(crate) took: Millis,
    pub(crate) calls: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.timed += other.timed;
        self.took = self.took + other.took;
        self.calls += other.calls;
    }
}

/// What has not been written yet, by day and cause.
pub(crate) type Unwritten = BTreeMap<(u64, Cause), Sum>;

/// Counts switches of one server.
#[derive(Debug, Default)]
pub(crate) struct Switches(Mutex<Unwritten>);

impl Switches {
    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, now: Millis, switch: Switch) {
        let Switch { cause, took, calls } = switch;
        let (what, why) = cause.names();
        tracing::info!(what, cause = why, took_ms = took.map(|took| took.0), calls, "switched");
        let sum = Sum {
            count: 1,
            timed: took.is_some().into(),
            took: took.unwrap_or_default(),
            calls: calls.unwrap_or(0),
        };
        self.unwritten().entry((now.0 / DAY.0, cause)).or_default().add(sum);
    }

    /// Takes what is to be written.
    pub(crate) fn take(&self) -> Unwritten {
        std::mem::take(&mut *self.unwritten())
    }

    /// It could not be written.
    pub(crate) fn put_back(&self, sums: Unwritten) {
        let mut unwritten = self.unwritten();
        for (of, sum) in sums {
            unwritten.entry(of).or_default().add(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_redirect_of_a_fallback_counts() {
        for (path, query, cause) in [
            ("/twiml/ended", "asked=0&hop=1&c=x&m=y", Some(Cause::FallbackEnded)),
            ("/twiml/fallback/RJ1", "hop=12", Some(Cause::FallbackQueue)),
            ("/twiml/ended", "asked=0", None),
            ("/twiml/ended", "hop=0", None),
            ("/twiml/ended", "hop=x", None),
            ("/twiml/ended", "shop=1", None),
            ("/twiml/comfort", "hop=1", None),
            ("/webhooks/conference", "hop=1", None),
        ] {
            assert_eq!(Cause::of_redirect(path, query), cause, "{path}?{query}");
        }
    }

    #[test]
    fn what_could_not_be_written_is_added_to_what_came_since() {
        let switches = Switches::default();
        let switch = Switch { cause: Cause::ServerEnded, took: Some(Millis(700)), calls: Some(2) };
        switches.count(Millis(5), switch);
        let taken = switches.take();
        switches.count(Millis(6), Switch { took: None, ..switch });
        switches.put_back(taken);
        let sum = Sum { count: 2, timed: 1, took: Millis(700), calls: 4 };
        assert_eq!(switches.take(), BTreeMap::from([((0, Cause::ServerEnded), sum)]));
        assert_eq!(switches.take(), BTreeMap::new());
    }
}
