//! Outcomes of asynchronous effects.

use super::Inner;
use crate::agent::{Event, FromDesktop, ToDesktop};
use js_sys::Promise;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// The events that report success and failure. `None`: nothing waits for the outcome.
fn outcomes(effect: &ToDesktop) -> Option<(Option<FromDesktop>, FromDesktop)> {
    match effect {
        ToDesktop::Accept { reservation } | ToDesktop::AcceptPing { reservation } => {
            Some((None, FromDesktop::AcceptFailed { reservation: reservation.clone() }))
        }
        ToDesktop::JoinCall { reservation } => Some((
            Some(FromDesktop::Joined { reservation: reservation.clone() }),
            FromDesktop::JoinFailed { reservation: reservation.clone() },
        )),
        ToDesktop::SetExitFlag { reservation, .. } => {
            // Leaving does not depend on the outcome.
            let settled = FromDesktop::ExitFlagSettled { reservation: reservation.clone() };
            Some((Some(settled.clone()), settled))
        }
        ToDesktop::MarkTask { reservation, .. } => {
            let settled = FromDesktop::TaskMarked { reservation: reservation.clone() };
            Some((Some(settled.clone()), settled))
        }
        _ => None,
    }
}

/// `done` is what the shim returned: a promise, which resolves to `false` if the effect failed.
pub(super) fn follow(core: &Rc<Inner>, effect: &ToDesktop, done: Result<JsValue, JsValue>) {
    let Some((worked, failed)) = outcomes(effect) else { return };
    let core = Rc::downgrade(core);
    spawn_local(async move {
        let done = match done {
            Ok(done) => JsFuture::from(Promise::resolve(&done)).await,
            Err(error) => Err(error),
        };
        let event = if done.is_ok_and(|done| done != JsValue::FALSE) { worked } else { Some(failed) };
        if let Some(event) = event {
            Inner::later(&core, Event::Desktop(event));
        }
    });
}
