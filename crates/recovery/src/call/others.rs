//! Who else is on the call: third parties, who go where the customer goes.

use super::{Call, Out, Participant, SOON};
use crate::{Action, ConferenceEvent, ConferenceEventKind};
use rejoin_protocol::CallSid;
use std::collections::BTreeSet;

impl Call {
    /// Joined, and neither the customer nor an agent.
    pub(super) fn others(&self) -> impl Iterator<Item = (&CallSid, &Participant)> {
        self.participants.iter().filter(|(leg, p)| {
            self.is_joined(leg)
                && !p.moved
                && Some(*leg) != self.customer.as_ref()
                && !self.agents.contains_key(*leg)
        })
    }

    /// Labels are told with every event about a leg.
    pub(super) fn seen_label(&mut self, event: &ConferenceEvent) {
        let (ConferenceEventKind::Join { leg, .. }
        | ConferenceEventKind::Leave { leg, .. }
        | ConferenceEventKind::Modify { leg, .. }) = &event.kind
        else {
            return;
        };
        if event.label.is_some() {
            self.participants.entry(leg.clone()).or_default().label.clone_from(&event.label);
        }
    }

    /// Somebody in the conference of whom nothing is known and who was not there when the agent was lost: an agent's
    /// new leg, maybe.
    pub(super) fn has_stranger(&self) -> bool {
        self.others().any(|(leg, _)| !self.is_bystander(leg))
    }

    /// Was this third party there when the agent was lost?
    pub(super) fn is_bystander(&self, leg: &CallSid) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.bystanders.contains(leg))
    }

    /// The customer is in this conference now: everybody follows, with label and flags, also who comes late. Those who
    /// are on hold are to be again.
    pub(super) fn follow(&mut self, out: &mut Out<'_>) -> BTreeSet<CallSid> {
        let mut held = BTreeSet::new();
        let Some(into) = self.recovery.as_ref().and_then(|recovery| recovery.moved_to.clone()) else {
            return held;
        };
        let others: Vec<_> =
            self.others().map(|(leg, participant)| (leg.clone(), participant.clone())).collect();
        for (leg, participant) in others {
            if let Some(participant) = self.participants.get_mut(&leg) {
                participant.moved = true;
            }
            if participant.flags.hold {
                held.insert(leg.clone());
            }
            let action = Action::MoveParticipant {
                leg,
                into: into.clone(),
                // A coach was not heard by the customer, and who would be coached there is not known.
                muted: participant.flags.muted || participant.flags.coaching,
                end_on_exit: participant.flags.end_conference_on_exit,
                label: participant.label,
            };
            self.act(out, action, SOON);
        }
        held
    }

    /// These legs were on hold where they come from.
    pub(crate) fn expect_held(&mut self, out: &mut Out<'_>, held: BTreeSet<CallSid>) {
        self.to_hold.extend(held);
        self.hold_again(out);
    }

    /// Who has come and was on hold before is put on hold.
    pub(super) fn hold_again(&mut self, out: &mut Out<'_>) {
        let come: Vec<_> = self.to_hold.iter().filter(|leg| self.is_joined(leg)).cloned().collect();
        for leg in come {
            self.to_hold.remove(&leg);
            self.act(out, Action::HoldParticipant { conference: self.conference.clone(), leg }, SOON);
        }
    }
}
