//! Third parties and unidentified participants: who follows the customer, and whose registration is awaited.

use super::{Call, Out};
use crate::facts::{Observation, Participant};
use crate::plan::SOON;
use crate::{Action, ConferenceEvent, ConferenceEventKind, PollAnswer, Timer};
use rejoin_protocol::{CallSid, Millis};
use std::collections::BTreeSet;

/// How long after the wait for the agent a registration may arrive: the page repeats a request after 10 s, and the wait in
/// place is 8 s by default.
const REGISTERED_WITHIN: Millis = Millis::seconds(6);
/// The same for a leg that replaced the agent's: the agent's page closed the old leg, which it does once it has joined by
/// the new one. The page may be unable to register for a while, as when Flex's token has expired. If the agent is gone,
/// Twilio reports the leg gone.
const REPLACED_WITHIN: Millis = Millis::seconds(60);
/// How often the wait checks whether the newcomer is still there.
const STILL_THERE: Millis = Millis::seconds(2);

impl Call {
    /// Takes over the label, which every callback about a leg carries.
    pub(super) fn seen_label(&mut self, event: &ConferenceEvent) {
        let (ConferenceEventKind::Join { leg, .. }
        | ConferenceEventKind::Leave { leg, .. }
        | ConferenceEventKind::Modify { leg, .. }) = &event.kind
        else {
            return;
        };
        if let Some(label) = &event.label {
            let (sequence, label) = (event.sequence, label.clone());
            self.facts.roster.observe(leg, Observation::Labelled { sequence, label });
        }
    }

    /// True while a participant who joined after the loss has time to register: very likely the agent, or a colleague, whose
    /// registration is late. The customer is not taken from them before that.
    pub(super) fn try_wait_for_newcomer(&mut self, out: &mut Out<'_>, timer: Timer) -> bool {
        let talks =
            |(leg, p): (&CallSid, &Participant)| !self.diagnosis().is_bystander(leg) && p.flags().can_talk();
        if !self.facts.roster.is_customer_joined() || !self.diagnosis().others().any(talks) {
            return false;
        }
        if self.diagnosis().is_newest_page_gone() {
            return false; // the leg that it left is orphaned
        }
        let replaced = self.diagnosis().is_leg_replaced();
        let Some(recovery) = &mut self.recovery else { return false };
        let first = recovery.absence.spared_until.is_none();
        let within = if replaced { REPLACED_WITHIN } else { REGISTERED_WITHIN };
        let until = *recovery.absence.spared_until.get_or_insert(out.now + within);
        if until <= out.now {
            return false;
        }
        recovery.absence.deadline = until;
        self.set_timer(out, timer, until.min(out.now + STILL_THERE));
        if first {
            self.push(out);
            if replaced {
                self.poll_unless_in_flight(out); // and every few seconds, while no evidence arrives
            }
        }
        true
    }

    /// A poll shows which agent has the task: the newcomer is that agent. The page may be unable to register, because Flex
    /// misses a leg that joins while Flex reads the participants.
    pub(super) fn identify_newcomer(&mut self, seen: &PollAnswer) {
        if self.diagnosis().is_replaced()
            && let Some(met) = self.unreported_agent(&seen.accepted, &seen.participants)
        {
            self.know_holder(&met.leg, &met.holder);
        }
    }

    /// Participants who joined for a page that is gone count as bystanders for the next page.
    pub(super) fn newcomers_are_bystanders(&mut self) {
        let newcomers: Vec<_> = self.diagnosis().others().map(|(leg, _)| leg.clone()).collect();
        if let Some(recovery) = self.recovery.as_mut().filter(|recovery| recovery.is_open()) {
            recovery.absence.late_bystanders.extend(newcomers);
        }
    }

    /// These legs were on hold in the conference that they come from.
    pub(crate) fn expect_held(&mut self, out: &mut Out<'_>, held: BTreeSet<CallSid>) {
        self.inherited.to_hold.extend(held);
        self.hold_again(out);
    }

    /// Puts legs on hold that have joined and were on hold before.
    pub(super) fn hold_again(&mut self, out: &mut Out<'_>) {
        let come: Vec<_> =
            self.inherited.to_hold.iter().filter(|leg| self.facts.roster.is_joined(leg)).cloned().collect();
        for leg in come {
            self.inherited.to_hold.remove(&leg);
            self.act(out, Action::HoldParticipant { conference: self.conference.clone(), leg }, SOON);
        }
    }
}
