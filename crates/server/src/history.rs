//! The history of recoveries: what is kept of each, and what the console and `rejoin report --html` show of many.
//! The plain `rejoin report` is in `report.rs`.
//!
//! The engine writes what it knows of a recovery ([`About`]) beside the line of the timeline that tells its end, in the same row and
//! statement. Everything else is done later and beside the engine: `counting` takes the lines that are not counted, makes a
//! [`Recovered`] of each, and adds it to sums by hour and day, in one transaction that also marks the line. So a line is counted once,
//! however often a server is killed and however many servers count; and what an older version has written is counted, too.

mod asked;
mod sums;

pub use asked::{Asked, DAY_HOURS, LAST, Mistake, Range, minute};
pub use sums::{Agent, BOUNDS, Cell, Histogram, Sums};

use rejoin_protocol::Millis;
use rejoin_recovery::{Absent, Call, Ending, Note};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// An hour.
pub const HOUR: Millis = Millis::seconds(3600);
/// Maximum number of versions and days that are kept until they are written.
const HELLOS: usize = 200;

/// What the engine knows at the end of a recovery. It has SIDs, and nothing personal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The agent who was lost.
    pub worker: String,
    /// The workflow of the task, if known.
    pub workflow: String,
    /// Its queue, if known.
    pub queue: String,
    /// True if the customer had another agent all the time.
    pub is_covered: bool,
    /// Why it failed, if it did.
    pub cause: String,
}

impl About {
    /// Of the recovery of this call that has ended with this note now. `None`: the note tells no end, or of no recovery that the call
    /// still knows.
    pub(crate) fn of(call: &Call, now: Millis, note: &Note) -> Option<Self> {
        let Note::Ended { outcome, after } = note else { return None };
        let lost_at = now - *after;
        let is_it = |absent: &Absent<'_>| {
            absent.absence().lost_at == lost_at
                && absent.ending().is_some_and(|ending| ending.name() == outcome.as_str())
        };
        let absent = call.absences().find(is_it)?;
        let origin = &call.facts.origin;
        let text = |sid: Option<&str>| sid.unwrap_or_default().to_owned();
        Some(Self {
            worker: absent.absence().agent.worker.as_str().to_owned(),
            workflow: text(
                origin.workflow.as_ref().or(origin.claimed_workflow.as_ref()).map(|sid| sid.as_str()),
            ),
            queue: text(origin.queue.as_ref().map(|sid| sid.as_str())),
            is_covered: matches!(absent, Absent::Covered(_)),
            cause: match absent.ending() {
                // As on the wire, in the words of labels.
                Some(Ending::Failed { reason }) => kebab(&format!("{reason:?}")),
                _ => String::new(),
            },
        })
    }
}

/// `NobodyTookIt` as `nobody-took-it`.
fn kebab(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// The last rung of the ladder that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// None: it ended before.
    None,
    /// In place.
    InPlace,
    /// A requeue for the same agent.
    SameAgent,
    /// A requeue for any agent.
    NextAgent,
    /// None, because the customer had another agent.
    Covered,
}

impl Rung {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::InPlace, Self::SameAgent, Self::NextAgent, Self::Covered];

    /// Its name in the database and in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::InPlace => "in-place",
            Self::SameAgent => "same-agent",
            Self::NextAgent => "next-agent",
            Self::Covered => "covered",
        }
    }

    /// The rung with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.name() == name)
    }
}

/// The outcomes of recoveries. The last one stands for those of another version.
pub const OUTCOMES: [&str; 7] =
    ["rejoined", "handed-over", "covered", "customer-left", "graceful", "failed", "other"];

/// What an outcome means for the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// The same agent has the customer again.
    Same,
    /// Another agent has.
    Any,
    /// No agent has.
    Lost,
    /// The customer missed nobody: the agent left on purpose, or another one was there.
    Unneeded,
}

impl Meaning {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Same, Self::Any, Self::Lost, Self::Unneeded];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same-agent",
            Self::Any => "any-agent",
            Self::Lost => "lost",
            Self::Unneeded => "not-needed",
        }
    }

    /// Of this outcome on this rung.
    pub fn of(rung: &str, outcome: &str) -> Self {
        match outcome {
            _ if rung == Rung::Covered.name() => Self::Unneeded,
            "rejoined" => Self::Same,
            "handed-over" | "covered" => Self::Any,
            "graceful" => Self::Unneeded,
            _ => Self::Lost,
        }
    }
}

/// A recovery that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// When it ended (point in time).
    pub at: Millis,
    /// Time from the loss to the end.
    pub took: Millis,
    /// Time from the loss until the customer heard something of ours; `None`: they did not, or it is not known.
    pub heard: Option<Millis>,
    /// What the engine knew.
    pub about: About,
    /// The last rung: a name of [`Rung`].
    pub rung: String,
    /// One of [`OUTCOMES`].
    pub outcome: String,
}

impl Recovered {
    /// From the line that tells its end, what the engine knew then, the other lines of that conference, and the times at which its
    /// customer was to hear something. `None`: the line cannot be read.
    pub(crate) fn of(
        at: Millis,
        note: &str,
        about: Option<&str>,
        lines: &[(Millis, Note)],
        sounds: &[Millis],
    ) -> Option<Self> {
        let Ok(Note::Ended { outcome, after }) = serde_json::from_str(note) else { return None };
        let about: About = about.and_then(|about| serde_json::from_str(about).ok()).unwrap_or_default();
        let lost_at = at - after;
        let meanwhile = || lines.iter().filter(|(when, _)| (lost_at..=at).contains(when));
        let mut rung = meanwhile().filter_map(|(_, note)| match note {
            Note::JoiningInPlace => Some(Rung::InPlace),
            Note::Requeueing { same_agent: true, .. } => Some(Rung::SameAgent),
            Note::Requeueing { same_agent: false, .. } => Some(Rung::NextAgent),
            _ => None,
        });
        let rung = match about.is_covered {
            true => Rung::Covered,
            false => rung.next_back().unwrap_or(Rung::None),
        };
        let is_sound = |note: &Note| matches!(note, Note::HoldingTheLine | Note::Queued);
        let noted = meanwhile().filter(|(_, note)| is_sound(note)).map(|(when, _)| *when);
        let heard = noted.chain(sounds.iter().copied().filter(|when| (lost_at..=at).contains(when))).min();
        let heard = heard.filter(|_| !about.is_covered);
        Some(Self {
            at,
            took: after,
            heard: heard.map(|when| lost_at.until(when)),
            rung: rung.name().to_owned(),
            outcome: OUTCOMES.into_iter().find(|known| *known == outcome).unwrap_or("other").to_owned(),
            about,
        })
    }

    /// What it means for the customer.
    pub fn meaning(&self) -> Meaning {
        Meaning::of(&self.rung, &self.outcome)
    }
}

/// Pages that were loaded, by day and version of their plugin, until they are written. What a killed server has not written is lost.
#[derive(Debug, Default)]
pub(crate) struct Hellos(Mutex<BTreeMap<(u64, String), u64>>);

impl Hellos {
    /// A page with this version said hello.
    pub(crate) fn count(&self, now: Millis, version: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (now.0 / crate::report::DAY.0, version.to_owned());
        if all.len() < HELLOS || all.contains_key(&key) {
            *all.entry(key).or_default() += 1;
        }
    }

    /// Takes what is to be written.
    pub(crate) fn take(&self) -> BTreeMap<(u64, String), u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It could not be written.
    pub(crate) fn put_back(&self, counts: BTreeMap<(u64, String), u64>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (of, count) in counts {
            *all.entry(of).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests;
