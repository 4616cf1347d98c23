//! The demo around the twin: pages for people, the number that customers dial, and an interface for tests.

mod chats;
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

/// State that the handlers share. Clones refer to the same state.
#[derive(Clone)]
struct Demo {
    twin: Twin,
    transcripts: Arc<Transcripts>,
    /// Client for the Rejoin server's timeline.
    client: reqwest::Client,
}

/// The routes. Must be called within a Tokio runtime.
pub fn router(twin: Twin) -> Router {
    let transcripts = Arc::new(Transcripts::default());
    tokio::spawn(transcripts::record(Arc::clone(&transcripts), twin.leg_news()));
    // The Rejoin server is near. Without a proxy only TLS could fail, which is not needed here.
    let client = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
    let demo = Demo { twin, transcripts, client };
    Router::new()
        .merge(pages::routes())
        .merge(voice::routes())
        .merge(control::routes())
        .merge(chats::routes())
        .with_state(demo)
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
