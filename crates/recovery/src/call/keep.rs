//! Keeping the conference: it must not end because an agent leaves it.

use super::{Agent, Call, Out, Participant, Phase};
use crate::facts::is_transfer;
use crate::{Action, Note, Outcome};
use rejoin_protocol::{CallSid, Millis};

/// So long it is tried: where Twilio refuses everything, the call lasts as long as the agent's leg does, and no longer.
const TRIED_FOR: Millis = Millis::seconds(120);

impl Call {
    /// Flex sets `endConferenceOnExit` again whenever two are left. It has no effect while the leg is on hold.
    pub(super) fn keep_conference(&mut self, out: &mut Out<'_>) {
        if !self.facts.roster.is_customer_joined() {
            return;
        }
        // While an agent comes back in place, a leg of hers may be there that nobody has registered yet.
        let coming = self
            .recovery
            .as_ref()
            .is_some_and(|r| matches!(r.phase, Phase::Away | Phase::Rejoining | Phase::Holding))
            || self.diagnosis().has_absence();
        let wanted = |(leg, participant): &(&CallSid, &Participant)| {
            // Who hands the customer over leaves the conference to the next one.
            let ends = |agent: &Agent| {
                self.facts.marks.reason(&agent.reservation).is_some_and(|reason| !is_transfer(reason))
                    && !self.facts.marks.is_only_in_task(&agent.reservation)
            };
            let ours = match self.facts.roster.agent(*leg) {
                Some(agent) => !agent.removing && !ends(agent),
                None => coming && !self.facts.roster.is_customer(*leg) && !self.diagnosis().is_bystander(leg),
            };
            let flags = participant.flags();
            ours && flags.end_conference_on_exit
                && !flags.hold
                && !participant.keeping
                && self.facts.roster.is_reported_joined(leg)
        };
        let legs: Vec<_> =
            self.facts.roster.participants.iter().filter(wanted).map(|(leg, _)| leg.clone()).collect();
        for leg in legs {
            if let Some(participant) = self.facts.roster.participants.get_mut(&leg) {
                participant.keeping = true;
            }
            self.act(out, Action::KeepConference { conference: self.conference.clone(), leg }, TRIED_FOR);
        }
    }

    /// Somebody has set the flag on a leg of which nobody has told yet whose it is: an agent's, as it is set on no others, and
    /// she may be lost before her registration is believed.
    pub(super) fn keep_before_registered(&mut self, out: &mut Out<'_>, leg: &CallSid) {
        let nobody = self.facts.roster.agents.is_empty()
            && self.facts.marks.is_empty()
            && self.facts.marks.unattributed.is_empty();
        if !nobody
            || !self.facts.ownership.proven
            || self.facts.roster.ended
            || self.facts.roster.is_customer(leg)
        {
            return;
        }
        let joined = self.facts.roster.is_reported_joined(leg);
        let Some(there) = self.facts.roster.participants.get_mut(leg) else { return };
        let flags = there.flags();
        if joined && flags.end_conference_on_exit && !flags.hold && !there.keeping {
            there.keeping = true;
            self.act(
                out,
                Action::KeepConference { conference: self.conference.clone(), leg: leg.clone() },
                TRIED_FOR,
            );
        }
    }

    /// The flag was undone, as is told, and set again, and Twilio has not answered yet that it has undone it: it is undone once
    /// more, if it is to be.
    pub(super) fn keep_again(&mut self, leg: &CallSid) {
        if let Some(there) = self.facts.roster.participants.get_mut(leg)
            && std::mem::take(&mut there.flagged_again)
        {
            there.keeping = false;
        }
    }

    /// The flag is undone, or could not be. Whoever has set it meanwhile finds it undone once more.
    pub(super) fn kept(&mut self, out: &mut Out<'_>, leg: &CallSid, outcome: &Outcome) {
        if let Some(participant) = self.facts.roster.participants.get_mut(leg) {
            participant.keeping = false;
            let is_set_again = std::mem::take(&mut participant.flagged_again);
            self.facts.roster.exit_flag_is(leg, is_set_again);
        }
        match outcome {
            Outcome::Ok => self.note(out, Note::ExitFlagUndone),
            // Nobody tells of a flag that stays as it is.
            Outcome::Failed { .. } => self.look_soon(out),
            _ => {}
        }
    }
}
