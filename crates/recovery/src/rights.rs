//! Who may say what about a call. The machine leaves alone what somebody says who has no right to; whoever hands it in
//! can tell by this, and refuse it.

use crate::{Call, Event, Machine};
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::Registration;

/// What somebody's word about a call is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// It is about the worker's own.
    Own,
    /// It is about a leg or a reservation that is another worker's, or about a conference of another task.
    Foreign,
    /// Whose it is has to be found out. Nothing was changed.
    Unknown,
}

impl Machine {
    /// May this worker register this call? To be asked when it was tried.
    pub fn right(&self, worker: &WorkerSid, registration: &Registration) -> Right {
        let Some(call) = self.call(&registration.conference) else { return Right::Unknown };
        if call.is_foreign_registration(worker, registration) {
            Right::Foreign
        } else if call.facts.ownership.proven && call.owner(&registration.reservation).is_some() {
            Right::Own
        } else {
            Right::Unknown
        }
    }

    /// Is this about a leg or a reservation that is another worker's, or about a conference of another task?
    pub fn is_foreign(&self, event: &Event) -> bool {
        match event {
            Event::Registered { worker, registration } => self
                .call(&registration.conference)
                .is_some_and(|call| call.is_foreign_registration(worker, registration)),
            Event::Graceful { worker, mark } => {
                self.calls_of(&mark.task).any(|call| call.is_foreign_mark(worker, mark))
            }
            // What is said in these is about the worker who says it, or comes from Twilio or ourselves.
            Event::Hello { .. }
            | Event::Goodbye { .. }
            | Event::PushLost { .. }
            | Event::Conference(_)
            | Event::EnteredQueue { .. }
            | Event::LeftQueue { .. }
            | Event::Released { .. }
            | Event::Task(_)
            | Event::Done { .. }
            | Event::Timer { .. } => false,
        }
    }
}

impl Call {
    /// Is or was this worker on the call as an agent?
    pub fn concerns(&self, worker: &WorkerSid) -> bool {
        self.facts.roster.agents.values().any(|agent| agent.worker == *worker)
            || self.absences().any(|it| it.absence().agent.worker == *worker)
    }
}
