//! Liveness, readiness, and metrics.

use super::App;
use super::console;
use super::operator::Operator;
use super::problem::Problem;
use crate::clock::Skew;
use crate::figures::{self, Now};
use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rejoin_protocol::Millis;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Minimum time between two checks whether Twilio is reachable.
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// A request to Twilio that has waited this long means that customers wait.
const LONGEST_WAIT: Millis = Millis::seconds(10);
/// Timeout of the database's answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// `GET /health/live`: 200 while the engine runs, with or without a database; 503: it is stuck, and a restart helps.
pub(crate) async fn live(State(app): State<Arc<App>>) -> StatusCode {
    if app.engine.is_alive() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// A check of something that the server cannot work without.
#[derive(Debug, Serialize)]
struct Check {
    ok: bool,
    /// What is wrong, what it means for calls, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'static str>,
}

impl Check {
    fn of(ok: bool, trouble: &'static str) -> Self {
        Self { ok, trouble: (!ok).then_some(trouble) }
    }
}

#[derive(Debug, Serialize)]
struct Ready {
    database: Check,
    twilio: Check,
    queue: Check,
    clock: Check,
}

/// `GET /health/ready`: 200 if the server can work, else 503; each check is named.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let (database, twilio) = tokio::join!(database(&app), app.reachable.look());
    let waited = app.turns.status().lanes.iter().map(|lane| lane.oldest_ms).max().unwrap_or_default();
    let ready = Ready {
        database: Check::of(
            database,
            "nothing can be stored: webhooks are answered 503 and calls are not protected; look at its disk and connections",
        ),
        twilio: Check::of(
            twilio,
            "Twilio does not answer: customers who lost their agent stay on the line but hear nothing; look at the network",
        ),
        queue: Check::of(
            Millis(waited) <= LONGEST_WAIT,
            "requests to Twilio wait for more than 10 s: customers wait as long; see /metrics and docs/runbook.md",
        ),
        clock: Check::of(
            app.store.skew().is_none_or(Skew::is_bearable),
            "the database's clock differs by more than 1 s: timers of calls go off at the wrong time; look at NTP on both machines",
        ),
    };
    let all = ready.database.ok && ready.twilio.ok && ready.queue.ok && ready.clock.ok;
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready)).into_response()
}

/// True when the database takes a write in time.
pub(super) async fn database(app: &App) -> bool {
    // The check must write, not only read.
    let writes = async { app.engine.settled().await.and(app.store.renew().await) };
    matches!(tokio::time::timeout(ANSWERS_WITHIN, writes).await, Ok(Ok(())))
}

/// Checks whether Twilio is reachable, but not for each request.
#[derive(Debug)]
pub(crate) struct Reachable {
    client: rejoin_twilio::Client,
    last: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

impl Reachable {
    pub(crate) fn new(client: rejoin_twilio::Client) -> Self {
        Self { client, last: tokio::sync::Mutex::default() }
    }

    async fn look(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, reachable)) = *last
            && at.elapsed() < ASKED_EVERY
        {
            return reachable;
        }
        let reachable = self.client.is_reachable().await;
        *last = Some((Instant::now(), reachable));
        reachable
    }
}

/// `GET /metrics`, with the operator token.
pub(crate) async fn metrics(State(app): State<Arc<App>>, _: Operator) -> Result<impl IntoResponse, Problem> {
    let status = app.turns.status();
    // At once: a database that does not answer is waited for only once.
    let (jobs, calls, overview) = tokio::join!(
        tokio::time::timeout(ANSWERS_WITHIN, app.store.open_jobs()),
        tokio::time::timeout(ANSWERS_WITHIN, app.store.count_calls()),
        tokio::time::timeout(ANSWERS_WITHIN, console::overview(&app)),
    );
    let (jobs, calls) = (jobs.ok().and_then(Result::ok), calls.ok().and_then(Result::ok));
    let overview = overview.ok();
    let now = app.store.now();
    let (calls_held_back, jobs_unreadable) = app.store.count_held_back();
    Now {
        calls_held_back,
        jobs_unreadable,
        calls: calls.map(|calls| (calls.open, calls.unprotected)),
        push_sessions: app.pushes.sessions(),
        presence_sockets: app.sockets.open_ones(),
        jobs_open: jobs.map(|jobs| jobs.count),
        late_job: jobs.map(|jobs| jobs.first.map_or(Millis(0), |deadline| deadline.until(now))),
        oldest_job: jobs.map(|jobs| jobs.oldest.map_or(Millis(0), |since| since.until(now))),
        storm: status.storm,
        failsafe: status.failsafe,
        lost_lately: status.lost,
        lanes: status.lanes,
        recoveries_open: overview.as_ref().and_then(|overview| overview.open_by_step()),
        conversations: overview.as_ref().and_then(|overview| overview.conversations()),
        lease_ms: overview.as_ref().and_then(|overview| overview.lease_ms()),
        committed_ago: overview.and_then(|overview| overview.database.committed_ago),
    }
    .set();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], figures::text()))
}

/// Counts requests by their route, never by their address, which contains ids.
pub(crate) async fn measured(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let begun = Instant::now();
    let response = next.run(request).await;
    if let Some(route) = route {
        let status = response.status().as_u16().to_string();
        metrics::histogram!(figures::REQUEST_SECONDS, "route" => route.clone()).record(begun.elapsed());
        metrics::counter!(figures::REQUESTS, "route" => route, "status" => status).increment(1);
    }
    response
}
