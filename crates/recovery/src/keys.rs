//! Which calls an event concerns. Nobody needs all calls at once to handle an event: those that share a key with it are
//! enough, and with each of them the other calls of its customer, see [`Machine::new`](crate::Machine::new).

use crate::{Call, ConferenceEvent, ConferenceEventKind, Event, Outcome};
use rejoin_protocol::{CallSid, ConferenceSid, RecoveryId, TaskSid, WorkerSid};
use std::collections::BTreeSet;

/// Something that an event and a call may have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Where the call takes place.
    Conference(ConferenceSid),
    /// The task that it belongs to.
    Task(TaskSid),
    /// The customer's leg, or one that may be, as long as nobody knows which is.
    Leg(CallSid),
    /// An agent who is or was on it.
    Worker(WorkerSid),
    /// One of its recoveries.
    Recovery(RecoveryId),
}

impl Key {
    /// The identifier as text. Texts of keys of different kinds differ, too: each kind has its own first two letters.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Conference(sid) => sid.as_str(),
            Self::Task(sid) => sid.as_str(),
            Self::Leg(sid) => sid.as_str(),
            Self::Worker(sid) => sid.as_str(),
            Self::Recovery(id) => id.as_str(),
        }
    }
}

impl Event {
    /// By what the calls are found that this event concerns. A conference that no call has is one that may begin now.
    pub fn keys(&self) -> BTreeSet<Key> {
        let keys = match self {
            Self::Conference(ConferenceEvent { conference, task, kind, .. }) => {
                let mut keys = vec![Key::Conference(conference.clone())];
                // A mark may wait for it.
                keys.extend(task.clone().map(Key::Task));
                // A customer who is on the way from another conference is known by this leg.
                if let ConferenceEventKind::Join { leg, .. } = kind {
                    keys.push(Key::Leg(leg.clone()));
                }
                keys
            }
            Self::Registered { worker: _, registration } => vec![
                Key::Conference(registration.conference.clone()),
                Key::Task(registration.task.clone()),
                Key::Leg(registration.customer_leg.clone()),
            ],
            // Of one worker only so many marks wait.
            Self::Graceful { worker, mark } => {
                vec![Key::Task(mark.task.clone()), Key::Worker(worker.clone())]
            }
            Self::Hello { worker, hello, older_page_connected: _ } => {
                let tasks = hello.holdings.iter().map(|holding| Key::Task(holding.task.clone()));
                tasks.chain([Key::Worker(worker.clone())]).collect()
            }
            Self::Goodbye { worker: _, goodbye } => goodbye.tasks.iter().cloned().map(Key::Task).collect(),
            Self::PushLost { worker, epoch: _ } => vec![Key::Worker(worker.clone())],
            Self::EnteredQueue { recovery, customer: _ } | Self::LeftQueue { recovery, .. } => {
                vec![Key::Recovery(recovery.clone())]
            }
            Self::Released { customer } => vec![Key::Leg(customer.clone())],
            Self::Task(event) => {
                let recovery = event.purpose.recovery().cloned().map(Key::Recovery);
                recovery.into_iter().chain([Key::Task(event.task.clone())]).collect()
            }
            Self::Done { conference, action: _, outcome } => {
                let mut keys = vec![Key::Conference(conference.clone())];
                match outcome {
                    Outcome::Learnt(found) => keys.extend(found.customer_leg.clone().map(Key::Leg)),
                    // Where the customer is may be known, and a mark may wait for it.
                    Outcome::Looked(seen) => {
                        for found in &seen.reconnects {
                            keys.push(Key::Task(found.task.clone()));
                            keys.extend(found.conference.clone().map(Key::Conference));
                        }
                    }
                    _ => {}
                }
                keys
            }
            Self::Timer { conference, timer: _ } => vec![Key::Conference(conference.clone())],
        };
        keys.into_iter().collect()
    }
}

impl Call {
    /// By what this call is found. They change when more becomes known of it, so they are to be stored anew whenever
    /// the call is.
    pub fn keys(&self) -> BTreeSet<Key> {
        let fixed = [Key::Conference(self.conference.clone()), Key::Task(self.task.clone())];
        let workers = self.facts.roster.agents.values().map(|agent| Key::Worker(agent.worker.clone()));
        let recoveries = self.absences().flat_map(|it| {
            let absence = it.absence();
            [Key::Recovery(absence.id.clone()), Key::Worker(absence.agent.worker.clone())]
        });
        // Whose call it is becomes known with them.
        let unsettled = self
            .facts
            .ownership
            .registrations
            .iter()
            .map(|kept| Key::Leg(kept.registration.customer_leg.clone()));
        let claimed = self.facts.roster.customer_claims.keys().cloned().map(Key::Leg);
        fixed
            .into_iter()
            .chain(self.facts.roster.maybe_customers().cloned().map(Key::Leg))
            .chain(unsettled)
            .chain(claimed)
            .chain(workers)
            .chain(recoveries)
            .collect()
    }
}
