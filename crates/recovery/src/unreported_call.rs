use rejoin_protocol::{CallSid, ReservationSid, WorkerSid};

/// Twilio's state of a call that a page has found and no callback has reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreportedCall {
    /// The pending, accepted and wrapping reservations of its task, with their agents.
    pub open: Vec<(ReservationSid, WorkerSid)>,
    /// The legs in the conference.
    pub there: Vec<CallSid>,
}

impl UnreportedCall {
    /// True if the call belongs to the agent whose page has found it: the task has no other open reservation, and the customer is
    /// in the conference, alone or with the leg (`own`) of the agent's earlier page. Otherwise it may be a transfer, or the call
    /// of an agent without the plugin.
    pub fn is_left_to(
        &self,
        (reservation, worker): (&ReservationSid, &WorkerSid),
        customer: &CallSid,
        own: &CallSid,
    ) -> bool {
        let [(only, whose)] = &self.open[..] else { return false };
        let others = self.there.iter().any(|leg| leg != customer && leg != own);
        only == reservation && whose == worker && self.there.contains(customer) && !others
    }
}
