//! Open requests of Flex: an action that waits, as a promise, until the machine has let it through, refused it or added to it.

use crate::agent::{Map, RequestId, ToDesktop};
use crate::boundary::outgoing;
use crate::shell::js;
use js_sys::{Function, Object, Promise};
use std::cell::RefCell;
use wasm_bindgen::JsValue;

#[derive(Default)]
pub(super) struct FlexRequests(RefCell<Open>);

#[derive(Default)]
struct Open {
    last: u32,
    answers: Map<RequestId, Function>,
}

impl FlexRequests {
    /// Opens a request: its number, and the promise of its answer.
    pub(super) fn open(&self) -> (RequestId, Promise) {
        let mut open = self.0.borrow_mut();
        open.last = open.last.wrapping_add(1);
        let request = RequestId(open.last);
        let promise = Promise::new(&mut |answer, _| {
            open.answers.insert(request, answer);
        });
        (request, promise)
    }

    /// Resolves a request, if this effect is an answer: `{}`, `{refused: true}` or `{options: {…}}`. True when it
    /// is.
    pub(super) fn answer(&self, effect: &ToDesktop) -> bool {
        let (request, key, value) = match effect {
            ToDesktop::Let { request } => (request, "", JsValue::UNDEFINED),
            ToDesktop::Refuse { request } => (request, "refused", JsValue::TRUE),
            ToDesktop::AttachConferenceOptions { request, options } => {
                (request, "options", js::from(&outgoing::options(options)))
            }
            _ => return false,
        };
        let answer = self.0.borrow_mut().answers.remove(request);
        if let Some(answer) = answer {
            let said = Object::new();
            if !key.is_empty() {
                js::set(&said, key, &value);
            }
            let _ = answer.call1(&JsValue::UNDEFINED, &said);
        }
        true
    }
}
