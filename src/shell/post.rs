//! Requests to the server.

use crate::agent::PostError;
use crate::boundary::Value;
use crate::shell::js;
use gloo_net::http::Request;
use js_sys::{JSON, JsString, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;
use web_sys::{AbortSignal, Headers, RequestInit};

/// The body of an answer.
pub type Answered = String;

/// How long an answer may take, in milliseconds.
const LIMIT: u32 = 10_000;

/// A body for [`send`]. The browser's own JSON: a second one would be a seventh of the whole download.
pub fn body<T: Serialize>(value: &T) -> Result<JsString, PostError> {
    // Neither can fail for what the protocol defines; if it does, nothing can be sent.
    let value = value.serialize(&Serializer::json_compatible()).map_err(|_| PostError::Unreachable)?;
    JSON::stringify(&value).map_err(|_| PostError::Unreachable)
}

/// `POST {url}` with a JSON body. `keepalive`: the browser finishes it even when the page ends.
pub async fn send(url: &str, token: &str, body: JsString, keepalive: bool) -> Result<Answered, PostError> {
    let request = build(url, token, body, keepalive).map_err(|_| PostError::Unreachable)?;
    let response = Request::from(request).send().await.map_err(|_| PostError::Unreachable)?;
    if !response.ok() {
        return Err(PostError::Status(response.status()));
    }
    response.text().await.map_err(|_| PostError::Unreachable)
}

fn build(url: &str, token: &str, body: JsString, keepalive: bool) -> Result<web_sys::Request, JsValue> {
    let headers = Headers::new()?;
    headers.set("authorization", &format!("Bearer {token}"))?;
    headers.set("content-type", "application/json")?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&body.into());
    init.set_signal(Some(&AbortSignal::timeout_with_u32(LIMIT)));
    Reflect::set(&init, &"keepalive".into(), &keepalive.into())?;
    web_sys::Request::new_with_str_and_init(url, &init)
}

/// JSON text to a value; `None` when it is no JSON.
pub fn parse(text: &str) -> Option<Value> {
    JSON::parse(text).ok().map(|json| js::value(&json))
}
