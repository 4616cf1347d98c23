//! Keys that connect events and calls. Handling an event needs only the calls that share a key with it, and the other calls
//! of their customers, see [`Machine::new`](crate::Machine::new).

use crate::{Call, ConferenceEvent, ConferenceEventKind, Event, Outcome, PollAnswer};
use rejoin_protocol::{CallSid, ConferenceSid, RecoveryId, TaskSid, WorkerSid};
use std::collections::BTreeSet;

/// An identifier that an event and a call may share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The call's conference.
    Conference(ConferenceSid),
    /// The call's task.
    Task(TaskSid),
    /// The customer's leg, or a candidate while the customer is not identified.
    Leg(CallSid),
    /// An agent who is or was on the call.
    Worker(WorkerSid),
    /// One of the call's recoveries, or the one that would begin if an agent's leg were lost.
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
    /// The keys of the calls that this event concerns. For a conference without a call, the event may begin one.
    pub fn keys(&self) -> BTreeSet<Key> {
        let keys = match self {
            Self::Conference(ConferenceEvent { conference, task, kind, .. }) => {
                let mut keys = vec![Key::Conference(conference.clone())];
                // An early mark may wait for the task.
                keys.extend(task.clone().map(Key::Task));
                // This leg identifies a customer who comes from another conference.
                if let ConferenceEventKind::Join { leg, .. } = kind {
                    keys.push(Key::Leg(leg.clone()));
                }
                keys
            }
            Self::Registered { worker: _, registration } => vec![
                Key::Conference(registration.conference.clone()),
                Key::Task(registration.task.clone()),
                Key::Leg(registration.customer_leg.clone()),
                // The leg may be an agent's in another conference.
                Key::Recovery(RecoveryId::of(&registration.worker_leg)),
            ],
            // The number of early marks of a worker is limited.
            Self::Graceful { worker, mark } => {
                vec![Key::Task(mark.task.clone()), Key::Worker(worker.clone())]
            }
            Self::Hello { worker, hello, older_page_connected: _ } => {
                let tasks = hello.holdings.iter().map(|holding| Key::Task(holding.task.clone()));
                tasks.chain([Key::Worker(worker.clone())]).collect()
            }
            Self::Goodbye { worker: _, goodbye } => goodbye.tasks.iter().cloned().map(Key::Task).collect(),
            Self::PushLost { worker, epoch: _ } | Self::PushBack { worker, epoch: _ } => {
                vec![Key::Worker(worker.clone())]
            }
            Self::EnteredQueue { recovery, customer: _ } | Self::LeftQueue { recovery, .. } => {
                vec![Key::Recovery(recovery.clone())]
            }
            Self::ActionUrlFetched { customer } => vec![Key::Leg(customer.clone())],
            Self::Task(event) => {
                let recovery = event.purpose.recovery().cloned().map(Key::Recovery);
                recovery.into_iter().chain([Key::Task(event.task.clone())]).collect()
            }
            Self::Done { conference, action: _, outcome } => {
                let mut keys = vec![Key::Conference(conference.clone())];
                match outcome {
                    Outcome::TaskLookedUp(found) => keys.extend(found.customer_leg.clone().map(Key::Leg)),
                    Outcome::Polled(seen) => keys.extend(keys_of_poll(seen)),
                    _ => {}
                }
                keys
            }
            Self::Restored { conference, seen } => {
                keys_of_poll(seen).chain([Key::Conference(conference.clone())]).collect()
            }
            Self::Timer { conference, timer: _ } | Self::PageAnswered { conference, leg: _ } => {
                vec![Key::Conference(conference.clone())]
            }
        };
        keys.into_iter().collect()
    }
}

/// The customer's new conference may be known, and an early mark may wait for its task.
fn keys_of_poll(seen: &PollAnswer) -> impl Iterator<Item = Key> {
    seen.reconnects.iter().flat_map(|found| {
        [Key::Task(found.task.clone())].into_iter().chain(found.conference.clone().map(Key::Conference))
    })
}

impl Call {
    /// The call's keys. They change as more becomes known, so they must be stored whenever the call is.
    pub fn keys(&self) -> BTreeSet<Key> {
        let fixed = [Key::Conference(self.conference.clone()), Key::Task(self.task.clone())];
        let workers = self.facts.roster.agents.values().map(|agent| Key::Worker(agent.worker.clone()));
        let recoveries = self.absences().flat_map(|it| {
            let absence = it.absence();
            [Key::Recovery(absence.id.clone()), Key::Worker(absence.agent.worker.clone())]
        });
        // The documents that the customer of a silent agent hears name the recovery that may begin.
        let legs = self.facts.roster.agents.keys().map(|leg| Key::Recovery(RecoveryId::of(leg)));
        // Once one of these registrations is settled, the customer is known.
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
            .chain(legs)
            .collect()
    }
}
