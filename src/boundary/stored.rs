//! What earlier pages have left in the browser's storage.

use super::{Unfit, Value};
use crate::agent::{Delivery, Kept};
use rejoin_protocol::Millis;
use rejoin_protocol::api::{GracefulMark, Registration};

/// A request that was kept.
///
/// # Errors
/// When it is malformed: another version, or somebody else, wrote it.
pub fn kept(stored: Value) -> Result<Kept, Unfit> {
    let mut stored = stored.fields("kept")?;
    let mut delivery = stored.fields("delivery")?;
    let delivery = match delivery.fields("register") {
        Ok(mut call) => Delivery::Register(Registration {
            id: None,
            epoch: call.whole("epoch")?,
            task: call.parsed("task")?,
            reservation: call.parsed("reservation")?,
            workflow: call.parsed("workflow")?,
            queue: call.parsed("queue").ok(),
            conference: call.parsed("conference")?,
            worker_leg: call.parsed("workerLeg")?,
            customer_leg: call.parsed("customerLeg")?,
            worker_name: String::new(),
            answers_messages: false, // the page that said otherwise is another one
        }),
        Err(_) => {
            let mut mark = delivery.fields("graceful")?;
            Delivery::Graceful(GracefulMark {
                id: None,
                task: mark.parsed("task")?,
                reservation: mark.parsed("reservation")?,
                reason: mark.parsed("reason")?,
            })
        }
    };
    Ok(Kept {
        id: stored.parsed("id")?,
        worker: stored.parsed("worker")?,
        made: Millis(stored.whole("made")?),
        delivery,
    })
}
