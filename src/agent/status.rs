//! Diagnosis on request, for developers and support engineers. It contains no personal data: SIDs, names of events
//! and stages, times, and the account's configuration.

use crate::agent::{Agent, Answer, Event, FromDesktop, Microphone};
use crate::value::Value;
use rejoin_protocol::api::{RecoveryView, Stage};
use rejoin_protocol::{Millis, RecoveryId, ReservationSid, TaskSid};

/// Maximum number of recorded events.
const EVENTS: usize = 50;
/// Maximum number of recorded recoveries.
const RECOVERIES: usize = 20;

/// An object under construction. (An array of its fields would be moved on the stack, which is more code.)
#[derive(Default)]
struct Object(Vec<(String, Value)>);

impl Object {
    #[inline(never)]
    fn put(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }

    #[inline(never)]
    fn text(&mut self, name: &str, text: &str) {
        self.put(name, Value::Text(text.to_owned()));
    }

    #[inline(never)]
    fn time(&mut self, name: &str, millis: Millis) {
        self.put(name, Value::Number(millis.0 as f64));
    }

    fn done(self) -> Value {
        Value::Object(self.0.into_iter().collect())
    }
}

impl Agent {
    /// The current state: `{state, reason, server, pushUp, protectedCalls, problems, configuration}`.
    pub fn status(&self) -> Value {
        let idle = self.config.idle();
        let state = match (idle, &self.me) {
            (Some(_), _) => "passive",
            (None, None) => "starting",
            (None, Some(_)) if self.waits => "waiting",
            (None, Some(_)) => "ready",
        };
        let protected = self.calls.values().filter(|call| call.is_known_to_server());
        let problems = self.complaints.keys().map(|it| Value::Text(it.text())).collect();
        let mut status = Object::default();
        status.text("state", state);
        if let Some(idle) = idle {
            status.text("reason", idle.text());
        }
        status.text("server", &self.config.server);
        status.put("pushUp", Value::Flag(self.push == Some(true)));
        status.put("protectedCalls", Value::Number(protected.count() as f64));
        status.put("problems", Value::List(problems));
        status.put("configuration", self.config.tell());
        status.done()
    }
}

/// Recent events of this page. Kept apart from the machine, so that it survives the machine's failure.
#[derive(Debug, Default)]
pub struct Record {
    events: Vec<(Millis, &'static str)>,
    recoveries: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    id: RecoveryId,
    task: TaskSid,
    reservation: ReservationSid,
    stage: &'static str,
    is_final: bool,
    began: Millis,
    changed: Millis,
}

impl Record {
    /// An empty record.
    pub const fn new() -> Self {
        Self { events: Vec::new(), recoveries: Vec::new() }
    }

    /// Must be called with each event of the machine.
    pub fn note(&mut self, now: Millis, event: &Event) {
        if self.events.len() == EVENTS {
            self.events.remove(0);
        }
        self.events.push((now, name(event)));
        match event {
            Event::Push(view) => self.saw(now, view),
            Event::Reply { result: Ok(Answer::Hello(reply)), .. } => {
                for view in &reply.recoveries {
                    self.saw(now, view);
                }
            }
            Event::Desktop(_)
            | Event::DialogButton
            | Event::Reply { .. }
            | Event::Conversations(_)
            | Event::PushState { .. }
            | Event::Ask
            | Event::Superseded
            | Event::Move
            | Event::Elected { .. }
            | Event::Deposed
            | Event::Restored { .. }
            | Event::Garbled
            | Event::Timer(_) => {}
        }
    }

    fn saw(&mut self, now: Millis, view: &RecoveryView) {
        let (stage, is_final) = (stage(&view.stage), view.stage.is_final());
        if let Some(seen) = self.recoveries.iter_mut().find(|seen| seen.id == view.id) {
            if seen.stage != stage {
                (seen.stage, seen.is_final, seen.changed) = (stage, is_final, now);
            }
            return;
        }
        if self.recoveries.len() == RECOVERIES {
            self.recoveries.remove(0);
        }
        let (id, task, reservation) = (view.id.clone(), view.task.clone(), view.reservation.clone());
        self.recoveries.push(Seen { id, task, reservation, stage, is_final, began: now, changed: now });
    }

    /// `{recoveries: [{id, task, reservation, stage, at, tookMs}], events: [{at, event}]}`, oldest first. Points in
    /// time are milliseconds since the Unix epoch; a recovery lasted from when this page first heard of it to its
    /// end, or until now.
    pub fn tell(&self, now: Millis) -> Value {
        let mut record = Object::default();
        record.put("recoveries", Value::List(self.recoveries.iter().map(|seen| seen.tell(now)).collect()));
        let event = |(at, name): &(Millis, &str)| {
            let mut event = Object::default();
            event.time("at", *at);
            event.text("event", name);
            event.done()
        };
        record.put("events", Value::List(self.events.iter().map(event).collect()));
        record.done()
    }
}

impl Seen {
    fn tell(&self, now: Millis) -> Value {
        let mut seen = Object::default();
        seen.text("id", self.id.as_str());
        seen.text("task", self.task.as_str());
        seen.text("reservation", self.reservation.as_str());
        seen.text("stage", self.stage);
        seen.time("at", self.began);
        seen.time("tookMs", self.began.until(if self.is_final { self.changed } else { now }));
        seen.done()
    }
}

fn stage(stage: &Stage) -> &'static str {
    match stage {
        Stage::Interrupted => "interrupted",
        Stage::InPlace => "inPlace",
        Stage::Requeueing => "requeueing",
        Stage::Queued => "queued",
        Stage::WaitingForOther => "waitingForOther",
        Stage::Rejoined => "rejoined",
        Stage::HandedOver { .. } => "handedOver",
        Stage::Covered => "covered",
        Stage::CustomerLeft => "customerLeft",
        Stage::Graceful => "graceful",
        Stage::Failed { .. } => "failed",
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Desktop(event) => match event {
            FromDesktop::Started { .. } => "started",
            FromDesktop::TaskChanged(_) => "taskChanged",
            FromDesktop::ConferenceChanged(_) => "conferenceChanged",
            FromDesktop::BeforeAccept { .. } => "beforeAccept",
            FromDesktop::BeforeLeave { .. } => "beforeLeave",
            FromDesktop::BeforeComplete { .. } => "beforeComplete",
            FromDesktop::PhoneChanged { registered: true } => "phoneRegistered",
            FromDesktop::PhoneChanged { registered: false } => "phoneUnregistered",
            FromDesktop::ExitFlagSettled { .. } => "exitFlagSettled",
            FromDesktop::TaskMarked { .. } => "taskMarked",
            FromDesktop::AcceptFailed { .. } => "acceptFailed",
            FromDesktop::Joined { .. } => "joined",
            FromDesktop::JoinFailed { .. } => "joinFailed",
            FromDesktop::PageHide { .. } => "pageHide",
            FromDesktop::MicrophoneChanged { microphone: Microphone::Granted } => "microphoneGranted",
            FromDesktop::MicrophoneChanged { microphone: Microphone::Denied } => "microphoneDenied",
            FromDesktop::MicrophoneChanged { microphone: Microphone::Missing } => "microphoneMissing",
            FromDesktop::MicrophoneChanged { microphone: Microphone::Unknown } => "microphoneUnknown",
            FromDesktop::DevicesChanged { .. } => "devicesChanged",
            FromDesktop::PhoneLooked {} => "phoneLooked",
            FromDesktop::Measured { .. } => "measured",
            FromDesktop::SoundChanged { blocked: true } => "soundBlocked",
            FromDesktop::SoundChanged { blocked: false } => "soundPlays",
            FromDesktop::ActivityChanged(_) => "activityChanged",
            FromDesktop::FlexPrompts {} => "flexPrompts",
            FromDesktop::Asked { .. } => "asked",
            FromDesktop::TokenChanged {} => "tokenChanged",
            FromDesktop::Reconnected {} => "reconnected",
            FromDesktop::SignedOut {} => "signedOut",
        },
        Event::DialogButton => "dialogButton",
        Event::Conversations(_) => "conversations",
        Event::Reply { result: Ok(_), .. } => "reply",
        Event::Reply { result: Err(_), .. } => "noReply",
        Event::Push(_) => "push",
        Event::PushState { up: true } => "pushUp",
        Event::PushState { up: false } => "pushDown",
        Event::Ask => "ask",
        Event::Superseded => "superseded",
        Event::Move => "move",
        Event::Elected { .. } => "elected",
        Event::Deposed => "deposed",
        Event::Restored { .. } => "restored",
        Event::Garbled => "garbled",
        Event::Timer(_) => "timer",
    }
}
