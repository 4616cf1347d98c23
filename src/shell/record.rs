//! The page's record for diagnosis, which survives a failure of the core.

use super::{js, now};
use crate::agent::{Event, Record};
use crate::value::joined;
use js_sys::Function;
use std::cell::{Cell, RefCell};
use wasm_bindgen::prelude::*;

thread_local! {
    static RECORD: RefCell<Record> = const { RefCell::new(Record::new()) };
    static REPORT: Cell<Option<Function>> = const { Cell::new(None) };
}

pub(super) fn note(event: &Event) {
    let now = now();
    RECORD.with_borrow_mut(|record| record.note(now, event));
}

/// `{recoveries: […], events: […]}`, see `Record::tell`.
#[wasm_bindgen(js_name = record)]
pub fn tell() -> JsValue {
    RECORD.with(|record| match record.try_borrow() {
        Ok(record) => js::from(&record.tell(now())),
        Err(_) => JsValue::UNDEFINED, // the record itself has failed
    })
}

/// `report(message, record)` is called once if the core panics. The core must not be called again after that.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(report: Function) {
    REPORT.set(Some(report));
    std::panic::set_hook(Box::new(|panic| {
        if let Some(report) = REPORT.take() {
            // The page goes on without us, whether or not the report works.
            let at = panic.location().map(|at| joined(&[at.file(), ":", &u64::from(at.line()).to_string()]));
            let what = panic.payload_as_str().unwrap_or_default();
            let message = joined(&["panicked at ", &at.unwrap_or_default(), ": ", what]);
            let _ = report.call2(&JsValue::UNDEFINED, &message.into(), &tell());
        }
    }));
}
