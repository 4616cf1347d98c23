//! `GET /health/ready` and `GET /v1/ready`: one check serves all requests within a second. A check writes to the database.

use super::{App, health};
use axum::body::{Bytes, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an answer counts.
const COUNTS_FOR: Duration = Duration::from_secs(1);
/// Maximum size of an answer, in bytes.
const LONGEST: usize = 64 * 1024;

/// The last answer.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, StatusCode, Bytes)>>);

/// 200 if the server can work, else 503; each check is named.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    // A request that comes during a check waits for its end, and gets its result.
    let mut last = app.readiness.0.lock().await;
    let known = last.as_ref().filter(|(at, ..)| at.elapsed() < COUNTS_FOR);
    let (status, body) = match known {
        Some((_, status, body)) => (*status, body.clone()),
        None => {
            let (parts, body) = health::ready(State(Arc::clone(&app))).await.into_parts();
            // It is complete, and short.
            let body = to_bytes(body, LONGEST).await.unwrap_or_default();
            *last = Some((Instant::now(), parts.status, body.clone()));
            (parts.status, body)
        }
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Whether this server can work, by its status alone. Pages that have several servers compare them by it. A server that stops
/// takes no more connections.
#[utoipa::path(
    get,
    path = "/v1/ready",
    responses((status = 204, description = "It can."), (status = 503, description = "It cannot."))
)]
pub(crate) async fn ready_for_pages(State(app): State<Arc<App>>) -> StatusCode {
    match ready(State(app)).await.status() {
        StatusCode::OK => StatusCode::NO_CONTENT,
        status => status,
    }
}
