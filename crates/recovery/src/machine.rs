use crate::{Call, Config, Effect, Event};
use rejoin_protocol::api::RecoveryView;
use rejoin_protocol::{CallSid, ConferenceSid, Millis, RecoveryId, WorkerSid};
use std::collections::{BTreeMap, BTreeSet};

/// All open calls.
#[derive(Clone, Debug)]
pub struct Machine {
    config: Config,
    calls: BTreeMap<ConferenceSid, Call>,
    dirty: BTreeSet<ConferenceSid>,
}

impl Machine {
    /// A machine that goes on with these calls: those that were open when it last stopped.
    pub fn new(config: Config, calls: impl IntoIterator<Item = Call>) -> Self {
        let calls = calls.into_iter().map(|call| (call.conference.clone(), call)).collect();
        Self { config, calls, dirty: BTreeSet::new() }
    }

    /// Takes one event. The effects are in the order in which they are to begin.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        let _ = (now, event, &self.config);
        vec![]
    }

    /// Calls that have changed since the last time, to be written in the same transaction as the effects.
    /// A call that is gone has been forgotten ([`Effect::Forget`]).
    pub fn take_dirty(&mut self) -> Vec<&Call> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.iter().filter_map(|conference| self.calls.get(conference)).collect()
    }

    /// The call of a conference.
    pub fn call(&self, conference: &ConferenceSid) -> Option<&Call> {
        self.calls.get(conference)
    }

    /// The call that a recovery is about: our TwiML is made from it.
    pub fn recovering(&self, recovery: &RecoveryId) -> Option<&Call> {
        self.calls.values().find(|call| call.recovery.as_ref().is_some_and(|r| &r.id == recovery))
    }

    /// The call that a leg is on.
    pub fn with_leg(&self, leg: &CallSid) -> Option<&Call> {
        self.calls.values().find(|call| call.participants.contains_key(leg))
    }

    /// Recoveries that this worker's dialog may have to show: open ones, and those that have ended lately.
    pub fn views(&self, now: Millis, worker: &WorkerSid) -> Vec<RecoveryView> {
        let _ = (now, worker);
        vec![]
    }
}
