//! Lists of Sync: the messages of conversations.

use super::objects::{Answer, BASE, Notification, Object};
use crate::dates::iso;
use rejoin_protocol::Millis;
use serde_json::{Value, json};
use std::cmp::Reverse;

/// Items of a page without a `PageSize`.
const PAGE: usize = 50;

struct Item {
    data: Value,
    event: u64,
    at: Millis,
}

/// All lists.
#[derive(Default)]
pub(super) struct Lists(Vec<(Object, Vec<Item>)>);

impl Lists {
    pub(super) fn has(&self, id: &str) -> bool {
        self.found(id).is_some()
    }

    fn found(&self, id: &str) -> Option<&(Object, Vec<Item>)> {
        self.0.iter().find(|(object, _)| object.is(id))
    }

    pub(super) fn last_event(&self, id: &str) -> Option<u64> {
        self.found(id).map(|(object, _)| object.event)
    }

    pub(super) fn add(&mut self, object: Object) {
        self.0.push((object, Vec::new()));
    }

    /// One more item. `event`: its number.
    pub(super) fn push(&mut self, now: Millis, id: &str, event: u64, data: Value) -> Option<Notification> {
        let (object, items) = self.0.iter_mut().find(|(object, _)| object.is(id))?;
        object.event = event;
        object.revision += 1;
        let item = Item { data, event, at: now };
        let view = item_view(&object.sid, items.len(), &item);
        let payload = json!({
            "event_type": "list_item_added",
            "event": {
                "id": event, "list_sid": object.sid, "item_index": items.len(), "item_url": view["url"],
                "item_data": item.data, "item_revision": view["revision"], "date_created": iso(now),
                "list_revision": object.revision.to_string()
            }
        });
        items.push(item);
        Some(Notification::new(object.sid.clone(), "com.twilio.rtd.cds.list", payload))
    }

    /// Answers a `GET` of what stands behind `Lists`: the list, its items, or one of them.
    pub(super) fn answer(&self, now: Millis, path: &[&str], params: &Value) -> Answer {
        let none = || Answer::error(404, 54155, "List not found");
        let Some((object, items)) = path.first().and_then(|id| self.found(id)) else { return none() };
        match path {
            [_] => {
                let links = json!({ "items": format!("{BASE}/v3/Lists/{}/Items", object.sid) });
                Answer::ok(object.view(now, "Lists", &links))
            }
            [_, "Items"] => page(object, items, params),
            [_, "Items", index] => {
                match index.parse().ok().and_then(|at: usize| Some((at, items.get(at)?))) {
                    Some((at, item)) => Answer::ok(item_view(&object.sid, at, item)),
                    None => Answer::error(404, 54151, "List item not found"),
                }
            }
            _ => none(),
        }
    }
}

/// A page begins at `From`, or where the page before said by its `PageToken`.
fn page(object: &Object, items: &[Item], params: &Value) -> Answer {
    let number = |name: &str| match &params[name] {
        Value::String(text) => text.parse::<usize>().ok(),
        other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    let size = number("PageSize").unwrap_or(PAGE).clamp(1, 100);
    let newest_first = params["Order"].as_str().is_some_and(|order| order.eq_ignore_ascii_case("desc"));
    let from = number("PageToken").or(number("From"));
    let mut indexes: Vec<usize> = (0..items.len()).collect();
    if newest_first {
        indexes.sort_by_key(|index| Reverse(*index));
        indexes.retain(|index| from.is_none_or(|from| *index <= from));
    } else {
        indexes.retain(|index| from.is_none_or(|from| *index >= from));
    }
    let next = indexes.get(size).map(ToString::to_string);
    let previous = indexes.first().and_then(|first| match newest_first {
        true => (first + 1 < items.len()).then(|| (first + size).min(items.len() - 1).to_string()),
        false => first.checked_sub(1).map(|_| first.saturating_sub(size).to_string()),
    });
    let shown = indexes.iter().take(size).filter_map(|index| Some((*index, items.get(*index)?)));
    let shown: Vec<Value> = shown.map(|(index, item)| item_view(&object.sid, index, item)).collect();
    Answer::ok(json!({ "items": shown, "meta": { "previous_token": previous, "next_token": next } }))
}

fn item_view(list: &str, index: usize, item: &Item) -> Value {
    json!({
        "index": index, "url": format!("{BASE}/v3/Lists/{list}/Items/{index}"), "data": item.data,
        "revision": "1", "last_event_id": item.event, "date_created": iso(item.at),
        "date_updated": iso(item.at), "date_expires": null, "list_sid": list
    })
}
