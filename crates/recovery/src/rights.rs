//! Who may say what about a call. The machine leaves alone what somebody says who has no right to; whoever hands it in
//! can tell by this, and refuse it.

use crate::{Call, Event, Machine};
use rejoin_protocol::WorkerSid;

impl Machine {
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
        self.agents.values().any(|agent| agent.worker == *worker)
            || self.recoveries().any(|recovery| recovery.agent.worker == *worker)
    }
}
