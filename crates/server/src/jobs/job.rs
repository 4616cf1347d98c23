//! A job.

use super::room::Place;
use crate::store::{Claim, StoredJob, Tenure};
use rejoin_protocol::{ConferenceSid, Millis, RecoveryId};
use rejoin_recovery::{Action, Call};

/// A task's attributes, JSON text, and their version.
pub(crate) type Read = (String, String);

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Our claim.
    pub claim: Claim,
    /// The conference of the call.
    pub conference: ConferenceSid,
    /// The action.
    pub action: Action,
    /// When it stops making sense (point in time).
    pub deadline: Millis,
    /// True when it was begun before, so that it may have had its effect.
    pub begun_before: bool,
    /// The call's recovery, and when the agent was lost.
    pub recovery: Option<(RecoveryId, Millis)>,
    /// The task as it was read, if it is to be marked.
    pub(crate) read: Option<Read>,
    /// Since when it is in the queue (point in time).
    pub since: Millis,
    /// The tenure of this server in which it was taken.
    pub(crate) tenure: Tenure,
    /// Its place in the queue.
    _place: Option<Place>,
}

impl Job {
    /// A job with the relevant facts of its call.
    pub(crate) fn new(call: Option<&Call>, job: StoredJob, now: Millis, place: Option<Place>) -> Self {
        let begun_before = job.begun_before();
        let StoredJob { claim, conference, action, deadline, tenure } = job;
        let marks = matches!(action, Action::MarkTask { .. });
        let read = call
            .filter(|_| marks)
            .and_then(|call| Some((call.facts.task.attributes.clone(), call.facts.task.version.clone()?)));
        let recovery = call.and_then(|call| call.recovery.as_ref());
        let recovery = recovery.map(|recovery| (recovery.absence.id.clone(), recovery.absence.lost_at));
        Self {
            claim,
            conference,
            action,
            deadline,
            begun_before,
            recovery,
            read,
            since: now,
            tenure,
            _place: place,
        }
    }

    /// Since when a customer waits for it (point in time): since the loss of the agent, or else since the job was queued.
    pub(crate) fn waits_since(&self) -> Millis {
        self.recovery.as_ref().map_or(self.since, |(_, lost_at)| *lost_at)
    }
}
