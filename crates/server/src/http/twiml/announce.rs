//! What everybody in a conference hears while the agent is away.

use super::{Twiml, comforting};
use crate::http::App;
use crate::http::signed::Signed;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use rejoin_twilio::twiml::Document;
use std::sync::Arc;

/// What callers hear while they wait.
static COMFORT: &[u8] = include_bytes!("../../../../../public/audio/comfort.wav");

/// `/twiml/announce/{recovery}`: the connection to the agent was interrupted.
pub(crate) async fn announce(State(app): State<Arc<App>>, _: Signed) -> Twiml {
    Twiml(Document::new().say(&app.config.texts.language, &app.config.texts.interrupted))
}

/// `/twiml/comfort`: a piece of comfort audio.
pub(crate) async fn comfort(State(app): State<Arc<App>>, _: Signed) -> Twiml {
    Twiml(comforting(&app))
}

/// `/audio/comfort.wav`. Not signed: it is the same for everybody, and Twilio may keep it.
pub(crate) async fn comfort_audio() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "audio/wav"), (header::CACHE_CONTROL, "public, max-age=86400")], COMFORT)
}
