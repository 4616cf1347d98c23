//! Call messages: questions of the server over the signalling of the open call.

use super::{Inner, js};
use crate::agent::{Event, FromDesktop};
use rejoin_protocol::call_message::ASKS;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;

/// Listens to the call messages of the open call, unless the plugin does already.
pub(super) fn listen(core: &Rc<Inner>) {
    core.flex.hear(|leg| {
        let (core, leg) = (Rc::downgrade(core), leg.to_owned());
        Closure::<dyn Fn(JsValue)>::new(move |message| heard(&core, &leg, &message)).into_js_value()
    });
}

fn heard(core: &Weak<Inner>, leg: &str, message: &JsValue) {
    let mut content = js::at(message, "content");
    if let Some(text) = content.as_string() {
        content = js_sys::JSON::parse(&text).unwrap_or_default();
    }
    let question = js::named(&content, &[("question", ASKS)]);
    // Messages of others do not fit.
    if let Ok(event) = FromDesktop::said("asked", question.with("leg", leg.into())) {
        Inner::later(core, Event::Desktop(event));
    }
}
