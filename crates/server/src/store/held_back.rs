//! Calls and jobs that this server holds back: it cannot read them, or an operator has to check them first.
//!
//! Whether a call is held back is determined each time that it is found: another build may read it, and an operator
//! may release it. The memory here only prevents that their timers and jobs are taken up again and again.

use super::JobId;
pub use crate::held_back::Why;
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::{Call, Event, Format, Key, Quarantine};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Retry interval for timers and jobs of a call that is held back: it may have been released.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The same for a timer of a call that the database refused to write: at first, and at most.
const REFUSED_FIRST: Duration = Duration::from_millis(500);
const REFUSED_AT_MOST: Duration = Duration::from_secs(30);
/// Maximum number of remembered calls, and of jobs. Others are retried at once.
const REMEMBERED: usize = 16_384;

/// A call that was found, and is held back.
#[derive(Clone, Debug)]
pub struct HeldBack {
    /// The conference.
    pub conference: ConferenceSid,
    /// The keys that find it.
    pub(super) keys: BTreeSet<String>,
    /// The reason.
    pub why: Why,
    /// The call, if it can be read.
    pub(crate) call: Option<Box<Call>>,
}

impl HeldBack {
    pub(super) fn quarantined(call: Call, quarantine: Quarantine) -> Self {
        let keys = call.keys().iter().map(|key| key.as_str().to_owned()).collect();
        let (conference, why) = (call.conference.clone(), Why::Quarantined(quarantine));
        Self { conference, keys, why, call: Some(Box::new(call)) }
    }

    /// True when one of these keys names it.
    pub(super) fn has_any<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> bool {
        let is_named =
            |key: &Key| key.as_str() == self.conference.as_str() || self.keys.contains(key.as_str());
        keys.into_iter().any(is_named)
    }

    /// True when this event concerns it, and so has to wait. `calls`: the other calls that were found. A page may
    /// report several calls at once, and repeats it: for the others the event counts.
    pub(crate) fn concerns(&self, event: &Event, calls: &[Call]) -> bool {
        let keys = direct(event);
        let is_for_others = || match event {
            Event::Hello { .. } | Event::Goodbye { .. } => {
                calls.iter().any(|call| !call.keys().is_disjoint(&keys))
            }
            _ => false,
        };
        self.has_any(&keys) && !is_for_others()
    }
}

/// The keys by which an event names its calls. Others that are found with them do not depend on it: other calls of a
/// customer, or of a worker.
pub(crate) fn direct(event: &Event) -> BTreeSet<Key> {
    let mut keys = event.keys();
    keys.retain(|key| !matches!(key, Key::Worker(_)));
    if keys.iter().any(|key| matches!(key, Key::Conference(_))) {
        keys.retain(|key| matches!(key, Key::Conference(_)));
    }
    keys
}

/// Parses a stored call.
pub(super) fn read(state: &str) -> Result<Call, Why> {
    Call::read(state).map_err(|_| Format::unknown(state).map_or(Why::Unreadable, Why::AnotherVersion))
}

/// What this server holds back for now.
#[derive(Debug, Default)]
pub(super) struct SetAside {
    calls: BTreeMap<ConferenceSid, Entry>,
    /// Jobs of such calls, and until when they wait.
    jobs: BTreeMap<JobId, Instant>,
    /// Jobs that this build cannot read.
    unreadable: BTreeSet<JobId>,
}

#[derive(Debug)]
struct Entry {
    why: Why,
    until: Instant,
    pause: Duration,
}

impl SetAside {
    /// Notes which of the found calls are held back, and which are not.
    pub(super) fn found<'a>(
        &mut self,
        held_back: impl IntoIterator<Item = &'a HeldBack>,
        others: impl IntoIterator<Item = &'a ConferenceSid>,
    ) {
        for call in others {
            if self.calls.get(call).is_some_and(|entry| entry.why != Why::Refused) {
                self.calls.remove(call);
                self.jobs.clear();
                tracing::info!(conference = %call, "the call is no longer held back");
            }
        }
        for HeldBack { conference, why, .. } in held_back {
            if self.calls.get(conference).is_none_or(|entry| entry.why != *why) {
                tell(conference, why);
            }
            self.put(conference, why.clone(), AGAIN_AFTER);
        }
    }

    /// The database refused the changes of a timer of this call.
    pub(super) fn refused(&mut self, conference: &ConferenceSid) {
        let before = self.calls.get(conference).filter(|entry| entry.why == Why::Refused);
        if before.is_none() {
            tell(conference, &Why::Refused);
        }
        let pause = before.map_or(REFUSED_FIRST, |entry| (entry.pause * 2).min(REFUSED_AT_MOST));
        self.put(conference, Why::Refused, pause);
    }

    /// The changes of its timers were written.
    pub(super) fn written(&mut self, conference: &ConferenceSid) {
        if self.calls.get(conference).is_some_and(|entry| entry.why == Why::Refused) {
            self.calls.remove(conference);
        }
    }

    fn put(&mut self, conference: &ConferenceSid, why: Why, pause: Duration) {
        if self.calls.len() < REMEMBERED || self.calls.contains_key(conference) {
            self.calls.insert(conference.clone(), Entry { why, until: Instant::now() + pause, pause });
        }
    }

    /// Notes a job of a call that is held back.
    pub(super) fn job(&mut self, job: JobId) {
        let now = Instant::now();
        self.jobs.retain(|_, until| *until > now);
        if self.jobs.len() < REMEMBERED {
            self.jobs.insert(job, now + AGAIN_AFTER);
        }
    }

    /// Notes jobs that cannot be read.
    pub(super) fn unreadable(&mut self, jobs: &[JobId]) {
        for job in jobs {
            tracing::error!(
                job = job.0,
                "a stored job cannot be read, as it is of another version or damaged: it is left to a server that can; see `rejoin held-back`"
            );
            if self.unreadable.len() >= REMEMBERED {
                self.unreadable.pop_first();
            }
            self.unreadable.insert(*job);
        }
    }

    /// Calls whose timers must not be handled now.
    pub(super) fn calls_now(&self) -> Vec<ConferenceSid> {
        let now = Instant::now();
        let waits = self.calls.iter().filter(|(_, entry)| entry.until > now);
        waits.map(|(conference, _)| conference.clone()).collect()
    }

    /// Jobs that must not be taken now.
    pub(super) fn jobs_now(&self) -> Vec<JobId> {
        let now = Instant::now();
        let waits = self.jobs.iter().filter(|(_, until)| **until > now).map(|(job, _)| *job);
        waits.chain(self.unreadable.iter().copied()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Number of calls that are held back, by reason, and of jobs that cannot be read.
    pub(super) fn count(&self) -> (BTreeMap<&'static str, usize>, usize) {
        let mut calls = BTreeMap::new();
        for entry in self.calls.values() {
            *calls.entry(entry.why.name()).or_default() += 1;
        }
        (calls, self.unreadable.len())
    }
}

/// Logs a call that was not known to be held back, once.
fn tell(conference: &ConferenceSid, why: &Why) {
    match why {
        Why::AnotherVersion(format) => tracing::error!(
            %conference, format, oldest = Format::OLDEST, newest = Format::CURRENT,
            "a stored call is of a version that this build does not read: nothing is done about the call, events about it are \
             refused, and the customer stays on the line; start a server that reads that version until the call is over; see \
             `rejoin held-back`"
        ),
        Why::Unreadable => tracing::error!(
            %conference,
            "a stored call cannot be read: it is left untouched, and events about it are refused; see `rejoin held-back`"
        ),
        Why::Quarantined(Quarantine { at: Millis(at), event }) => tracing::error!(
            %conference, at, event,
            "a call is quarantined, because an event about it ended in a panic: the customer stays on the line and nothing is \
             done until `rejoin release` lets it go on"
        ),
        Why::Refused => tracing::error!(
            %conference,
            "the database refuses to write what follows from a timer of this call: it is tried again later, other calls go on"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_or_older_format_is_distinguished_from_a_malformed_call() {
        for format in [0, Format::OLDEST - 1, Format::CURRENT + 1, 99] {
            let stored = format!(r#"{{"format":{format},"conference":7}}"#);
            assert_eq!(read(&stored), Err(Why::AnotherVersion(format)));
        }
        for format in [Format::OLDEST, Format::CURRENT] {
            assert_eq!(read(&format!(r#"{{"format":{format},"conference":7}}"#)), Err(Why::Unreadable));
        }
        assert_eq!(read(r#"{"conference":7}"#), Err(Why::Unreadable));
        assert_eq!(read("not even JSON"), Err(Why::Unreadable));
    }
}
