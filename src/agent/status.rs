//! What a developer or a support engineer is told on request. Nothing personal is in it: SIDs, names of events and
//! stages, times, and what the account has configured.

use crate::agent::{Agent, Answer, Event, FromDesktop, Microphone};
use crate::boundary::Value;
use rejoin_protocol::api::{RecoveryView, Stage};
use rejoin_protocol::{Millis, RecoveryId, ReservationSid, TaskSid};

/// So many events are remembered.
const EVENTS: usize = 50;
/// So many recoveries are remembered.
const RECOVERIES: usize = 20;

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn time(millis: Millis) -> Value {
    Value::Number(millis.0 as f64)
}

impl Agent {
    /// How things stand: `{state, reason, server, pushUp, protectedCalls, problems, configuration}`.
    pub fn status(&self) -> Value {
        let idle = self.config.idle();
        let state = match (idle, &self.me) {
            (Some(_), _) => "passive",
            (None, None) => "starting",
            (None, Some(_)) if self.waits => "waiting",
            (None, Some(_)) => "ready",
        };
        let protected = self.calls.values().filter(|call| call.is_protected());
        object([
            ("state", state.into()),
            ("reason", idle.map_or(Value::Nothing, |idle| Value::Text(idle.to_string()))),
            ("server", Value::Text(self.config.server.clone())),
            ("pushUp", Value::Flag(self.push == Some(true))),
            ("protectedCalls", Value::Number(protected.count() as f64)),
            ("problems", Value::List(self.complaints.keys().map(|it| Value::Text(it.to_string())).collect())),
            ("configuration", self.config.tell()),
        ])
    }
}

/// What has happened on this page lately. Apart from the machine, so that it is still there when that one fails.
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
    /// Nothing has happened yet.
    pub const fn new() -> Self {
        Self { events: Vec::new(), recoveries: Vec::new() }
    }

    /// To be called with each event that the machine gets.
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
            | Event::PushState { .. }
            | Event::Ask
            | Event::Superseded
            | Event::Elected { .. }
            | Event::Deposed
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

    /// `{recoveries: [{id, task, reservation, stage, at, tookMs}], events: [{at, event}]}`, the oldest first. Points in
    /// time are milliseconds since the Unix epoch; a recovery took from when this page first heard of it to its end,
    /// or until now.
    pub fn tell(&self, now: Millis) -> Value {
        let recoveries = self.recoveries.iter().map(|seen| {
            let end = if seen.is_final { seen.changed } else { now };
            object([
                ("id", seen.id.as_str().into()),
                ("task", seen.task.as_str().into()),
                ("reservation", seen.reservation.as_str().into()),
                ("stage", seen.stage.into()),
                ("at", time(seen.began)),
                ("tookMs", time(seen.began.until(end))),
            ])
        });
        let events =
            self.events.iter().map(|(at, name)| object([("at", time(*at)), ("event", (*name).into())]));
        object([("recoveries", Value::List(recoveries.collect())), ("events", Value::List(events.collect()))])
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
            FromDesktop::AcceptFailed { .. } => "acceptFailed",
            FromDesktop::Joined { .. } => "joined",
            FromDesktop::JoinFailed { .. } => "joinFailed",
            FromDesktop::PageHide {} => "pageHide",
            FromDesktop::MicrophoneChanged { microphone: Microphone::Granted } => "microphoneGranted",
            FromDesktop::MicrophoneChanged { microphone: Microphone::Denied } => "microphoneDenied",
            FromDesktop::MicrophoneChanged { microphone: Microphone::Missing } => "microphoneMissing",
            FromDesktop::MicrophoneChanged { microphone: Microphone::Unknown } => "microphoneUnknown",
            FromDesktop::SoundChanged { blocked: true } => "soundBlocked",
            FromDesktop::SoundChanged { blocked: false } => "soundPlays",
            FromDesktop::ActivityChanged(_) => "activityChanged",
            FromDesktop::FlexPrompts {} => "flexPrompts",
            FromDesktop::TokenChanged {} => "tokenChanged",
            FromDesktop::Reconnected {} => "reconnected",
            FromDesktop::SignedOut {} => "signedOut",
        },
        Event::DialogButton => "dialogButton",
        Event::Reply { result: Ok(_), .. } => "reply",
        Event::Reply { result: Err(_), .. } => "noReply",
        Event::Push(_) => "push",
        Event::PushState { up: true } => "pushUp",
        Event::PushState { up: false } => "pushDown",
        Event::Ask => "ask",
        Event::Superseded => "superseded",
        Event::Elected { .. } => "elected",
        Event::Deposed => "deposed",
        Event::Garbled => "garbled",
        Event::Timer(_) => "timer",
    }
}
