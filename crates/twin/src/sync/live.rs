//! Live queries: searches of Flex's teams view whose changes are pushed
//! (<https://www.twilio.com/docs/sync/live-query>). Pure.

use super::objects::{Answer, Notification, SUBSCRIPTION};
use crate::model::{Expression, Records, lookup};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// All live queries, and the indexes that they search.
#[derive(Default)]
pub(super) struct Live {
    indexes: BTreeMap<&'static str, Records>,
    queries: BTreeMap<String, Query>,
}

struct Query {
    index: String,
    text: String,
    /// `None`: everything matches.
    wanted: Option<Expression>,
    found: BTreeMap<String, Found>,
}

struct Found {
    data: Value,
    revision: u64,
}

impl Live {
    /// True when there is any live query.
    pub(super) fn is_watched(&self) -> bool {
        !self.queries.is_empty()
    }

    /// Replaces the records. `events`: number of the last event.
    pub(super) fn set(
        &mut self,
        indexes: BTreeMap<&'static str, Records>,
        events: &mut u64,
    ) -> Vec<Notification> {
        self.indexes = indexes;
        let mut told = Vec::new();
        for (id, query) in &mut self.queries {
            for change in query.look(&self.indexes, events) {
                told.push(change.notification(id));
            }
        }
        told
    }

    /// `POST /v3/Insights/{index}/Items`: a search, with `type` a live one. The same search is the same query.
    /// `fresh`: the SID for a new one.
    pub(super) fn search(&mut self, index: &str, body: &Value, fresh: String, events: &mut u64) -> Answer {
        let text = body["query_string"].as_str().unwrap_or_default();
        let Some(mut query) = Query::new(index, text) else {
            return Answer::error(400, 54507, "Invalid query");
        };
        if body["type"] != "live_query" {
            query.look(&self.indexes, events);
            return Answer::ok(json!({ "items": query.items() }));
        }
        let same = |(_, query): &(&String, &Query)| query.index == index && query.text == text;
        let id = self.queries.iter().find(same).map_or(fresh, |(id, _)| id.clone());
        let query = self.queries.entry(id.clone()).or_insert(query);
        query.look(&self.indexes, events);
        Answer::ok(json!({ "query_id": id, "last_event_id": *events, "items": query.items() }))
    }

    /// A client subscribes to this query: returns all that it finds now, because something may have changed since the
    /// search. `None`: no such query.
    pub(super) fn replay(&self, id: &str, events: u64) -> Option<Notification> {
        let query = self.queries.get(id)?;
        let event = json!({ "query_id": id, "items": query.items(), "last_event_id": events });
        let payload = json!({ "event_type": "live_query_updated", "strictly_ordered": true, "event": event });
        Some(Notification::new(id, SUBSCRIPTION, payload).private())
    }
}

impl Query {
    fn new(index: &str, text: &str) -> Option<Self> {
        let wanted = if text.trim().is_empty() { None } else { Some(Expression::parse(text).ok()?) };
        Some(Self { index: index.into(), text: text.into(), wanted, found: BTreeMap::new() })
    }

    /// Searches again and returns what is new, changed or gone.
    fn look(&mut self, indexes: &BTreeMap<&'static str, Records>, events: &mut u64) -> Vec<Change> {
        let mut changes = Vec::new();
        let none = Records::new();
        let records = indexes.get(self.index.as_str()).unwrap_or(&none);
        let fits = |record: &Value| {
            let attribute = |path: &str| path.strip_prefix("data.").map(|path| lookup(record, path));
            self.wanted
                .as_ref()
                .is_none_or(|wanted| wanted.holds(&|path| attribute(path).unwrap_or_default()))
        };
        let mut next = || {
            *events += 1;
            *events
        };
        let now: Records =
            records.iter().filter(|(_, record)| fits(record)).map(|(k, v)| (k.clone(), v.clone())).collect();
        for (key, _) in self.found.extract_if(.., |key, _| !now.contains_key(key)) {
            changes.push(Change { key, data: None, revision: next() });
        }
        for (key, data) in now {
            if self.found.get(&key).is_none_or(|found| found.data != data) {
                let revision = next();
                self.found.insert(key.clone(), Found { data: data.clone(), revision });
                changes.push(Change { key, data: Some(data), revision });
            }
        }
        changes
    }

    fn items(&self) -> Vec<Value> {
        let item = |(key, Found { data, revision }): (&String, &Found)| json!({ "key": key, "data": data, "revision": revision });
        self.found.iter().map(item).collect()
    }
}

struct Change {
    key: String,
    /// `None`: no longer found.
    data: Option<Value>,
    revision: u64,
}

impl Change {
    fn notification(self, id: &str) -> Notification {
        let Self { key, data, revision } = self;
        let kind = if data.is_some() { "live_query_item_updated" } else { "live_query_item_removed" };
        let payload = json!({
            "event_type": kind,
            "event": {
                "query_id": id, "item_key": key, "item_data": data, "item_revision": revision,
                "last_event_id": revision
            }
        });
        Notification::new(id, SUBSCRIPTION, payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(activities: &[(&str, &str)]) -> BTreeMap<&'static str, Records> {
        let record = |(sid, activity): &(&str, &str)| {
            ((*sid).to_owned(), json!({ "worker_sid": sid, "activity_name": activity }))
        };
        BTreeMap::from([("tr-worker", activities.iter().map(record).collect())])
    }

    fn ask(live: &mut Live, text: &str, events: &mut u64) -> Answer {
        let body = json!({ "query_string": text, "type": "live_query" });
        let fresh = format!("QR{}", live.queries.len());
        live.search("tr-worker", &body, fresh, events)
    }

    fn keys(answer: &Answer) -> Vec<&str> {
        answer.body["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter_map(|item| item["key"].as_str())
            .collect()
    }

    #[test]
    fn a_search_finds_matching_records() {
        let (mut live, mut events) = (Live::default(), 0);
        live.set(workers(&[("WK1", "Available"), ("WK2", "Offline")]), &mut events);
        assert_eq!(keys(&ask(&mut live, "", &mut events)), ["WK1", "WK2"]);
        assert_eq!(keys(&ask(&mut live, r#"data.worker_sid == "WK2""#, &mut events)), ["WK2"]);
        assert_eq!(ask(&mut live, "data.worker_sid ==", &mut events).status, 400);
        let once = json!({ "query_string": "data.activity_name == 'Offline'" });
        let found = live.search("tr-worker", &once, "QR9".into(), &mut events);
        assert_eq!((keys(&found), &found.body["query_id"]), (vec!["WK2"], &Value::Null));
        assert_eq!(keys(&live.search("tr-weather", &once, "QR9".into(), &mut events)), [""; 0]);
    }

    #[test]
    fn a_live_query_reports_new_changed_and_removed_records() {
        let (mut live, mut events) = (Live::default(), 0);
        assert!(!live.is_watched());
        live.set(workers(&[("WK1", "Available"), ("WK2", "Offline")]), &mut events);
        let answer = ask(&mut live, "data.activity_name == 'Available'", &mut events);
        let again = ask(&mut live, "data.activity_name == 'Available'", &mut events);
        assert_eq!(answer.body["query_id"], again.body["query_id"], "the same search is the same query");
        assert!(live.is_watched());
        let told = live.set(workers(&[("WK1", "Offline"), ("WK2", "Available")]), &mut events);
        let told: Vec<_> =
            told.iter().map(|n| (&n.payload["event_type"], &n.payload["event"]["item_key"])).collect();
        assert_eq!(
            told,
            [
                (&json!("live_query_item_removed"), &json!("WK1")),
                (&json!("live_query_item_updated"), &json!("WK2"))
            ]
        );
        assert!(live.set(workers(&[("WK1", "Offline"), ("WK2", "Available")]), &mut events).is_empty());
        let all = live.replay("QR0", events).expect("a query");
        assert_eq!(all.payload["event"]["items"][0]["key"], "WK2");
        assert!(live.replay("QR7", events).is_none());
    }
}
