//! An offered task that belongs to a recovery.

use crate::agent::TaskFacts;
use rejoin_protocol::{RecoveryId, WorkerSid};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asks whether the agent is back.
    Ping,
    /// Brings the customer back.
    Reconnect,
}

#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) kind: Kind,
    pub(super) recovery: RecoveryId,
    /// True once the server has been asked about its recovery.
    pub(super) asked: bool,
    /// Number of attempts to accept it.
    pub(super) attempts: u32,
    /// True while an attempt is in progress, or when none is left.
    pub(super) busy: bool,
}

impl Offer {
    /// What this worker may accept unasked of this task, if the server knows the recovery.
    pub(super) fn of(facts: &TaskFacts, me: &WorkerSid) -> Option<Self> {
        let attributes = &facts.attributes;
        let recovery = attributes.rejoin_recovery_id.clone()?;
        let reconnect = attributes.is_reconnect == Some(true);
        let kind = match (reconnect, facts.voice) {
            (true, true) if attributes.target_worker_sid.as_ref() == Some(me) => Kind::Reconnect,
            (false, false) => Kind::Ping,
            _ => return None,
        };
        Some(Self { kind, recovery, asked: false, attempts: 0, busy: false })
    }
}
