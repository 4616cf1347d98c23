//! A task on offer that says it belongs to a recovery.

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
    /// The server has been asked about its recovery.
    pub(super) asked: bool,
    /// How often it was tried to accept.
    pub(super) attempts: u32,
    /// An attempt is under way, or none is left.
    pub(super) busy: bool,
}

impl Offer {
    /// What of this task may be accepted unasked by this worker, if the server knows the recovery.
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
