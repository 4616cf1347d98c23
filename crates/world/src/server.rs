//! The real server in the world: started, killed, stopped, and asked.

use crate::chance::Chance;
use crate::coming::{Coming, PushNews, RestAnswer};
use crate::net::Way;
use crate::page::PageId;
use crate::plan::{Fault, FaultKind, Plan};
use crate::planted::Planted;
use crate::timeline::{Kind, Lane};
use crate::twilio::Reply;
use crate::world::{BEGIN, World};
use axum::body::Body;
use axum::http;
use bytes::Bytes;
use clap::Parser as _;
use http_body_util::BodyExt as _;
use rejoin_protocol::Millis;
use rejoin_server::Config;
use rejoin_server::config::{CustomerHold, InPlace};
use rejoin_server::store::{Memory, Store};
use rejoin_server::surroundings::{Surroundings, Verdict};
use rejoin_server::{Running, Server};
use rejoin_twilio::{Sending, Transport};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The server's address.
pub(crate) const PUBLIC: &str = "https://rejoin.example.com";
/// The account's token.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What comes from the server's side.
#[derive(Debug)]
pub(crate) enum Inbox {
    /// The server asks Twilio.
    Rest(http::Request<Bytes>, RestAnswer),
    /// The server has answered, or is gone.
    Answered(Reply, Result<http::Response<Bytes>, ()>),
    /// News of a push channel.
    Push(PageId, u64, PushNews),
    /// The server was killed, this one of all.
    Killed(usize),
    /// It was stopped in order.
    Stopped,
}

/// How servers are started.
pub(crate) struct Servers {
    config: Config,
    pub(crate) memory: Memory,
    pub(crate) running: Option<Arc<Running>>,
    /// How many were started.
    pub(crate) number: usize,
    pub(crate) watched: Arc<Mutex<Watched>>,
}

/// What the server's steps are watched for.
#[derive(Debug)]
pub(crate) struct Watched {
    faults: Vec<Fault>,
    seed: u64,
    steps: u64,
    begun: Instant,
    /// How often the server may still die.
    deaths: u32,
    /// By which fault it has died last.
    pub(crate) died: Option<FaultKind>,
    /// What it came to, if that is counted.
    pub(crate) seen: Option<Vec<String>>,
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Servers").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Settings that all worlds have; the plan says the rest.
pub(crate) fn settings() -> Result<Config, clap::Error> {
    Config::try_parse_from([
        "rejoin",
        "--twilio-account-sid=AC00000000000000000000000000000001",
        &format!("--twilio-auth-token={SECRET}"),
        "--twilio-workspace-sid=WS00000000000000000000000000000001",
        "--twilio-api-base=http://twilio",
        &format!("--public-url={PUBLIC}"),
        "--ping-workflow-sid=WW00000000000000000000000000000002",
        "--outbound-workflow-sid=WW00000000000000000000000000000001",
    ])
}

impl Servers {
    pub(crate) fn new(settings: &Config, plan: &Plan, counts: bool, planted: Option<Planted>) -> Self {
        let (mut config, setup) = (settings.clone(), &plan.setup);
        if let Some(planted) = planted {
            planted.settings(&mut config);
        }
        config.in_place = if setup.in_place { InPlace::Auto } else { InPlace::Off };
        config.customer_hold = if setup.customer_hold { CustomerHold::Auto } else { CustomerHold::Off };
        let watched = Watched {
            faults: plan.faults.clone(),
            seed: plan.seed,
            steps: 0,
            begun: Instant::now(),
            deaths: 4,
            died: None,
            seen: counts.then(Vec::new),
        };
        Self {
            config,
            memory: Memory::new(BEGIN, false),
            running: None,
            number: 0,
            watched: Arc::new(Mutex::new(watched)),
        }
    }

    pub(crate) fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn verdict(&mut self, step: &str) -> Verdict {
        if let Some(seen) = &mut self.seen {
            seen.push(step.to_owned());
        }
        let kind = if step.starts_with("committed") {
            FaultKind::DiesAfterCommit
        } else if step.starts_with("answer to") {
            FaultKind::DiesAfterEffect
        } else {
            return Verdict::GoOn;
        };
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let active =
            self.faults.iter().find(|fault| fault.kind == kind && fault.from <= now && now < fault.to);
        let Some(fault) = active else { return Verdict::GoOn };
        self.steps += 1;
        let dies = self.deaths > 0 && Chance::of(self.seed, 3, self.steps).happens(fault.rate.min(500));
        if dies {
            self.deaths -= 1;
            self.died = Some(kind);
            return Verdict::Crash;
        }
        Verdict::GoOn
    }
}

/// The server's way to Twilio.
#[derive(Debug)]
struct Wire(mpsc::UnboundedSender<Inbox>);

impl Transport for Wire {
    fn send(&self, request: http::Request<Bytes>) -> Sending<'_> {
        let (answer, answered) = oneshot::channel();
        // Fails only when the world is over.
        let _ = self.0.send(Inbox::Rest(request, answer));
        Box::pin(async move {
            match answered.await {
                Ok(answer) => answer,
                // Nobody will ever answer.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl World {
    pub(crate) fn server_lane(&self) -> Lane {
        Lane::Server(self.servers.number)
    }

    pub(crate) async fn start_server(&mut self) {
        if self.servers.running.is_some() {
            return;
        }
        self.servers.number += 1;
        if self.servers.number > 1 {
            self.planted_at_restart();
        }
        let number = self.servers.number;
        let watched = Arc::clone(&self.servers.watched);
        let watcher =
            Arc::new(move |step: &str| watched.lock().unwrap_or_else(PoisonError::into_inner).verdict(step));
        let first = Millis(self.wall().0.saturating_add_signed(self.plan.setup.skew));
        let surroundings = Surroundings::seeded(first, self.plan.seed ^ (number as u64) << 48, Some(watcher));
        let started = match Store::in_memory(&self.servers.memory, surroundings.clone()).await {
            Ok(store) => {
                Server::in_world(self.servers.config.clone(), store, Arc::new(Wire(self.sender.clone())))
            }
            Err(error) => Err(error),
        };
        match started {
            Ok(running) => {
                self.servers.running = Some(Arc::new(running));
                let sender = self.sender.clone();
                tokio::spawn(async move {
                    surroundings.killed().await;
                    let _ = sender.send(Inbox::Killed(number));
                });
                self.note(Lane::Server(number), None, Kind::Does, || "starts".into());
            }
            Err(error) => {
                // Killed in its start, or the last one still has the store.
                self.note(Lane::Server(number), None, Kind::Does, || format!("does not start: {error}"));
                self.put(500, Coming::StartServer);
            }
        }
    }

    pub(crate) fn kill_server(&mut self) {
        if let Some(running) = &self.servers.running {
            running.kill();
        }
    }

    /// The server is dead, by whatever killed it.
    pub(crate) fn server_killed(&mut self, number: usize) {
        if number != self.servers.number {
            return;
        }
        let died = self.servers.watched().died.take();
        if let Some(kind) = died {
            self.coverage.fault(kind);
            self.last_fault = self.now;
        }
        self.note(Lane::Server(number), None, Kind::Fault, || "is killed".into());
        self.servers.running = None;
        let down = self.plan.faults.iter().find(|fault| {
            matches!(fault.kind, FaultKind::ServerDies) && fault.from <= self.now && self.now < fault.to
        });
        let again = down.map_or(400, |fault| fault.to - self.now);
        self.put(again, Coming::StartServer);
    }

    pub(crate) fn stop_server(&mut self) {
        let Some(mut running) = self.servers.running.take() else { return };
        let sender = self.sender.clone();
        self.note(self.server_lane(), None, Kind::Fault, || "is stopped".into());
        tokio::spawn(async move {
            // Whoever asks it just now has it, too, for a moment.
            for _ in 0..200 {
                match Arc::try_unwrap(running) {
                    Ok(running) => {
                        running.stop().await;
                        let _ = sender.send(Inbox::Stopped);
                        return;
                    }
                    Err(still) => running = still,
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            running.kill();
            let _ = sender.send(Inbox::Stopped);
        });
    }

    /// Asks our server; the answer comes over the inbox.
    pub(crate) fn ask_server(&mut self, request: http::Request<Bytes>, reply: Reply) {
        let sender = self.sender.clone();
        let Some(running) = self.servers.running.clone() else {
            let _ = sender.send(Inbox::Answered(reply, Err(())));
            return;
        };
        tokio::spawn(async move {
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
            let _ = sender.send(Inbox::Answered(reply, answer));
        });
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
        let running = self.servers.running.clone()?;
        let mut request = http::Request::get(format!("/v1/push?epoch={epoch}"))
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).ok()?;
        let sender = self.sender.clone();
        let stream = tokio::spawn(async move {
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
        });
        Some(stream.abort_handle())
    }

    /// The far end lets a connection go that takes nothing.
    pub(crate) fn drop_stream(&mut self, page: PageId) {
        self.pages[page].push.let_go();
    }

    /// A request of a page has arrived.
    pub(crate) fn post_arrives(
        &mut self,
        page: Option<(PageId, rejoin_plugin::agent::PostId)>,
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
        let kind = if path == "/v1/goodbye" { "text/plain;charset=UTF-8" } else { "application/json" };
        let request = http::Request::post(path).header("content-type", kind);
        let request = if path == "/v1/goodbye" {
            request
        } else {
            request.header("authorization", format!("Bearer {token}"))
        };
        if let Ok(request) = request.body(Bytes::from(body)) {
            self.ask_server(request, page.map_or(Reply::Nobody, |(page, id)| Reply::Page(page, id)));
        }
    }

    /// The Flex user's token of this moment.
    pub(crate) fn token(&mut self, page: PageId) -> String {
        let agent = &self.agents[self.pages[page].agent];
        let expired = self.plan.faults.iter().find(|fault| {
            fault.kind == FaultKind::TokenExpires && fault.from <= self.now && self.now < fault.to
        });
        // An expired one is one that was good until the fault began.
        let until = expired.map_or(BEGIN.0 + 6 * 3_600_000, |fault| BEGIN.0 + fault.from);
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

    pub(crate) fn answer_comes(&mut self, reply: Reply, answer: Result<http::Response<Bytes>, ()>) {
        let mut chance = self.chance(Way::Post, 1_000_000);
        let after = Self::latency(&mut chance);
        self.answer_on_its_way(reply, answer, after, &mut chance);
    }
}
