//! The customer's way through the queue: into it, in it, out of it, and after a failure.

use super::announce::language;
use super::ended::{Asked, after_bridge};
use super::enqueue::{Targeting, enqueued_as_decided, in_a_moment, way};
use super::{AT_ONCE, Twiml, parse, said, voice_request};
use crate::audio::{COMFORT_LASTS, COMFORT_PATH, COMFORT_TIMES};
use crate::error::Error;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::signed::{Signed, Token};
use crate::texts::Phrase;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use rejoin_protocol::RecoveryId;
use rejoin_recovery::Event;
use rejoin_twilio::twiml::Document;
use rejoin_twilio::webhook::{QueueResult, VoiceRequest};
use std::sync::Arc;
use std::time::Duration;

/// Pause before the first attempt to store again what could not be stored. It doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// `/twiml/requeue/{recovery}`: sends the customer into the queue, for the agent whom the machine has chosen.
pub(crate) async fn requeue(
    State(app): State<Arc<App>>,
    Path(recovery): Path<String>,
    _: Signed,
) -> Result<Twiml, Problem> {
    let recovery = parse(&recovery)?;
    match enqueued_as_decided(&app, None, &recovery).await {
        Ok(document) => document.map(Twiml).ok_or(Problem::NotFound),
        Err(error) => Ok(in_a_moment(&app, &recovery, &error)),
    }
}

/// Parameters of `/twiml/wait/{recovery}`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Wait {
    #[serde(default = "yes")]
    told: bool,
}

fn yes() -> bool {
    true
}

/// `/twiml/wait/{recovery}?told=`: the customer is in the queue, and hears something: the announcement first, if they went
/// there before it was due. Each document leads to the one without it. At the end of a document Twilio requests it again
/// (<https://www.twilio.com/docs/voice/twiml/enqueue#attributes-wait-url>); unverified: whether that is the first one or the last.
pub(crate) async fn wait(
    State(app): State<Arc<App>>,
    Path(recovery): Path<String>,
    query: Result<Query<Wait>, QueryRejection>,
    Signed(params): Signed,
) -> Result<Twiml, Problem> {
    let Query(Wait { told }) = query.map_err(|_| Problem::CallbackInvalid)?;
    let recovery = parse(&recovery)?;
    let request = voice_request(&params)?;
    let document = if told {
        Document::new().play_times(&app.config.public(COMFORT_PATH), COMFORT_TIMES)
    } else {
        let language = language(&app, recovery.clone()).await;
        said(&app, Document::new(), Phrase::Interrupted, language.as_deref())
    };
    let document = Twiml(document.redirect(&app.config.document(&format!("/twiml/wait/{recovery}"))));
    // Stored after the answer: if the server dies in between, the customer seems to be in silence, and is sent to the
    // queue once more. The next request for this document is a minute away, so a failed
    // write is retried until then.
    let surroundings = app.store.surroundings().clone();
    let entered = Event::EnteredQueue { recovery, customer: request.call };
    tokio::spawn(surroundings.task(async move {
        let mut pause = FIRST_PAUSE;
        while !tell(&app, entered.clone()).await && pause < COMFORT_LASTS {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }));
    Ok(document)
}

/// `/twiml/after/{recovery}`: the customer has left the queue.
pub(crate) async fn after(
    State(app): State<Arc<App>>,
    Path(recovery): Path<String>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    Token(token): Token,
    Signed(params): Signed,
) -> Result<Twiml, Problem> {
    let recovery = parse(&recovery)?;
    let Query(asked) = query.map_err(|_| Problem::CallbackInvalid)?;
    let request = voice_request(&params)?;
    let left = |bridged, hung_up| Event::LeftQueue {
        recovery: recovery.clone(),
        customer: request.call.clone(),
        bridged,
        hung_up,
        token: token.clone(),
    };
    match request.queue_result {
        // Another document runs already: ours, or that of the agent who accepted the call.
        Some(QueueResult::Redirected) => Ok(Twiml(Document::new())),
        // As after the first queue: the conference may have ended because the agent was lost once more.
        Some(QueueResult::Bridged) => {
            tell(&app, left(true, false)).await;
            Ok(after_bridge(&app, &request.call, &asked).await)
        }
        Some(QueueResult::HungUp) => {
            tell(&app, left(false, true)).await;
            Ok(Twiml(Document::new()))
        }
        Some(QueueResult::Left) | None => {
            let document = again(&app, &recovery, token.as_deref()).await;
            tell(&app, left(false, false)).await;
            Ok(document.unwrap_or_else(|error| in_a_moment(&app, &recovery, &error)))
        }
    }
}

/// `/twiml/fallback/{recovery}`: a document failed; the call goes to any agent.
pub(crate) async fn fallback(
    State(app): State<Arc<App>>,
    Path(recovery): Path<String>,
    Token(token): Token,
    Signed(params): Signed,
) -> Result<Twiml, Problem> {
    let recovery = parse(&recovery)?;
    let document = match again(&app, &recovery, token.as_deref()).await {
        Ok(document) => document,
        // The queue was not tried, so this does not count as a failed attempt: however long Twilio is out of order,
        // the caller goes to the queue once it answers.
        Err(error) => return Ok(in_a_moment(&app, &recovery, &error)),
    };
    // Without its parameters the request is still answered: this document is the last resort.
    if let Ok(VoiceRequest { call: customer, .. }) = VoiceRequest::parse(&params) {
        let (bridged, hung_up) = (false, false);
        tell(&app, Event::LeftQueue { recovery, customer, bridged, hung_up, token }).await;
    }
    Ok(document)
}

/// `/twiml/lost/{recovery}`: no agent is found for the customer, and the call ends after this.
pub(crate) async fn lost(
    State(app): State<Arc<App>>,
    Path(recovery): Path<String>,
    _: Signed,
) -> Result<Twiml, Problem> {
    let way = way(&app, &parse(&recovery)?, Targeting::Anybody, None).await;
    // Without a known language of the customer, in the default one.
    let language = way.ok().flatten().and_then(|way| way.language);
    Ok(Twiml(said(&app, Document::new(), Phrase::Lost, language.as_deref())))
}

/// The caller gets the document whether or not this could be stored. True if it was.
async fn tell(app: &App, event: Event) -> bool {
    let stored = tokio::time::timeout(AT_ONCE, app.engine.event(event)).await.unwrap_or(Err(Error::Busy));
    if let Err(error) = &stored {
        tracing::warn!(%error, "a customer's progress in the queue could not be stored");
    }
    stored.is_ok()
}

/// Another attempt, for any agent, if there have not been enough. A call that is no longer known cannot be sent
/// anywhere.
///
/// # Errors
///
/// How the call goes on cannot be looked up. It may be possible in a moment.
async fn again(app: &App, recovery: &RecoveryId, token: Option<&str>) -> Result<Twiml, Error> {
    Ok(match way(app, recovery, Targeting::Anybody, token).await? {
        Some(way) if !way.again => {
            tracing::error!(%recovery, "a customer left every queue and heard the text for a lost call; check the workflow");
            Twiml(said(app, Document::new(), Phrase::Lost, way.language.as_deref()))
        }
        Some(way) => {
            let document = said(app, Document::new(), Phrase::Again, way.language.as_deref());
            Twiml(way.enqueued(&app.config, document, recovery))
        }
        None => {
            tracing::error!(%recovery, "a customer of an unknown recovery heard the text for a lost call");
            Twiml(said(app, Document::new(), Phrase::Lost, None))
        }
    })
}
