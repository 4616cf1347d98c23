//! What the browser says about the agent's desk: the microphone.

use crate::agent::{Event, FromDesktop, Microphone};
use crate::shell::{Inner, js};
use js_sys::{Array, Function, Object, Promise, Reflect};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// Tells of the microphone, now and whenever it changes. A browser that does not tell is waited for by nobody.
pub(super) fn watch(core: &Rc<Inner>) {
    let weak = Rc::downgrade(core);
    spawn_local(async move {
        // Where there is no such API nothing is known, and nothing will be.
        let _ = follow(&weak).await;
    });
}

/// Asks for the microphone, lets go of it at once, and tells what is known then.
pub(super) fn try_microphone(core: &Rc<Inner>) {
    let weak = Rc::downgrade(core);
    spawn_local(async move {
        let _ = open().await; // not allowed, or none there
        let _ = look(&weak).await;
    });
}

async fn follow(core: &Weak<Inner>) -> Result<(), JsValue> {
    let devices = devices();
    let changed = core.clone();
    listen(&devices, "devicechange", move || {
        if let Some(core) = changed.upgrade() {
            let phone_looked = changed.clone();
            let phone_looked =
                Closure::once_into_js(move || tell(&phone_looked, FromDesktop::PhoneLooked {}));
            let audio = js::at(&core.flex.phone(), "audio");
            let told = js::call(&audio, "once", &[&"deviceChange".into(), &phone_looked]);
            tell(&changed, FromDesktop::DevicesChanged { phone_tells: told.is_ok() });
        }
    })?;
    look(core).await?;
    // No device has changed when the permission has, but Flex has to look again; it makes up such an event itself, too.
    listen(&permission().await?, "change", move || {
        let _ = announce(&devices); // a browser that has one has the other
    })
}

fn announce(devices: &JsValue) -> Result<(), JsValue> {
    let event: Function = js::at(&js_sys::global(), "Event").dyn_into()?;
    let event = Reflect::construct(&event, &Array::of1(&"devicechange".into()))?;
    js::call(devices, "dispatchEvent", &[&event]).map(drop)
}

async fn look(core: &Weak<Inner>) -> Result<(), JsValue> {
    let state = js::at(&permission().await?, "state").as_string().unwrap_or_default();
    let devices = wait(js::call(&devices(), "enumerateDevices", &[])?).await?;
    let listed = Array::from(&devices).iter().any(|device| js::at(&device, "kind") == "audioinput");
    tell(core, FromDesktop::MicrophoneChanged { microphone: Microphone::seen(&state, listed) });
    Ok(())
}

async fn open() -> Result<(), JsValue> {
    let wanted = Object::new();
    Reflect::set(&wanted, &"audio".into(), &JsValue::TRUE)?;
    let stream = wait(js::call(&devices(), "getUserMedia", &[&wanted])?).await?;
    for track in Array::from(&js::call(&stream, "getTracks", &[])?).iter() {
        js::call(&track, "stop", &[])?;
    }
    Ok(())
}

async fn permission() -> Result<JsValue, JsValue> {
    let wanted = Object::new();
    Reflect::set(&wanted, &"name".into(), &"microphone".into())?;
    wait(js::call(&js::at(&js_sys::global(), "navigator.permissions"), "query", &[&wanted])?).await
}

fn devices() -> JsValue {
    js::at(&js_sys::global(), "navigator.mediaDevices")
}

async fn wait(promise: JsValue) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::resolve(&promise)).await
}

/// As long as the page.
fn listen(to: &JsValue, event: &str, heard: impl Fn() + 'static) -> Result<(), JsValue> {
    let heard = Closure::<dyn Fn()>::new(heard).into_js_value();
    js::call(to, "addEventListener", &[&event.into(), &heard]).map(drop)
}

fn tell(core: &Weak<Inner>, event: FromDesktop) {
    Inner::later(core, Event::Desktop(event));
}
