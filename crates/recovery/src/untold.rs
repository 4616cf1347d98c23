use rejoin_protocol::{CallSid, ReservationSid, WorkerSid};

/// What Twilio says of a call that a page has found, and of which nobody has told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// Reservations of its task that are offered, taken, or wrapped up, and whose they are.
    pub open: Vec<(ReservationSid, WorkerSid)>,
    /// Who is in the conference.
    pub there: Vec<CallSid>,
}

impl Untold {
    /// True if the call is left to the agent whose page has found it: nobody else is asked to take the customer, who is
    /// there alone, or with the leg that the agent's page before has left. Otherwise it may be a transfer, or the call of
    /// an agent without the plugin.
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
