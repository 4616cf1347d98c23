//! The real server in the world: started, killed, stopped, and sent requests.

mod asked;
mod places;
mod restored;
mod watched;

use crate::coming::{Coming, PushNews, RestAnswer};
use crate::fates::Fate;
use crate::page::PageId;
use crate::plan::{FaultKind, Plan};
use crate::planted::Planted;
use crate::run::{Runner, Unfit};
use crate::store::Kept;
use crate::timeline::{IS_KILLED, IS_STOPPED, Kind, Lane, STARTS};
use crate::twilio::Reply;
use crate::world::World;
use axum::http;
use bytes::Bytes;
use clap::Parser as _;
use places::Place;
use rejoin_protocol::{ActivitySid, Millis};
use rejoin_server::Config;
use rejoin_server::Server;
use rejoin_server::config::{CustomerHold, InPlace};
use rejoin_server::store::Backup;
use rejoin_server::surroundings::Surroundings;
use rejoin_twilio::{Sending, Transport};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use watched::AT_ONCE;
pub(crate) use watched::Watched;

/// The server's address.
pub(crate) const PUBLIC: &str = "https://rejoin.example.com";
/// The account's auth token.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What comes from the servers; the first field is the number of the server.
#[derive(Debug)]
pub(crate) enum Inbox {
    /// The server sends a request to Twilio.
    Rest(usize, http::Request<Bytes>, RestAnswer),
    /// The server has answered, or is gone.
    Answered(usize, Reply, Result<http::Response<Bytes>, ()>),
    /// News of a push channel.
    Push(PageId, u64, PushNews),
    /// The server was killed.
    Killed(usize),
    /// What was found when the database was restored.
    Restored(rejoin_server::Restored),
    /// The server in this place was stopped gracefully.
    Stopped(usize),
    /// The server's database refuses or stalls.
    Store(usize, FaultKind),
    /// The server stands still, for this many milliseconds, at this step.
    Stands(usize, u64, String),
}

/// All servers, and what they share.
pub(crate) struct Servers {
    config: Config,
    pub(crate) kept: Kept,
    /// The copy of the database, and whether it is being restored.
    backup: Option<(u64, Backup)>,
    restoring: bool,
    /// Where servers run, one after the other in each place.
    pub(crate) places: Vec<Place>,
    /// Number of servers that were started.
    pub(crate) number: usize,
    /// How far their machine's clock is ahead, in milliseconds.
    clock: i64,
    pub(crate) watched: Arc<Mutex<Watched>>,
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Servers").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Settings that all worlds share; the plan adds the rest.
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
        // The world knows itself when a channel is dead; more comments would only cost time.
        "--heartbeat-ms=10000",
    ])
}

impl Servers {
    pub(crate) fn new(runner: &Runner, plan: &Plan) -> Result<Self, Unfit> {
        let (mut config, setup) = (runner.settings.clone(), &plan.setup);
        if let Some(planted) = runner.planted {
            planted.settings(&mut config);
        }
        if !setup.retries {
            config.twiml_overrides.clear();
            config.callback_overrides.clear();
        }
        config.in_place = if setup.in_place { InPlace::Auto } else { InPlace::Off };
        config.customer_hold = match (setup.customer_hold, setup.hold_when_told) {
            (true, true) => CustomerHold::WhenTold,
            (true, false) => CustomerHold::Auto,
            (false, _) => CustomerHold::Off,
        };
        // The account's own "Reconnecting".
        config.reconnecting_activity = setup.lends.then(|| ActivitySid::numbered(3));
        let count = usize::from(setup.servers.max(1));
        let kept = Kept::new(runner.store, count > 1)?;
        if runner.planted == Some(Planted::NoFence) {
            kept.unfence();
        }
        Ok(Self {
            config,
            kept,
            backup: None,
            restoring: false,
            places: (0..count).map(|_| Place::default()).collect(),
            number: 0,
            clock: setup.skew,
            watched: Arc::new(Mutex::new(Watched::new(&plan.faults, plan.seed))),
        })
    }

    pub(crate) fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection of the server with this number to Twilio.
#[derive(Debug)]
pub(super) struct Wire(usize, mpsc::UnboundedSender<Inbox>);

impl Transport for Wire {
    fn send(&self, request: http::Request<Bytes>) -> Sending<'_> {
        let (answer, answered) = oneshot::channel();
        // Fails only when the world is over.
        let _ = self.1.send(Inbox::Rest(self.0, request, answer));
        Box::pin(async move {
            match answered.await {
                Ok(answer) => answer,
                // No answer will ever come.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl World {
    pub(crate) async fn start_server(&mut self, place: usize) {
        if self.servers.places[place].running.is_some() || self.servers.restoring {
            return;
        }
        self.servers.number += 1;
        if self.servers.number > self.servers.places.len() {
            self.planted_at_restart();
        }
        let number = self.servers.number;
        self.servers.places[place] = Place { number, ..Place::default() };
        let watcher = Watched::watcher(&self.servers.watched, number, &self.sender);
        let first = Millis(self.wall().0.saturating_add_signed(self.servers.clock));
        let mut surroundings = Surroundings::seeded(first, self.plan.seed ^ (number as u64) << 48, watcher);
        if let Some(listener) = self.coverage.listener() {
            surroundings = surroundings.listened_to(listener);
        }
        let started = match self.servers.kept.open(surroundings.clone()).await {
            Ok(store) => {
                let wire = Wire(number, self.sender.clone());
                Server::in_world(self.servers.config.clone(), store, Arc::new(wire))
            }
            Err(error) => Err(error),
        };
        match started {
            Ok(running) => {
                self.servers.places[place].running = Some(Arc::new(running));
                let sender = self.sender.clone();
                tokio::spawn(async move {
                    surroundings.killed().await;
                    let _ = sender.send(Inbox::Killed(number));
                });
                self.befalls(Fate::ServerUp(number));
                self.note(Lane::Server(number), None, Kind::Does, || STARTS.into());
                self.set_flag_deadlines_after_restart();
            }
            Err(error) => {
                // The server was killed in its start, or the last one still has the store.
                self.note(Lane::Server(number), None, Kind::Does, || format!("does not start: {error}"));
                self.put(500, Coming::StartServer(place));
            }
        }
    }

    pub(crate) fn kill_server(&mut self, place: usize) {
        if let Some(running) = &self.servers.places[place].running {
            running.kill();
        }
    }

    /// The server is dead, whatever killed it.
    pub(crate) fn server_killed(&mut self, number: usize) {
        let Some(place) = self.servers.places.iter().position(|place| place.number == number) else {
            return;
        };
        let died = self.servers.watched().died.take();
        if let Some(died) = &died {
            self.coverage.fault(died.kind);
            self.last_fault = self.now;
        }
        self.server_lost();
        if let Some(step) = died.as_ref().and_then(|died| died.step.as_ref()) {
            self.note(Lane::Server(number), None, Kind::Fault, || format!("its last step: {step}"));
        }
        self.befalls(Fate::ServerDown(number, false));
        self.note(Lane::Server(number), None, Kind::Fault, || IS_KILLED.into());
        self.servers.places[place].running = None;
        let down = self.plan.faults.iter().find(|fault| {
            matches!(fault.kind, FaultKind::ServerDies) && fault.from <= self.now && self.now < fault.to
        });
        let again = down.map(|fault| fault.to - self.now).or(died.map(|died| died.down)).unwrap_or(AT_ONCE);
        self.put(again, Coming::StartServer(place));
    }

    pub(crate) fn stop_server(&mut self, place: usize) {
        let it = &mut self.servers.places[place];
        let (number, Some(mut running)) = (it.number, it.running.take()) else { return };
        let sender = self.sender.clone();
        self.server_lost();
        self.befalls(Fate::ServerDown(number, true));
        self.note(Lane::Server(number), None, Kind::Fault, || IS_STOPPED.into());
        tokio::spawn(async move {
            // A request in progress still holds it for a moment.
            for _ in 0..200 {
                match Arc::try_unwrap(running) {
                    Ok(running) => {
                        running.stop().await;
                        let _ = sender.send(Inbox::Stopped(place));
                        return;
                    }
                    Err(still) => running = still,
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            running.kill();
            let _ = sender.send(Inbox::Stopped(place));
        });
    }
}
