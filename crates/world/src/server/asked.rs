//! Requests to the real server, and their answers.

use super::Inbox;
use crate::coming::{Coming, PushNews};
use crate::net::Way;
use crate::page::PageId;
use crate::plan::FaultKind;
use crate::server::SECRET;
use crate::twilio::Reply;
use crate::world::{BEGIN, World};
use axum::body::Body;
use axum::http;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use rejoin_plugin::agent::PostId;
use rejoin_protocol::{CallSid, Millis};
use tokio::task::AbortHandle;

/// How long the previous token is still valid when Flex gets the next one.
const RENEWED_BEFORE: u64 = 60_000;

impl World {
    /// Sends a request to our server in this place; the answer comes through the inbox.
    pub(crate) fn ask_server(&mut self, place: Option<usize>, request: http::Request<Bytes>, reply: Reply) {
        let sender = self.sender.clone();
        let asked = place.map(|place| &self.servers.places[place]);
        let number = asked.map_or(self.servers.number, |place| place.number);
        let Some(running) = asked.and_then(|place| place.running.clone()) else {
            let _ = sender.send(Inbox::Answered(number, reply, Err(())));
            return;
        };
        // The future has some kilobytes, which tokio would move a few times.
        tokio::spawn(Box::pin(async move {
            let answer = running.call(request.map(Body::from)).await;
            drop(running);
            let answer = match answer {
                Ok(answer) => {
                    let (head, body) = answer.into_parts();
                    match body.collect().await {
                        Ok(body) => Ok(http::Response::from_parts(head, body.to_bytes())),
                        Err(_) => Err(()),
                    }
                }
                Err(_) => Err(()),
            };
            let _ = sender.send(Inbox::Answered(number, reply, answer));
        }));
    }

    /// `GET /v1/push`.
    pub(crate) fn listen_to_server(
        &mut self,
        page: PageId,
        attempt: u64,
        epoch: u64,
        token: &str,
        last: Option<&str>,
    ) -> Option<AbortHandle> {
        let place = self.way_in()?;
        let running = self.servers.places[place].running.clone()?;
        let mut request = http::Request::get(format!("/v1/push?epoch={epoch}"))
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).ok()?;
        let sender = self.sender.clone();
        let stream = tokio::spawn(Box::pin(async move {
            let say = |news| _ = sender.send(Inbox::Push(page, attempt, news));
            let answer = running.call(request).await;
            drop(running);
            let Ok(answer) = answer else { return say(PushNews::Ended) };
            let status = answer.status().as_u16();
            say(PushNews::Opened(status));
            if status != 200 {
                return;
            }
            let mut body = answer.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(data) = frame.into_data() {
                    say(PushNews::Said(data));
                }
            }
            say(PushNews::Ended);
        }));
        Some(stream.abort_handle())
    }

    /// The far end drops a connection whose peer takes nothing.
    pub(crate) fn drop_stream(&mut self, page: PageId) {
        self.pages[page].push.let_go();
    }

    /// A request of a page has arrived.
    pub(crate) fn post_arrives(
        &mut self,
        page: Option<(PageId, PostId)>,
        path: &'static str,
        token: &str,
        body: String,
    ) {
        if self.planted.is_some_and(|planted| planted.deafens(path)) {
            if let (Some((page, id)), "/v1/graceful") = (page, path) {
                self.mark_taken(page, id);
                self.put(20, Coming::Posted(page, id, Ok(String::new())));
            }
            return;
        }
        if path == "/v1/calls" {
            self.leg_is_registered(&body);
        }
        let kind = if path == "/v1/goodbye" { "text/plain;charset=UTF-8" } else { "application/json" };
        let request = http::Request::post(path).header("content-type", kind);
        let request = if path == "/v1/goodbye" {
            request
        } else {
            request.header("authorization", format!("Bearer {token}"))
        };
        if let Ok(request) = request.body(Bytes::from(body)) {
            let place = self.way_in();
            self.ask_server(place, request, page.map_or(Reply::Nobody, |(page, id)| Reply::Page(page, id)));
        }
    }

    /// A page registers its call: our server can ask over this leg whether that page lives.
    fn leg_is_registered(&mut self, body: &str) {
        let said: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let leg = said.get("workerLeg").and_then(|leg| CallSid::parse(leg.as_str()?).ok());
        self.rules.registered.extend(leg);
    }

    /// The Flex user's current token.
    pub(crate) fn token(&mut self, page: PageId) -> String {
        let agent = &self.agents[self.pages[page].agent];
        let expired = self.plan.faults.iter().find(|fault| {
            fault.kind == FaultKind::TokenExpires && fault.from <= self.now && self.now < fault.to
        });
        // Flex gets the next token a while before the last one expires.
        let good_until = match self.plan.setup.token_lasts {
            0 => 6 * 3_600_000,
            lasts => (self.now / lasts + 1) * lasts + RENEWED_BEFORE,
        };
        // An expired token is one that was valid until the fault began.
        let until = BEGIN.0 + expired.map_or(good_until, |fault| fault.from);
        if expired.is_some() {
            self.coverage.fault(FaultKind::TokenExpires);
        }
        let key = (self.pages[page].agent, until);
        if let Some(token) = self.tokens.get(&key) {
            return token.clone();
        }
        let claims = rejoin_twin::flex::token::TokenClaims {
            identity: agent.identity.clone(),
            worker: agent.worker.clone(),
            account: self.twilio.account.sid.clone(),
            workspace: self.twilio.account.workspace.clone(),
            roles: vec!["agent".into()],
            expires: Millis(until),
        };
        let token = rejoin_twin::flex::token::issue(SECRET, &claims);
        self.tokens.insert(key, token.clone());
        token
    }

    pub(crate) fn answer_comes(
        &mut self,
        number: usize,
        reply: Reply,
        answer: Result<http::Response<Bytes>, ()>,
    ) {
        let mut chance = self.chance(Way::Post, 1_000_000);
        let after = Self::latency(&mut chance);
        self.answer_on_its_way((number, reply), answer, after, &mut chance);
    }
}
