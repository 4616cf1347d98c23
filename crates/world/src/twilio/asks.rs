//! What Twilio asks of our server: callbacks, documents and batches, signed and over the network.

use super::{Delivery, FLOW, Reply};
use crate::chance::Chance;
use crate::coming::Coming;
use crate::coverage::Sign;
use crate::net::Way;
use crate::plan::FaultKind;
use crate::server::{PUBLIC, SECRET};
use crate::timeline::{Kind, Lane};
use crate::world::World;
use axum::http;
use bytes::Bytes;
use rejoin_plugin::agent::PostError;
use rejoin_protocol::overrides::{self, Failed, Overrides, with_overrides};
use rejoin_twin::model::{Event, FetchId, StreamEvent};
use rejoin_twin::requests;

impl World {
    pub(super) fn webhook(&mut self, url: String, method: String, params: Vec<(String, String)>) {
        let mut chance = self.chance(Way::Webhook, 0);
        let mut after = Self::latency(&mut chance);
        let lost = self.goes_wrong(&mut chance, FaultKind::WebhookLost);
        let mut late = 0;
        if self.goes_wrong(&mut chance, FaultKind::WebhookLate) {
            late = chance.between(300, 12_000);
            after += late;
        }
        self.flag_callback_sent(&params, (!lost).then_some(late));
        let twice = self.goes_wrong(&mut chance, FaultKind::WebhookTwice);
        let way = (Lane::Twilio, Some(self.server_lane()));
        self.message_noted(way, Kind::Webhook, lost, || {
            format!("{}{}", callback(&params), if after > 300 { " (late)" } else { "" })
        });
        if lost {
            self.join_untold(&params);
            self.lost_callbacks = true;
            return;
        }
        let delivery = self.delivery(None, url, method, params);
        if twice {
            let again = after + chance.between(10, 5_000);
            let params = self.planted_again(&delivery.params);
            // No attempt follows a copy that the network has made.
            self.put(
                again,
                Coming::Attempt(Box::new(Delivery { params, is_copy: true, ..delivery.clone() })),
            );
        }
        self.put(after, Coming::Attempt(Box::new(delivery)));
    }

    /// A call message of a page, on its way to our server. It has a lane of its own, so that it does not change what becomes of
    /// the other callbacks.
    pub(super) fn json_webhook(&mut self, url: String, method: String, params: Vec<(String, String)>) {
        let mut chance = self.chance(Way::Webhook, 1);
        let after = Self::latency(&mut chance);
        let lost = self.goes_wrong(&mut chance, FaultKind::WebhookLost);
        let way = (Lane::Twilio, Some(self.server_lane()));
        self.message_noted(way, Kind::Webhook, lost, || "a call message of the page".into());
        if !lost {
            self.rules.answered_at.get_or_insert(self.now + after);
            let delivery = Delivery { in_json: true, ..self.delivery(None, url, method, params) };
            self.put(after, Coming::Attempt(Box::new(delivery)));
        }
    }

    fn delivery(
        &mut self,
        fetch: Option<FetchId>,
        url: String,
        method: String,
        params: Vec<(String, String)>,
    ) -> Delivery {
        self.twilio.tokens += 1;
        let token = self.twilio.tokens;
        Delivery { fetch, url, method, params, in_json: false, token, retries: 0, end: None, is_copy: false }
    }

    /// An attempt of Twilio's to send a callback, or to fetch a document, arrives at our server.
    pub(crate) fn attempt_arrives(&mut self, mut delivery: Delivery) {
        let overrides = Overrides::of(&delivery.url).0;
        let end = *delivery.end.get_or_insert(self.now + overrides.total.0);
        let is_callback = delivery.fetch.is_none();
        if is_callback && self.planted.is_some_and(|planted| planted.unheard(&delivery.params)) {
            return;
        }
        let place = self.way_in();
        if is_callback && place.is_some_and(|place| self.is_awake(place)) {
            self.leave_heard(&delivery.params);
            self.arrived_at_once(&delivery.params);
        }
        let Some(place) = place else { return self.attempt_failed(delivery, Failed::Connect) };
        self.twilio.attempts += 1;
        let attempt = self.twilio.attempts;
        let within = overrides.read.0.min(end.saturating_sub(self.now));
        self.put(within, Coming::AttemptLate(attempt));
        let token = format!("{:016x}", delivery.token);
        let build = if delivery.in_json { requests::json_webhook } else { requests::webhook };
        let request = build(SECRET, &delivery.url, &delivery.method, &delivery.params, &token);
        self.twilio.waiting.insert(attempt, delivery);
        match request {
            Ok(request) => self.ask_server(Some(place), local(request), Reply::Attempt(attempt)),
            Err(why) => self.note(Lane::Twilio, None, Kind::Does, || why),
        }
    }

    /// Our server has not answered an attempt in time. What it answers later reaches nobody.
    pub(crate) fn attempt_late(&mut self, attempt: u64) {
        if let Some(delivery) = self.twilio.waiting.remove(&attempt) {
            self.attempt_failed(delivery, Failed::Read);
        }
    }

    /// An attempt has failed. Twilio makes another one if the address says so and there is time.
    fn attempt_failed(&mut self, mut delivery: Delivery, failed: Failed) {
        let overrides = Overrides::of(&delivery.url).0;
        let pause = self.plan.setup.retry_pause;
        let is_time_left = delivery.end.is_some_and(|end| self.now + pause < end);
        let retries = !delivery.is_copy
            && delivery.retries < overrides.retries
            && overrides.retries_after(failed)
            && is_time_left;
        if delivery.fetch.is_none() && failed == Failed::Connect {
            self.lost_callbacks = true;
            self.flag_untold(&delivery.params);
        }
        if retries {
            delivery.retries += 1;
            self.twilio.failed.retries += 1;
            let again = delivery.retries;
            self.note(Lane::Twilio, None, Kind::Does, || {
                format!("{} failed ({failed:?}), retry {again} of {}", path(&delivery.url), overrides.retries)
            });
            let mut chance = self.chance(Way::Retry, 0);
            let after = pause + Self::latency(&mut chance);
            return self.put(after, Coming::Attempt(Box::new(delivery)));
        }
        let Some(fetch) = delivery.fetch else {
            self.twilio.failed.callbacks += u64::from(!delivery.is_copy);
            return self.join_untold(&delivery.params);
        };
        self.twilio.failed.documents += 1;
        if !matches!(failed, Failed::Status(_)) {
            self.lost_documents = true;
        }
        let why = match failed {
            Failed::Connect => "11205: no connection".to_owned(),
            Failed::Read => "11205: no answer in time".to_owned(),
            Failed::Status(status) => format!("11200: HTTP status {status}"),
        };
        let mut chance = self.chance(Way::Retry, 1);
        let after = Self::latency(&mut chance);
        self.put(after, Coming::Twilio(Event::TwimlFetched { fetch, result: Err(why) }));
    }

    /// Our server has answered an attempt, `after` is how long the answer takes. `None`: the connection broke.
    fn attempt_answered(&mut self, attempt: u64, answer: Option<&http::Response<Bytes>>, after: u64) {
        let Some(delivery) = self.twilio.waiting.remove(&attempt) else { return };
        match answer {
            None => self.attempt_failed(delivery, Failed::Read),
            Some(answer) if !answer.status().is_success() => {
                self.attempt_failed(delivery, Failed::Status(answer.status().as_u16()));
            }
            Some(answer) => {
                let Some(fetch) = delivery.fetch else { return };
                let result = requests::document(&delivery.url, answer);
                self.put(after, Coming::Twilio(Event::TwimlFetched { fetch, result }));
            }
        }
    }

    /// Counts another callback of the same conference that arrived in this millisecond.
    fn arrived_at_once(&mut self, params: &[(String, String)]) {
        if !self.coverage.counts() {
            return;
        }
        let conference = params.iter().find(|(name, _)| name == "ConferenceSid");
        let Some((_, conference)) = conference else { return };
        let now = self.now;
        self.twilio.just_told.retain(|(at, _)| *at == now);
        if self.twilio.just_told.iter().any(|(_, other)| other == conference) {
            self.coverage.sign(Sign::AtOnce);
        }
        self.twilio.just_told.push((now, conference.clone()));
    }

    pub(super) fn fetch(
        &mut self,
        fetch: FetchId,
        url: String,
        method: String,
        params: Vec<(String, String)>,
    ) {
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
        let delivery = self.delivery(Some(fetch), url, method, params);
        self.put(after, Coming::Attempt(Box::new(delivery)));
    }

    /// The address of the account's own flow for what follows the queue, as the documents say it.
    fn ended_url(&self) -> String {
        let overrides = if self.plan.setup.retries { overrides::TWIML } else { "" };
        with_overrides(&format!("{PUBLIC}/twiml/ended"), overrides).replace('&', "&amp;")
    }

    /// What the account's own flow does with a call.
    fn flow(&self) -> String {
        let action =
            if self.plan.setup.ended { format!(" action=\"{}\"", self.ended_url()) } else { String::new() };
        let task = r#"{"name":"Caller","type":"inbound"}"#;
        let workflow = "WW00000000000000000000000000000001";
        format!(
            "<Response><Enqueue workflowSid=\"{workflow}\"{action}><Task>{task}</Task></Enqueue></Response>"
        )
    }

    /// Handles our server's answer.
    pub(crate) fn answer_on_its_way(
        &mut self,
        (number, reply): (usize, Reply),
        answer: Result<http::Response<Bytes>, ()>,
        after: u64,
        chance: &mut Chance,
    ) {
        match reply {
            Reply::Nobody => {}
            Reply::Attempt(attempt) => self.attempt_answered(attempt, answer.as_ref().ok(), after),
            Reply::Batch(events, pause) => {
                let twice = self.goes_wrong(chance, FaultKind::BatchTwice);
                if !answer.is_ok_and(|answer| answer.status().is_success()) || twice {
                    self.put(pause, Coming::Batch(events, (pause * 2).min(60_000)));
                }
            }
            Reply::Page(page, id) => {
                let lost = self.goes_wrong(chance, FaultKind::AnswerLost);
                if lost {
                    self.rules.unanswered.insert(page, self.now);
                }
                let result = match answer {
                    Ok(answer) if answer.status().is_success() => {
                        self.mark_taken(page, id);
                        Ok(String::from_utf8_lossy(answer.body()).into_owned())
                    }
                    Ok(answer) => Err(PostError::Status(answer.status().as_u16())),
                    Err(()) => Err(PostError::Unreachable),
                };
                let way = (Lane::Server(number), Some(self.lane(page)));
                self.message_noted(way, Kind::Answer, lost, || match &result {
                    Ok(body) if body.is_empty() => "taken".into(),
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
        if events.len() > 1 && self.servers.any_runs() {
            self.coverage.sign(Sign::Batch);
        }
        let envelopes: Vec<_> = events.iter().map(requests::cloud_event).collect();
        match requests::events(SECRET, &format!("{PUBLIC}/webhooks/events"), &envelopes) {
            Ok(request) => {
                let place = self.way_in();
                self.ask_server(place, local(request), Reply::Batch(events, pause));
            }
            Err(why) => self.note(Lane::Twilio, None, Kind::Does, || why),
        }
    }
}

fn path(url: &str) -> String {
    let path = url.strip_prefix(PUBLIC).unwrap_or(url);
    path.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// The request with the path that the server itself sees.
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
        return format!("call {} {}", get("CallSid"), get("QueueResult"));
    }
    format!("{event} #{} {} {}", get("SequenceNumber"), get("CallSid"), get("ReasonParticipantLeft"))
}
