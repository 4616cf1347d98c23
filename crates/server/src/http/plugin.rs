//! The plugin's requests. Each is durable when it is answered, and may be repeated.

use super::auth::Agent;
use super::problem::Problem;
use super::signed::is_of_kind;
use super::{App, body, untold};
use crate::config::InPlace;
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use rejoin_protocol::api::{self, Beacon, GracefulMark, Hello, HelloReply, Registration};
use rejoin_recovery::{Event, Machine, Right};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// More voice reservations than any worker has.
const HOLDINGS: usize = 100;
/// Longest name of a worker, in characters.
const NAME: usize = 200;

/// A JSON body. Fields that are not known are left alone: the plugin may be newer than the server.
#[derive(Debug)]
pub(crate) struct Posted<T>(T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Posted<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if !is_of_kind(request.headers(), "application/json") {
            return Err(Problem::BodyInvalid);
        }
        let body = body::read(app, request.into_body(), body::LIMIT).await?;
        serde_json::from_slice(&body).map(Self).map_err(|_| Problem::BodyInvalid)
    }
}

/// A desktop has come up: what is to be done there?
#[utoipa::path(
    post,
    path = "/v1/hello",
    request_body = Hello,
    responses(
        (status = 200, description = "What is open for this worker.", body = HelloReply),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(("flexToken" = []))
)]
pub(crate) async fn hello(
    State(app): State<Arc<App>>,
    agent: Agent,
    Posted(hello): Posted<Hello>,
) -> Result<Json<HelloReply>, Problem> {
    if hello.holdings.len() > HOLDINGS {
        return Err(Problem::BodyInvalid);
    }
    tracing::info!(worker = %agent.worker, holdings = hello.holdings.len(), "hello");
    let (worker, epoch) = (&agent.worker, hello.epoch);
    let older_page_connected = if hello.holdings.iter().any(|holding| !holding.wrapping) {
        app.pushes.older_page_back(worker, epoch).await
    } else {
        app.pushes.older_page_connected(worker, epoch).await
    };
    let superseded = app.pushes.newer_page_connected(&agent.worker, hello.epoch).await;
    app.pushes.supersede(&agent.worker, hello.epoch).await;
    let worker = agent.worker.clone();
    let event = Event::Hello { worker: agent.worker.clone(), hello: hello.clone(), older_page_connected };
    let surroundings = app.store.surroundings().clone();
    let recoveries =
        app.engine.event_then(event, move |machine| machine.views(surroundings.now(), &worker)).await?;
    if !hello.holdings.is_empty() && !older_page_connected {
        let named = hello.holdings.into_iter().map(|holding| (holding.task, holding.reservation));
        untold::look(&app, &agent.worker, named.collect());
    }
    Ok(Json(HelloReply { recoveries, in_place: app.config.in_place == InPlace::Auto, superseded }))
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
    Posted(registration): Posted<Registration>,
) -> Result<StatusCode, Problem> {
    if registration.worker_name.chars().count() > NAME {
        return Err(Problem::BodyInvalid);
    }
    tracing::info!(worker = %agent.worker, conference = %registration.conference, "registration");
    let conference = registration.conference.clone();
    let (worker, said) = (agent.worker.clone(), registration.clone());
    let event = Event::Registered { worker: agent.worker, registration };
    // The page guards a call only once it is registered.
    let rights = move |machine: &Machine| (machine.right(&worker, &said), machine.may_touch(&conference));
    match app.engine.event_then(event, rights).await? {
        (Right::Foreign, _) => Err(Problem::NotYourCall),
        (_, Some(false)) => Err(Problem::CallNotAllowed),
        (Right::Own, Some(true)) => Ok(StatusCode::NO_CONTENT),
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
    Posted(mark): Posted<GracefulMark>,
) -> Result<StatusCode, Problem> {
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
        // Its registration is lost, or was refused. If she does not leave after all, or leaves him behind, nobody else tells.
        untold::look(&app, &agent.worker, vec![named]);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A page goes away: a beacon, whose answer nobody reads. The token is in the body, because it can set no header.
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
    let body = body::read(&app, request.into_body(), body::LIMIT).await?;
    let Ok(Beacon { token, marks, goodbye }) = serde_json::from_slice(&body) else {
        return Err(Problem::BodyInvalid);
    };
    if marks.len() > HOLDINGS || goodbye.as_ref().is_some_and(|goodbye| goodbye.tasks.len() > HOLDINGS) {
        return Err(Problem::BodyInvalid);
    }
    let Agent { worker, .. } = Agent::of(&app, &token).await?;
    for mark in marks {
        tracing::info!(%worker, task = %mark.task, reason = ?mark.reason, "leaves on purpose, and the page ends");
        app.engine.event(Event::Graceful { worker: worker.clone(), mark }).await?;
    }
    if let Some(goodbye) = goodbye {
        tracing::info!(%worker, tasks = goodbye.tasks.len(), "goodbye");
        app.engine.event(Event::Goodbye { worker, goodbye }).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
