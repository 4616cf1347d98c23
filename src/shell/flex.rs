//! Reads Flex's state by name, because another version of Flex may lack any of it. The meaning is expressed in the
//! terms of [`crate::boundary`].

use crate::agent::{FromDesktop, Intent, RequestId, ReservationStatus};
use crate::boundary::{Fields, Value};
use crate::shell::js;
use crate::value::joined;
use js_sys::Array;
use rejoin_protocol::api::GracefulReason;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Fields of a task.
const TASK: [(&str, &str); 6] = [
    ("task", "taskSid"),
    ("reservation", "sid"),
    ("status", "status"),
    ("workflow", "workflowSid"),
    ("queue", "queueSid"),
    ("attributes", "attributes"),
];
/// Fields of a participant.
const LEG: [(&str, &str); 3] =
    [("call", "callSid"), ("kind", "participantType"), ("sequence", "mediaProperties.sequenceNumber")];
const TASK_CHANGED: &str = "taskChanged";
/// The Voice SDK's object of the open call, and in it the SID of the leg.
const ACTIVE_CALL: &str = "phone.activeCall";
const CALL_SID: &str = "parameters.CallSid";
/// The feature flag of Flex's own prompt before a page is left.
const OWN_PROMPT: &str = "flex-multi-tab-support.enabled";

/// Methods of Flex UI without which nothing works.
const NEEDED: [&str; 5] = [
    "Actions.addListener",
    "Actions.invokeAction",
    "TaskHelper.isCallTask",
    "TaskHelper.isLiveCall",
    "TaskHelper.getTaskByTaskSid",
];
/// The same for its manager.
const NEEDED_OF_MANAGER: [&str; 2] = ["store.getState", "store.subscribe"];

/// The running Flex UI, and its manager.
#[derive(Clone)]
pub(super) struct Flex {
    ui: JsValue,
    manager: JsValue,
    /// Legs whose call messages are listened to.
    heard: Rc<RefCell<Vec<String>>>,
}

/// What was last reported.
#[derive(Default)]
pub(super) struct Seen {
    token: String,
    /// Name and fields of each event.
    events: Vec<(&'static str, Fields)>,
}

impl Flex {
    /// Takes what Flex handed to the plugin.
    ///
    /// # Errors
    /// When something is missing without which nothing works.
    pub(super) fn new(ui: JsValue, manager: JsValue) -> Result<Self, JsValue> {
        for (of, paths) in [(&ui, &NEEDED[..]), (&manager, &NEEDED_OF_MANAGER[..])] {
            if let Some(path) = paths.iter().find(|path| !js::at(of, path).is_function()) {
                return Err(js::missing(path));
            }
        }
        Ok(Self { ui, manager, heard: Rc::default() })
    }

    /// The account's configuration from either of its places, and the worker's own.
    pub(super) fn settings(&self) -> (Value, Value) {
        let account = ["configuration", "serviceConfiguration.ui_attributes"]
            .map(|place| js::value(&js::at(&self.manager, &joined(&[place, ".custom_data.rejoin"]))))
            .into_iter()
            .find(|found| *found != Value::Nothing);
        (account.unwrap_or_default(), js::value(&js::at(&self.manager, "workerClient.attributes")))
    }

    /// The version of Flex UI.
    pub(super) fn version(&self) -> String {
        js::at(&self.ui, "VERSION").as_string().unwrap_or_default()
    }

    /// The Flex user's current token.
    pub(super) fn token(&self) -> String {
        let state = self.state().unwrap_or_default();
        js::at(&state, "session.ssoTokenPayload.token").as_string().unwrap_or_default()
    }

    /// True for a dark theme: Flex's own where it says so, else the browser's preference.
    pub(super) fn is_dark(&self) -> bool {
        let theme = js::at(&self.state().unwrap_or_default(), "config.theme.isLight").as_bool();
        theme.map_or_else(
            || {
                let query = "(prefers-color-scheme: dark)".into();
                let found = js::call(&js_sys::global(), "matchMedia", &[&query]);
                js::at(&found.unwrap_or_default(), "matches").is_truthy()
            },
            |light| !light,
        )
    }

    /// True when Flex itself asks before a page is left.
    pub(super) fn prompts(&self) -> bool {
        let flags = js::at(&self.state().unwrap_or_default(), "featureFlags");
        let [own, given] =
            ["localOverrides.", "features."].map(|from| js::at(&flags, &joined(&[from, OWN_PROMPT])));
        if own.is_undefined() { given.is_truthy() } else { own.is_truthy() }
    }

    /// Flex's store: its state, with a way to subscribe to changes.
    pub(super) fn store(&self) -> JsValue {
        js::at(&self.manager, "store")
    }

    /// Flex's actions, invoked by the agent or a plugin.
    pub(super) fn actions(&self) -> JsValue {
        js::at(&self.ui, "Actions")
    }

    /// Flex's notifications.
    pub(super) fn notifications(&self) -> JsValue {
        js::at(&self.ui, "Notifications")
    }

    /// Flex's connection to TaskRouter.
    pub(super) fn worker(&self) -> JsValue {
        js::at(&self.manager, "workerClient")
    }

    /// Flex's phone.
    pub(super) fn phone(&self) -> JsValue {
        js::at(&self.manager, "voiceClient")
    }

    fn hears(&self, leg: &String) -> bool {
        self.heard.borrow().contains(leg)
    }

    /// Listens to the call messages of the open call, once. Others may listen, too. The Voice SDK before 2.2 has none.
    pub(super) fn hear(&self, listener: impl FnOnce(&str) -> JsValue) {
        let call = js::at(&self.state().unwrap_or_default(), ACTIVE_CALL);
        let Some(leg) = js::at(&call, CALL_SID).as_string() else { return };
        if !self.hears(&leg)
            && js::at(&call, "sendMessage").is_function()
            && js::call(&call, "on", &[&"messageReceived".into(), &listener(&leg)]).is_ok()
        {
            self.heard.borrow_mut().push(leg);
        }
    }

    /// Flex's state.
    pub(super) fn state(&self) -> Result<JsValue, JsValue> {
        Ok(js::at(&js::call(&self.store(), "getState", &[])?, "flex"))
    }

    /// Flex's tasks.
    pub(super) fn tasks(&self, state: &JsValue) -> Result<Array, JsValue> {
        Ok(Array::from(&js::call(&js::at(state, "worker.tasks"), "values", &[])?))
    }

    fn is_registered(&self) -> Value {
        Value::Flag(js::at(&self.phone(), "state").as_string().as_deref() == Some("registered"))
    }

    fn task(&self, state: &JsValue, task: &JsValue) -> Result<Fields, JsValue> {
        let helper = js::at(&self.ui, "TaskHelper");
        let is = |what: &str| js::call(&helper, what, &[task]).map(|it| it.is_truthy());
        let call = js::at(state, ACTIVE_CALL);
        let leg = js::at(&call, CALL_SID).as_string();
        let muted = js::call(&call, "isMuted", &[]).is_ok_and(|muted| muted.is_truthy());
        let contact = js::at(&self.manager, "workerClient.attributes.contact_uri");
        let hang_up = js::at(&self.phone(), "disconnectAll");
        Ok(js::named(task, &TASK)
            .with("voice", Value::Flag(is("isCallTask")?))
            .with("liveCall", Value::Flag(call.is_truthy() && is("isLiveCall")?))
            .with("answersMessages", Value::Flag(leg.as_ref().is_some_and(|leg| self.hears(leg))))
            .with("ownLeg", leg.map_or(Value::Nothing, Value::Text))
            .with("muted", Value::Flag(muted))
            .with("contactUri", js::value(&contact))
            .with("joinable", Value::Flag(js::at(task, "joinCall").is_function()))
            .with("keepable", Value::Flag(hang_up.is_function())))
    }

    /// The conference of a task, if there is one.
    fn conference(&self, state: &JsValue, task: &JsValue) -> Option<Fields> {
        let known = js::at(state, "conferences.states");
        let known = js::call(&known, "get", &[&js::at(task, "taskSid")]).unwrap_or_default();
        let known = js::at(&known, "source");
        let conference = if known.is_truthy() { known } else { js::at(task, "conference") };
        let legs = js::at(&conference, "participants").dyn_into::<Array>().ok()?;
        let leg = |leg: JsValue| {
            let joined = js::at(&leg, "status") == "joined";
            let mine = js::at(&leg, "isCurrentWorker").is_truthy();
            let facts = js::named(&leg, &LEG).with("mine", Value::Flag(mine));
            Value::Object(facts.with("joined", Value::Flag(joined)))
        };
        let facts = js::named(&conference, &[("conference", "conferenceSid")]);
        let facts = facts.with("legs", Value::List(legs.iter().map(leg).collect()));
        Some(facts.with("reservation", js::value(&js::at(task, "sid"))))
    }

    /// The plugin starts. `waits` is true when this page waits for another one's end.
    pub(super) fn started(&self, waits: bool) -> Result<FromDesktop, JsValue> {
        let state = self.state()?;
        let task = |task: JsValue| self.task(&state, &task).map(Value::Object);
        let tasks = self.tasks(&state)?.iter().map(task).collect::<Result<_, _>>()?;
        let full = js::at(&state, "worker.attributes.full_name").as_string();
        let name = full.or_else(|| js::at(&self.manager, "workerClient.name").as_string());
        let facts = js::named(&self.manager, &[("worker", "workerClient.sid")])
            .with("workerName", Value::Text(name.unwrap_or_default()))
            .with("phoneRegistered", self.is_registered())
            .with("tasks", Value::List(tasks))
            .with("waits", Value::Flag(waits));
        FromDesktop::said("started", facts).map_err(js::unfit)
    }

    /// What this action is about to do to a call; `None`: nothing.
    pub(super) fn before(
        &self,
        request: RequestId,
        action: &str,
        payload: &JsValue,
    ) -> Result<Option<FromDesktop>, JsValue> {
        let mode = js::at(payload, "options.mode").as_string();
        let Some(intent) = Intent::of(action, mode.as_deref()) else { return Ok(None) };
        if intent == Intent::SignOut {
            let reason = GracefulReason::SignOut;
            return Ok(Some(FromDesktop::BeforeLeave { request, reservation: None, reason }));
        }
        let mut task = js::at(payload, "task");
        if !task.is_truthy() {
            let helper = js::at(&self.ui, "TaskHelper");
            task = js::call(&helper, "getTaskByTaskSid", &[&js::at(payload, "sid")])?;
        }
        if !task.is_truthy() {
            return Ok(None);
        }
        let mut sid = js::named(&task, &[("reservation", "sid")]);
        let reservation = sid.parsed("reservation").map_err(js::unfit)?;
        Ok(Some(match intent {
            Intent::Accept => {
                let facts = self.task(&self.state()?, &task)?;
                let facts = js::named(payload, &[("callback", "conferenceOptions.conferenceStatusCallback")])
                    .with("request", Value::Number(request.0.into()))
                    .with("task", Value::Object(facts));
                FromDesktop::said("beforeAccept", facts).map_err(js::unfit)?
            }
            Intent::Leave(reason) => {
                FromDesktop::BeforeLeave { request, reservation: Some(reservation), reason }
            }
            Intent::Complete => FromDesktop::BeforeComplete { request, reservation },
            Intent::SignOut => return Ok(None), // it concerns no single task
        }))
    }

    /// What has changed since the last look. The store is the only source that has tasks from before the plugin,
    /// changes without an event, and conferences.
    pub(super) fn look(&self, seen: &mut Seen) -> Result<Vec<FromDesktop>, JsValue> {
        let state = self.state()?;
        let mut now = vec![("phoneChanged", Fields::default().with("registered", self.is_registered()))];
        let activity = js::at(&state, "worker.activity.sid");
        let offline = js::at(&self.manager, "serviceConfiguration.taskrouter_offline_activity_sid");
        let available = js::at(&state, "worker.activity.available");
        let facts = Fields::default().with("sid", js::value(&activity));
        let facts = facts.with("unavailable", Value::Flag(available == JsValue::FALSE));
        now.push(("activityChanged", facts.with("offline", Value::Flag(offline == activity))));
        let mut here = Vec::new();
        for task in self.tasks(&state)?.iter() {
            here.push(js::at(&task, "sid").as_string().unwrap_or_default());
            now.push((TASK_CHANGED, self.task(&state, &task)?));
            now.extend(self.conference(&state, &task).map(|facts| ("conferenceChanged", facts)));
        }
        // What does not fit changes nothing.
        let understood = |(name, facts): &(&str, Fields)| FromDesktop::said(name, facts.clone()).ok();
        let mut news = Vec::new();
        for task in seen.events.iter().filter(|(name, _)| *name == TASK_CHANGED) {
            if let Some(FromDesktop::TaskChanged(mut facts)) = understood(task)
                && !here.iter().any(|sid| sid == facts.reservation.as_str())
            {
                facts.status = ReservationStatus::Over;
                news.push(FromDesktop::TaskChanged(facts));
            }
        }
        let token = self.token();
        if token != seen.token {
            seen.token = token;
            news.push(FromDesktop::TokenChanged {});
        }
        news.extend(now.iter().filter(|event| !seen.events.contains(event)).filter_map(understood));
        seen.events = now;
        Ok(news)
    }
}
