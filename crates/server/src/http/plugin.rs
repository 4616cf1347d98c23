//! The plugin's requests. Each is durable when it is answered, and may be repeated.

use super::auth::{Agent, Caller};
use super::lenient::{ReadBeacon, ReadHello, ReadMark};
use super::problem::Problem;
use super::signed::is_of_kind;
use super::{App, body, discover_call, monitor, versions};
use crate::config::InPlace;
use crate::pace::Rank;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use rejoin_conversations::PageEvent;
use rejoin_protocol::api::{self, Beacon, GracefulMark, Hello, HelloReply, Registration};
use rejoin_recovery::{Event, Machine, Right};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Maximum number of voice reservations, more than any worker has: Flex gives a worker one call at a time, and the
/// rest wrap up.
const HOLDINGS: usize = 20;
/// Maximum number of marks, more than an agent makes while the server does not answer. A beacon with too many would
/// be lost as a whole.
const LEFT: usize = 100;
/// Maximum length of a worker's name, in characters.
const NAME: usize = 200;

/// Refuses implausible epochs, in the far future.
pub(super) fn check_epochs(app: &App, epochs: impl IntoIterator<Item = u64>) -> Result<(), Problem> {
    let now = app.store.now();
    let all = epochs.into_iter().all(|epoch| api::is_plausible_epoch(now, epoch));
    if all { Ok(()) } else { Err(Problem::BodyInvalid) }
}

/// A JSON body. Unknown fields are ignored: the plugin may be newer than the server.
#[derive(Debug)]
pub(crate) struct Posted<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Posted<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if !is_of_kind(request.headers(), "application/json") {
            return Err(Problem::BodyInvalid);
        }
        let body = body::read(&app.config.limits, request.into_body(), body::LIMIT, None).await?;
        serde_json::from_slice(&body).map(Self).map_err(|_| Problem::BodyInvalid)
    }
}

/// Parameters of `/v1/hello`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    version: Option<String>,
}

/// A page has loaded: what it should do.
#[utoipa::path(
    post,
    path = "/v1/hello",
    request_body = Hello,
    params(("version" = Option<String>, Query, description = "Of the plugin, as in 1.2.3. The answer's header `rejoin-version` is the server's.")),
    responses(
        (status = 200, description = "What is open for this worker.", body = HelloReply),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(("flexToken" = []))
)]
pub(crate) async fn hello(
    State(app): State<Arc<App>>,
    caller: Caller,
    page: Result<Query<Page>, QueryRejection>,
    Posted(hello): Posted<ReadHello>,
) -> Result<Response, Problem> {
    let agent = match caller {
        Caller::Agent(agent) => agent,
        // Nothing in its body counts.
        Caller::Monitor => return monitor::hello(&app).await,
    };
    let hello = Hello::from(hello);
    if hello.holdings.len() > HOLDINGS {
        return Err(Problem::BodyInvalid);
    }
    check_epochs(&app, [hello.epoch])?;
    // A malformed query must not cost a recovery.
    let version = page.ok().and_then(|Query(Page { version })| version);
    app.versions.said(&app.store, version.as_deref());
    tracing::info!(worker = %agent.worker, holdings = hello.holdings.len(), "hello");
    app.pushes.heard(&agent.worker, hello.epoch);
    let (worker, epoch) = (&agent.worker, hello.epoch);
    let older_page_connected = if hello.holdings.iter().any(|holding| !holding.wrapping) {
        app.pushes.older_page_back(worker, epoch).await
    } else {
        app.pushes.older_page_connected(worker, epoch).await
    };
    let superseded = app.pushes.newer_page_connected(&agent.worker, hello.epoch).await;
    app.pushes.supersede(&agent.worker, hello.epoch).await;
    app.conversations.page(&agent.worker, hello.epoch, PageEvent::Heard);
    let worker = agent.worker.clone();
    let event = Event::Hello { worker: agent.worker.clone(), hello: hello.clone(), older_page_connected };
    let surroundings = app.store.surroundings().clone();
    let recoveries =
        app.engine.event_then(event, move |machine| machine.views(surroundings.now(), &worker)).await?;
    if !hello.holdings.is_empty() && !older_page_connected {
        let named = hello.holdings.into_iter().map(|holding| (holding.task, holding.reservation));
        discover_call::look_up(&app, (&agent.worker, hello.epoch), named.collect());
    }
    let in_place = app.config.in_place == InPlace::Auto;
    // With an address of the operators' own, the console is not where Flex's users come.
    let console = agent.may_see_all && app.config.operator_listen.is_none();
    let reply = HelloReply { recoveries, in_place, superseded, console };
    Ok(([(versions::HEADER, versions::OURS)], Json(reply)).into_response())
}

/// A call is up.
#[utoipa::path(
    post,
    path = "/v1/calls",
    request_body = Registration,
    responses(
        (status = 204, description = "It is durable."),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(("flexToken" = []))
)]
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    agent: Agent,
    Posted(mut registration): Posted<Registration>,
) -> Result<StatusCode, Problem> {
    if registration.worker_name.chars().count() > NAME {
        return Err(Problem::BodyInvalid);
    }
    check_epochs(&app, [registration.epoch].into_iter().chain(registration.id.map(|id| id.epoch)))?;
    tracing::info!(worker = %agent.worker, conference = %registration.conference, "registration");
    app.pushes.heard(&agent.worker, registration.epoch);
    // Shown to colleagues. It comes from Twilio, not from the page.
    registration.worker_name = agent.name;
    let conference = registration.conference.clone();
    let (worker, said) = (agent.worker.clone(), registration.clone());
    let asked = registration.answers_messages.then(|| (conference.clone(), registration.worker_leg.clone()));
    let event = Event::Registered { worker: agent.worker, registration };
    // The page protects a call only once it is registered.
    let rights = move |machine: &Machine| (machine.right(&worker, &said), machine.may_touch(&conference));
    match app.engine.event_then(event, rights).await? {
        (Right::Foreign, _) => Err(Problem::NotYourCall),
        (_, Some(false)) => Err(Problem::CallNotAllowed),
        (Right::Own, Some(true)) => {
            if let Some((conference, leg)) = asked {
                app.messages.through(app.twilio(Rank::LookUp, app.store.now())).prove(conference, leg);
            }
            Ok(StatusCode::NO_CONTENT)
        }
        (Right::Unknown, _) | (_, None) => Err(Problem::CallNotKnownYet),
    }
}

/// The agent leaves on purpose.
#[utoipa::path(
    post,
    path = "/v1/graceful",
    request_body = GracefulMark,
    responses(
        (status = 204, description = "It is durable."),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(("flexToken" = []))
)]
pub(crate) async fn graceful(
    State(app): State<Arc<App>>,
    agent: Agent,
    Posted(ReadMark(mark)): Posted<ReadMark>,
) -> Result<StatusCode, Problem> {
    let epoch = mark.id.map(|id| id.epoch);
    check_epochs(&app, epoch)?;
    tracing::info!(worker = %agent.worker, task = %mark.task, reason = ?mark.reason, "leaves on purpose");
    let named = (mark.task.clone(), mark.reservation.clone());
    let event = Event::Graceful { worker: agent.worker.clone(), mark };
    let (said, task) = (event.clone(), named.0.clone());
    let then = move |machine: &Machine| (machine.is_foreign(&said), machine.knows(&task));
    let (foreign, known) = app.engine.event_then(event, then).await?;
    if foreign {
        return Err(Problem::NotYourCall);
    }
    if !known {
        // The registration was lost, or refused. If the agent does not leave after all, or leaves the customer
        // behind, nothing else reports it.
        discover_call::look_up(&app, (&agent.worker, epoch.unwrap_or_default()), vec![named]);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A page goes away: a beacon, whose answer is not read. The token is in the body, because a beacon can set no header.
#[utoipa::path(
    post,
    path = "/v1/goodbye",
    request_body(content = Beacon, content_type = "text/plain"),
    responses(
        (status = 204, description = "It is durable."),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(())
)]
pub(crate) async fn goodbye(State(app): State<Arc<App>>, request: Request) -> Result<StatusCode, Problem> {
    let (parts, body) = request.into_parts();
    let body = body::read(&app.config.limits, body, body::LIMIT, parts.extensions.get()).await?;
    let read: ReadBeacon = serde_json::from_slice(&body).map_err(|_| Problem::BodyInvalid)?;
    let Beacon { token, marks, goodbye, gone } = read.into();
    if marks.len() > LEFT || goodbye.as_ref().is_some_and(|goodbye| goodbye.tasks.len() > LEFT) {
        return Err(Problem::BodyInvalid);
    }
    let said = marks.iter().filter_map(|mark| Some(mark.id?.epoch));
    let gone = gone.or(goodbye.as_ref().map(|goodbye| goodbye.epoch));
    check_epochs(&app, said.chain(gone))?;
    let Agent { worker, .. } = Agent::of(&app, &token, &parts.extensions).await?;
    if let Some(epoch) = gone {
        app.conversations.page(&worker, epoch, PageEvent::Goodbye);
    }
    let mut taken = Ok(());
    for mark in marks {
        tracing::info!(%worker, task = %mark.task, reason = ?mark.reason, "leaves on purpose, and the page ends");
        // A mark that fails does not keep others from being handled.
        taken = taken.and(app.engine.event(Event::Graceful { worker: worker.clone(), mark }).await);
    }
    if let Some(goodbye) = goodbye {
        tracing::info!(%worker, tasks = goodbye.tasks.len(), "goodbye");
        taken = taken.and(app.engine.event(Event::Goodbye { worker, goodbye }).await);
    }
    taken?;
    Ok(StatusCode::NO_CONTENT)
}
