//! Bodies of pages of another version. Unknown items are skipped one by one and counted: a page that sends more than
//! we understand must not lose what we do understand.

use crate::figures::UNKNOWN_ITEMS;
use rejoin_protocol::TaskSid;
use rejoin_protocol::api::{Beacon, Goodbye, GracefulMark, GracefulReason, Hello, Holding};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A [`Hello`], as far as it is understood.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadHello {
    epoch: u64,
    holdings: Each<Holding>,
    #[serde(default)]
    unavailable: bool,
    #[serde(default)]
    accepts_ping: bool,
}

impl From<ReadHello> for Hello {
    fn from(read: ReadHello) -> Self {
        let holdings = read.holdings.understood("holding");
        Self { epoch: read.epoch, holdings, unavailable: read.unavailable, accepts_ping: read.accepts_ping }
    }
}

/// A [`GracefulMark`]. An unknown reason is [`GracefulReason::UNKNOWN`].
#[derive(Debug)]
pub(super) struct ReadMark(pub(super) GracefulMark);

impl<'de> Deserialize<'de> for ReadMark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let reason = value.get("reason").and_then(Value::as_str);
        let is_known = reason.is_none_or(|reason| GracefulReason::ALL.iter().any(|it| it.name() == reason));
        let mark = GracefulMark::deserialize(value).map_err(serde::de::Error::custom)?;
        if !is_known {
            count("reason", 1);
        }
        Ok(Self(mark))
    }
}

/// A [`Beacon`], as far as it is understood.
#[derive(Deserialize)]
pub(super) struct ReadBeacon {
    token: String,
    #[serde(default)]
    marks: Each<ReadMark>,
    #[serde(default)]
    goodbye: Option<ReadGoodbye>,
    #[serde(default)]
    gone: Option<u64>,
}

#[derive(Deserialize)]
struct ReadGoodbye {
    epoch: u64,
    tasks: Each<TaskSid>,
}

impl From<ReadBeacon> for Beacon {
    fn from(read: ReadBeacon) -> Self {
        let goodbye = |it: ReadGoodbye| Goodbye { epoch: it.epoch, tasks: it.tasks.understood("task") };
        let marks = read.marks.understood("mark").into_iter().map(|ReadMark(mark)| mark);
        let goodbye = read.goodbye.map(goodbye);
        Self { token: read.token, marks: marks.collect(), goodbye, gone: read.gone }
    }
}

/// A list whose items are parsed one by one.
#[derive(Debug)]
struct Each<T> {
    items: Vec<T>,
    unknown: u64,
}

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self { items: vec![], unknown: 0 }
    }
}

impl<T> Each<T> {
    /// The items that were understood; the others are counted under this name.
    fn understood(self, what: &'static str) -> Vec<T> {
        if self.unknown > 0 {
            tracing::warn!(
                what,
                count = self.unknown,
                "skipped the parts of a page's request that this version does not understand"
            );
            count(what, self.unknown);
        }
        self.items
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut each = Self::default();
        for value in Vec::<Value>::deserialize(deserializer)? {
            match T::deserialize(value) {
                Ok(item) => each.items.push(item),
                Err(_) => each.unknown += 1,
            }
        }
        Ok(each)
    }
}

fn count(what: &'static str, times: u64) {
    metrics::counter!(UNKNOWN_ITEMS, "what" => what).increment(times);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_protocol::ReservationSid;

    /// Each field differs from its default, so that a field that the reader forgets shows.
    #[test]
    fn a_hello_of_this_version_is_understood_in_full() {
        let holding = Holding {
            task: TaskSid::numbered(1),
            reservation: ReservationSid::numbered(2),
            wrapping: true,
            can_join: true,
            other_browser: true,
        };
        let hello = Hello { epoch: 7, holdings: vec![holding], unavailable: true, accepts_ping: true };
        let read: ReadHello = serde_json::from_value(serde_json::to_value(&hello).unwrap()).unwrap();
        assert_eq!(Hello::from(read), hello);
    }
}
