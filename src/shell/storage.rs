//! What outlives a page: marks of calls, requests on their way to the server, and the epoch of the last page.
//!
//! Where the browser gives no storage, the plugin works without: the dialog then waits for the server's answer.

use crate::agent::{Kept, Mark};
use crate::boundary::{stored, told};
use crate::shell::post;
use rejoin_protocol::api::DeliveryId;
use rejoin_protocol::{ActivitySid, Millis, ReservationSid};
use web_sys::Storage;

const MARK: &str = "rejoin.live.";
/// What a mark says of a call whose agent is muted.
const MUTED: &str = "muted";
const OUT: &str = "rejoin.out.";
const EPOCH: &str = "rejoin.epoch";
const ACTIVITY: &str = "rejoin.activity";

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

/// Reservations that had a call when an earlier page was last heard of.
pub fn marks() -> Vec<Mark> {
    let marks = entries(MARK).into_iter().filter_map(|(key, value)| {
        Some(Mark { reservation: ReservationSid::parse(&key).ok()?, muted: value == MUTED })
    });
    marks.collect()
}

/// What is stored under names that begin like this: the rest of the name, and the value.
fn entries(prefix: &str) -> Vec<(String, String)> {
    let Some(storage) = storage() else { return Vec::new() };
    let keys = (0..storage.length().unwrap_or(0)).filter_map(|index| storage.key(index).ok()?);
    let entries =
        keys.filter_map(|key| Some((key.strip_prefix(prefix)?.to_owned(), storage.get_item(&key).ok()??)));
    entries.collect()
}

/// Requests that are still to be delivered. What cannot be read is thrown away.
pub fn kept() -> Vec<Kept> {
    let read = |(key, value): (String, String)| {
        let kept = post::parse(&value).and_then(|value| stored::kept(value).ok());
        if kept.is_none() {
            remove(&[OUT, &key].concat());
        }
        kept
    };
    entries(OUT).into_iter().filter_map(read).collect()
}

/// A request is to be delivered, by whichever page.
pub fn keep(kept: &Kept) {
    if let (Some(storage), Ok(value)) = (storage(), post::body(&told::kept(kept))) {
        // With a full storage it is delivered by this page or by none.
        let _ = storage.set_item(&out(kept.id), &String::from(value));
    }
}

/// It has been.
pub fn unkeep(id: DeliveryId) {
    remove(&out(id));
}

/// None is to be delivered any more.
pub fn unkeep_all() {
    for (key, _) in entries(OUT) {
        remove(&[OUT, &key].concat());
    }
}

fn out(id: DeliveryId) -> String {
    [OUT, &String::from(id)].concat()
}

fn remove(key: &str) {
    if let Some(storage) = storage() {
        let _ = storage.remove_item(key);
    }
}

/// This reservation has a call.
pub fn store(mark: &Mark) {
    if let Some(storage) = storage() {
        // A full storage costs the dialog some milliseconds, nothing else.
        let value = if mark.muted { MUTED } else { "1" };
        let _ = storage.set_item(&[MARK, mark.reservation.as_str()].concat(), value);
    }
}

/// It has none any more.
pub fn unstore(reservation: &ReservationSid) {
    remove(&[MARK, reservation.as_str()].concat());
}

/// The activity that the agent last wanted.
pub fn activity() -> Option<ActivitySid> {
    ActivitySid::parse(&storage()?.get_item(ACTIVITY).ok()??).ok()
}

/// The agent wants this one; `None`: none that is to be restored.
pub fn store_activity(activity: Option<&ActivitySid>) {
    if let Some(storage) = storage() {
        // Where it cannot be stored the agent sets it himself or herself.
        let _ = match activity {
            Some(activity) => storage.set_item(ACTIVITY, activity.as_str()),
            None => storage.remove_item(ACTIVITY),
        };
    }
}

/// A number higher than that of every earlier page, also after the clock was set back.
pub fn next_epoch(now: Millis) -> u64 {
    let Some(storage) = storage() else { return now.0 };
    let last: Option<u64> = storage.get_item(EPOCH).ok().flatten().and_then(|text| text.parse().ok());
    let epoch = last.map_or(now.0, |last| now.0.max(last.saturating_add(1)));
    let _ = storage.set_item(EPOCH, &epoch.to_string());
    epoch
}
