//! Who else is on the call: third parties, who go where the customer goes.

use super::{Call, Out};
use crate::facts::{Observation, Participant};
use crate::plan::SOON;
use crate::{Action, ConferenceEvent, ConferenceEventKind, PollAnswer, Timer};
use rejoin_protocol::{CallSid, Millis};
use std::collections::BTreeSet;

/// So long after the wait for the agent a registration may take: the page gives up a request after 10 s and sends it again,
/// and the wait in place is 8 s by default.
const REGISTERED_WITHIN: Millis = Millis::seconds(6);
/// The same for a leg that joined instead of the agent's: the agent's page closed the old leg, which it does when it is
/// in by the new one. It may be unable to register for a while, as when Flex's token has expired. If the agent is gone,
/// Twilio reports that the leg is.
const REPLACED_WITHIN: Millis = Millis::seconds(60);
/// How often it is seen whether somebody who is waited for is still there.
const STILL_THERE: Millis = Millis::seconds(2);

impl Call {
    /// Labels are told with every event about a leg.
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

    /// Somebody is with the customer who came after the loss and has not registered: the agent, very likely, or a colleague,
    /// whose registration is late. The customer is not taken from them before the registration had its time.
    pub(super) fn waits_for_newcomer(&mut self, out: &mut Out<'_>, timer: Timer) -> bool {
        let talks =
            |(leg, p): (&CallSid, &Participant)| !self.diagnosis().is_bystander(leg) && p.flags().can_talk();
        if !self.facts.roster.is_customer_joined() || !self.diagnosis().others().any(talks) {
            return false;
        }
        if self.diagnosis().is_newest_page_gone() {
            return false; // nobody is at the leg that it left
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
                self.poll_unless_in_flight(out); // and every few seconds, while nothing is heard
            }
        }
        true
    }

    /// Twilio has said who has the task. That agent's page may be unable to register: Flex never hears of a leg that joins
    /// while Flex asks who is in the conference.
    pub(super) fn identify_newcomer(&mut self, seen: &PollAnswer) {
        if self.diagnosis().is_replaced()
            && let Some(met) = self.unreported_agent(&seen.accepted, &seen.participants)
        {
            self.know_holder(&met.leg, &met.holder);
        }
    }

    /// Who has come for a page that is gone again is not the one who is awaited for the next.
    pub(super) fn newcomers_are_bystanders(&mut self) {
        let strangers: Vec<_> = self.diagnosis().others().map(|(leg, _)| leg.clone()).collect();
        if let Some(recovery) = self.recovery.as_mut().filter(|recovery| recovery.is_open()) {
            recovery.absence.strangers.extend(strangers);
        }
    }

    /// These legs were on hold where they come from.
    pub(crate) fn expect_held(&mut self, out: &mut Out<'_>, held: BTreeSet<CallSid>) {
        self.inherited.to_hold.extend(held);
        self.hold_again(out);
    }

    /// Who has come and was on hold before is put on hold.
    pub(super) fn hold_again(&mut self, out: &mut Out<'_>) {
        let come: Vec<_> =
            self.inherited.to_hold.iter().filter(|leg| self.facts.roster.is_joined(leg)).cloned().collect();
        for leg in come {
            self.inherited.to_hold.remove(&leg);
            self.act(out, Action::HoldParticipant { conference: self.conference.clone(), leg }, SOON);
        }
    }
}
