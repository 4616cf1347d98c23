//! Open questions of Flex: each is a promise, which the machine's one answer resolves.

use crate::agent::{Map, RequestId, ToDesktop};
use crate::boundary::told;
use crate::shell::js;
use js_sys::{Function, Object, Promise};
use std::cell::RefCell;
use wasm_bindgen::JsValue;

#[derive(Default)]
pub(super) struct Questions(RefCell<Open>);

#[derive(Default)]
struct Open {
    last: u32,
    answers: Map<RequestId, Function>,
}

impl Questions {
    /// Opens a question: its number, and the promise of its answer.
    pub(super) fn open(&self) -> (RequestId, Promise) {
        let mut open = self.0.borrow_mut();
        open.last = open.last.wrapping_add(1);
        let request = RequestId(open.last);
        let promise = Promise::new(&mut |answer, _| {
            open.answers.insert(request, answer);
        });
        (request, promise)
    }

    /// Resolves a question, if this effect is an answer: `{}`, `{refused: true}` or `{options: {…}}`. True when it
    /// is.
    pub(super) fn answer(&self, effect: &ToDesktop) -> bool {
        let (request, key, value) = match effect {
            ToDesktop::Let { request } => (request, "", JsValue::UNDEFINED),
            ToDesktop::Refuse { request } => (request, "refused", JsValue::TRUE),
            ToDesktop::AttachConferenceOptions { request, options } => {
                (request, "options", js::from(&told::options(options)))
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
