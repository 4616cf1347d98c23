use rejoin_protocol::api::GracefulMark;
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid};
use serde::{Deserialize, Serialize};

/// An early mark: a graceful mark of a call that the server does not know yet. It is stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyMark {
    /// The agent.
    pub worker: WorkerSid,
    /// The mark.
    pub mark: GracefulMark,
    /// When it arrived (point in time).
    pub at: Millis,
}

/// The key of an early mark: an agent leaves a reservation only once.
pub type EarlyMarkKey = (TaskSid, WorkerSid, ReservationSid);

impl EarlyMark {
    /// How long a mark is kept for its call: a callback that takes longer counts as lost.
    pub const WAITS: Millis = Millis::seconds(60);

    /// The mark's key.
    pub fn key(&self) -> EarlyMarkKey {
        (self.mark.task.clone(), self.worker.clone(), self.mark.reservation.clone())
    }
}
