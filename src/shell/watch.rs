//! When to look at Flex's state: once a worker is known, and whenever something may have changed.

use crate::agent::{Event, FromDesktop};
use crate::chats;
use crate::shell::{Inner, conversations, desk, js, messages, now, storage};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// Events of Flex's phone that trigger a look.
const OF_PHONE: [&str; 3] = ["registered", "unregistered", "destroyed"];

/// How far the page is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is no worker yet: this is not an agent's desktop, or Flex is degraded, which may pass.
    #[default]
    Waiting,
    /// The election of the acting page is in progress.
    Electing,
    Begun,
}

/// Watches Flex from now on.
pub(super) fn watch(core: &Rc<Inner>) -> Result<(), JsValue> {
    js::call(&core.flex.store(), "subscribe", &[&looks(core)])?;
    look_soon(core);
    Ok(())
}

/// A listener that schedules a look.
fn looks(core: &Rc<Inner>) -> JsValue {
    let core = Rc::downgrade(core);
    let look = move || {
        if let Some(core) = core.upgrade() {
            look_soon(&core);
        }
    };
    Closure::<dyn Fn()>::new(look).into_js_value()
}

/// Flex reports the same change several times in a row: one look covers all of them.
fn look_soon(core: &Rc<Inner>) {
    if core.idle.get() || core.due.replace(true) {
        return;
    }
    let core = core.clone();
    spawn_local(async move {
        // Runs when Flex has finished its current work.
        core.due.set(false);
        let looked = match core.stage.get() {
            Stage::Waiting => begin(&core).await,
            Stage::Electing => Ok(()),
            Stage::Begun => core.look(),
        };
        if let Err(error) = looked {
            stand_by(&core, &error);
        }
    });
}

async fn begin(core: &Rc<Inner>) -> Result<(), JsValue> {
    let Some(worker) = js::at(&core.flex.worker(), "sid").as_string() else { return Ok(()) };
    core.stage.set(Stage::Electing);
    let acts = js::wait(core.elect(&worker).into()).await?.is_truthy();
    messages::listen(core);
    let started = core.flex.started(!acts)?;
    desk::watch(core);
    if core.flex.prompts() {
        core.handle(Event::Desktop(FromDesktop::FlexPrompts {}));
    }
    core.handle(Event::Desktop(started));
    let look = looks(core);
    let listen = |to: &JsValue, event: &str, listener: &JsValue| {
        // A missed event is seen in the store, somewhat later.
        let _ = js::call(to, "on", &[&event.into(), listener]);
    };
    listen(&core.flex.worker(), "reservationCreated", &look);
    for event in OF_PHONE {
        listen(&core.flex.phone(), event, &look);
    }
    let back = Rc::downgrade(core);
    let back = Closure::<dyn Fn()>::new(move || {
        if let Some(core) = back.upgrade() {
            reconnected(&core);
        }
    });
    listen(&core.flex.worker(), "ready", &back.into_js_value());
    let signed_out = Rc::downgrade(core);
    let signed_out = Closure::<dyn Fn()>::new(move || {
        if let Some(core) = signed_out.upgrade() {
            core.handle(Event::Desktop(FromDesktop::SignedOut {}));
            conversations::handle(&core, chats::Event::SignedOut);
        }
    });
    js::call(&core.flex.actions(), "addListener", &[&"afterLogout".into(), &signed_out.into_js_value()])?;
    listen_to_turns(core)?;
    conversations::begin(core, &worker)?;
    core.stage.set(Stage::Begun);
    core.look()
}

/// Flex's own connection is back, and TaskRouter's state with it.
fn reconnected(core: &Rc<Inner>) {
    if let Err(error) = core.look() {
        stand_by(core, &error);
    }
    core.handle(Event::Desktop(FromDesktop::Reconnected {}));
}

/// The page is hidden for good, goes into the back/forward cache, or is shown from it.
fn listen_to_turns(core: &Rc<Inner>) -> Result<(), JsValue> {
    let core = Rc::downgrade(core);
    let turns = move |event: JsValue| {
        let Some(core) = core.upgrade() else { return };
        let cached = js::at(&event, "persisted").is_truthy();
        if js::at(&event, "type") == "pagehide" {
            core.handle(Event::Desktop(FromDesktop::PageHide { may_return: cached }));
        } else if cached {
            let phone_gone = js::at(&core.flex.phone(), "state") == "destroyed";
            core.handle(Event::Restored { epoch: storage::next_epoch(now()), phone_gone });
        }
    };
    let turns = Closure::<dyn Fn(JsValue)>::new(turns).into_js_value();
    for event in ["pagehide", "pageshow"] {
        js::call(&js_sys::global(), "addEventListener", &[&event.into(), &turns, &JsValue::TRUE])?;
    }
    Ok(())
}

/// Flex is not as expected: nothing more is done.
fn stand_by(core: &Rc<Inner>, error: &JsValue) {
    core.idle.set(true);
    let told = js::object(&[("misfit", &js::object(&[("error", error)]))]);
    let _ = core.desktop.call1(&JsValue::UNDEFINED, &told);
}
