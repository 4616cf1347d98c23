//! As much of one page's Flex UI as the plugin sees, fed by TaskRouter's events (modelled on `@twilio/flex-ui` 2.17.1
//! and `twilio-taskrouter` 2.1.1 as far as they are known; the end-to-end tests run the real ones in a browser).

use crate::browser::{from_json, value};
use rejoin_plugin::agent::FromDesktop;
use rejoin_plugin::boundary::{Fields, Value};
use rejoin_protocol::{ActivitySid, CallSid, ReservationSid, TaskSid};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// A page's view of the world.
#[derive(Debug, Default)]
pub(crate) struct Flex {
    pub(crate) worker: String,
    pub(crate) contact: String,
    pub(crate) tasks: BTreeMap<ReservationSid, Held>,
    pub(crate) rooms: BTreeMap<TaskSid, Room>,
    pub(crate) activity: Option<String>,
    pub(crate) registered: bool,
    pub(crate) call: Option<OnCall>,
    /// The facts last reported to the core.
    seen: Vec<Told>,
    token: String,
    /// The state at the last look.
    looked: Option<Looked>,
}

/// The state at the last look from which events to the core are made. Usually nothing has changed since.
#[derive(Debug)]
struct Looked {
    tasks: BTreeMap<ReservationSid, Held>,
    rooms: BTreeMap<TaskSid, Room>,
    activity: Option<String>,
    registered: bool,
    call: Option<OnCall>,
}

impl Looked {
    fn is_still(&self, flex: &Flex) -> bool {
        let is_so = self.registered == flex.registered && self.activity == flex.activity;
        is_so && self.call == flex.call && self.tasks == flex.tasks && self.rooms == flex.rooms
    }

    /// True when nothing about this reservation has changed.
    fn has_still(&self, flex: &Flex, sid: &ReservationSid, held: &Held) -> bool {
        let is_so = self.call == flex.call && self.tasks.get(sid) == Some(held);
        is_so && self.rooms.get(&held.task) == flex.rooms.get(&held.task)
    }
}

/// A report to the core: the event, the reservation, and the facts.
#[derive(Debug, PartialEq)]
struct Told {
    name: &'static str,
    of: Option<ReservationSid>,
    facts: Fields,
}

impl Told {
    fn understood(&self) -> Option<FromDesktop> {
        let understood = FromDesktop::said(self.name, self.facts.clone());
        debug_assert!(understood.is_ok(), "{}: the core does not understand {:?}", self.name, self.facts);
        understood.ok()
    }
}

/// A reservation of the worker.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) task: TaskSid,
    pub(crate) status: String,
    pub(crate) voice: bool,
    workflow: Value,
    queue: Value,
    /// Replaced only when the attributes change.
    pub(crate) attributes: Arc<Value>,
    /// The text that `attributes` was parsed from.
    text: String,
    /// The value that Flex last wanted for `endConferenceOnExit` of its own leg.
    pub(crate) verdict: Option<bool>,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.attributes, &other.attributes)
            && (self.verdict, self.voice) == (other.verdict, other.voice)
            && (&self.task, &self.status) == (&other.task, &other.status)
            && (&self.workflow, &self.queue) == (&other.workflow, &other.queue)
    }
}

impl Held {
    fn has_attributes(&mut self, text: &str) {
        if self.text == text {
            return;
        }
        if let Some(attributes) = value(text) {
            text.clone_into(&mut self.text);
            if *self.attributes != attributes {
                self.attributes = Arc::new(attributes);
            }
        }
    }
}

/// The conference of a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Room {
    pub(crate) conference: Option<String>,
    pub(crate) legs: Vec<RoomLeg>,
}

/// A participant of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoomLeg {
    pub(crate) participant: String,
    pub(crate) call: Option<String>,
    pub(crate) kind: String,
    pub(crate) worker: Option<String>,
    pub(crate) joined: bool,
    pub(crate) sequence: u64,
}

/// The call that the page's phone has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OnCall {
    pub(crate) leg: CallSid,
    /// The reservation for which it rang, if this page asked for it.
    pub(crate) reservation: Option<ReservationSid>,
    pub(crate) muted: bool,
}

/// Activities in which an agent gets calls, in the accounts of these worlds: available, and the one that our server
/// lends.
static AVAILABLE: LazyLock<[ActivitySid; 2]> = LazyLock::new(|| [1, 3].map(ActivitySid::numbered));

/// True when an agent in this activity gets calls.
fn is_available(activity: &str) -> bool {
    AVAILABLE.iter().any(|sid| sid.as_str() == activity)
}

const TASK_CHANGED: &str = "taskChanged";

fn text(json: &Json) -> Option<String> {
    json.as_str().map(str::to_owned)
}

impl Flex {
    /// The view of this worker, still empty.
    pub(crate) fn of(worker: &str, identity: &str) -> Self {
        Self { worker: worker.to_owned(), contact: format!("client:{identity}"), ..Self::default() }
    }

    /// Handles `reservation.*`, or an item of the list. Returns the reservation if it is new.
    pub(crate) fn reservation(&mut self, payload: &Json) -> Option<ReservationSid> {
        let sid = ReservationSid::parse(payload["sid"].as_str()?).ok()?;
        let status = payload["reservation_status"].as_str()?;
        if !matches!(status, "pending" | "accepted" | "wrapping") {
            self.tasks.remove(&sid);
            return None;
        }
        let task = &payload["task"];
        if let Some(held) = self.tasks.get_mut(&sid) {
            held.status = status.to_owned();
            if let Some(attributes) = task["attributes"].as_str() {
                held.has_attributes(attributes);
            }
            return None;
        }
        let attributes = task["attributes"].as_str().unwrap_or_default();
        let held = Held {
            task: TaskSid::parse(payload["task_sid"].as_str()?).ok()?,
            status: status.to_owned(),
            voice: task["task_channel_unique_name"] == "voice",
            workflow: from_json(task["workflow_sid"].clone()),
            queue: from_json(task["queue_sid"].clone()),
            attributes: Arc::new(value(attributes).unwrap_or_default()),
            text: attributes.to_owned(),
            verdict: None,
        };
        self.tasks.insert(sid.clone(), held);
        Some(sid)
    }

    /// Handles `task.*`.
    pub(crate) fn task(&mut self, payload: &Json) {
        let sid = payload["sid"].as_str().unwrap_or_default();
        let Some(attributes) = payload["attributes"].as_str() else { return };
        for held in self.tasks.values_mut().filter(|held| held.task.as_str() == sid) {
            held.has_attributes(attributes);
        }
    }

    /// Handles `participant.*`, or an item of the list.
    pub(crate) fn participant(&mut self, payload: &Json, gone: bool) -> Option<TaskSid> {
        let task = TaskSid::parse(payload["routing_properties"]["task_sid"].as_str()?).ok()?;
        let media = &payload["media_properties"];
        let sequence = media["SequenceNumber"][0].as_str().and_then(|text| text.parse().ok());
        let leg = RoomLeg {
            participant: text(&payload["participant_sid"]).or_else(|| text(&payload["sid"]))?,
            call: text(&media["CallSid"][0]),
            kind: text(&payload["type"])?,
            worker: text(&payload["routing_properties"]["worker_sid"]),
            joined: !gone,
            sequence: sequence.unwrap_or_default(),
        };
        let room = self.rooms.entry(task.clone()).or_default();
        room.conference = text(&media["ConferenceSid"][0]).or(room.conference.take());
        match room.legs.iter_mut().find(|known| known.participant == leg.participant) {
            Some(known) => *known = leg,
            None => room.legs.push(leg),
        }
        Some(task)
    }

    /// True when the live call belongs to this reservation.
    pub(crate) fn is_live(&self, sid: &ReservationSid, held: &Held) -> bool {
        let Some(call) = &self.call else { return false };
        if held.status != "accepted" || !held.voice {
            return false;
        }
        let here = |room: &Room| room.legs.iter().any(|leg| leg.call.as_deref() == Some(call.leg.as_str()));
        // The page may have asked for another call than the one that came.
        match self.rooms.values().any(here) {
            true => self.rooms.get(&held.task).is_some_and(here),
            false => call.reservation.as_ref() == Some(sid),
        }
    }

    /// The reservation of the call that the phone has.
    pub(crate) fn on_call(&self) -> Option<&ReservationSid> {
        self.tasks.iter().find(|(sid, held)| self.is_live(sid, held)).map(|(sid, _)| sid)
    }

    /// Legs of this worker in the conference of a task that have not left, oldest first.
    pub(crate) fn mine(&self, task: &TaskSid) -> impl Iterator<Item = &RoomLeg> {
        let legs = self.rooms.get(task).into_iter().flat_map(|room| &room.legs);
        legs.filter(|leg| leg.joined && leg.kind == "agent" && leg.worker.as_deref() == Some(&self.worker))
    }

    /// Number of participants, as Flex counts them.
    pub(crate) fn live(&self, task: &TaskSid) -> usize {
        self.rooms.get(task).map_or(0, |room| room.legs.iter().filter(|leg| leg.joined).count())
    }

    fn facts(&self, sid: &ReservationSid, held: &Held) -> Fields {
        let call = self.call.as_ref();
        let own = call.map_or(Value::Nothing, |call| call.leg.as_str().into());
        Fields::default()
            .with("task", held.task.as_str().into())
            .with("reservation", sid.as_str().into())
            .with("status", held.status.as_str().into())
            .with("workflow", held.workflow.clone())
            .with("queue", held.queue.clone())
            .with("attributes", Value::clone(&held.attributes))
            .with("voice", Value::Flag(held.voice))
            .with("liveCall", Value::Flag(self.is_live(sid, held)))
            .with("ownLeg", own)
            .with("answersMessages", Value::Flag(call.is_some()))
            .with("muted", Value::Flag(call.is_some_and(|call| call.muted)))
            .with("contactUri", self.contact.as_str().into())
            .with("joinable", Value::Flag(true))
            .with("keepable", Value::Flag(true))
    }

    fn conference(&self, sid: &ReservationSid, held: &Held) -> Option<Fields> {
        let room = self.rooms.get(&held.task)?;
        let leg = |leg: &RoomLeg| {
            let mine = leg.kind == "agent" && leg.worker.as_deref() == Some(&self.worker);
            let kind = if leg.kind == "agent" { "worker" } else { &leg.kind };
            let facts = Fields::default()
                .with("call", leg.call.as_deref().map_or(Value::Nothing, Value::from))
                .with("kind", kind.into())
                .with("sequence", Value::Number(leg.sequence as f64))
                .with("mine", Value::Flag(mine))
                .with("joined", Value::Flag(leg.joined));
            Value::Object(facts)
        };
        Some(
            Fields::default()
                .with("conference", room.conference.as_deref().map_or(Value::Nothing, Value::from))
                .with("legs", Value::List(room.legs.iter().map(leg).collect()))
                .with("reservation", sid.as_str().into()),
        )
    }

    /// The plugin's `started` event.
    pub(crate) fn started(&self, name: &str, waits: bool) -> Option<FromDesktop> {
        let tasks = self.tasks.iter().map(|(sid, held)| Value::Object(self.facts(sid, held))).collect();
        let facts = Fields::default()
            .with("worker", self.worker.as_str().into())
            .with("workerName", name.into())
            .with("phoneRegistered", Value::Flag(self.registered))
            .with("tasks", Value::List(tasks))
            .with("waits", Value::Flag(waits));
        FromDesktop::said("started", facts).ok()
    }

    /// The plugin's `beforeAccept` event.
    pub(crate) fn before_accept(&self, request: u32, sid: &ReservationSid) -> Option<FromDesktop> {
        let held = self.tasks.get(sid)?;
        let facts = Fields::default()
            .with("request", Value::Number(request.into()))
            .with("task", Value::Object(self.facts(sid, held)));
        FromDesktop::said("beforeAccept", facts).ok()
    }

    /// What has changed since the last look, as the core's shell reports it (`src/shell/flex.rs`).
    pub(crate) fn look(&mut self, token: String) -> Vec<FromDesktop> {
        if token == self.token && self.looked.as_ref().is_some_and(|looked| looked.is_still(self)) {
            return vec![];
        }
        let looked = self.looked.replace(Looked {
            tasks: self.tasks.clone(),
            rooms: self.rooms.clone(),
            activity: self.activity.clone(),
            registered: self.registered,
            call: self.call.clone(),
        });
        let mut seen = std::mem::take(&mut self.seen);
        let mut news = Vec::new();
        for task in seen.iter().filter(|told| told.name == TASK_CHANGED) {
            let is_gone = task.of.as_ref().is_some_and(|sid| !self.tasks.contains_key(sid));
            if is_gone && let Some(FromDesktop::TaskChanged(mut facts)) = task.understood() {
                facts.status = rejoin_plugin::agent::ReservationStatus::Over;
                news.push(FromDesktop::TaskChanged(facts));
            }
        }
        if token != self.token {
            self.token = token;
            news.push(FromDesktop::TokenChanged {});
        }
        let mut now = Vec::new();
        let mut tell = |now: &mut Vec<Told>, seen: &[Told], told: Told| {
            if !seen.contains(&told) {
                news.extend(told.understood());
            }
            now.push(told);
        };
        let facts = Fields::default().with("registered", Value::Flag(self.registered));
        tell(&mut now, &seen, Told { name: "phoneChanged", of: None, facts });
        if let Some(activity) = &self.activity {
            let offline = activity.trim_start_matches("WA").bytes().all(|byte| byte == b'0');
            let facts = Fields::default().with("sid", activity.as_str().into());
            let facts = facts.with("offline", Value::Flag(offline));
            let facts = facts.with("unavailable", Value::Flag(!is_available(activity)));
            tell(&mut now, &seen, Told { name: "activityChanged", of: None, facts });
        }
        for (sid, held) in &self.tasks {
            let of = Some(sid.clone());
            if looked.as_ref().is_some_and(|looked| looked.has_still(self, sid, held)) {
                now.extend(seen.extract_if(.., |told| told.of == of));
                continue;
            }
            let conference = self.conference(sid, held);
            tell(&mut now, &seen, Told { name: TASK_CHANGED, of: of.clone(), facts: self.facts(sid, held) });
            if let Some(facts) = conference {
                tell(&mut now, &seen, Told { name: "conferenceChanged", of, facts });
            }
        }
        self.seen = now;
        news
    }
}
