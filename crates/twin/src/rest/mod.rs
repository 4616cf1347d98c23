//! Twilio's REST API: forms in, JSON out, in Twilio's shape (<https://www.twilio.com/docs/usage/api>).

mod events;
mod fault;
mod form;
mod iam;
mod taskrouter;
mod voice;

use crate::{
    Twin,
    faults::{Api, Done},
    model::{ApiError, Reply, Request},
    shell_now,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::any,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use form::Form;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq;

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

type Translate = fn(&Twin, &Call<'_>) -> Result<Request, ApiError>;

async fn iam_api(
    State(twin): State<Twin>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    twin.lag().await;
    let result = iam::authorize(&twin, &headers).and_then(|()| iam::answer(&twin, &method, &path, &body));
    note(&twin, &method, &path, result.as_ref().err());
    twin.lag().await;
    result.map_or_else(|error| refusal(&error), |body| Json(body).into_response())
}

async fn events_api(
    State(twin): State<Twin>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    twin.lag().await;
    let result = authorize(&twin, &headers)
        .and_then(|()| events::answer(&twin, &method, &path, &Form::parse(&body, None)?));
    note(&twin, &method, &path, result.as_ref().err());
    twin.lag().await;
    match result {
        Ok((status, Value::Null)) => status.into_response(),
        Ok((status, body)) => (status, Json(body)).into_response(),
        Err(error) => refusal(&error),
    }
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
    let mut said = serde_json::Map::new();
    let request = authorize(twin, headers).and_then(|()| {
        let call = Call {
            method: method.as_str(),
            segments: path.trim_end_matches(".json").split('/').collect(),
            form: Form::parse(body, query)?,
            if_match: headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned),
        };
        said = call.form.said();
        translate(twin, &call)
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
    result.map_or_else(|error| refusal(&error), answer)
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
    let Some((reservation, field, owner)) = taskrouter::placed(path) else { return Ok(()) };
    let found = twin.ask(Request::FetchReservation(reservation)).await?;
    if found.body[field] == owner { Ok(()) } else { Err(not_found(path)) }
}

fn answer(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut response = if status == StatusCode::NO_CONTENT {
        status.into_response()
    } else {
        (status, Json(reply.body)).into_response()
    };
    let etag = reply.etag.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn refusal(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "code": error.code,
        "message": error.message,
        "more_info": format!("https://www.twilio.com/docs/errors/{}", error.code),
        "status": error.status,
    });
    (status, Json(body)).into_response()
}

fn not_found(path: &str) -> ApiError {
    ApiError { status: 404, code: 20404, message: format!("The requested resource /{path} was not found") }
}

/// Basic authentication with account SID and auth token.
fn authorize(twin: &Twin, headers: &HeaderMap) -> Result<(), ApiError> {
    let config = twin.config();
    let wanted = format!("{}:{}", config.account, config.auth_token.expose_secret());
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"))
        .and_then(|(_, credentials)| STANDARD.decode(credentials).ok());
    match given {
        Some(given) if bool::from(given.ct_eq(wanted.as_bytes())) => Ok(()),
        _ => Err(ApiError { status: 401, code: 20003, message: "Authenticate".into() }),
    }
}
