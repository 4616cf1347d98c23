//! Requests of Twilio: nothing is looked at before the signature is found good.

use super::problem::Problem;
use super::{App, body};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use rejoin_twilio::signature::{self, Signed as SignedPart};
use rejoin_twilio::webhook;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// The longest batch of events, in bytes: each carries the attributes of a task and of a worker.
const BATCH: usize = 1024 * 1024;

/// The parameters of a request that Twilio has signed.
#[derive(Debug)]
pub(crate) struct Signed(pub(crate) Vec<(String, String)>);

impl FromRequest<Arc<App>> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = received(request, app, body::LIMIT).await?;
        let is_form = is_of_kind(&parts.headers, "application/x-www-form-urlencoded");
        let params = if is_form { webhook::form(&body) } else { vec![] };
        let hashed =
            parts.uri.query().is_some_and(|query| signature::announces_body_hash(&format!("?{query}")));
        let signed = if hashed || !(is_form || body.is_empty()) {
            SignedPart::Body(&body)
        } else {
            SignedPart::Form(&params)
        };
        validate(app, &parts, signed)?;
        let asked = || {
            let path = parts.uri.path().trim_start_matches('/');
            format!("asked for {}", path.splitn(3, '/').take(2).collect::<Vec<_>>().join("/"))
        };
        app.store.surroundings().reach(asked).await;
        Ok(Self(params))
    }
}

/// A body of JSON that Twilio has signed by its hash.
#[derive(Debug)]
pub(crate) struct SignedBatch(pub(crate) Bytes);

impl FromRequest<Arc<App>> for SignedBatch {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = received(request, app, BATCH).await?;
        validate(app, &parts, SignedPart::Body(&body))?;
        Ok(Self(body))
    }
}

/// Is the content of this media type, whatever its parameters?
pub(crate) fn is_of_kind(headers: &HeaderMap, kind: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(kind))
}

/// Who does not even try to sign is not listened to.
async fn received(request: Request, app: &App, limit: usize) -> Result<(Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    if !parts.headers.contains_key(signature::HEADER) {
        return Err(Problem::SignatureInvalid);
    }
    let body = body::read(app, body, limit).await?;
    Ok((parts, body))
}

fn validate(app: &App, parts: &Parts, signed: SignedPart<'_>) -> Result<(), Problem> {
    let given =
        parts.headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let tokens: Vec<&str> = std::iter::once(&app.config.auth_token)
        .chain(&app.config.previous_auth_token)
        .map(|token: &SecretString| token.expose_secret())
        .collect();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    // As Twilio knows us: what a proxy in between makes of Host and scheme does not matter.
    let mut urls = app.config.known_as(path);
    if urls.any(|url| signature::validate(&tokens, &url, signed, given)) {
        return Ok(());
    }
    tracing::warn!(path = parts.uri.path(), "refused a request without a valid signature");
    Err(Problem::SignatureInvalid)
}
