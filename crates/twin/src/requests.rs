//! Signed requests of Twilio to others, and the interpretation of their answers. There is no network here: the owner
//! of the model sends them.

use crate::{dates::iso, model::StreamEvent};
use axum::{
    body::Bytes,
    http::{Method, Request, Response, StatusCode, header},
};
use rejoin_twilio::{encoded, signature};
use reqwest::Url;
use serde::Serialize;
use serde_json::{Value, json};

/// Prefix of TaskRouter's event types.
pub(crate) const TASKROUTER: &str = "com.twilio.taskrouter.";
/// Identifies a webhook, however often it is sent.
const TOKEN: &str = "I-Twilio-Idempotency-Token";

/// A webhook, or a request for a document. `token` identifies this one request, however often it is sent.
///
/// # Errors
/// One line that begins with Twilio's error code.
pub fn webhook(
    auth_token: &str,
    url: &str,
    method: &str,
    params: &[(String, String)],
    token: &str,
) -> Result<Request<Bytes>, String> {
    let mut url = parsed(url)?;
    let get = method.eq_ignore_ascii_case("GET");
    if get && !params.is_empty() {
        url.query_pairs_mut().extend_pairs(params);
    }
    let (signed, method): (&[_], _) = if get { (&[], Method::GET) } else { (params, Method::POST) };
    let request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(signature::HEADER, sign(auth_token, &url, signed))
        .header(TOKEN, token);
    let request = if get {
        request.body(Bytes::new())
    } else {
        let form: Vec<_> = params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(encoded(&form).into())
    };
    request.map_err(|error| format!("11100: {error}"))
}

/// A webhook with its parameters in JSON, signed by its hash; with `GET` it is the same as [`webhook`].
///
/// # Errors
/// One line that begins with Twilio's error code.
pub fn json_webhook(
    auth_token: &str,
    url: &str,
    method: &str,
    params: &[(String, String)],
    token: &str,
) -> Result<Request<Bytes>, String> {
    if method.eq_ignore_ascii_case("GET") {
        return webhook(auth_token, url, method, params, token);
    }
    let params = params.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    in_json(auth_token, url, &Value::Object(params), Some(token))
}

/// Events in Event Streams' format: JSON, signed by its hash.
///
/// # Errors
/// One line that begins with Twilio's error code.
pub fn events(auth_token: &str, url: &str, events: &[Value]) -> Result<Request<Bytes>, String> {
    in_json(auth_token, url, events, None)
}

fn in_json(
    auth_token: &str,
    url: &str,
    body: &(impl Serialize + ?Sized),
    token: Option<&str>,
) -> Result<Request<Bytes>, String> {
    let body = Bytes::from(serde_json::to_string(body).map_err(|error| format!("11100: {error}"))?);
    let mut url = parsed(url)?;
    url.query_pairs_mut().append_pair(signature::BODY_HASH, &signature::body_hash(&body));
    let mut request = Request::post(url.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(signature::HEADER, sign(auth_token, &url, &[]));
    if let Some(token) = token {
        request = request.header(TOKEN, token);
    }
    request.body(body).map_err(|error| format!("11100: {error}"))
}

/// An event in its envelope (<https://cloudevents.io>), as in Twilio's examples.
pub fn cloud_event(event: &StreamEvent) -> Value {
    let time = iso(event.at);
    let group = event.name.split('.').next().unwrap_or_default();
    let mut envelope = json!({
        "specversion": "1.0", "type": format!("{TASKROUTER}{}", event.name),
        "source": format!("/v1/Events/{}", event.id), "id": event.id,
        "dataschema": "https://events-schemas.twilio.com/TaskRouter.WDSEvent/4",
        "datacontenttype": "application/json", "time": time,
        "data": {
            "sid": event.id, "name": event.name, "timestamp": time, "level": "INFO", "group": group,
            "product_name": "TaskRouter", "publisher": "taskrouter", "payload_type": "taskrouter-events",
        },
    });
    // `json!` would serialise it once more.
    envelope["data"]["payload"] = Value::Object(event.payload.clone());
    envelope
}

/// Checks that the request was accepted.
///
/// # Errors
/// One line that begins with Twilio's error code.
pub fn taken(url: &str, status: StatusCode) -> Result<(), String> {
    if status.is_success() {
        return Ok(());
    }
    let path = Url::parse(url).map(|url| url.path().to_owned()).unwrap_or_default();
    Err(format!("11200: HTTP status {} from {path}", status.as_u16()))
}

/// The TwiML document in the answer from this address.
///
/// # Errors
/// One line that begins with Twilio's error code.
pub fn document(url: &str, answer: &Response<Bytes>) -> Result<String, String> {
    taken(url, answer.status())?;
    let content_type = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let content_type = content_type.map(essence);
    // Audio instead of a document is played once.
    if content_type.as_deref().is_some_and(|kind| kind.starts_with("audio/")) {
        let url = quick_xml::escape::escape(url);
        return Ok(format!("<Response><Play>{url}</Play></Response>"));
    }
    // Twilio also accepts plain text; the product does not send it, so the twin is strict.
    if !matches!(content_type.as_deref(), Some("text/xml" | "application/xml")) {
        return Err("12300: the content type is not text/xml or application/xml".into());
    }
    Ok(String::from_utf8_lossy(answer.body()).into_owned())
}

/// A content type without its parameters.
pub(crate) fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or(kind).trim().to_ascii_lowercase()
}

fn parsed(url: &str) -> Result<Url, String> {
    let mut url = Url::parse(url).map_err(|error| format!("11100: invalid URL: {error}"))?;
    url.set_fragment(None);
    Ok(url)
}

/// HTTP keeps the port; HTTPS drops it, which `Url` has done for the default port.
fn sign(auth_token: &str, url: &Url, params: &[(String, String)]) -> String {
    let mut url = url.clone();
    if url.scheme() == "https" {
        let _ = url.set_port(None);
    }
    signature::sign(auth_token, url.as_str(), params)
}
