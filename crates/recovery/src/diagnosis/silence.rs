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

    /// True if customer and agent are alone, by these legs, and only the page's silence could say that the agent is gone.
    pub(crate) fn is_alone_with(self, leg: &CallSid) -> bool {
        let Some(agent) = self.roster.agent(leg) else { return false };
        self.is_on_call(leg, agent)
            && agent.newer_page.is_none()
            && !self.decisions.is_settled(leg)
            && !self.marks.is_given(&agent.reservation)
            && !self.has_open_recovery()
            && self.roster.is_customer_joined()
            && self.roster.joined().all(|there| there == leg || self.roster.is_customer(there))
    }
}
