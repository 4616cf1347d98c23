//! Legs that are removed: nobody is at them any more, or Flex has not closed them.

use super::{Call, Out};
use crate::facts::Agent;
use crate::plan::SOON;
use crate::{Action, Timer};
use rejoin_protocol::{CallSid, Millis};

/// Flex closes the old leg when the agent has joined by the new one. The callbacks of the two come within this time.
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

    /// The agent has joined in place, and nobody is at the old leg any more. Flex closes it, so that a request of ours would
    /// mostly be answered "not found". The leg is removed only if Flex has not closed it in time.
    pub(super) fn leave_leg_to_flex(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if !self.facts.roster.is_joined(leg) {
            return;
        }
        // One timer serves both: who waits for a leave that was not told has it.
        let awaits_leave = self.facts.roster.agents.iter().any(|(other, agent)| {
            agent.reported_gone.is_some()
                && !self.decisions.is_settled(other)
                && self.facts.roster.is_joined(other)
        });
        if awaits_leave {
            return self.remove_leg(out, leg);
        }
        if self.facts.roster.agents.contains_key(leg) && !self.decisions.is_dead(leg) {
            self.decisions.leave_to_flex(leg);
            self.set_timer(out, Timer::Leave, out.now + CLOSED_WITHIN);
        }
    }

    /// Legs that Flex is to close, and that are still there.
    fn unclosed_legs(&self) -> Vec<CallSid> {
        let unclosed =
            |leg: &&CallSid| self.decisions.is_left_to_flex(leg) && self.facts.roster.is_joined(leg);
        self.facts.roster.agents.keys().filter(unclosed).cloned().collect()
    }

    /// Legs that Flex was to close, whether their time is over or they are not waited for any longer.
    pub(super) fn remove_unclosed_legs(&mut self, out: &mut Out<'_>) {
        for leg in self.unclosed_legs() {
            self.remove_now(out, &leg);
        }
    }

    /// A leg has left: if Flex was to close it, it need not be waited for.
    pub(super) fn flex_has_closed(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        if self.decisions.is_left_to_flex(leg) {
            self.decisions.remove(leg);
            if self.unclosed_legs().is_empty() {
                self.clear_timer(out, Timer::Leave);
            }
        }
    }

    /// Legs that pages left behind go with the end of the recovery.
    pub(super) fn remove_left_behind(&mut self, out: &mut Out<'_>) {
        let behind =
            |(leg, agent): &(&CallSid, &Agent)| agent.left_behind && self.facts.roster.is_joined(leg);
        for leg in
            self.facts.roster.agents.iter().filter(behind).map(|(leg, _)| leg.clone()).collect::<Vec<_>>()
        {
            self.settle(&leg);
            self.remove_leg(out, &leg);
        }
    }
}
