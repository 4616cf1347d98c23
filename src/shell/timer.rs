//! Timers of a machine.

use crate::agent::Map;
use crate::shell::js;
use gloo_timers::callback::Timeout;
use js_sys::{Function, Promise};
use rejoin_protocol::Millis;
use wasm_bindgen_futures::JsFuture;

/// Timers that are set. Dropping them clears them.
pub struct Timers<T>(Map<T, Timeout>);

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<T: Ord> Timers<T> {
    /// Calls `wake` after that time, unless the timer is set again or cleared before.
    pub fn set(&mut self, timer: T, after: Millis, wake: impl FnOnce() + 'static) {
        let after = u32::try_from(after.0).unwrap_or(u32::MAX);
        self.0.insert(timer, Timeout::new(after, wake));
    }

    /// Clears a timer; one that is not set is no error.
    pub fn clear(&mut self, timer: &T) {
        self.0.remove(timer);
    }
}

/// Waits for so many milliseconds.
pub(super) async fn sleep(millis: u32) {
    let wait = &mut |resolve: Function, _| {
        let _ = js::call(&js_sys::global(), "setTimeout", &[&resolve, &millis.into()]); // every browser has it
    };
    let _ = JsFuture::from(Promise::new(wait)).await; // it is never rejected
}
