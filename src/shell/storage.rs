//! What outlives a page: marks of calls, and the epoch of the last page.
//!
//! Where the browser gives no storage, the plugin works without: the dialog then waits for the server's answer.

use crate::agent::Mark;
use rejoin_protocol::{Millis, ReservationSid};
use web_sys::Storage;

const MARK: &str = "rejoin.live.";
/// What a mark says of a call whose agent is muted.
const MUTED: &str = "muted";
const EPOCH: &str = "rejoin.epoch";

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

/// Reservations that had a call when an earlier page was last heard of.
pub fn marks() -> Vec<Mark> {
    let Some(storage) = storage() else { return Vec::new() };
    let keys = (0..storage.length().unwrap_or(0)).filter_map(|index| storage.key(index).ok()?);
    keys.filter_map(|key| {
        let reservation = ReservationSid::parse(key.strip_prefix(MARK)?).ok()?;
        let muted = storage.get_item(&key).ok()?? == MUTED;
        Some(Mark { reservation, muted })
    })
    .collect()
}

/// This reservation has a call.
pub fn store(mark: &Mark) {
    if let Some(storage) = storage() {
        // A full storage costs the dialog some milliseconds, nothing else.
        let value = if mark.muted { MUTED } else { "1" };
        let _ = storage.set_item(&format!("{MARK}{}", mark.reservation), value);
    }
}

/// It has none any more.
pub fn unstore(reservation: &ReservationSid) {
    if let Some(storage) = storage() {
        let _ = storage.remove_item(&format!("{MARK}{reservation}"));
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
