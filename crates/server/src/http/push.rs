//! Push channels: what the server sends to desktops, as server-sent events.

use super::App;
use super::auth::{Caller, bearer};
use super::plugin::check_epochs;
use super::problem::Problem;
use super::tokens::STAYS;
use super::{monitor, versions};
use crate::push::{Said, Subscription, Ticket};
use crate::store::PushId;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Line, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures_util::{StreamExt as _, stream};
use rejoin_conversations::PageEvent;
use rejoin_protocol::WorkerSid;
use rejoin_protocol::api::{self, Push, RecoveryView};
use rejoin_recovery::Event;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;

/// Maximum silence of a stream: proxies keep the connection, and the reader knows that the server is there.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(api::HEARTBEAT.0);
/// Maximum number of channels that a worker may open in a minute. A page with an unstable network retries every
/// second or so.
pub(super) const OPENED_PER_MINUTE: u32 = 60;
/// Without this header proxies such as nginx would buffer lines.
pub(crate) const UNBUFFERED: [(&str, &str); 1] = [("x-accel-buffering", "no")];

/// Parameters of `GET /v1/push`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    epoch: u64,
}

/// The push channel. It ends when the token does, and with `move` when the server stops; the page reconnects with the next
/// one, and with the last event's id as `Last-Event-ID`.
#[utoipa::path(
    get,
    path = "/v1/push",
    params(
        ("epoch" = Option<u64>, Query, description = "Of the page."),
        ("Last-Event-ID" = Option<String>, Header, description = "How far this page has heard."),
    ),
    responses(
        (status = 200, description = "Events, each with an id and one JSON object as its data.", body = Push, content_type = "text/event-stream"),
        (status = "default", description = "A problem.", body = api::Problem, content_type = "application/problem+json"),
    ),
    security(("flexToken" = []))
)]
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let agent = match caller {
        Caller::Agent(agent) => agent,
        Caller::Monitor => return monitor::channel(&app).await,
    };
    let Query(page) = query.map_err(|_| Problem::BodyInvalid)?;
    check_epochs(&app, [page.epoch])?;
    let worker = &agent.worker;
    app.opened.check(worker.as_str().as_bytes())?;
    let since = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let opened = app.pushes.subscribe(worker, page.epoch, since).await?;
    app.conversations.page(worker, page.epoch, PageEvent::PushOpened);
    let ticket = Ticket { worker: worker.clone(), channel: opened.number() };
    let ticket = ticket.sealed(&app.config.auth_token);
    let Subscription { first: missed, position, calls, receiver, presence, session } = opened;
    let calls = app.engine.with(calls);
    if calls.doubts_page(worker, page.epoch) {
        app.engine.event(Event::PushBack { worker: worker.clone(), epoch: page.epoch }).await?;
    }
    let views = calls.views(app.store.now(), worker);
    tracing::info!(worker = %agent.worker, open = views.len(), missed = missed.len(), "push channel opened");
    let missed = in_short(missed, &views);
    let views = views.into_iter().map(|recovery| Said { number: None, push: Push::Recovery { recovery } });
    // A page without news must also know its position.
    let here = Line::default().id(position.to_string()).comment("connected");
    let missed = missed.iter().map(|said| line(position, said));
    let first = missed.chain([here]).chain(views.map(|said| line(position, &said))).collect::<Vec<_>>();
    let heartbeat = app.config.limits.heartbeat();
    let (stopping, stops) = (app.stopping.clone(), app.stopping.clone());
    let ends = app.store.surroundings().clone();
    let token: Box<str> = bearer(&headers).unwrap_or_default().into();
    let end = async move {
        let revoked = revoked(&app, &agent.worker, &token);
        let expired = async {
            match agent.expires {
                Some(at) => {
                    tokio::time::sleep(Duration::from_millis(ends.now().until(at).0)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = expired => {}
            () = revoked => {}
            () = stopping.said() => {}
        }
    };
    let news = ReceiverStream::new(receiver).map(move |said| {
        // The page counts as connected, also for other servers, while the stream lasts.
        let _there = (&presence, &session);
        line(position, &said)
    });
    // A page that has another server moves at once, instead of after it has lost this one.
    let leave = stream::once(async move { stops.is_said() }).filter_map(move |stops| {
        ready(stops.then(|| line(position, &Said { number: None, push: Push::Move })))
    });
    let lines = stream::iter(first).chain(news).take_until(Box::pin(end)).chain(leave);
    let lines = lines.map(Ok::<_, Infallible>);
    Ok((
        UNBUFFERED,
        [(versions::HEADER, versions::OURS)],
        [(api::HEARTBEAT_HEADER, heartbeat.as_millis().to_string()), (api::PRESENCE_HEADER, ticket)],
        Sse::new(lines).keep_alive(KeepAlive::new().interval(heartbeat)),
    )
        .into_response())
}

/// Returns when Twilio says that the token is no longer valid. While Twilio does not answer it counts as valid.
async fn revoked(app: &App, worker: &WorkerSid, token: &str) {
    loop {
        tokio::time::sleep(Duration::from_millis(STAYS.0)).await;
        match app.tokens.check_again(token, app.store.now()).await {
            Ok(user) if user.worker.as_ref() == Some(worker) => {}
            Ok(_) | Err(Problem::TokenRefused) => {
                tracing::info!(%worker, "closed a push channel: its token is no longer valid");
                return;
            }
            Err(_) => {}
        }
    }
}

/// Shortens what a page missed. The current state of a recovery follows, so intermediate stages are dropped. But a
/// page that has heard nothing of it would not show how it has ended: its beginning is repeated.
fn in_short(missed: Vec<Said>, stand: &[RecoveryView]) -> Vec<Said> {
    let mut begun = BTreeSet::new();
    let counts = |said: &Said| match &said.push {
        Push::Recovery { recovery } if stand.iter().any(|view| view.id == recovery.id) => {
            begun.insert(recovery.id.clone())
        }
        _ => true,
    };
    missed.into_iter().filter(counts).collect()
}

fn line(position: PushId, said: &Said) -> Line {
    // A message without a number does not change the page's position.
    let line = match said.number {
        Some(number) => Line::default().id(position.at(number).to_string()),
        None => Line::default(),
    };
    // A push is always JSON; a comment in its place would be harmless.
    line.json_data(&said.push).unwrap_or_else(|_| Line::default().comment("unreadable"))
}
