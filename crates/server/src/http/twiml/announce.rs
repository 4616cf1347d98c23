//! What everybody in a conference hears while the agent is away.

use super::{Twiml, comforting, said};
use crate::http::App;
use crate::http::signed::Signed;
use crate::reconnect;
use crate::texts::Phrase;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use rejoin_protocol::RecoveryId;
use rejoin_recovery::Key;
use rejoin_twilio::twiml::Document;
use std::sync::Arc;
use std::time::Duration;

/// So long the announcement waits for the language that it is to be in.
const WITHIN: Duration = Duration::from_millis(500);
/// So long after a look the next one follows.
const AGAIN: Duration = Duration::from_millis(50);

/// What callers hear while they wait.
static COMFORT: &[u8] = include_bytes!("../../../../../public/audio/comfort.wav");

/// `/twiml/announce/{recovery}`: the connection to the agent was interrupted. In the caller's language as far as the
/// task was read by now; what cannot be looked up at once is said in that of the house.
pub(crate) async fn announce(State(app): State<Arc<App>>, Path(recovery): Path<String>, _: Signed) -> Twiml {
    let language = match RecoveryId::parse(&recovery) {
        Ok(recovery) => language(&app, recovery).await,
        Err(_) => None,
    };
    Twiml(said(&app, Document::new(), Phrase::Interrupted, language.as_deref()))
}

/// The task is being read while Twilio asks for the announcement: it is waited for, but not for long.
async fn language(app: &App, recovery: RecoveryId) -> Option<String> {
    let attribute = &app.config.texts.language_attribute;
    let looks = async {
        loop {
            let look = app.engine.look([Key::Recovery(recovery.clone())], |machine| {
                let call = machine.recovering(&recovery)?;
                // The agent is back: the customer is sent on as soon as the task is read, and has to be told before.
                let hurries = call.recovery.as_ref().is_some_and(|recovery| recovery.back);
                Some((call.attributes.is_empty() && !hurries, reconnect::language(call, attribute)))
            });
            match look.await {
                Ok(Some((true, _))) => tokio::time::sleep(AGAIN).await,
                Ok(Some((false, language))) => return language,
                Ok(None) | Err(_) => return None,
            }
        }
    };
    tokio::time::timeout(WITHIN, looks).await.ok()?
}

/// `/twiml/comfort`: a piece of comfort audio.
pub(crate) async fn comfort(State(app): State<Arc<App>>, _: Signed) -> Twiml {
    Twiml(comforting(&app))
}

/// `/audio/comfort.wav`. Not signed: it is the same for everybody, and Twilio may keep it.
pub(crate) async fn comfort_audio() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "audio/wav"), (header::CACHE_CONTROL, "public, max-age=86400")], COMFORT)
}
