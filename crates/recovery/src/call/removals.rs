//! Removal of orphaned legs, and of old legs that Flex has not closed.

use super::{Call, Out};
use crate::facts::Agent;
use crate::plan::SOON;
use crate::{Action, Timer};
use rejoin_protocol::{CallSid, Millis};

/// Flex closes the old leg when the agent has joined by the new one. The callbacks of both arrive within this time.
const CLOSED_WITHIN: Millis = Millis::seconds(3);

impl Call {
    pub(super) fn remove_leg(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.facts.roster.agents.contains_key(leg) && !self.decisions.is_dead(leg) {
            self.remove_now(out, leg);
        }
    }

    fn remove_now(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        self.decisions.remove(leg);
        self.act(out, Action::RemoveLeg { conference: self.conference.clone(), leg: leg.clone() }, SOON);
    }

    /// The agent has joined in place, and the old leg is orphaned. Flex closes it, so a request of ours would mostly be
    /// answered "not found". We remove the leg only if Flex has not closed it in time.
    pub(super) fn leave_leg_to_flex(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if !self.facts.roster.is_joined(leg) {
            return;
        }
        // One timer serves both: while an unreported leave is awaited, the timer is taken.
        let roster = &self.facts.roster;
        let awaits_leave = |(other, agent): (&CallSid, &Agent)| {
            self.diagnosis().awaits_leave_of(other, agent) && roster.is_joined(other)
        };
        if roster.agents.iter().any(awaits_leave) {
            return self.remove_leg(out, leg);
        }
        if self.facts.roster.agents.contains_key(leg) && !self.decisions.is_dead(leg) {
            self.decisions.leave_to_flex(leg);
            self.set_timer(out, Timer::Leave, out.now + CLOSED_WITHIN);
        }
    }

    /// Legs that Flex is to close, and that still stand.
    fn unclosed_legs(&self) -> Vec<CallSid> {
        let roster = &self.facts.roster;
        roster.agent_legs(|leg, _| self.decisions.is_left_to_flex(leg) && roster.is_joined(leg))
    }

    /// Removes legs that Flex was to close: their time is over, or their timer is needed.
    pub(super) fn remove_unclosed_legs(&mut self, out: &mut Out<'_>) {
        for leg in self.unclosed_legs() {
            self.remove_now(out, &leg);
        }
    }

    /// A leg has left: if Flex was to close it, the wait for it ends.
    pub(super) fn flex_has_closed(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.decisions.is_left_to_flex(leg) {
            self.decisions.remove(leg);
            if self.unclosed_legs().is_empty() {
                self.clear_timer(out, Timer::Leave);
            }
        }
    }

    /// Removes legs that pages left behind. The recovery has ended.
    pub(super) fn remove_left_behind(&mut self, out: &mut Out<'_>) {
        let roster = &self.facts.roster;
        for leg in roster.agent_legs(|leg, agent| agent.left_behind && roster.is_joined(leg)) {
            self.settle(&leg);
            self.remove_leg(out, &leg);
        }
    }
}
