//! Everything outside of the core, driven by bytes. The property test and the fuzz target (`fuzz/`) share it.

use rejoin_plugin::agent::{
    Agent, Answer, Config, Delivery, Effect, Event, FromDesktop, Kept, PostError, PostId, Request, RequestId,
    Timer, ToDesktop,
};
use rejoin_plugin::boundary::{Value, from_server, outgoing, stored};
use rejoin_protocol::api::{DeliveryId, GracefulMark, GracefulReason, Push};
use rejoin_protocol::{
    ActivitySid, CallSid, ConferenceSid, Millis, RecoveryId, ReservationSid, TaskQueueSid, TaskSid,
    WorkerSid, WorkflowSid,
};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Converts as the wasm shell does.
pub fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Nothing,
        Json::Bool(flag) => Value::Flag(flag),
        Json::Number(number) => number.as_f64().map_or(Value::Nothing, Value::Number),
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(value).collect()),
        Json::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, item)| (name, value(item))).collect())
        }
    }
}

/// The reverse; [`Value::Nothing`] is left out, as in the browser's JSON.
pub fn json_of(value: Value) -> Json {
    match value {
        Value::Nothing => Json::Null,
        Value::Flag(flag) => flag.into(),
        Value::Number(number) => (number as u64).into(),
        Value::Text(text) => text.into(),
        Value::List(items) => items.into_iter().map(json_of).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| *value != Value::Nothing);
            fields.map(|(name, value)| (name.clone(), json_of(value.clone()))).collect()
        }
    }
}

/// A call of this page, with this number.
fn task(number: u128) -> Json {
    json!({
        "task": TaskSid::numbered(number), "reservation": ReservationSid::numbered(number), "status": "accepted",
        "voice": true, "liveCall": true, "ownLeg": CallSid::numbered(number), "workflow": WorkflowSid::numbered(1),
        "queue": TaskQueueSid::numbered(1),
        "joinable": true, "keepable": true, "attributes": {},
    })
}

fn started(number: u128) -> Json {
    json!({"started": {
        "worker": WorkerSid::numbered(9), "workerName": "Ada", "phoneRegistered": true, "tasks": [task(number)],
    }})
}

/// One event of every kind, with all required fields.
pub fn events(number: u128) -> Vec<Json> {
    let reservation = ReservationSid::numbered(number);
    let leg = |call: u128, kind: &str| json!({"kind": kind, "mine": kind == "worker", "joined": true, "call": CallSid::numbered(call)});
    let legs = [leg(number, "worker"), leg(number + 100, "customer")];
    let conference = ConferenceSid::numbered(number);
    vec![
        json!({"taskChanged": task(number)}),
        json!({"conferenceChanged": {"reservation": reservation, "conference": conference, "legs": legs}}),
        json!({"beforeAccept": {"request": 1, "task": task(number)}}),
        json!({"beforeLeave": {"request": 1, "reason": "hang-up"}}),
        json!({"beforeComplete": {"request": 1, "reservation": reservation}}),
        started(number),
        json!({"phoneChanged": {"registered": false}}),
        json!({"pageHide": {}}),
        json!({"soundChanged": {"blocked": true}}),
        json!({"measured": {"took": [12.5, null]}}),
        json!({"asked": {"leg": CallSid::numbered(number), "question": "RJ"}}),
        json!({"activityChanged": {"sid": ActivitySid::numbered(1), "offline": false, "unavailable": false}}),
    ]
}

/// Other input from outside: leaving one call, offers, the server.
fn others(number: u128, word: &str) -> Vec<Json> {
    let (task, reservation) = (TaskSid::numbered(number), ReservationSid::numbered(number));
    let recovery = RecoveryId::numbered(number);
    let view = json!({
        "id": recovery, "task": task, "reservation": reservation, "stage": {"name": word, "reason": "No."},
        "remainingMs": 9_000,
    });
    let attributes = json!({
        "isReconnect": true, "rejoinRecoveryId": recovery, "targetWorkerSid": WorkerSid::numbered(9),
        "disconnectedTime": 1,
    });
    let offer = json!({
        "task": task, "reservation": reservation, "status": "pending", "voice": number.is_multiple_of(2), "liveCall": false,
        "attributes": attributes,
    });
    vec![
        json!({"beforeLeave": {"request": 1, "reason": word, "reservation": reservation}}),
        json!({"taskChanged": offer}),
        json!({"push": "recovery", "recovery": view}),
        json!({"recoveries": [view], "inPlace": true}),
        json!({"recoveries": []}),
        json!({"push": "ask"}),
        json!({"push": "superseded"}),
        json!({"exitFlagSettled": {"reservation": reservation}}),
        json!({"acceptFailed": {"reservation": reservation}}),
        json!({"joined": {"reservation": reservation}}),
        json!({"joinFailed": {"reservation": reservation}}),
        json!({"tokenChanged": {}}),
        json!({"reconnected": {}}),
        json!({"signedOut": {}}),
        json_of(outgoing::kept(&Kept {
            id: DeliveryId { epoch: 1, number: word.len() as u32 },
            worker: WorkerSid::numbered(9),
            made: Millis(1),
            delivery: Delivery::Graceful(GracefulMark {
                id: None,
                task: TaskSid::numbered(number),
                reservation: ReservationSid::numbered(number),
                reason: GracefulReason::HangUp,
            }),
        })),
    ]
}

/// Events that the shell itself notices.
fn noticed(line: &Json) -> Option<FromDesktop> {
    let (name, details) = line.as_object()?.iter().next()?;
    let reservation = || serde_json::from_value(details.get("reservation")?.clone()).ok();
    Some(match name.as_str() {
        "exitFlagSettled" => FromDesktop::ExitFlagSettled { reservation: reservation()? },
        "taskMarked" => FromDesktop::TaskMarked { reservation: reservation()? },
        "acceptFailed" => FromDesktop::AcceptFailed { reservation: reservation()? },
        "joined" => FromDesktop::Joined { reservation: reservation()? },
        "joinFailed" => FromDesktop::JoinFailed { reservation: reservation()? },
        "tokenChanged" => FromDesktop::TokenChanged {},
        "reconnected" => FromDesktop::Reconnected {},
        "signedOut" => FromDesktop::SignedOut {},
        _ => return None,
    })
}

/// Inputs without content: they concern the oldest request, or the pages of this browser.
const LINES: [&str; 7] = ["unreachable", "503", "404", "401", "elected", "taken", "deposed"];

const WORDS: [&str; 28] = [
    "",
    "pending",
    "accepted",
    "wrapping",
    "canceled",
    "worker",
    "customer",
    "supervisor",
    "hang-up",
    "cold-transfer",
    "sign-out",
    "complete",
    "interrupted",
    "inPlace",
    "requeueing",
    "queued",
    "rejoined",
    "waitingForOther",
    "handedOver",
    "covered",
    "customerLeft",
    "failed",
    "client:ada",
    "+49",
    "reservation",
    "task",
    "stage",
    "🦀",
];

/// Takes decisions from bytes; when there are no more, all are zero.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn below(&mut self, limit: usize) -> usize {
        self.0.split_off_first().map_or(0, |byte| usize::from(*byte) % limit)
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    fn anything(&mut self, depth: usize) -> Json {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Json::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(256)),
            3 => {
                [json!(-1), json!(0.5), json!(1e300), json!(u32::MAX), json!(u64::MAX)][self.below(5)].clone()
            }
            4 => json!(self.word()),
            5 => json!(ReservationSid::numbered(self.below(4) as u128)),
            6 => (0..self.below(4)).map(|_| self.anything(depth - 1)).collect(),
            _ => (0..self.below(4)).map(|_| (self.word().to_owned(), self.anything(depth - 1))).collect(),
        }
    }

    /// A valid input, most of the time with one value replaced.
    fn line(&mut self) -> Json {
        let number = 1 + self.below(3) as u128;
        let mut line = match self.below(8) {
            0 => return self.anything(3),
            1 => return json!(self.below(256) * 100),
            2 => return json!(self.below(2) == 0),
            3 => return LINES[self.below(LINES.len())].into(),
            4 | 5 => {
                let word = self.word();
                let all = others(number, word);
                all[self.below(all.len())].clone()
            }
            _ => {
                let all = events(number);
                all[self.below(all.len())].clone()
            }
        };
        if self.below(2) == 0 {
            let mut all = Vec::new();
            places(&line, "", &mut all);
            let place = all.swap_remove(self.below(all.len()));
            let other = self.anything(2);
            if let Some(place) = line.pointer_mut(&place) {
                *place = other;
            }
        }
        line
    }
}

/// Every value within a value, as JSON pointers.
pub fn places(json: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match json {
        Json::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{at}/{name}"), found);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Plays a whole story from bytes on one core: it must not panic, and must answer every question once.
pub fn play(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut page = Page::new();
    // In most stories the page has started.
    if bytes.below(8) > 0 {
        page.hear(started(1));
    }
    while !bytes.0.is_empty() {
        page.hear(bytes.line());
    }
    page.wait(Millis::seconds(60));
    assert_eq!(page.asked, page.answered, "questions and answers");
}

/// The core with a clock, timers and requests of its own.
struct Page {
    agent: Agent,
    now: Millis,
    timers: BTreeMap<Timer, Millis>,
    posts: VecDeque<(PostId, Request)>,
    asked: BTreeSet<RequestId>,
    answered: BTreeSet<RequestId>,
    /// Requests in the browser's storage.
    kept: Vec<Kept>,
}

impl Page {
    fn new() -> Self {
        Self {
            agent: Agent::new(Config::new("https://rejoin.example"), 7, Vec::new()),
            now: Millis::seconds(1_000),
            timers: BTreeMap::new(),
            posts: VecDeque::new(),
            asked: BTreeSet::new(),
            answered: BTreeSet::new(),
            kept: Vec::new(),
        }
    }

    /// A number: this many milliseconds pass; `true`, `false`: the push channel; a text: one of [`LINES`]; everything
    /// else comes from the source that it looks like.
    fn hear(&mut self, line: Json) {
        match &line {
            Json::Bool(up) => return self.handle(Event::PushState { up: *up }),
            Json::String(text) => return self.happen(text),
            Json::Number(time) => return self.wait(Millis(time.as_u64().unwrap_or_default().min(60_000))),
            _ => {}
        }
        if line.get("recoveries").is_some() {
            return self.reply(|request| match request {
                Request::Hello(_) => from_server::hello_reply(value(line))
                    .map(Answer::Hello)
                    .map_err(|_| PostError::Unreachable),
                _ => Ok(Answer::Accepted),
            });
        }
        if line.get("push").is_some() {
            return match from_server::pushed(value(line)) {
                Ok(Push::Recovery { recovery }) => self.handle(Event::Push(recovery)),
                Ok(Push::Ask) => self.handle(Event::Ask),
                Ok(Push::Superseded) => self.handle(Event::Superseded),
                Ok(Push::Move) => self.handle(Event::Move),
                Err(_) => {}
            };
        }
        if line.get("delivery").is_some() {
            return self.kept.extend(stored::kept(value(line)));
        }
        if let Some(event) = noticed(&line) {
            return self.handle(Event::Desktop(event));
        }
        if let Ok(mut event) = FromDesktop::try_from(value(line)) {
            if let FromDesktop::BeforeAccept { request, .. }
            | FromDesktop::BeforeLeave { request, .. }
            | FromDesktop::BeforeComplete { request, .. } = &mut event
            {
                // The shim counts its questions.
                *request = RequestId(self.asked.len() as u32);
                self.asked.insert(*request);
            }
            self.handle(Event::Desktop(event));
        }
    }

    fn happen(&mut self, text: &str) {
        match text {
            "elected" | "taken" => {
                self.agent.remember(Vec::new());
                self.agent.recall(self.kept.clone());
                self.handle(Event::Elected { taken: text == "taken", epoch: 9 });
            }
            "deposed" => self.handle(Event::Deposed),
            _ => {
                let error = text.parse().map_or(PostError::Unreachable, PostError::Status);
                self.reply(|_| Err(error));
            }
        }
    }

    fn reply(&mut self, answer: impl FnOnce(Request) -> Result<Answer, PostError>) {
        if let Some((id, request)) = self.posts.pop_front() {
            self.handle(Event::Reply { id, result: answer(request) });
        }
    }

    fn handle(&mut self, event: Event) {
        for effect in self.agent.handle(self.now, event) {
            match effect {
                Effect::Post { id, request } => self.posts.push_back((id, request)),
                Effect::SetTimer { timer, at } => {
                    self.timers.insert(timer, at);
                }
                Effect::ClearTimer { timer } => {
                    self.timers.remove(&timer);
                }
                Effect::Desktop(effect) => self.carry_out(&effect),
                Effect::Keep(kept) => {
                    self.kept.push(stored::kept(outgoing::kept(&kept)).expect("can be read again"));
                }
                Effect::Unkeep(id) => self.kept.retain(|kept| kept.id != id),
                Effect::UnkeepAll => self.kept.clear(),
                _ => {}
            }
        }
    }

    fn carry_out(&mut self, effect: &ToDesktop) {
        let told = outgoing::effect(effect).is_some();
        if let ToDesktop::Let { request }
        | ToDesktop::Refuse { request }
        | ToDesktop::AttachConferenceOptions { request, .. } = effect
        {
            assert!(self.asked.contains(request), "an answer without a question: {effect:?}");
            assert!(self.answered.insert(*request), "answered before: {effect:?}");
        } else {
            assert!(told, "the shim does not get it: {effect:?}");
        }
    }

    /// Lets time pass, with every timer at its time.
    fn wait(&mut self, time: Millis) {
        let end = self.now + time;
        let next = |timers: &BTreeMap<Timer, Millis>| {
            let (timer, at) = timers.iter().min_by_key(|(_, at)| **at)?;
            Some((timer.clone(), *at))
        };
        while let Some((timer, at)) = next(&self.timers).filter(|(_, at)| *at <= end) {
            self.timers.remove(&timer);
            self.now = self.now.max(at);
            self.handle(Event::Timer(timer));
        }
        self.now = end;
    }
}
