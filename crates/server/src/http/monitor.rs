//! What a monitor with the key may ask: how this server sees itself, in figures, and whether hellos and push channels work.
//!
//! The monitor is no worker: it can name no call, and is sent nothing about any. Its key comes in a header of its own, so that a
//! server that does not know it does not ask Twilio whether it is a Flex token.

use super::App;
use super::health;
use super::problem::Problem;
use super::source::Source;
use super::unverified::Unverified;
use super::{push, versions};
use crate::config::InPlace;
use crate::server_state::{KEY, ServerState};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::sse::{Event as Line, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures_util::{StreamExt as _, stream};
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::{self, Hello, HelloReply};
use rejoin_recovery::Event;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// Maximum number of requests with the key in a minute, of all monitors together.
pub(super) const REQUESTS_PER_MINUTE: u32 = 3000;
/// Maximum number of wrong keys from an address in a minute.
pub(super) const WRONG_PER_MINUTE: u32 = 10;
/// A channel of the monitor's ends after this time: it closes each one as soon as it works.
const LONGEST: Duration = Duration::from_secs(60);
/// Timeout of the database's answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A request with the monitor's key.
#[derive(Debug)]
pub(crate) struct ByMonitor;

impl FromRequestParts<Arc<App>> for ByMonitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let given = parts.headers.get(KEY).map(HeaderValue::as_bytes).ok_or(Problem::TokenMissing)?;
        let source = parts.extensions.get::<Source>().copied();
        app.wrong_keys.check(source)?;
        let wanted = app.config.monitoring.monitor_key.as_ref().map_or("", |key| key.expose_secret().trim());
        // Compares hashes: not even the length affects the time. Without a key in the settings no request is a monitor's.
        let is_it = !wanted.is_empty() & bool::from(Sha256::digest(wanted).ct_eq(&Sha256::digest(given)));
        if !is_it {
            app.wrong_keys.refused(source);
            return Err(Problem::TokenRefused);
        }
        if let Some(unverified) = parts.extensions.get::<Unverified>() {
            unverified.verified();
        }
        app.monitors.check(b"monitor")?;
        Ok(Self)
    }
}

/// The worker of the monitor's hello. Twilio's SIDs are random, so it is nobody.
fn nobody() -> WorkerSid {
    WorkerSid::numbered(0)
}

/// A hello of the monitor's takes the way of every hello, and concerns no call.
pub(super) async fn hello(app: &App) -> Result<Response, Problem> {
    let hello = Hello { epoch: 0, holdings: vec![], unavailable: false, accepts_ping: false };
    let event = Event::Hello { worker: nobody(), hello, older_page_connected: false };
    app.engine.event(event).await?;
    let in_place = app.config.in_place == InPlace::Auto;
    let reply = HelloReply { in_place, ..HelloReply::default() };
    Ok(([(versions::HEADER, versions::OURS)], Json(reply)).into_response())
}

/// A push channel for the monitor: its position comes from the database, as a page's does, and heartbeats follow. It is not
/// among those that pushes go to, and other servers do not hear of it.
pub(super) async fn channel(app: &App) -> Result<Response, Problem> {
    let position = app.store.heard(&nobody(), None).await?.position;
    let heartbeat = app.config.limits.heartbeat();
    let here = Line::default().id(position.to_string()).comment("connected");
    let stopping = app.stopping.clone();
    let end = async move {
        tokio::select! {
            biased;
            () = stopping.said() => {}
            () = tokio::time::sleep(LONGEST) => {}
        }
    };
    let lines = stream::iter([Ok::<_, Infallible>(here)]).chain(stream::pending()).take_until(Box::pin(end));
    Ok((
        push::UNBUFFERED,
        [(versions::HEADER, versions::OURS)],
        [(api::HEARTBEAT_HEADER, heartbeat.as_millis().to_string())],
        Sse::new(lines).keep_alive(KeepAlive::new().interval(heartbeat)),
    )
        .into_response())
}

/// `GET /monitor/state`: how this server sees itself. What cannot be read is left out.
pub(crate) async fn state(State(app): State<Arc<App>>, _: ByMonitor) -> Json<ServerState> {
    let calls = async {
        let counted = tokio::time::timeout(ANSWERS_WITHIN, app.store.count_calls()).await;
        counted.ok().and_then(Result::ok)
    };
    let (database, calls) = tokio::join!(health::database(&app), calls);
    let status = app.turns.status();
    let shared = app.store.is_shared();
    Json(ServerState {
        database: Some(database),
        storm: Some(status.storm),
        failsafe: Some(status.failsafe),
        lost: Some(status.lost as u64),
        given_up: Some(crate::figures::jobs_given_up()),
        leased: shared.then(|| app.store.leased().is_some()),
        leases_lost: shared.then(|| app.store.leases_lost()),
        calls: calls.map(|calls| calls.open),
        unprotected: calls.map(|calls| calls.unprotected),
    })
}
