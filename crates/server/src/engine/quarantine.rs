//! Quarantine after an event that cannot be handled: the panic is caught, nothing of its batch is committed, and its
//! calls are held back from then on. Otherwise it would kill one server after the other.

use crate::error::Error;
use crate::store::{Batch, Changes, Found, Line, Store, direct};
use rejoin_protocol::{ConferenceSid, Millis};
use rejoin_recovery::{Call, Event, Machine, Note, Policies, Quarantine, Timer};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The text for timelines and operators.
const TROUBLE: &str = "an event about this call could not be handled: nothing is done until an operator releases it; the customer stays on the line";

/// The result of some work, or the fact that it panicked. Its changes must not be used then.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Error::Defect)
}

/// Quarantines the calls with which this event cannot be handled, and returns them. `None`: none was found.
pub(super) async fn quarantine(
    store: &Store,
    policies: &Policies,
    event: &Event,
    now: Millis,
) -> Result<BTreeSet<ConferenceSid>, Error> {
    metrics::counter!(crate::figures::QUARANTINED).increment(1);
    tracing::error!(
        %event,
        "an event could not be handled, which is a defect of rejoin: the call that it is about is quarantined, others go on"
    );
    let batch = Batch { keys: event.keys(), ..Batch::default() };
    let decide = |found: Found| {
        let mut changes = Changes::default();
        let guilty = guilty(policies, &found.calls, event, now);
        for call in found.calls.into_iter().filter(|call| guilty.contains(&call.conference)) {
            let quarantine = Some(Quarantine { at: now, event: event.to_string() });
            let (conference, customer) = (call.conference.clone(), call.facts.roster.customer.clone());
            changes.save(&Call { quarantine, ..call });
            let note = Note::Trouble { text: TROUBLE.into() };
            changes.add_line(customer, Line { at: now, conference, note });
        }
        Ok((changes, guilty))
    };
    store.transact(&batch, decide).await.map(|(_, guilty)| guilty)
}

/// The calls that fail when they handle the event alone. If it takes several together to fail, all calls that the event names.
fn guilty(policies: &Policies, calls: &[Call], event: &Event, now: Millis) -> BTreeSet<ConferenceSid> {
    let fails = |call: &&Call| {
        caught(|| Machine::new(policies.clone(), [(*call).clone()]).handle(now, event.clone())).is_err()
    };
    let names =
        |calls: Vec<&Call>| -> BTreeSet<_> { calls.iter().map(|call| call.conference.clone()).collect() };
    let alone = names(calls.iter().filter(fails).collect());
    if !alone.is_empty() {
        return alone;
    }
    let keys = direct(event);
    let named = names(calls.iter().filter(|call| !call.keys().is_disjoint(&keys)).collect());
    if named.is_empty() { names(calls.iter().collect()) } else { named }
}

/// Releases a quarantined call, so that Twilio is polled at once. True if it was quarantined.
pub(super) async fn release(store: &Store, conference: &ConferenceSid, now: Millis) -> Result<bool, Error> {
    let batch =
        Batch { keys: [rejoin_recovery::Key::Conference(conference.clone())].into(), ..Batch::default() };
    let decide = |found: Found| {
        let mut changes = Changes::default();
        let held_back = found.held_back.into_iter().filter(|held| held.conference == *conference);
        let call = held_back.filter_map(|held| held.call).next();
        let is_released = call.is_some();
        if let Some(call) = call {
            changes.save(&Call { quarantine: None, ..*call });
            changes.set_timer(conference.clone(), Timer::CatchUp, now);
        }
        Ok((changes, is_released))
    };
    store.transact(&batch, decide).await.map(|(_, is_released)| is_released)
}
