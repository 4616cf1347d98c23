//! What outlives a page: its calls, pending requests to the server, and the epoch of the last page.
//!
//! Where the browser provides no storage, the plugin works without: the next page then reports the call as that of another browser, and
//! the server waits for a goodbye or for the end of the leg; mute is not restored.

use crate::agent::{Kept, StoredCall};
use crate::boundary::{Value, outgoing, stored};
use crate::shell::{js, post};
use crate::value::joined;
use rejoin_protocol::api::DeliveryId;
use rejoin_protocol::{ActivitySid, Millis, ReservationSid};
use wasm_bindgen::JsValue;

const CALL: &str = "rejoin.live.";
/// Value of a stored call whose agent is muted.
const MUTED: &str = "muted";
const OUT: &str = "rejoin.out.";
const EPOCH: &str = "rejoin.epoch";
const ACTIVITY: &str = "rejoin.activity";

/// One of the browser's storages. A full or missing one is not an error: the plugin works without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage(&'static str);

/// Survives a crash and a closed tab; all tabs have it.
pub const OF_BROWSER: Storage = Storage("localStorage");
/// Survives a reload of its tab.
pub const OF_TAB: Storage = Storage("sessionStorage");

impl Storage {
    fn call(self, method: &str, arguments: &[&JsValue]) -> Option<String> {
        js::call(&js::at(&js_sys::global(), self.0), method, arguments).ok()?.as_string()
    }

    /// The value of a key.
    pub fn get(self, key: &str) -> Option<String> {
        self.call("getItem", &[&key.into()])
    }

    /// Sets the value of a key, if there is space.
    pub fn set(self, key: &str, value: &str) {
        self.call("setItem", &[&key.into(), &value.into()]);
    }

    /// Removes a key.
    pub fn remove(self, key: &str) {
        self.call("removeItem", &[&key.into()]);
    }

    /// Entries with this prefix: the rest of the name, and the value. Values of others, which may be large, are not read.
    pub fn entries(self, prefix: &str) -> Vec<(String, String)> {
        let global = js_sys::global();
        let keys = js::call(&js::at(&global, "Object"), "keys", &[&js::at(&global, self.0)]);
        let Value::List(keys) = js::value(&keys.unwrap_or_default()) else { return Vec::new() };
        let entry = |key: &Value| match key {
            Value::Text(key) => Some((key.strip_prefix(prefix)?.to_owned(), self.get(key)?)),
            _ => None,
        };
        keys.iter().filter_map(entry).collect()
    }
}

fn get(key: &str) -> Option<String> {
    OF_BROWSER.get(key)
}

fn set(key: &str, value: &str) {
    OF_BROWSER.set(key, value);
}

fn remove(key: &str) {
    OF_BROWSER.remove(key);
}

fn entries(prefix: &str) -> Vec<(String, String)> {
    OF_BROWSER.entries(prefix)
}

/// Reservations that had a call in an earlier page.
pub fn stored_calls() -> Vec<StoredCall> {
    let calls = entries(CALL).into_iter().filter_map(|(key, value)| {
        Some(StoredCall { reservation: ReservationSid::parse(&key).ok()?, muted: value == MUTED })
    });
    calls.collect()
}

/// Pending requests. Unreadable ones are discarded.
pub fn kept() -> Vec<Kept> {
    let read = |(key, value): (String, String)| {
        let kept = post::parse(&value).and_then(|value| stored::kept(value).ok());
        if kept.is_none() {
            remove(&joined(&[OUT, &key]));
        }
        kept
    };
    entries(OUT).into_iter().filter_map(read).collect()
}

/// Stores a request for delivery by any page.
pub fn keep(kept: &Kept) {
    if let Ok(value) = post::body(&outgoing::kept(kept)) {
        // With a full storage only this page can deliver it.
        set(&out(kept.id), &String::from(value));
    }
}

/// Removes a request.
pub fn unkeep(id: DeliveryId) {
    remove(&out(id));
}

/// Removes all requests.
pub fn unkeep_all() {
    for (key, _) in entries(OUT) {
        remove(&joined(&[OUT, &key]));
    }
}

fn out(id: DeliveryId) -> String {
    joined(&[OUT, &String::from(id)])
}

/// Stores that a reservation has a call.
pub fn store(call: &StoredCall) {
    // A full storage costs what no storage costs: see above.
    set(&joined(&[CALL, call.reservation.as_str()]), if call.muted { MUTED } else { "1" });
}

/// Removes the stored call.
pub fn unstore(reservation: &ReservationSid) {
    remove(&joined(&[CALL, reservation.as_str()]));
}

/// The activity that the agent last wanted.
pub fn activity() -> Option<ActivitySid> {
    ActivitySid::parse(&get(ACTIVITY)?).ok()
}

/// Stores the activity that the agent wants; `None`: there is none to restore.
pub fn store_activity(activity: Option<&ActivitySid>) {
    // Without storage the agents set it themselves.
    match activity {
        Some(activity) => set(ACTIVITY, activity.as_str()),
        None => remove(ACTIVITY),
    }
}

/// A number higher than that of every earlier page, even after the clock was set back.
pub fn next_epoch(now: Millis) -> u64 {
    let last: Option<u64> = get(EPOCH).and_then(|text| text.parse().ok());
    let epoch = last.map_or(now.0, |last| now.0.max(last.saturating_add(1)));
    set(EPOCH, &epoch.to_string());
    epoch
}
