//! Outcomes of asynchronous effects.

use super::{Inner, js};
use crate::agent::{Event, FromDesktop, ToDesktop};
use rejoin_protocol::ReservationSid;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

type Outcome = fn(ReservationSid) -> FromDesktop;

/// Whose effect it is, and the events that report success and failure. `None`: nothing waits for the outcome.
fn outcomes(effect: &ToDesktop) -> Option<(&ReservationSid, Option<Outcome>, Outcome)> {
    let settled: Outcome = |reservation| FromDesktop::ExitFlagSettled { reservation };
    let marked: Outcome = |reservation| FromDesktop::TaskMarked { reservation };
    match effect {
        ToDesktop::Accept { reservation } | ToDesktop::AcceptPing { reservation } => {
            Some((reservation, None, |reservation| FromDesktop::AcceptFailed { reservation }))
        }
        ToDesktop::JoinCall { reservation } => {
            Some((reservation, Some(|reservation| FromDesktop::Joined { reservation }), |reservation| {
                FromDesktop::JoinFailed { reservation }
            }))
        }
        // Leaving does not depend on the outcome.
        ToDesktop::SetExitFlag { reservation, .. } => Some((reservation, Some(settled), settled)),
        ToDesktop::MarkTask { reservation, .. } => Some((reservation, Some(marked), marked)),
        _ => None,
    }
}

/// `done` is what the shim returned: a promise, which resolves to `false` if the effect failed.
pub(super) fn follow(core: &Rc<Inner>, effect: &ToDesktop, done: Result<JsValue, JsValue>) {
    let Some((reservation, worked, failed)) = outcomes(effect) else { return };
    let reservation = reservation.clone();
    let core = Rc::downgrade(core);
    spawn_local(async move {
        let done = match done {
            Ok(done) => js::wait(done).await,
            Err(error) => Err(error),
        };
        let event = if done.is_ok_and(|done| done != JsValue::FALSE) { worked } else { Some(failed) };
        if let Some(event) = event {
            Inner::later(&core, Event::Desktop(event(reservation)));
        }
    });
}
