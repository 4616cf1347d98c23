//! The documents that Twilio requests. None of them leaves a caller in silence or without a next step.

mod announce;
mod ended;
mod enqueue;
mod follow;
mod queue;
mod test_call;

pub(crate) use announce::{announce, comfort, comfort_audio, hold, tone_audio};
pub(crate) use ended::ended;
pub(crate) use follow::follow;
pub(crate) use queue::{after, fallback, lost, requeue, wait};
pub(crate) use test_call::test_call;

use super::App;
use super::problem::Problem;
use crate::audio::COMFORT_PATH;
use crate::texts::Phrase;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rejoin_protocol::RecoveryId;
use rejoin_twilio::twiml::{CONTENT_TYPE, Document};
use rejoin_twilio::webhook::VoiceRequest;
use std::time::Duration;

/// What a document says is looked up within this time, or the document does without: the caller hears nothing meanwhile, and
/// Twilio waits 15 s for it.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// A document as a reply.
#[derive(Debug)]
pub(crate) struct Twiml(Document);

impl IntoResponse for Twiml {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0.finish()).into_response()
    }
}

/// `<Say>`, in this language if there are texts in it.
fn said(app: &App, document: Document, phrase: Phrase, language: Option<&str>) -> Document {
    let (language, text) = app.config.texts.say(phrase, language);
    document.say(language, text)
}

fn comforting(app: &App) -> Document {
    Document::new().play(&app.config.public(COMFORT_PATH))
}

fn parse(recovery: &str) -> Result<RecoveryId, Problem> {
    RecoveryId::parse(recovery).map_err(|_| Problem::NotFound)
}

fn voice_request(params: &[(String, String)]) -> Result<VoiceRequest, Problem> {
    VoiceRequest::parse(params).map_err(|error| {
        tracing::warn!(%error, "refused a request for TwiML");
        Problem::CallbackInvalid
    })
}
