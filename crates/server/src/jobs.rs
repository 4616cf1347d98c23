//! Jobs as they are handed from the engine, which commits them, to the queue, which carries them out. There is room for so many
//! at once; what finds none is in the store.

mod job;
mod room;

pub use job::Job;
pub(crate) use job::Read;
pub use room::{Door, Inside};

use std::time::Duration;

/// Timeout of the store's answer whether a job is still ours and wanted.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
pub(crate) use room::{Place, Rooms};
