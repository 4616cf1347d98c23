//! Documents, maps, lists, and subscriptions with what was missed. Pure; the socket is in `flex::twilsock`.

use super::{lists::Lists, live::Live};
use crate::{
    dates::iso,
    model::{Reports, SyncChange},
};
use rejoin_protocol::Millis;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// `message_type` of messages about a subscription, which only the subscriber receives.
pub(crate) const SUBSCRIPTION: &str = "twilio.sync.event";

pub(crate) const BASE: &str = "https://cds.us1.twilio.com";

/// Number of events that are kept for clients that were away.
const KEPT: usize = 10_000;

/// A request of a client, tunnelled through its socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tunnelled {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) params: Value,
    pub(crate) body: Value,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(crate) fn error(status: u16, code: u32, message: &str) -> Self {
        Self { status, body: json!({ "status": status, "code": code, "message": message }) }
    }
}

/// A message that the server sends by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notification {
    /// The object that it is about; only its subscribers receive it.
    pub(crate) about: String,
    /// `message_type` of the frame.
    pub(crate) kind: &'static str,
    pub(crate) payload: Value,
    /// True when only the client whose request caused it receives it.
    pub(crate) private: bool,
}

impl Notification {
    pub(crate) fn new(about: impl Into<String>, kind: &'static str, payload: Value) -> Self {
        Self { about: about.into(), kind, payload, private: false }
    }

    pub(crate) fn private(self) -> Self {
        Self { private: true, ..self }
    }
}

/// The objects that a client has subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(BTreeSet<String>);

impl Subscriptions {
    pub(crate) fn has(&self, object: &str) -> bool {
        self.0.contains(object)
    }

    /// Receives also what is about this user.
    pub(crate) fn belong_to(&mut self, identity: &str) {
        self.0.insert(of_user(identity));
    }
}

/// What a notification for one user is about.
fn of_user(identity: &str) -> String {
    format!("user {identity}")
}

struct Item {
    data: Value,
    revision: u64,
    event: u64,
}

pub(crate) struct Object {
    pub(crate) sid: String,
    pub(crate) unique_name: Option<String>,
    pub(crate) revision: u64,
    pub(crate) event: u64,
}

/// All objects.
#[derive(Default)]
pub(crate) struct Sync {
    maps: Vec<(Object, BTreeMap<String, Item>)>,
    documents: Vec<(Object, Value)>,
    lists: Lists,
    live: Live,
    /// The last events, oldest first, by their numbers: what a client has missed is sent to it again.
    past: VecDeque<(u64, Notification)>,
    /// Number of the last object.
    objects: u64,
    /// Number of the last event.
    events: u64,
}

impl Sync {
    /// Answers a request to `cds.us1.twilio.com`; the notifications are sent after the answer. `None`: unknown
    /// request.
    pub(crate) fn handle(
        &mut self,
        now: Millis,
        subscriptions: &mut Subscriptions,
        request: &Tunnelled,
    ) -> Option<(Answer, Vec<Notification>)> {
        let segments: Vec<String> = request.path.split('/').skip(1).map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let body = &request.body;
        let quiet = |answer| Some((answer, Vec::new()));
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["v4", "Subscriptions"]) => Some(self.subscribe(subscriptions, body)),
            ("POST", ["v3", "Maps"]) => quiet(self.create_map(now, body)),
            ("GET", ["v3", "Maps", id]) => quiet(match self.map(id) {
                Some(map) => Answer::ok(map_view(now, &self.maps[map].0)),
                None => no_map(),
            }),
            ("GET", ["v3", "Maps", id, "Items"]) => quiet(match self.map(id) {
                Some(map) => {
                    let (object, items) = &self.maps[map];
                    let key = request.params["Key"].as_str().map(decoded);
                    let items: Vec<Value> = items
                        .iter()
                        .filter(|(name, _)| key.as_ref().is_none_or(|key| key == *name))
                        .map(|(name, item)| item_view(now, &object.sid, name, item))
                        .collect();
                    Answer::ok(
                        json!({ "items": items, "meta": { "previous_token": null, "next_token": null } }),
                    )
                }
                None => no_map(),
            }),
            ("GET", ["v3", "Maps", id, "Items", key]) => quiet(match self.map(id) {
                Some(map) => match self.maps[map].1.get(*key) {
                    Some(item) => Answer::ok(item_view(now, &self.maps[map].0.sid, key, item)),
                    None => no_item(),
                },
                None => no_map(),
            }),
            ("PUT" | "POST", ["v3", "Maps", id, "Items", key]) => match self.map(id) {
                Some(map) => Some(self.set_item(now, map, key, body["data"].clone())),
                None => quiet(no_map()),
            },
            ("DELETE", ["v3", "Maps", id, "Items", key]) => match self.map(id) {
                Some(map) => Some(self.remove_item(now, map, key)),
                None => quiet(no_map()),
            },
            ("POST", ["v3", "Documents"]) => quiet(self.create_document(now, body)),
            ("GET", ["v3", "Documents", id]) => quiet(match self.document(id) {
                Some(document) => Answer::ok(document_view(now, &self.documents[document])),
                None => no_document(),
            }),
            ("POST", ["v3", "Documents", id]) => match self.document(id) {
                Some(document) => Some(self.set_document(now, document, body)),
                None => quiet(no_document()),
            },
            ("GET", ["v3", "Lists", rest @ ..]) => quiet(self.lists.answer(now, rest, &request.params)),
            ("POST", ["v3", "Insights", index, "Items"]) => {
                let fresh = self.next_sid("QR");
                quiet(self.live.search(index, body, fresh, &mut self.events))
            }
            _ => None,
        }
    }

    /// True when any client watches the reports.
    pub(crate) fn is_watched(&self) -> bool {
        self.live.is_watched()
    }

    /// Applies the model's reports: live queries, and the map of each task's conference, which is `{task}.CS`.
    pub(crate) fn report(&mut self, now: Millis, reports: Reports) -> Vec<Notification> {
        let Reports { indexes, conferences } = reports;
        let mut told = Vec::new();
        // Before the queries: a client that sees a call opens its map at once.
        for (task, records) in conferences {
            let map = self.map_named(&format!("{task}.CS"));
            for (key, data) in records {
                if self.maps[map].1.get(&key).is_none_or(|item| item.data != data) {
                    told.extend(self.set_item(now, map, &key, data).1);
                }
            }
        }
        told.extend(self.live.set(indexes, &mut self.events));
        told
    }

    fn subscribe(&mut self, subscriptions: &mut Subscriptions, body: &Value) -> (Answer, Vec<Notification>) {
        let cancel = body["action"] == "cancel";
        let mut notifications = Vec::new();
        for request in body["requests"].as_array().into_iter().flatten() {
            let object_type = &request["object_type"];
            let object = match request["object_sid"].as_str() {
                Some(object) => object.to_owned(),
                None => self.next_sid("QR"),
            };
            let payload = if cancel {
                subscriptions.0.remove(&object);
                json!({
                    "event_type": "subscription_canceled", "correlation_id": body["correlation_id"],
                    "event": { "object_type": object_type, "object_sid": object }
                })
            } else {
                subscriptions.0.insert(object.clone());
                notifications.extend(self.live.replay(&object, self.events));
                let event = self.last_event(&object);
                let missed = request["last_event_id"].as_u64().map(|seen| self.missed(&object, seen));
                let whole = missed.as_ref().is_none_or(Option::is_some);
                notifications.extend(missed.flatten().into_iter().flatten());
                json!({
                    "event_type": "subscription_established", "correlation_id": body["correlation_id"],
                    "event": {
                        "object_type": object_type, "object_sid": object,
                        "replay_status": if whole { "completed" } else { "interrupted" },
                        "last_event_id": event
                    }
                })
            };
            notifications.push(Notification::new(object, SUBSCRIPTION, payload).private());
        }
        let answer = json!({ "max_batch_size": 100, "estimated_delivery_in_ms": 10_000, "ttl_in_s": 3600 });
        (Answer::ok(answer), notifications)
    }

    fn last_event(&self, object: &str) -> u64 {
        let event = self.map(object).map(|map| self.maps[map].0.event);
        let event = event.or(self.document(object).map(|document| self.documents[document].0.event));
        event.or(self.lists.last_event(object)).unwrap_or(0)
    }

    /// The events of this object after the one with this number; `None` when they are no longer all known.
    fn missed(&self, object: &str, seen: u64) -> Option<Vec<Notification>> {
        if self.last_event(object) <= seen {
            return Some(Vec::new());
        }
        if self.past.len() == KEPT && self.past.front().is_some_and(|(first, _)| *first > seen) {
            return None;
        }
        let after = self.past.iter().filter(|(event, told)| *event > seen && told.about == object);
        Some(after.map(|(_, told)| told.clone().private()).collect())
    }

    /// Keeps an event for clients that are away.
    fn kept(&mut self, event: u64, notification: Notification) -> Notification {
        if self.past.len() == KEPT {
            self.past.pop_front();
        }
        self.past.push_back((event, notification.clone()));
        notification
    }

    /// Applies a change of what the Conversations SDK sees.
    pub(crate) fn apply(&mut self, now: Millis, change: SyncChange) -> Vec<Notification> {
        match change {
            SyncChange::Document { name, data } => {
                let document = self.document(&name).unwrap_or_else(|| {
                    let object = self.object("ET", Some(&name));
                    self.documents.push((object, Value::Null));
                    self.documents.len() - 1
                });
                if self.documents[document].1 == data {
                    return Vec::new();
                }
                self.set_document(now, document, &json!({ "data": data })).1
            }
            SyncChange::Item { map: name, item } => {
                let map = self.map_named(&name);
                match item {
                    Some((key, data)) if self.maps[map].1.get(&key).is_none_or(|item| item.data != data) => {
                        self.set_item(now, map, &key, data).1
                    }
                    _ => Vec::new(),
                }
            }
            SyncChange::Gone { map, key } => match self.map(&map) {
                Some(map) => self.remove_item(now, map, &key).1,
                None => Vec::new(),
            },
            SyncChange::Pushed { list, item } => {
                if !self.lists.has(&list) {
                    let object = self.object("ES", Some(&list));
                    self.lists.add(object);
                }
                let Some(data) = item else { return Vec::new() };
                self.events += 1;
                let told = self.lists.push(now, &list, self.events, data);
                told.map(|told| self.kept(self.events, told)).into_iter().collect()
            }
            SyncChange::Types { conversation, identity, others } => {
                let payload =
                    json!({ "channel_sid": conversation, "identity": identity, "typing_timeout": 5 });
                let told = others.iter().map(|other| {
                    Notification::new(of_user(other), "twilio.ipmsg.typing_indicator", payload.clone())
                });
                told.collect()
            }
        }
    }

    fn map_named(&mut self, name: &str) -> usize {
        match self.map(name) {
            Some(map) => map,
            None => {
                let object = self.object("MP", Some(name));
                self.maps.push((object, BTreeMap::new()));
                self.maps.len() - 1
            }
        }
    }

    fn create_map(&mut self, now: Millis, body: &Value) -> Answer {
        let name = body["unique_name"].as_str();
        if let Some(map) = name.and_then(|name| self.map(name)) {
            let mut view = map_view(now, &self.maps[map].0);
            merge(
                &mut view,
                json!({ "status": 409, "code": 54301, "message": "Unique name already exists" }),
            );
            return Answer { status: 409, body: view };
        }
        let object = self.object("MP", name);
        let body = map_view(now, &object);
        self.maps.push((object, BTreeMap::new()));
        Answer { status: 201, body }
    }

    fn set_item(&mut self, now: Millis, map: usize, key: &str, data: Value) -> (Answer, Vec<Notification>) {
        self.events += 1;
        let event = self.events;
        let (object, items) = &mut self.maps[map];
        object.event = event;
        object.revision += 1;
        let known = items.contains_key(key);
        let item = items.entry(key.to_owned()).or_insert(Item { data: Value::Null, revision: 0, event });
        item.data = data;
        item.revision += 1;
        item.event = event;
        let view = item_view(now, &object.sid, key, item);
        let payload = json!({
            "event_type": if known { "map_item_updated" } else { "map_item_added" },
            "event": {
                "id": event, "map_sid": object.sid, "item_key": key, "item_url": view["url"],
                "item_data": item.data, "item_revision": item.revision.to_string(),
                "date_created": iso(now), "map_revision": object.revision.to_string()
            }
        });
        let notification = Notification::new(object.sid.clone(), "com.twilio.rtd.cds.map", payload);
        let told = vec![self.kept(event, notification)];
        (Answer { status: if known { 200 } else { 201 }, body: view }, told)
    }

    fn remove_item(&mut self, now: Millis, map: usize, key: &str) -> (Answer, Vec<Notification>) {
        let (object, items) = &mut self.maps[map];
        let Some(item) = items.remove(key) else { return (no_item(), Vec::new()) };
        self.events += 1;
        object.event = self.events;
        object.revision += 1;
        let mut view = item_view(now, &object.sid, key, &item);
        merge(&mut view, json!({ "last_event_id": object.event }));
        let payload = json!({
            "event_type": "map_item_removed",
            "event": {
                "id": object.event, "map_sid": object.sid, "item_key": key, "item_data": item.data,
                "date_created": iso(now), "map_revision": object.revision.to_string()
            }
        });
        let notification = Notification::new(object.sid.clone(), "com.twilio.rtd.cds.map", payload);
        (Answer::ok(view), vec![self.kept(self.events, notification)])
    }

    fn create_document(&mut self, now: Millis, body: &Value) -> Answer {
        let name = body["unique_name"].as_str();
        if name.and_then(|name| self.document(name)).is_some() {
            return Answer::error(409, 54301, "Unique name already exists");
        }
        let data = if body["data"].is_null() { json!({}) } else { body["data"].clone() };
        let document = (self.object("ET", name), data);
        let body = document_view(now, &document);
        self.documents.push(document);
        Answer { status: 201, body }
    }

    fn set_document(&mut self, now: Millis, document: usize, body: &Value) -> (Answer, Vec<Notification>) {
        self.events += 1;
        let event = self.events;
        let document = &mut self.documents[document];
        document.0.event = event;
        document.0.revision += 1;
        document.1 = body["data"].clone();
        let payload = json!({
            "event_type": "document_updated",
            "event": {
                "id": event, "document_sid": document.0.sid, "document_data": document.1,
                "document_revision": document.0.revision.to_string(), "date_created": iso(now)
            }
        });
        let answer = Answer::ok(document_view(now, document));
        let about = document.0.sid.clone();
        let notification = Notification::new(about, "com.twilio.rtd.cds.document", payload);
        (answer, vec![self.kept(event, notification)])
    }

    fn map(&self, id: &str) -> Option<usize> {
        self.maps.iter().position(|(object, _)| object.is(id))
    }

    fn document(&self, id: &str) -> Option<usize> {
        self.documents.iter().position(|(object, _)| object.is(id))
    }

    fn object(&mut self, prefix: &str, name: Option<&str>) -> Object {
        Object { sid: self.next_sid(prefix), unique_name: name.map(str::to_owned), revision: 0, event: 0 }
    }

    fn next_sid(&mut self, prefix: &str) -> String {
        self.objects += 1;
        format!("{prefix}{:032x}", self.objects)
    }
}

impl Object {
    pub(crate) fn is(&self, id: &str) -> bool {
        self.sid == id || self.unique_name.as_deref() == Some(id)
    }

    pub(crate) fn view(&self, now: Millis, kind: &str, links: &Value) -> Value {
        json!({
            "sid": self.sid, "unique_name": self.unique_name, "service_sid": "default",
            "url": format!("{BASE}/v3/{kind}/{}", self.sid),
            "revision": self.revision.to_string(), "last_event_id": self.event,
            "date_created": iso(now), "date_updated": iso(now), "date_expires": null,
            "created_by": "system", "links": links
        })
    }
}

fn map_view(now: Millis, map: &Object) -> Value {
    map.view(now, "Maps", &json!({ "items": format!("{BASE}/v3/Maps/{}/Items", map.sid) }))
}

fn document_view(now: Millis, (document, data): &(Object, Value)) -> Value {
    let mut view = document.view(now, "Documents", &json!({}));
    merge(&mut view, json!({ "data": data }));
    view
}

fn item_view(now: Millis, map: &str, key: &str, item: &Item) -> Value {
    json!({
        "key": key, "url": format!("{BASE}/v3/Maps/{map}/Items/{key}"), "data": item.data,
        "revision": item.revision.to_string(), "last_event_id": item.event,
        "date_created": iso(now), "date_updated": iso(now), "date_expires": null, "map_sid": map
    })
}

fn no_map() -> Answer {
    Answer::error(404, 54150, "Map not found")
}

fn no_item() -> Answer {
    Answer::error(404, 54201, "Map item not found")
}

fn no_document() -> Answer {
    Answer::error(404, 54100, "Document not found")
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend::<Map<String, Value>>(more);
    }
}

/// Undoes percent-encoding of a path segment.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = || std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok();
        if bytes[at] == b'%'
            && let Some(byte) = hex().and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        sync: &mut Sync,
        subs: &mut Subscriptions,
        method: &str,
        path: &str,
        body: Value,
    ) -> (Answer, Vec<Notification>) {
        let request = Tunnelled { path: path.into(), method: method.into(), body, ..Tunnelled::default() };
        sync.handle(Millis(0), subs, &request).expect("known")
    }

    #[test]
    fn a_map_is_created_filled_read_and_subscribed_to() {
        let (mut sync, mut subs) = (Sync::default(), Subscriptions::default());
        let missing = ask(&mut sync, &mut subs, "GET", "/v3/Maps/WT1.CS", Value::Null).0;
        assert_eq!((missing.status, &missing.body["code"]), (404, &json!(54150)));
        let made = ask(&mut sync, &mut subs, "POST", "/v3/Maps", json!({ "unique_name": "WT1.CS" })).0;
        assert_eq!(made.status, 201);
        let sid = made.body["sid"].as_str().expect("a sid").to_owned();
        let again = ask(&mut sync, &mut subs, "POST", "/v3/Maps", json!({ "unique_name": "WT1.CS" })).0;
        assert_eq!((again.status, &again.body["sid"]), (409, &json!(sid)));

        let request = json!({ "action": "establish", "correlation_id": 7,
            "requests": [{ "object_sid": sid, "object_type": "map" }] });
        let (_, told) = ask(&mut sync, &mut subs, "POST", "/v4/Subscriptions", request);
        assert_eq!(told[0].payload["correlation_id"], 7);
        assert_eq!(told[0].payload["event"]["replay_status"], "completed");
        assert!(subs.has(&sid));

        let path = "/v3/Maps/WT1.CS/Items/a%20b";
        let (put, told) = ask(&mut sync, &mut subs, "PUT", path, json!({ "data": { "x": 1 } }));
        assert_eq!((put.status, told[0].about.as_str()), (201, sid.as_str()));
        assert_eq!(told[0].payload["event_type"], "map_item_added");
        let first = told[0].payload["event"]["id"].as_u64();
        let (put, told) = ask(&mut sync, &mut subs, "PUT", path, json!({ "data": { "x": 2 } }));
        assert_eq!((put.status, &told[0].payload["event_type"]), (200, &json!("map_item_updated")));
        assert!(told[0].payload["event"]["id"].as_u64() > first, "clients drop events that do not grow");

        let list = ask(&mut sync, &mut subs, "GET", "/v3/Maps/WT1.CS/Items", Value::Null).0;
        assert_eq!(list.body["items"][0]["key"], "a b");
        assert_eq!(list.body["items"][0]["data"], json!({ "x": 2 }));
        let (_, told) = ask(&mut sync, &mut subs, "DELETE", path, Value::Null);
        assert_eq!(told[0].payload["event_type"], "map_item_removed");
        assert_eq!(ask(&mut sync, &mut subs, "GET", path, Value::Null).0.status, 404);
    }

    #[test]
    fn a_document_is_created_and_changed() {
        let (mut sync, mut subs) = (Sync::default(), Subscriptions::default());
        let made = ask(&mut sync, &mut subs, "POST", "/v3/Documents", json!({ "unique_name": "d" })).0;
        assert_eq!((made.status, &made.body["data"]), (201, &json!({})));
        let (set, told) = ask(&mut sync, &mut subs, "POST", "/v3/Documents/d", json!({ "data": { "y": 1 } }));
        assert_eq!(set.body["revision"], "1");
        assert_eq!(told[0].payload["event"]["document_data"], json!({ "y": 1 }));
    }

    #[test]
    fn unknown_objects_are_not_found() {
        let request = Tunnelled { path: "/v3/Streams".into(), method: "POST".into(), ..Tunnelled::default() };
        assert_eq!(Sync::default().handle(Millis(0), &mut Subscriptions::default(), &request), None);
    }
}
