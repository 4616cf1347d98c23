//! Requests to the server.

use crate::agent::PostError;
use crate::boundary::Value;
use crate::shell::js;
use crate::value::joined;
use gloo_net::http::{Headers, Request};
use js_sys::{JSON, JsString};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, RequestInit, Response};

/// The body of an answer.
pub type Answered = String;

/// Timeout of a request, in milliseconds.
const LIMIT: u32 = 10_000;

/// A body for [`send`], serialised by the browser: a second serialiser would be a seventh of the whole download.
pub fn body(value: &Value) -> Result<JsString, PostError> {
    // It cannot fail for the protocol's types; if it does, nothing can be sent.
    JSON::stringify(&js::from(value)).map_err(|_| PostError::Unreachable)
}

/// `POST {url}` with a JSON body. With `keepalive` the browser finishes it even when the page ends.
pub async fn send(url: &str, token: &str, body: JsString, keepalive: bool) -> Result<Answered, PostError> {
    let request = build(url, token, body, keepalive).map_err(|_| PostError::Unreachable)?;
    let response = fetch(request).await.map_err(|_| PostError::Unreachable)?;
    if !response.ok() {
        return Err(PostError::Status(response.status()));
    }
    let text = response.text().map_err(|_| PostError::Unreachable)?;
    js::wait(text.into()).await.ok().and_then(|text| text.as_string()).ok_or(PostError::Unreachable)
}

/// The browser's answer to a request. Not `Request::send`, which panics when `fetch`, possibly wrapped by another
/// plugin, fails with something other than an `Error`.
pub(super) async fn fetch(request: Request) -> Result<Response, JsValue> {
    let request: web_sys::Request = request.into();
    let answer = js::wait(js::call(&js_sys::global(), "fetch", &[&request])?).await?;
    answer.dyn_into()
}

fn build(url: &str, token: &str, body: JsString, keepalive: bool) -> Result<Request, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&body.into());
    js::set(&init, "keepalive", &keepalive.into());
    request(url, token, &init, &[("content-type", "application/json")], &AbortSignal::timeout_with_u32(LIMIT))
}

/// A request with the agent's token. Not by gloo-net's builder, which formats and parses the URL.
pub(super) fn request(
    url: &str,
    token: &str,
    init: &RequestInit,
    headers: &[(&str, &str)],
    signal: &AbortSignal,
) -> Result<Request, JsValue> {
    let all = Headers::new();
    all.set("authorization", &joined(&["Bearer ", token]));
    for (name, value) in headers {
        all.set(name, value);
    }
    init.set_headers(&all.into_raw());
    init.set_signal(Some(signal));
    Ok(web_sys::Request::new_with_str_and_init(url, init)?.into())
}

/// Parses JSON; `None` when it is malformed.
pub fn parse(text: &str) -> Option<Value> {
    JSON::parse(text).ok().map(|json| js::value(&json))
}
