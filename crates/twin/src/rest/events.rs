//! events.twilio.com: sinks and subscriptions of Event Streams.

use super::{form::Form, not_found};
use crate::{Twin, model::ApiError};
use axum::http::StatusCode;
use serde_json::Value;

/// `POST /v1/Sinks`, `POST /v1/Subscriptions`, `DELETE /v1/Subscriptions/{DF}`
/// (<https://www.twilio.com/docs/events>).
pub(super) fn answer(
    twin: &Twin,
    method: &str,
    path: &str,
    form: &Form,
) -> Result<(StatusCode, Value), ApiError> {
    let mut sinks = twin.sinks();
    match (method, path) {
        ("POST", "v1/Sinks") => {
            let (kind, configuration) = (form.needed("SinkType")?, form.needed("SinkConfiguration")?);
            let made = sinks.add(
                twin.config(),
                twin.its_log(),
                &form.needed("Description")?,
                &kind,
                &configuration,
            )?;
            Ok((StatusCode::CREATED, made))
        }
        ("POST", "v1/Subscriptions") => {
            let (description, sink) = (form.needed("Description")?, form.needed("SinkSid")?);
            let made = sinks.subscribe(twin.config(), &description, &sink, &form.all("Types"))?;
            Ok((StatusCode::CREATED, made))
        }
        ("DELETE", path) => match (path.strip_prefix("v1/Subscriptions/"), path.strip_prefix("v1/Sinks/")) {
            (Some(sid), _) => Ok((StatusCode::NO_CONTENT, sinks.unsubscribe(sid)?)),
            (None, Some(sid)) => Ok((StatusCode::NO_CONTENT, sinks.remove(sid)?)),
            (None, None) => Err(not_found(path)),
        },
        _ => Err(not_found(path)),
    }
}
