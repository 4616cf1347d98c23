//! Injected faults in place of an answer.

use crate::{
    Twin,
    faults::{Answer, RequestFault},
    model::ApiError,
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use std::io;

/// Replaces the answer to this request.
pub(super) async fn instead(twin: &Twin, fault: &RequestFault, method: &str, path: &str) -> Response {
    let done = if fault.applied { "carried out, but answered" } else { "answered" };
    twin.log(format!("{method} {path} is {done} with a fault: {:?}", fault.answer));
    twin.lag().await;
    let (status, code, message) = match fault.answer {
        Answer::Silence => std::future::pending().await,
        Answer::Reset => return reset(),
        Answer::Unauthorized => (401, 20003, "Authenticate"),
        Answer::Throttled => (429, 20429, "Too Many Requests"),
        Answer::Broken => (500, 20500, "Internal server error"),
        Answer::Unavailable => (503, 20503, "Service unavailable"),
    };
    let mut response = super::refusal(&ApiError { status, code, message: message.into() }).map(Body::from);
    if let Some(seconds) = fault.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Cuts the connection: a body that fails before its first byte.
fn reset() -> Response {
    let failed = stream::iter([Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))]);
    (StatusCode::OK, Body::from_stream(failed)).into_response()
}
