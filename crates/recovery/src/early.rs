use rejoin_protocol::api::GracefulMark;
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};

/// A mark of a call that nothing is known of yet. It is stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyMark {
    /// Who leaves.
    pub worker: WorkerSid,
    /// Which call, and in what way.
    pub mark: GracefulMark,
    /// Since when it waits (point in time).
    pub at: Millis,
}

/// Each worker leaves each reservation once.
pub type EarlyMarkKey = (TaskSid, WorkerSid, ReservationSid);

impl EarlyMark {
    /// How long a mark waits for its call: a callback that takes longer is lost.
    pub const WAITS: Millis = Millis::seconds(60);

    /// By what it is known.
    pub fn key(&self) -> EarlyMarkKey {
        (self.mark.task.clone(), self.worker.clone(), self.mark.reservation.clone())
    }
}
