//! The demo around the stand-in: pages for people, the number that customers dial, and an interface for tests.

mod control;
mod pages;
mod transcripts;
mod voice;

use crate::Twin;
use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::sync::Arc;
use transcripts::Transcripts;

/// What the handlers share. Clones are the same.
#[derive(Clone)]
struct Demo {
    twin: Twin,
    transcripts: Arc<Transcripts>,
    /// Of the rejoin server's timeline.
    client: reqwest::Client,
}

/// The routes. Must be called within a Tokio runtime.
pub fn router(twin: Twin) -> Router {
    let transcripts = Arc::new(Transcripts::default());
    tokio::spawn(transcripts::record(Arc::clone(&transcripts), twin.leg_news()));
    // The rejoin server is near. Without a proxy nothing is left that can fail but TLS, which is not wanted here.
    let client = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
    let demo = Demo { twin, transcripts, client };
    Router::new().merge(pages::routes()).merge(voice::routes()).merge(control::routes()).with_state(demo)
}

/// A refusal of one of the twin's own addresses.
#[derive(Debug)]
struct Problem(StatusCode, String);

impl Problem {
    fn not_found(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}
