//! Twilio's REST API: forms in, JSON out, in Twilio's shape (<https://www.twilio.com/docs/usage/api>).

mod console;
mod conversations;
mod events;
mod fault;
mod form;
mod hosting;
mod iam;
mod incoming;
mod lists;
mod numbers;
mod plain;
mod refuse;
mod taskrouter;
mod voice;

pub use crate::owner::{Owner, RESTRICTED_KEY, STANDARD_KEY};
pub use plain::carry_out;

use crate::{
    Twin,
    faults::{Api, Done},
    model::ApiError,
    shell_now,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{self, HeaderValue, StatusCode},
    middleware::map_response,
    response::Response,
    routing::any,
};
use form::Form;
use incoming::Incoming;
use plain::{
    CONVERSATIONS, EVENTS, FLEX, First, IAM, Label, STUDIO, Sent, TASKROUTER, Translate, VOICE, WEBHOOKS,
    described, refusal, written,
};
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicU64, Ordering};

/// The routes of api.twilio.com, taskrouter.twilio.com, iam.twilio.com, events.twilio.com, studio.twilio.com,
/// webhooks.twilio.com, and of what hosts plugins.
pub fn router(twin: Twin) -> Router {
    Router::new()
        .route("/@api.twilio.com/{*path}", any(voice_api))
        .route("/@taskrouter.twilio.com/{*path}", any(taskrouter_api))
        .route("/@iam.twilio.com/{*path}", any(iam_api))
        .route("/@events.twilio.com/{*path}", any(events_api))
        .route("/@conversations.twilio.com/{*path}", any(conversations_api))
        .route("/@flex-api.twilio.com/v1/Interactions/{*path}", any(interactions_api))
        .route("/@flex-api.twilio.com/v1/Instances/{instance}/InteractionWebhooks", any(interaction_webhooks))
        .merge(hosting::routes())
        .route("/@studio.twilio.com/{*path}", any(studio_api))
        .route("/@webhooks.twilio.com/{*path}", any(webhooks_api))
        .layer(map_response(numbered))
        .with_state(twin)
}

/// Every answer gets a request id, as Twilio's have for its support.
async fn numbered(mut response: Response) -> Response {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = format!("RQ{:032x}", NUMBER.fetch_add(1, Ordering::Relaxed));
    if let Ok(number) = HeaderValue::try_from(number) {
        response.headers_mut().insert(crate::facts::REQUEST_ID, number);
    }
    response
}

/// The meaning of a request.
struct Call<'a> {
    method: &'a str,
    /// Segments of the path.
    segments: Vec<&'a str>,
    /// Parameters of body and query.
    form: Form,
    if_match: Option<String>,
    /// `X-Twilio-Webhook-Enabled`.
    webhooks: bool,
}

async fn voice_api(State(twin): State<Twin>, incoming: Incoming) -> Response {
    let sent = incoming.sent(VOICE);
    if console::is_account(sent.path) || numbers::is_there(sent.path) {
        return shown(&twin, &sent).await;
    }
    serve(&twin, &sent, Api::Voice, voice::translate).await
}

async fn taskrouter_api(State(twin): State<Twin>, incoming: Incoming) -> Response {
    serve(&twin, &incoming.sent(TASKROUTER), Api::Taskrouter, taskrouter::translate).await
}

async fn conversations_api(State(twin): State<Twin>, incoming: Incoming) -> Response {
    serve(&twin, &incoming.sent(CONVERSATIONS), Api::Conversations, conversations::translate).await
}

async fn interactions_api(State(twin): State<Twin>, incoming: Incoming) -> Response {
    let incoming = incoming.below("v1/Interactions");
    serve(&twin, &incoming.sent(FLEX), Api::Conversations, conversations::translate).await
}

async fn interaction_webhooks(State(twin): State<Twin>, incoming: Incoming) -> Response {
    let incoming = incoming.below_and("v1/Instances", "InteractionWebhooks");
    serve(&twin, &incoming.sent(FLEX), Api::Conversations, conversations::translate).await
}

async fn iam_api(State(twin): State<Twin>, incoming: Incoming) -> Response {
    twin.lag().await;
    let (owner, now, sent) = (Owner::of(twin.config()), shell_now(), incoming.sent(IAM));
    let result = iam::authorize(&owner, now, sent.headers)
        .and_then(|()| iam::answer(&owner, now, sent.method, sent.path, sent.body));
    note(&twin, &sent, result.as_ref().err());
    let result = described(IAM, sent.method, sent.path, result.map(|body| (StatusCode::OK, body)));
    twin.lag().await;
    answered(result)
}

async fn events_api(State(twin): State<Twin>, incoming: Incoming) -> Response {
    shown(&twin, &incoming.sent(EVENTS)).await
}

async fn studio_api(State(twin): State<Twin>, incoming: Incoming) -> Response {
    shown(&twin, &incoming.sent(STUDIO)).await
}

async fn webhooks_api(State(twin): State<Twin>, incoming: Incoming) -> Response {
    shown(&twin, &incoming.sent(WEBHOOKS)).await
}

/// What the model knows nothing of.
async fn shown(twin: &Twin, sent: &Sent<'_>) -> Response {
    twin.lag().await;
    let owner = Owner::of(twin.config());
    let result = owner.authorize(sent.headers).and_then(|()| {
        let (operation, form) = sent.checked()?;
        match sent.host {
            EVENTS if sent.method != "GET" => events::answer(twin, sent.method, sent.path, &form),
            VOICE if numbers::is_there(sent.path) => numbers::answer(twin, sent.path, operation, &form),
            host => console::answer(twin, host, sent.path, operation, &form),
        }
    });
    let result = described(sent.host, sent.method, sent.path, result);
    note(twin, sent, result.as_ref().err());
    twin.lag().await;
    answered(result)
}

fn answered(result: Result<(StatusCode, Value), ApiError>) -> Response {
    result.map_or_else(|error| refusal(&error), |(status, body)| written(status, &body)).map(Body::from)
}

async fn serve(twin: &Twin, sent: &Sent<'_>, api: Api, translate: Translate) -> Response {
    twin.lag().await;
    let fault = twin.faults(|faults| faults.of_request(api, sent.method, sent.path));
    if let Some(fault) = fault.as_ref().filter(|fault| !fault.applied) {
        return fault::instead(twin, fault, sent.method, sent.path).await;
    }
    let mut said = Map::new();
    let result = carried_out(twin, sent, translate, &mut said).await;
    note(twin, sent, result.as_ref().err());
    if result.is_ok() && sent.method != "GET" {
        // After the account or the workspace.
        let short = sent.path.trim_end_matches(".json").splitn(4, '/').nth(3).unwrap_or(sent.path);
        twin.has_done(Done { at: shell_now(), request: format!("{} {short}", sent.method), said });
    }
    if let Some(fault) = fault {
        return fault::instead(twin, &fault, sent.method, sent.path).await;
    }
    twin.lag().await;
    result.unwrap_or_else(|error| refusal(&error)).map(Body::from)
}

/// Like [`plain::carry_out`], for a model that runs beside. `said`: the request's parameters, as far as they could be
/// parsed.
async fn carried_out(
    twin: &Twin,
    sent: &Sent<'_>,
    translate: Translate,
    said: &mut Map<String, Value>,
) -> Result<http::Response<Bytes>, ApiError> {
    let owner = Owner::of(twin.config());
    owner.authorize(sent.headers)?;
    let path = match Label::of(sent) {
        Some((request, label)) => Some(label.path(&twin.ask(request).await?)?),
        None => None,
    };
    let sent = Sent { path: path.as_deref().unwrap_or(sent.path), ..*sent };
    let read = sent.read(&owner, translate, sent.checked()?)?;
    *said = read.form.said();
    let reply = match First::of(&sent) {
        Some((request, first)) => {
            twin.ask_if(request, Box::new(move |found| first.fits(found)), read.request).await?
        }
        None => twin.ask(read.request).await?,
    };
    let answer = plain::answer(read.operation, &read.form, sent.path, reply)?;
    let short = |lines: Vec<String>| ApiError { status: 500, code: 20500, message: lines.join("; ") };
    answer.checked(read.operation).map_err(short)
}

/// Logs the request. Paths hold nothing but SIDs, conference names and labels.
fn note(twin: &Twin, sent: &Sent<'_>, refused: Option<&ApiError>) {
    let (method, path) = (sent.method, sent.path);
    match refused {
        None => twin.log(format!("{method} {path} is answered")),
        Some(error) => twin.log(format!("{method} {path} is refused: {} {}", error.status, error.message)),
    }
}

fn not_found(path: &str) -> ApiError {
    ApiError { status: 404, code: 20404, message: format!("The requested resource /{path} was not found") }
}
