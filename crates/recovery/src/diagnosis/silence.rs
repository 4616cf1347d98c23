//! The agent of a silent page: whether only the page's silence could say that they are gone.

use super::Diagnosis;
use crate::silence::Silence;
use rejoin_protocol::CallSid;

impl<'a> Diagnosis<'a> {
    /// The leg whose page is silent.
    pub(crate) fn silent_leg(self) -> Option<&'a CallSid> {
        match self.silence {
            Some(Silence::Silent { leg, .. }) => Some(leg),
            Some(Silence::Asked { .. }) | None => None,
        }
    }

    /// True if only the page's silence could say that the agent of this leg is gone.
    pub(crate) fn can_be_silent(self, leg: &CallSid) -> bool {
        let Some(agent) = self.roster.agent(leg) else { return false };
        self.is_on_call(leg, agent)
            && !self.decisions.is_settled(leg)
            && !self.marks.is_given(&agent.reservation)
            && !self.has_open_recovery()
            && self.roster.is_customer_joined()
    }

    /// True if the page of this leg can be silent, and nobody else on the call can talk to the customer: supervisors who listen, or coach the agent, cannot.
    pub(crate) fn is_alone_with(self, leg: &CallSid) -> bool {
        let mut joined = self.roster.joined();
        self.can_be_silent(leg)
            && joined.all(|there| there == leg || self.roster.is_customer(there) || self.cannot_talk(there))
    }

    /// True for a participant, not an agent, whom the customer does not hear.
    pub(crate) fn cannot_talk(self, leg: &CallSid) -> bool {
        self.roster.is_unidentified(leg) && !self.roster.flags(leg).can_talk()
    }
}
