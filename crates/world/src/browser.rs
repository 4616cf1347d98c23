//! A browser: what outlives its pages.

use crate::page::PageId;
use rejoin_plugin::agent::{Kept, StoredCall};
use rejoin_plugin::boundary::{Value, outgoing, stored};
use rejoin_protocol::api::DeliveryId;
use rejoin_protocol::{ActivitySid, ReservationSid};
use std::collections::{BTreeMap, VecDeque};

/// Storage and the lock, shared by all pages of one origin.
#[derive(Debug, Default)]
pub(crate) struct Browser {
    calls: BTreeMap<String, bool>,
    kept: BTreeMap<String, String>,
    epoch: u64,
    activity: Option<ActivitySid>,
    /// The page that holds the lock, and the pages that wait for it.
    pub(crate) holder: Option<PageId>,
    pub(crate) waiting: VecDeque<PageId>,
}

impl Browser {
    pub(crate) fn stored_calls(&self) -> Vec<StoredCall> {
        let read = |(key, muted): (&String, &bool)| {
            Some(StoredCall { reservation: ReservationSid::parse(key).ok()?, muted: *muted })
        };
        self.calls.iter().filter_map(read).collect()
    }

    pub(crate) fn store(&mut self, call: &StoredCall) {
        self.calls.insert(call.reservation.as_str().to_owned(), call.muted);
    }

    pub(crate) fn unstore(&mut self, reservation: &ReservationSid) {
        self.calls.remove(reservation.as_str());
    }

    /// The stored registrations, serialised and parsed as in the browser, so that whatever the real format would drop
    /// is dropped here too.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        self.kept.values().filter_map(|text| stored::kept(value(text)?).ok()).collect()
    }

    pub(crate) fn keep(&mut self, kept: &Kept) {
        self.kept.insert(kept.id.to_string(), text(&outgoing::kept(kept)));
    }

    pub(crate) fn unkeep(&mut self, id: DeliveryId) {
        self.kept.remove(&id.to_string());
    }

    pub(crate) fn unkeep_all(&mut self) {
        self.kept.clear();
    }

    pub(crate) fn activity(&self) -> Option<ActivitySid> {
        self.activity.clone()
    }

    pub(crate) fn store_activity(&mut self, activity: Option<ActivitySid>) {
        self.activity = activity;
    }

    /// The next epoch, higher than that of every earlier page.
    pub(crate) fn next_epoch(&mut self, wall: u64) -> u64 {
        self.epoch = if self.epoch == 0 { wall } else { wall.max(self.epoch + 1) };
        self.epoch
    }
}

/// Equivalent of `JSON.stringify`.
pub(crate) fn text(value: &Value) -> String {
    // Serialising to a string cannot fail.
    serde_json::to_string(&Json(value)).unwrap_or_default()
}

/// Writes whole numbers without a fraction, as JavaScript does.
struct Json<'a>(&'a Value);

impl serde::Serialize for Json<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                serializer.serialize_i64(*number as i64)
            }
            Value::List(items) => serializer.collect_seq(items.iter().map(Json)),
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name, Json(value))))
            }
            other => other.serialize(serializer),
        }
    }
}

/// Equivalent of `JSON.parse`.
pub(crate) fn value(text: &str) -> Option<Value> {
    serde_json::from_str::<serde_json::Value>(text).ok().map(from_json)
}

/// The value that JavaScript would have for this JSON.
pub(crate) fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nothing,
        serde_json::Value::Bool(flag) => Value::Flag(flag),
        serde_json::Value::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, from_json(value))).collect())
        }
    }
}
