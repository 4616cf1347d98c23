//! The network: how long a message takes, and whether it arrives.

use crate::chance::Chance;
use crate::plan::FaultKind;
use crate::timeline::{Kind, Lane};
use crate::world::World;

/// Kinds of messages. Messages of one lane are numbered, and the number decides their fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Webhook = 10,
    Document,
    Rest,
    Stream,
    Bridge,
    Post,
    Push,
    Phone,
    Person,
    Presence,
    Listen,
    /// Picks the server that a request reaches.
    In,
    /// Another attempt of a webhook or a fetch.
    Retry,
}

impl World {
    /// The random numbers for the next message of this kind; `who` separates lanes of one kind.
    pub(crate) fn chance(&mut self, way: Way, who: usize) -> Chance {
        let lane = (way as u64) << 32 | who as u64;
        let number = self.sent.entry(lane).or_default();
        *number += 1;
        Chance::of(self.plan.seed, lane, *number)
    }

    /// Latency of a message in one direction (milliseconds): mostly short, sometimes much longer.
    pub(crate) fn latency(chance: &mut Chance) -> u64 {
        if chance.happens(20) { chance.between(60, 400) } else { chance.between(4, 40) }
    }

    /// True when this fault strikes now.
    pub(crate) fn goes_wrong(&mut self, chance: &mut Chance, kind: FaultKind) -> bool {
        if self.now >= self.plan.until {
            return false;
        }
        let now = self.now;
        let active =
            self.plan.faults.iter().filter(|fault| fault.kind == kind && fault.from <= now && now < fault.to);
        let rate = active.map(|fault| fault.rate).max().unwrap_or_default();
        let wrong = rate > 0 && chance.happens(rate);
        if wrong {
            self.coverage.fault(kind);
            self.last_fault = now;
        }
        wrong
    }

    /// Writes an entry to the timeline, if one is recorded.
    pub(crate) fn note(&mut self, from: Lane, to: Option<Lane>, kind: Kind, text: impl FnOnce() -> String) {
        self.message_noted((from, to), kind, false, text);
    }

    /// Writes an entry about a message, which may be lost.
    pub(crate) fn message_noted(
        &mut self,
        (from, to): (Lane, Option<Lane>),
        kind: Kind,
        lost: bool,
        text: impl FnOnce() -> String,
    ) {
        if self.timeline.is_none() {
            return;
        }
        let text = self.named(&text());
        if let Some(timeline) = &mut self.timeline {
            timeline.push(crate::timeline::Entry { at: self.now, from, to, kind, text, lost });
        }
    }

    pub(crate) fn fault_noted(&mut self, what: impl FnOnce() -> String) {
        self.note(Lane::World, None, Kind::Fault, what);
    }
}
