//! The agent's microphone, as the browser reports it.

use crate::agent::{Event, FromDesktop, Microphone};
use crate::shell::{Inner, js};
use js_sys::Array;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// Reports the microphone now and after every change.
pub(super) fn watch(core: &Rc<Inner>) {
    spawn(core, false);
}

/// Asks for the microphone, releases it at once, and reports what is known then.
pub(super) fn try_microphone(core: &Rc<Inner>) {
    spawn(core, true);
}

fn spawn(core: &Rc<Inner>, tries: bool) {
    let core = Rc::downgrade(core);
    spawn_local(async move {
        // Nothing waits for a browser that does not report it.
        let _ = look(&core, tries).await;
    });
}

async fn look(core: &Weak<Inner>, tries: bool) -> Result<(), JsValue> {
    let devices = js::at(&js_sys::global(), "navigator.mediaDevices");
    if tries {
        let _ = open(&devices).await; // denied, or no microphone
    } else {
        let core = core.clone();
        listen(&devices, "devicechange", move || devices_changed(&core))?;
    }
    let permissions = js::at(&js_sys::global(), "navigator.permissions");
    let permission =
        js::wait(js::call(&permissions, "query", &[&js::object(&[("name", &"microphone".into())])])?).await?;
    let state = js::at(&permission, "state").as_string().unwrap_or_default();
    let all = js::wait(js::call(&devices, "enumerateDevices", &[])?).await?;
    let listed = Array::from(&all).iter().any(|device| js::at(&device, "kind") == "audioinput");
    tell(core, FromDesktop::MicrophoneChanged { microphone: Microphone::seen(&state, listed) });
    if !tries {
        // No device has changed then, but Flex must check again; it simulates such an event itself, too.
        listen(&permission, "change", move || {
            let _ = announce(&devices); // a browser that has one has the other
        })?;
    }
    Ok(())
}

fn devices_changed(core: &Weak<Inner>) {
    if let Some(page) = core.upgrade() {
        let core = core.clone();
        let looked = Closure::once_into_js({
            let core = core.clone();
            move || tell(&core, FromDesktop::PhoneLooked {})
        });
        let told = js::call(&js::at(&page.flex.phone(), "audio"), "once", &[&"deviceChange".into(), &looked]);
        tell(&core, FromDesktop::DevicesChanged { phone_tells: told.is_ok() });
    }
}

fn announce(devices: &JsValue) -> Result<(), JsValue> {
    let event = js::construct("Event", &[&"devicechange".into()])?;
    js::call(devices, "dispatchEvent", &[&event]).map(drop)
}

async fn open(devices: &JsValue) -> Result<(), JsValue> {
    let stream =
        js::wait(js::call(devices, "getUserMedia", &[&js::object(&[("audio", &JsValue::TRUE)])])?).await?;
    for track in Array::from(&js::call(&stream, "getTracks", &[])?).iter() {
        js::call(&track, "stop", &[])?;
    }
    Ok(())
}

/// Listens for as long as the page lives.
fn listen(to: &JsValue, event: &str, heard: impl Fn() + 'static) -> Result<(), JsValue> {
    let heard = Closure::<dyn Fn()>::new(heard).into_js_value();
    js::call(to, "addEventListener", &[&event.into(), &heard]).map(drop)
}

fn tell(core: &Weak<Inner>, event: FromDesktop) {
    Inner::later(core, Event::Desktop(event));
}
