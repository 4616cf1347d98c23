//! What Twilio asks of our server: callbacks, documents and batches, signed and over the network.

use super::{FLOW, Reply};
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
        self.flag_told(&params, (!lost).then_some(late));
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
        if twice {
            let again = after + chance.between(10, 5_000);
            let (url, method, params) = (url.clone(), method.clone(), self.planted_again(&params));
            self.put(again, Coming::Webhook { url, method, params });
        }
        self.put(after, Coming::Webhook { url, method, params });
    }

    /// A callback has arrived.
    pub(crate) fn callback_arrives(&mut self, url: &str, method: &str, params: &[(String, String)]) {
        if self.planted.is_some_and(|planted| planted.unheard(params)) {
            return;
        }
        let place = self.way_in();
        match place {
            None => {
                self.lost_callbacks = true;
                self.flag_untold(params);
                self.join_untold(params);
            }
            Some(place) if self.is_awake(place) => {
                self.leave_heard(params);
                self.arrived_at_once(params);
            }
            Some(_) => {}
        }
        self.send_to_server(place, (url, method, params), Reply::Callback(params.to_vec()));
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

    /// Sends a signed request to our server.
    fn send_to_server(
        &mut self,
        place: Option<usize>,
        (url, method, params): (&str, &str, &[(String, String)]),
        reply: Reply,
    ) {
        self.twilio.tokens += 1;
        let token = format!("{:016x}", self.twilio.tokens);
        match requests::webhook(SECRET, url, method, params, &token) {
            Ok(request) => self.ask_server(place, local(request), reply),
            Err(why) => self.note(Lane::Twilio, None, Kind::Does, || why),
        }
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
        self.put(after, Coming::Fetch { fetch, url, method, params });
    }

    pub(crate) fn fetch_arrives(
        &mut self,
        fetch: FetchId,
        url: String,
        method: &str,
        params: &[(String, String)],
    ) {
        self.put(15_000, Coming::FetchLate(fetch));
        self.twilio.fetches.insert(fetch);
        let place = self.way_in();
        self.send_to_server(place, (&url.clone(), method, params), Reply::Document(fetch, url));
    }

    /// The fetch of a document has timed out.
    pub(crate) fn fetch_late(&mut self, fetch: FetchId) {
        if self.twilio.fetches.remove(&fetch) {
            self.lost_documents = true;
        }
        let result = Err("11205: no answer in time".into());
        self.at_twilio(Event::TwimlFetched { fetch, result });
    }

    /// What the account's own flow does with a call.
    fn flow(&self) -> String {
        let action =
            if self.plan.setup.ended { format!(" action=\"{PUBLIC}/twiml/ended\"") } else { String::new() };
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
            Reply::Callback(params) => {
                if !answer.is_ok_and(|answer| answer.status().is_success()) {
                    self.join_untold(&params); // Twilio does not repeat it
                }
            }
            Reply::Document(fetch, url) => {
                self.twilio.fetches.remove(&fetch);
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
