//! Which of the worker's pages in this browser acts: the one that holds the lock, for as long as it lives
//! (<https://developer.mozilla.org/en-US/docs/Web/API/Web_Locks_API>).

use crate::shell::js;
use crate::value::joined;
use gloo_timers::callback::Timeout;
use js_sys::{Function, Promise};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// How long the lock of a page that has just gone may take to be released, in ms.
const PATIENCE: u32 = 300;

/// A change of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The pages before this one are gone.
    Granted,
    /// This page has taken it from another one.
    Taken,
    /// Another page has taken it from this one.
    Lost,
}

/// The lock, held or requested.
pub struct Lock {
    name: String,
    on: Box<dyn Fn(Change)>,
    /// Resolves the promise of the election.
    resolve: RefCell<Option<Function>>,
    patience: RefCell<Option<Timeout>>,
    held: Cell<bool>,
    queued: Cell<bool>,
}

impl Lock {
    /// Requests the lock. The promise says whether this page acts from the start; later changes are reported to `on`.
    pub fn elect(worker: &str, on: impl Fn(Change) + 'static) -> (Rc<Self>, Promise) {
        let lock = Rc::new(Self {
            name: joined(&["rejoin-page-", worker]),
            on: Box::new(on),
            resolve: RefCell::default(),
            patience: RefCell::default(),
            held: Cell::new(false),
            queued: Cell::new(false),
        });
        let acts = Promise::new(&mut |resolve, _| {
            lock.resolve.replace(Some(resolve));
        });
        let waiting = lock.clone();
        lock.patience.replace(Some(Timeout::new(PATIENCE, move || {
            waiting.decide(false);
        })));
        lock.queue();
        (lock, acts)
    }

    /// Takes the lock, even from another page.
    pub fn take(self: &Rc<Self>) {
        if !self.held.get() {
            self.request(true);
        }
    }

    /// Waits for the lock.
    fn queue(self: &Rc<Self>) {
        if !self.queued.replace(true) {
            self.request(false);
        }
    }

    /// Resolves the election, if it is pending; true when it was.
    fn decide(&self, acts: bool) -> bool {
        self.patience.take();
        let resolve = self.resolve.take();
        if let Some(resolve) = &resolve {
            // Resolving never throws.
            let _ = resolve.call1(&JsValue::UNDEFINED, &acts.into());
        }
        resolve.is_some()
    }

    fn granted(&self, steal: bool) {
        if !steal {
            self.queued.set(false);
        }
        if !self.held.replace(true) && !self.decide(true) {
            (self.on)(if steal { Change::Taken } else { Change::Granted });
        }
    }

    fn request(self: &Rc<Self>, steal: bool) {
        let lock = self.clone();
        let hold = Closure::once_into_js(move || {
            lock.granted(steal);
            Promise::new(&mut |_, _| {}) // until the page is gone
        });
        let lock = self.clone();
        match asked(&self.name, steal, &hold) {
            Ok(promise) => spawn_local(async move {
                // It ends only when another page takes the lock, or when this browser grants none.
                let _ = JsFuture::from(promise).await;
                if lock.held.replace(false) {
                    (lock.on)(Change::Lost);
                    lock.queue();
                } else {
                    lock.granted(steal);
                }
            }),
            // Where there are no locks, or none for us, every page acts.
            Err(_) => lock.granted(steal),
        }
    }
}

/// Holds a lock until the page is gone. Resolves when it is granted; to false where there are no locks.
pub async fn hold(name: &str) -> bool {
    let granted = Promise::new(&mut |granted, refused| {
        let hold = Closure::once_into_js(move || {
            let _ = granted.call0(&JsValue::UNDEFINED); // resolving never throws
            Promise::new(&mut |_, _| {}) // until the page is gone
        });
        let refused: JsValue = refused.into();
        let asked = asked(name, false, &hold).and_then(|asked| js::call(&asked, "catch", &[&refused]));
        if asked.is_err() {
            let _ = js::call(&refused, "call", &[]);
        }
    });
    JsFuture::from(granted).await.is_ok()
}

/// By hand: the bindings of web-sys for it are not stable.
fn asked(name: &str, steal: bool, hold: &JsValue) -> Result<Promise, JsValue> {
    let locks = js::at(&js_sys::global(), "navigator.locks");
    let options = js::object(&[("steal", &steal.into())]);
    js::call(&locks, "request", &[&name.into(), &options, hold])?.dyn_into()
}
