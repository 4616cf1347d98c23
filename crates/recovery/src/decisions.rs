//! The decisions about agents' legs. A decision is not a fact: it is what the machine concluded from the facts, and keeps it
//! from acting twice.

use rejoin_protocol::{CallSid, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The decisions, by leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decisions(BTreeMap<CallSid, Decided>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Decided {
    /// The departure of the leg is decided: nothing more follows from it.
    is_settled: bool,
    removal: Removal,
    /// When the leg was gone, or dead (point in time), if the customer did not miss its agent then: a recovery was open
    /// for a colleague, every colleague on the call had a mark, or the leg was dead and still stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    covered_at: Option<Millis>,
}

/// Whether a leg is dead, and who removes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Removal {
    #[default]
    No,
    /// The agent has joined in place by another leg, and Flex is to close this one.
    ByFlex,
    /// Our removal was requested, or the leg is gone.
    Begun,
}

impl Decisions {
    fn of(&self, leg: &CallSid) -> Decided {
        self.0.get(leg).copied().unwrap_or_default()
    }

    /// True once the departure of the leg is decided.
    pub fn is_settled(&self, leg: &CallSid) -> bool {
        self.of(leg).is_settled
    }

    /// True once the leg is to go: it is orphaned, replaced by the agent's new leg, or joined after the customer was requeued. Nobody
    /// counts as on the call by it.
    pub fn is_dead(&self, leg: &CallSid) -> bool {
        self.of(leg).removal != Removal::No
    }

    /// True while Flex is to close the leg.
    pub fn is_left_to_flex(&self, leg: &CallSid) -> bool {
        self.of(leg).removal == Removal::ByFlex
    }

    /// When the leg was gone (point in time), if its agent did not count as missed then.
    pub fn covered_at(&self, leg: &CallSid) -> Option<Millis> {
        self.of(leg).covered_at
    }

    fn change(&mut self, leg: &CallSid) -> &mut Decided {
        self.0.entry(leg.clone()).or_default()
    }

    /// The departure of the leg is decided.
    pub(crate) fn settle(&mut self, leg: &CallSid) {
        self.change(leg).is_settled = true;
    }

    /// The departure of the leg is decided again, unless the leg is dead.
    pub(crate) fn reopen(&mut self, leg: &CallSid) {
        let is_dead = self.is_dead(leg);
        self.change(leg).is_settled &= is_dead;
    }

    /// Flex is to close the leg.
    pub(crate) fn leave_to_flex(&mut self, leg: &CallSid) {
        self.change(leg).removal = Removal::ByFlex;
    }

    /// The leg is removed.
    pub(crate) fn remove(&mut self, leg: &CallSid) {
        self.change(leg).removal = Removal::Begun;
    }

    /// The leg's agent did not count as missed when it was gone.
    pub(crate) fn cover(&mut self, leg: &CallSid, at: Millis) {
        self.change(leg).covered_at = Some(at);
    }

    /// The customer misses the leg's agent, who does not count as covered any more.
    pub(crate) fn miss(&mut self, leg: &CallSid) {
        self.change(leg).covered_at = None;
    }

    /// The leg turns out to be another agent's, or to have been gone before we removed it: the decisions about it are void.
    pub(crate) fn forget(&mut self, leg: &CallSid) {
        self.0.remove(leg);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_about_a_leg_says_nothing_about_another_one() {
        let (mut decisions, leg, other) = (Decisions::default(), CallSid::numbered(1), CallSid::numbered(2));
        decisions.settle(&leg);
        decisions.cover(&leg, Millis(7));
        decisions.leave_to_flex(&leg);
        assert!(decisions.is_settled(&leg) && decisions.is_dead(&leg) && decisions.is_left_to_flex(&leg));
        assert_eq!(decisions.covered_at(&leg), Some(Millis(7)));
        assert!(
            !decisions.is_settled(&other) && !decisions.is_dead(&other) && !decisions.is_left_to_flex(&other)
        );
        assert_eq!(decisions.covered_at(&other), None);
        decisions.miss(&leg);
        assert_eq!(decisions.covered_at(&leg), None, "a missed agent is not covered");
        decisions.remove(&leg);
        assert!(
            decisions.is_dead(&leg) && !decisions.is_left_to_flex(&leg),
            "nobody waits for Flex any more"
        );
    }

    #[test]
    fn a_dead_leg_is_not_decided_again_and_a_forgotten_one_is() {
        let (mut decisions, dead, alive) = (Decisions::default(), CallSid::numbered(1), CallSid::numbered(2));
        decisions.remove(&dead);
        for leg in [&dead, &alive] {
            decisions.settle(leg);
            decisions.reopen(leg);
        }
        assert!(decisions.is_settled(&dead) && !decisions.is_settled(&alive));
        decisions.forget(&dead);
        assert!(!decisions.is_settled(&dead) && !decisions.is_dead(&dead), "the leg is another agent's");
    }
}
