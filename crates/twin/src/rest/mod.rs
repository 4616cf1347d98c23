//! Twilio's REST API: forms in, JSON out, in Twilio's shape (<https://www.twilio.com/docs/usage/api>).

mod events;
mod fault;
mod form;
mod iam;
mod plain;
mod taskrouter;
mod voice;

pub use plain::{Owner, carry_out};

use crate::{
    Twin,
    faults::{Api, Done},
    model::ApiError,
    shell_now,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    middleware::map_response,
    response::Response,
    routing::any,
};
use form::Form;
use plain::{Placed, Sent, Translate, answer, refusal, written};
use std::sync::atomic::{AtomicU64, Ordering};

/// The routes of api.twilio.com, taskrouter.twilio.com, iam.twilio.com and events.twilio.com.
pub fn router(twin: Twin) -> Router {
    Router::new()
        .route("/@api.twilio.com/{*path}", any(voice_api))
        .route("/@taskrouter.twilio.com/{*path}", any(taskrouter_api))
        .route("/@iam.twilio.com/{*path}", any(iam_api))
        .route("/@events.twilio.com/{*path}", any(events_api))
        .layer(map_response(numbered))
        .with_state(twin)
}

/// Every answer has a number, by which Twilio's support finds it.
async fn numbered(mut response: Response) -> Response {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = format!("RQ{:032x}", NUMBER.fetch_add(1, Ordering::Relaxed));
    if let Ok(number) = HeaderValue::try_from(number) {
        response.headers_mut().insert(crate::facts::REQUEST_ID, number);
    }
    response
}

/// A request as far as its meaning goes.
struct Call<'a> {
    method: &'a str,
    /// Of the path.
    segments: Vec<&'a str>,
    /// Of body and query.
    form: Form,
    if_match: Option<String>,
}

async fn voice_api(
    State(twin): State<Twin>,
    method: Method,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let api = (Api::Voice, voice::translate as Translate);
    serve(&twin, &method, &path, query.as_deref(), &headers, &body, api).await
}

async fn taskrouter_api(
    State(twin): State<Twin>,
    method: Method,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let api = (Api::Taskrouter, taskrouter::translate as Translate);
    serve(&twin, &method, &path, query.as_deref(), &headers, &body, api).await
}

async fn iam_api(
    State(twin): State<Twin>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    twin.lag().await;
    let (owner, now) = (Owner::of(twin.config()), shell_now());
    let result = iam::authorize(&owner, now, &headers)
        .and_then(|()| iam::answer(&owner, now, method.as_str(), &path, &body));
    note(&twin, &method, &path, result.as_ref().err());
    twin.lag().await;
    result.map_or_else(|error| refusal(&error), |body| written(StatusCode::OK, &body)).map(Body::from)
}

async fn events_api(
    State(twin): State<Twin>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    twin.lag().await;
    let result = Owner::of(twin.config())
        .authorize(&headers)
        .and_then(|()| events::answer(&twin, &method, &path, &Form::parse(&body, None)?));
    note(&twin, &method, &path, result.as_ref().err());
    twin.lag().await;
    result.map_or_else(|error| refusal(&error), |(status, body)| written(status, &body)).map(Body::from)
}

async fn serve(
    twin: &Twin,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
    (api, translate): (Api, Translate),
) -> Response {
    twin.lag().await;
    let fault = twin.faults(|faults| faults.of_request(api, method.as_str(), path));
    if let Some(fault) = fault.as_ref().filter(|fault| !fault.applied) {
        return fault::instead(twin, fault, method, path).await;
    }
    let sent = Sent { method: method.as_str(), path, query, headers, body };
    let mut said = serde_json::Map::new();
    let request = sent.read(&Owner::of(twin.config()), translate).map(|(request, form)| {
        said = form.said();
        request
    });
    let result = match request {
        Ok(request) => match placed(twin, path).await {
            Ok(()) => twin.ask(request).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    note(twin, method, path, result.as_ref().err());
    if result.is_ok() && method != Method::GET {
        // Behind the account or the workspace.
        let short = path.trim_end_matches(".json").splitn(4, '/').nth(3).unwrap_or(path);
        twin.has_done(Done { at: shell_now(), request: format!("{method} {short}"), said });
    }
    if let Some(fault) = fault {
        return fault::instead(twin, &fault, method, path).await;
    }
    twin.lag().await;
    result.map_or_else(|error| refusal(&error), |reply| answer(&reply)).map(Body::from)
}

/// Paths hold nothing but SIDs and names of rooms.
fn note(twin: &Twin, method: &Method, path: &str, refused: Option<&ApiError>) {
    match refused {
        None => twin.log(format!("{method} {path} is answered")),
        Some(error) => twin.log(format!("{method} {path} is refused: {} {}", error.status, error.message)),
    }
}

/// Is a reservation asked for where it is?
async fn placed(twin: &Twin, path: &str) -> Result<(), ApiError> {
    let Some((first, placed)) = Placed::of(path) else { return Ok(()) };
    placed.is_there(&twin.ask(first).await?)
}

fn not_found(path: &str) -> ApiError {
    ApiError { status: 404, code: 20404, message: format!("The requested resource /{path} was not found") }
}
