//! The real server in the world: started, killed, stopped, and asked.

mod asked;

use crate::chance::Chance;
use crate::coming::{Coming, PushNews, RestAnswer};
use crate::page::PageId;
use crate::plan::{Fault, FaultKind, Plan};
use crate::run::{Runner, Unfit};
use crate::store::Kept;
use crate::timeline::{IS_KILLED, IS_STOPPED, Kind, Lane, STARTS};
use crate::twilio::Reply;
use crate::world::World;
use axum::http;
use bytes::Bytes;
use clap::Parser as _;
use rejoin_protocol::{ActivitySid, Millis};
use rejoin_server::Config;
use rejoin_server::config::{CustomerHold, InPlace};
use rejoin_server::surroundings::{Surroundings, Verdict, Watcher};
use rejoin_server::{Running, Server};
use rejoin_twilio::{Sending, Transport};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
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
    pub(crate) kept: Kept,
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
    pub(crate) fn new(runner: &Runner, plan: &Plan) -> Result<Self, Unfit> {
        let (mut config, setup) = (runner.settings.clone(), &plan.setup);
        if let Some(planted) = runner.planted {
            planted.settings(&mut config);
        }
        config.in_place = if setup.in_place { InPlace::Auto } else { InPlace::Off };
        config.customer_hold = if setup.customer_hold { CustomerHold::Auto } else { CustomerHold::Off };
        // The account's own "Reconnecting".
        config.reconnecting_activity = setup.lends.then(|| ActivitySid::numbered(3));
        let watched = Watched {
            faults: plan.faults.clone(),
            seed: plan.seed,
            steps: 0,
            begun: Instant::now(),
            deaths: 4,
            died: None,
        };
        Ok(Self {
            config,
            kept: Kept::new(runner.store)?,
            running: None,
            number: 0,
            watched: Arc::new(Mutex::new(watched)),
        })
    }

    /// `None` where nothing can come of any step: to name them all takes time.
    fn watcher(&self) -> Option<Watcher> {
        let watched = self.watched();
        let deadly =
            |fault: &Fault| matches!(fault.kind, FaultKind::DiesAfterCommit | FaultKind::DiesAfterEffect);
        if !watched.faults.iter().any(deadly) {
            return None;
        }
        let watched = Arc::clone(&self.watched);
        Some(Arc::new(move |step: &str| watched.lock().unwrap_or_else(PoisonError::into_inner).verdict(step)))
    }

    pub(crate) fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn verdict(&mut self, step: &str) -> Verdict {
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
        let watcher = self.servers.watcher();
        let first = Millis(self.wall().0.saturating_add_signed(self.plan.setup.skew));
        let mut surroundings = Surroundings::seeded(first, self.plan.seed ^ (number as u64) << 48, watcher);
        if let Some(listener) = self.coverage.listener() {
            surroundings = surroundings.listened_to(listener);
        }
        let started = match self.servers.kept.open(surroundings.clone()).await {
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
                self.note(Lane::Server(number), None, Kind::Does, || STARTS.into());
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
        self.server_lost();
        self.note(Lane::Server(number), None, Kind::Fault, || IS_KILLED.into());
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
        self.server_lost();
        self.note(self.server_lane(), None, Kind::Fault, || IS_STOPPED.into());
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
}
