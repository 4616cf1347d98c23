//! Requests to the server.

use crate::agent::PostError;
use crate::shell::js;
use js_sys::{JSON, JsString, Reflect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, Request, RequestInit, Response};

/// The body of an answer.
pub type Answered = String;

/// How long an answer may take, in milliseconds.
const LIMIT: u32 = 10_000;

/// A body for [`send`]. The browser's own JSON: a second one would be a seventh of the whole download.
pub fn body<T: Serialize>(value: &T) -> Result<JsString, PostError> {
    // Neither can fail for what the protocol defines; if it does, nothing can be sent.
    let value = js::write(value).map_err(|_| PostError::Unreachable)?;
    JSON::stringify(&value).map_err(|_| PostError::Unreachable)
}

/// `POST {url}` with a JSON body. `keepalive`: the browser finishes it even when the page ends.
pub async fn send(url: &str, token: &str, body: JsString, keepalive: bool) -> Result<Answered, PostError> {
    let response = post(url, token, body, keepalive).await.map_err(|_| PostError::Unreachable)?;
    if !response.ok() {
        return Err(PostError::Status(response.status()));
    }
    let text = async { JsFuture::from(response.text()?).await }.await;
    text.ok().and_then(|text| text.as_string()).ok_or(PostError::Unreachable)
}

async fn post(url: &str, token: &str, body: JsString, keepalive: bool) -> Result<Response, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&body.into());
    init.set_signal(Some(&AbortSignal::timeout_with_u32(LIMIT)));
    Reflect::set(&init, &"keepalive".into(), &keepalive.into())?;
    fetch(url, token, "content-type", "application/json", &init).await
}

/// Sends a request with the token and one more header.
///
/// # Errors
/// What the browser says when no answer came.
pub async fn fetch(
    url: &str,
    token: &str,
    header: &str,
    value: &str,
    init: &RequestInit,
) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("authorization", &format!("Bearer {token}"))?;
    headers.set(header, value)?;
    init.set_headers(&headers);
    let request = Request::new_with_str_and_init(url, init)?;
    let window = web_sys::window().ok_or(JsValue::UNDEFINED)?;
    JsFuture::from(window.fetch_with_request(&request)).await?.dyn_into()
}

/// JSON text to a value; `None` when it is not one.
pub fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    js::read(JSON::parse(text).ok()?).ok()
}
