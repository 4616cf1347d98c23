//! What follows a queue in which the caller was connected to an agent: the `action` of a flow's own `<Enqueue>`.
//!
//! Twilio requests it when the conference has ended under the caller, and also at the ordinary end of a call. The
//! machine decides which it was; until it can, the caller is kept.

use super::enqueue::{enqueued_as_decided, in_a_moment};
use super::{AT_ONCE, Twiml, comforting, voice_request};
use crate::error::Error;
use crate::http::App;
use crate::http::discover_call;
use crate::http::problem::Problem;
use crate::http::signed::Signed;
use crate::texts::Phrase;
use axum::extract::{Query, State};
use rejoin_protocol::{CallSid, Millis};
use rejoin_recovery::{Event, KEPT_UNDECIDED, Next};
use rejoin_twilio::encoded;
use rejoin_twilio::twiml::Document;
use rejoin_twilio::webhook::QueueResult;
use std::sync::Arc;

/// Length of a pause between two requests while the machine has not decided.
const MOMENT_SECONDS: u32 = 1;
/// Number of pauses before comfort audio is played instead: more than a look-up at Twilio usually takes (24 s).
const MOMENTS: u32 = 30;
/// Number of times that the comfort audio is played after that, while Twilio is out of order: for as long as the machine keeps an
/// undecided customer.
const COMFORTED: u32 = (KEPT_UNDECIDED.0 / COMFORT_TAKES.0) as u32;
/// Duration of the comfort audio once, with the fetch of the next document.
const COMFORT_TAKES: Millis = Millis::seconds(10);
/// Number of pauses for a caller whose call is unknown, also after a look-up.
const MOMENTS_UNKNOWN: u32 = 1;

/// Parameters of `/twiml/ended`.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    asked: u32,
    /// A context for the fallback, and its signature: not read here, but passed on.
    c: Option<String>,
    m: Option<String>,
}

impl Asked {
    /// What the next address carries.
    fn carried(&self) -> String {
        match (&self.c, &self.m) {
            (Some(context), Some(signature)) => {
                format!("&{}", encoded(&[("c", context), ("m", signature)]))
            }
            _ => String::new(),
        }
    }
}

/// `/twiml/ended`: back into the queue if the agent was lost, else whatever follows calls.
pub(crate) async fn ended(
    State(app): State<Arc<App>>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    Signed(params): Signed,
) -> Result<Twiml, Problem> {
    let Query(asked) = query.map_err(|_| Problem::CallbackInvalid)?;
    let request = voice_request(&params)?;
    match request.queue_result {
        // The caller is gone, or runs another document already.
        Some(QueueResult::HungUp | QueueResult::Redirected) => Ok(Twiml(Document::new())),
        // The caller was connected to no agent.
        Some(QueueResult::Left) => Ok(Twiml(over(&app))),
        Some(QueueResult::Bridged) | None => Ok(after_bridge(&app, &request.call, &asked).await),
    }
}

/// The caller was connected, and is no longer.
pub(super) async fn after_bridge(app: &App, customer: &CallSid, query: &Asked) -> Twiml {
    let asked = query.asked;
    let next = async {
        match next(app, customer).await? {
            // The call is unknown: look it up.
            Next::Unknown => {
                discover_call::find(app, customer, app.store.surroundings().now()).await?;
                next(app, customer).await
            }
            next => Ok(next),
        }
    };
    let next = match tokio::time::timeout(AT_ONCE, next).await.unwrap_or(Err(Error::Busy)) {
        Ok(next) => next,
        Err(error) => {
            tracing::error!(%error, "a customer whose conference has ended waits: why it ended could not be looked up");
            Next::Wait
        }
    };
    match next {
        Next::Requeue(recovery) => {
            match enqueued_as_decided(app, Some(Phrase::Interrupted), &recovery).await {
                Ok(Some(document)) => Twiml(document),
                // The recovery has ended meanwhile, or the call's workflow is unknown.
                Ok(None) => Twiml(over(app)),
                Err(error) => in_a_moment(app, &recovery, &error),
            }
        }
        Next::Wait if asked < MOMENTS => again(app, Document::new().pause(MOMENT_SECONDS), query),
        Next::Wait if asked < MOMENTS + COMFORTED => again(app, comforting(app), query),
        Next::Unknown if asked < MOMENTS_UNKNOWN => again(app, Document::new().pause(MOMENT_SECONDS), query),
        Next::Wait | Next::Unknown | Next::Over => Twiml(over(app)),
    }
}

/// The machine's answer.
async fn next(app: &App, customer: &CallSid) -> Result<Next, Error> {
    let (event, leg) = (Event::ActionUrlFetched { customer: customer.clone() }, customer.clone());
    let surroundings = app.store.surroundings().clone();
    app.engine.event_then(event, move |machine| machine.answer_to_action_url(surroundings.now(), &leg)).await
}

/// The request is repeated after this document.
fn again(app: &App, after: Document, query: &Asked) -> Twiml {
    let path = format!("/twiml/ended?asked={}{}", query.asked.saturating_add(1), query.carried());
    Twiml(after.redirect(&app.config.document(&path)))
}

/// The flow's own continuation, if there is one; else the call is hung up at the document's end.
fn over(app: &App) -> Document {
    match &app.config.ended_url {
        Some(url) => Document::new().redirect(url),
        None => Document::new(),
    }
}
