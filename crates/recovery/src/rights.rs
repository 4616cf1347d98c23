//! The right of a worker's page to make a statement about a call. The machine ignores statements without it, and the server
//! refuses them.

use crate::{Call, Event, Machine};
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::Registration;

/// A worker's right to a statement about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// The statement is about the worker's own call.
    Own,
    /// The statement is about another worker's leg or reservation, or about a conference of another task.
    Foreign,
    /// The call's agent must be looked up first. Nothing was changed.
    Unknown,
}

impl Machine {
    /// The worker's right to register this call. To be called after the registration was handled.
    pub fn right(&self, worker: &WorkerSid, registration: &Registration) -> Right {
        if self.is_of_another_conference(registration) {
            return Right::Foreign;
        }
        let Some(call) = self.call(&registration.conference) else { return Right::Unknown };
        if call.is_foreign_registration(worker, registration) {
            Right::Foreign
        } else if call.facts.ownership.proven && call.owner(&registration.reservation).is_some() {
            Right::Own
        } else {
            Right::Unknown
        }
    }

    /// True if the event is about another worker's leg or reservation, or about a conference of another task.
    pub fn is_foreign(&self, event: &Event) -> bool {
        match event {
            Event::Registered { worker, registration } => {
                let is_foreign = |call: &Call| call.is_foreign_registration(worker, registration);
                self.is_of_another_conference(registration)
                    || self.call(&registration.conference).is_some_and(is_foreign)
            }
            Event::Graceful { worker, mark } => {
                self.calls_of(&mark.task).any(|call| call.is_foreign_mark(worker, mark))
            }
            // The others are about the worker who sends them, or come from Twilio or our server.
            _ => false,
        }
    }
}

impl Call {
    /// True if this worker is or was an agent of the call.
    pub fn concerns(&self, worker: &WorkerSid) -> bool {
        self.facts.roster.has_worker(worker) || self.absences().any(|it| it.absence().agent.worker == *worker)
    }
}
