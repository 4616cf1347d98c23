//! Twilio in the world: the twin's model, driven by the queue, and the network around it.

use crate::chance::Chance;
use crate::coming::{Coming, RestAnswer};
use crate::net::Way;
use crate::page::{PageId, short};
use crate::plan::{FaultKind, Plan};
use crate::server::{PUBLIC, SECRET};
use crate::timeline::{Kind, Lane};
use crate::world::World;
use axum::http;
use bytes::Bytes;
use rejoin_plugin::agent::{PostError, PostId};
use rejoin_protocol::{AccountSid, Millis};
use rejoin_twilio::Unanswered;
use rejoin_twin::facts::Facts;
use rejoin_twin::model::{
    Account, Effect, Event, FetchId, Model, ModelError, Sound, StreamEvent, WorkerSetup, demo_account,
};
use rejoin_twin::requests;
use rejoin_twin::rest::{Owner, carry_out};

/// Who waits for an answer of our server's.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Nobody: it is a callback, or a page's last words.
    Nobody,
    /// A page.
    Page(PageId, PostId),
    /// Twilio, for a document.
    Document(FetchId, String),
    /// Event Streams, which deliver again.
    Batch(Vec<StreamEvent>, u64),
}

/// The model and what it needs.
#[derive(Debug)]
pub(crate) struct Twilio {
    pub(crate) model: Model,
    pub(crate) account: Account,
    owner: Owner,
    pub(crate) requests: u64,
    /// Of the event stream, not delivered yet.
    stream: Vec<StreamEvent>,
    tokens: u64,
}

/// How long a phone or Flex hears one round of a sound that goes on and on.
const ROUND: u64 = 20_000;
const FLOW: &str = "http://flow.example.com/voice";

impl Twilio {
    pub(crate) fn new(plan: &Plan, workers: Vec<WorkerSetup>) -> Result<Self, ModelError> {
        let mut account = demo_account(AccountSid::numbered(1), FLOW.into());
        account.workers = workers;
        let facts = Facts {
            dead_leg_after: Millis(plan.setup.dead_leg),
            dtls_close_ends_leg: plan.setup.dtls_ends,
            second_agent_leg_refused: plan.setup.second_leg_refused,
            ..Facts::default()
        };
        let model = Model::new(facts, account.clone(), 0x1_0000)?;
        let owner = Owner {
            account: account.sid.clone(),
            workspace: account.workspace.clone(),
            auth_token: secrecy::SecretString::from(SECRET),
        };
        Ok(Self { model, account, owner, requests: 0, stream: vec![], tokens: 0 })
    }
}

impl World {
    /// Something happens at Twilio.
    pub(crate) fn at_twilio(&mut self, event: Event) {
        for effect in self.twilio.model.handle(self.wall(), event) {
            self.twilio_does(effect);
        }
    }

    pub(crate) fn twilio_does(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { .. }
            | Effect::Place { .. }
            | Effect::Mute { .. }
            | Effect::Coach { .. }
            | Effect::Hold { .. }
            | Effect::StopPlaying { .. } => {}
            Effect::Log(line) => self.note(Lane::Twilio, None, Kind::Does, || shortened(&line)),
            Effect::SetTimer { timer, at } => {
                let after = self.wall().until(at);
                self.put(after.0, Coming::Twilio(Event::Timer(timer)));
            }
            Effect::FetchTwiml { fetch, url, method, params } => self.fetch(fetch, url, method, params),
            Effect::Webhook { url, method, params } => self.webhook(url, method, params),
            Effect::Tell { worker, event_type, payload } => {
                let pages: Vec<PageId> = (0..self.pages.len())
                    .filter(|page| {
                        let it = &self.pages[*page];
                        it.alive && it.socket && self.agents[it.agent].worker == worker
                    })
                    .collect();
                for page in pages {
                    let mut chance = self.chance(Way::Bridge, 100_000 + page);
                    let after = Self::latency(&mut chance);
                    let at = (self.now + after).max(self.told_at.get(&page).copied().unwrap_or_default());
                    self.told_at.insert(page, at);
                    self.put_at(at, Coming::Tell(page, event_type.clone(), payload.clone()));
                }
            }
            Effect::Stream(event) => {
                if self.plan.setup.streams {
                    if self.twilio.stream.is_empty() {
                        self.put(300, Coming::CollectBatch);
                    }
                    self.twilio.stream.push(event);
                }
            }
            Effect::Ring { call, worker, .. } => {
                let phone = self.agents.iter().find(|agent| agent.worker == worker);
                let phone = phone.and_then(|agent| agent.phones.last().copied());
                let mut chance = self.chance(Way::Phone, 200_000);
                let after = Self::latency(&mut chance);
                match phone {
                    Some(page) => self.put(after, Coming::Invite(page, call)),
                    None => self.put(after, Coming::Twilio(Event::NotAnswered { call })),
                }
            }
            Effect::Dial { call, to, .. } => self.dialled(call, &to),
            Effect::Drop { call } => self.dropped(&call),
            Effect::Play { play, what, to } => {
                self.plays(&to, &what);
                let takes = match what {
                    Sound::Say(text) => 1_000 + 50 * text.len() as u64,
                    Sound::Url(_) => ROUND,
                    Sound::Silence(time) => time.0,
                };
                self.put(takes, Coming::Twilio(Event::Played { play }));
            }
        }
    }

    fn webhook(&mut self, url: String, method: String, params: Vec<(String, String)>) {
        let mut chance = self.chance(Way::Webhook, 0);
        let mut after = Self::latency(&mut chance);
        let lost = self.goes_wrong(&mut chance, FaultKind::WebhookLost);
        if self.goes_wrong(&mut chance, FaultKind::WebhookLate) {
            after += chance.between(300, 12_000);
        }
        let twice = self.goes_wrong(&mut chance, FaultKind::WebhookTwice);
        self.note(Lane::Twilio, Some(self.server_lane()), Kind::Webhook, || {
            let fate = if lost {
                " (lost)"
            } else if after > 300 {
                " (late)"
            } else {
                ""
            };
            format!("{}{fate}", callback(&params))
        });
        if lost {
            self.lost_callbacks = true;
            return;
        }
        if twice {
            let again = after + chance.between(10, 5_000);
            let (url, method, params) = (url.clone(), method.clone(), self.planted_again(&params));
            self.put(again, Coming::Webhook { url, method, params });
        }
        self.put(after, Coming::Webhook { url, method, params });
    }

    /// A request that is made twice, for a test.
    pub(crate) fn doubled(&mut self, request: &http::Request<Bytes>) {
        self.before_change(request);
        let now = self.wall();
        let (said, effects) = carry_out(&mut self.twilio.model, &self.twilio.owner, now, request);
        if said.status().is_success() {
            self.changed(request, &said);
        }
        for effect in effects {
            self.twilio_does(effect);
        }
    }

    /// A callback has arrived.
    pub(crate) fn callback_arrives(&mut self, url: &str, method: &str, params: &[(String, String)]) {
        if self.planted.is_some_and(|planted| planted.unheard(params)) {
            return;
        }
        if self.servers.running.is_none() {
            self.lost_callbacks = true;
        } else {
            self.leave_heard(params);
        }
        self.send_to_server(url, method, params, Reply::Nobody);
    }

    /// A signed request to our server.
    fn send_to_server(&mut self, url: &str, method: &str, params: &[(String, String)], reply: Reply) {
        self.twilio.tokens += 1;
        let token = format!("{:016x}", self.twilio.tokens);
        match requests::webhook(SECRET, url, method, params, &token) {
            Ok(request) => self.ask_server(local(request), reply),
            Err(why) => self.note(Lane::Twilio, None, Kind::Does, || why),
        }
    }

    fn fetch(&mut self, fetch: FetchId, url: String, method: String, params: Vec<(String, String)>) {
        let mut chance = self.chance(Way::Document, 0);
        let after = Self::latency(&mut chance);
        if !url.starts_with(PUBLIC) {
            let result = if url == FLOW { Ok(self.flow()) } else { Err("11200: HTTP status 404".into()) };
            return self.put(after, Coming::Twilio(Event::TwimlFetched { fetch, result }));
        }
        if self.goes_wrong(&mut chance, FaultKind::DocumentLost) {
            self.lost_documents = true;
            self.fault_noted(|| format!("a document is lost: {}", path(&url)));
            let result = Err("11205: no connection".into());
            return self.put(2_000, Coming::Twilio(Event::TwimlFetched { fetch, result }));
        }
        self.note(Lane::Twilio, Some(self.server_lane()), Kind::Webhook, || {
            format!("fetches {}", path(&url))
        });
        self.put(after, Coming::Fetch { fetch, url, method, params });
    }

    pub(crate) fn fetch_arrives(
        &mut self,
        fetch: FetchId,
        url: String,
        method: &str,
        params: &[(String, String)],
    ) {
        self.put(
            15_000,
            Coming::Twilio(Event::TwimlFetched { fetch, result: Err("11205: no answer in time".into()) }),
        );
        self.send_to_server(&url.clone(), method, params, Reply::Document(fetch, url));
    }

    /// What the account's own flow does with who calls.
    fn flow(&self) -> String {
        let action =
            if self.plan.setup.ended { format!(" action=\"{PUBLIC}/twiml/ended\"") } else { String::new() };
        let task = r#"{"name":"Caller","type":"inbound"}"#;
        let workflow = "WW00000000000000000000000000000001";
        format!(
            "<Response><Enqueue workflowSid=\"{workflow}\"{action}><Task>{task}</Task></Enqueue></Response>"
        )
    }

    /// What our server's answer becomes.
    pub(crate) fn answer_on_its_way(
        &mut self,
        reply: Reply,
        answer: Result<http::Response<Bytes>, ()>,
        after: u64,
        chance: &mut Chance,
    ) {
        match reply {
            Reply::Nobody => {}
            Reply::Document(fetch, url) => {
                let result = match &answer {
                    Ok(answer) => requests::document(&url, answer),
                    Err(()) => {
                        self.lost_documents = true;
                        Err("11205: no connection".into())
                    }
                };
                self.put(after, Coming::Twilio(Event::TwimlFetched { fetch, result }));
            }
            Reply::Batch(events, pause) => {
                let twice = self.goes_wrong(chance, FaultKind::BatchTwice);
                if !answer.is_ok_and(|answer| answer.status().is_success()) || twice {
                    self.put(pause, Coming::Batch(events, (pause * 2).min(60_000)));
                }
            }
            Reply::Page(page, id) => {
                let lost = self.goes_wrong(chance, FaultKind::AnswerLost);
                let result = match answer {
                    Ok(answer) if answer.status().is_success() => {
                        self.mark_taken(page, id);
                        Ok(String::from_utf8_lossy(answer.body()).into_owned())
                    }
                    Ok(answer) => Err(PostError::Status(answer.status().as_u16())),
                    Err(()) => Err(PostError::Unreachable),
                };
                self.note(self.server_lane(), Some(self.lane(page)), Kind::Answer, || match &result {
                    _ if lost => "answer (lost)".into(),
                    Ok(body) => body.clone(),
                    Err(error) => format!("{error:?}"),
                });
                if !lost {
                    self.put(after, Coming::Posted(page, id, result));
                }
            }
        }
    }

    pub(crate) fn collect_batch(&mut self) {
        let events = std::mem::take(&mut self.twilio.stream);
        let mut chance = self.chance(Way::Stream, 0);
        let after = Self::latency(&mut chance);
        self.put(after, Coming::Batch(events, 500));
    }

    pub(crate) fn batch(&mut self, events: Vec<StreamEvent>, pause: u64) {
        let envelopes: Vec<_> = events.iter().map(requests::cloud_event).collect();
        match requests::events(SECRET, &format!("{PUBLIC}/webhooks/events"), &envelopes) {
            Ok(request) => self.ask_server(local(request), Reply::Batch(events, pause)),
            Err(why) => self.note(Lane::Twilio, None, Kind::Does, || why),
        }
    }

    /// A request of our server's is sent: what becomes of it?
    pub(crate) fn rest_sent(&mut self, mut request: http::Request<Bytes>, answer: RestAnswer) {
        self.planted_request(&mut request);
        let mut chance = self.chance(Way::Rest, 0);
        let after = Self::latency(&mut chance);
        self.put(after, Coming::Rest(request, answer));
    }

    /// It has arrived at Twilio.
    pub(crate) fn rest_arrives(&mut self, request: &http::Request<Bytes>, answer: RestAnswer) {
        let mut chance = self.chance(Way::Rest, 1);
        let after = Self::latency(&mut chance);
        let reads = request.method() == http::Method::GET;
        let what = format!("{} {}", request.method(), resource(request.uri().path()));
        let mut wrong = None;
        for kind in [
            FaultKind::Throttled,
            FaultKind::Broken,
            FaultKind::BrokenDone,
            FaultKind::Silent,
            FaultKind::SilentDone,
        ] {
            if wrong.is_none() && self.goes_wrong(&mut chance, kind) {
                wrong = Some(kind);
            }
        }
        self.note(self.server_lane(), Some(Lane::Twilio), Kind::Request, || {
            let body = String::from_utf8_lossy(request.body());
            let body: String =
                body.split('&').filter(|pair| !pair.starts_with("Attributes=")).collect::<Vec<_>>().join("&");
            match wrong {
                Some(kind) => format!("{what} {body} ({})", kind.name()),
                None => format!("{what} {body}"),
            }
        });
        if self.planted.is_some_and(|planted| planted.swallows(request)) {
            let done = http::Response::new(Some(Bytes::from_static(b"{}")));
            return self.put(after, Coming::RestAnswered(answer, Ok(done)));
        }
        if self.planted.is_some_and(|planted| planted.doubles(request)) {
            let copy = copied(request);
            self.doubled(&copy);
        }
        let now = self.wall();
        let applied = !matches!(wrong, Some(FaultKind::Throttled | FaultKind::Broken | FaultKind::Silent));
        let mut response = None;
        if applied {
            if !reads {
                self.before_change(request);
            }
            let (said, effects) = carry_out(&mut self.twilio.model, &self.twilio.owner, now, request);
            let ok = said.status().is_success();
            if !reads && ok {
                self.changed(request, &said);
            }
            self.note(Lane::Twilio, Some(self.server_lane()), Kind::Answer, || {
                if ok {
                    said.status().as_u16().to_string()
                } else {
                    String::from_utf8_lossy(said.body()).into_owned()
                }
            });
            for effect in effects {
                self.twilio_does(effect);
            }
            response = Some(said);
        }
        let error = |status: u16, code: u32| {
            let body =
                format!("{{\"code\":{code},\"message\":\"a fault\",\"more_info\":\"\",\"status\":{status}}}");
            http::Response::builder()
                .status(status)
                .body(Some(Bytes::from(body)))
                .map_err(|_| Unanswered::CutOff)
        };
        let result = match (wrong, response) {
            (Some(FaultKind::Throttled), _) => error(429, 20429),
            (Some(FaultKind::Broken), _) => error(500, 20500),
            (Some(FaultKind::BrokenDone), _) => error(503, 20503),
            // Nobody answers: the server's own limit ends it.
            (Some(FaultKind::Silent | FaultKind::SilentDone), _) => {
                self.unanswered.push(answer);
                return;
            }
            (_, Some(said)) => Ok(said.map(Some)),
            (_, None) => Err(Unanswered::CutOff),
        };
        self.put(after, Coming::RestAnswered(answer, result));
    }
}

pub(crate) fn copied(request: &http::Request<Bytes>) -> http::Request<Bytes> {
    let mut copy = http::Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Without what is the same in all of them.
fn resource(path: &str) -> String {
    let path = path.trim_end_matches(".json");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts
        .iter()
        .skip(5)
        .map(|part| if part.len() == 34 { short(part) } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

fn path(url: &str) -> String {
    let path = url.strip_prefix(PUBLIC).unwrap_or(url);
    path.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// A line of the model's log with short SIDs.
fn shortened(line: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|char: char| !char.is_ascii_alphanumeric());
        if bare.len() == 34 && bare.is_ascii() {
            word.replace(bare, &format!("{}-{}", &bare[..2], short(bare)))
        } else {
            word.to_owned()
        }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The path of a request, as the server itself sees it.
fn local(request: http::Request<Bytes>) -> http::Request<Bytes> {
    let (mut head, body) = request.into_parts();
    if let Some(path) = head.uri.path_and_query().cloned() {
        head.uri = http::Uri::from(path);
    }
    http::Request::from_parts(head, body)
}

/// A callback in a few words.
fn callback(params: &[(String, String)]) -> String {
    let get = |name: &str| params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let event = get("StatusCallbackEvent");
    if event.is_empty() {
        return format!("call {} {}", short(get("CallSid")), get("QueueResult"));
    }
    format!("{event} #{} {} {}", get("SequenceNumber"), short(get("CallSid")), get("ReasonParticipantLeft"))
}
