//! Twilio's requests: nothing is read before the signature is verified.

use super::problem::Problem;
use super::unverified::Unverified;
use super::{App, body};
use crate::switches::{Cause, Switch};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use rejoin_twilio::signature::{self, Signed as SignedPart};
use rejoin_twilio::webhook;
use secrecy::{ExposeSecret, SecretString};
use std::convert::Infallible;
use std::sync::Arc;

/// Maximum size of a batch of events, in bytes: each carries the attributes of a task and of a worker.
const BATCH: usize = 1024 * 1024;
/// Maximum size of a form, in bytes. Its signature covers all of it, so all of it is read before the sender is
/// verified. Twilio's have one or two thousand; SIP headers add to that.
pub(super) const FORM: usize = 16 * 1024;
/// Maximum size of a form about a conversation, in bytes. A chat's message has up to 32 kB, and its attributes up to 4 kB
/// (<https://www.twilio.com/docs/conversations/conversations-limits>); a form has up to three bytes for each.
const CHAT_FORM: usize = 128 * 1024;

/// Maximum size of a form that is posted to this path, in bytes.
fn longest_form(path: &str) -> usize {
    match path {
        "/webhooks/conversations" | "/webhooks/interactions" => CHAT_FORM,
        _ => FORM,
    }
}

/// The parameters of a request that Twilio has signed.
#[derive(Debug)]
pub(crate) struct Signed(pub(crate) Vec<(String, String)>);

impl FromRequest<Arc<App>> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let is_form = is_of_kind(&parts.headers, "application/x-www-form-urlencoded");
        let params = if announces_hash(&parts) {
            let body = hashed(app, &parts, body, longest_form(parts.uri.path())).await?;
            if is_form { webhook::form(&body) } else { vec![] }
        } else if is_form {
            form(app, &parts, body).await?
        } else {
            validate(app, &parts, &[])?;
            // The signature does not cover a body, so there must be none.
            body::read(&app.config.limits, body, 0, None).await.map_err(|_| Problem::SignatureInvalid)?;
            vec![]
        };
        let query = parts.uri.query().unwrap_or_default();
        if let Some(cause) = Cause::of_redirect(parts.uri.path(), query) {
            app.store.switched(Switch { cause, took: None, calls: Some(1) });
        }
        let asked = || {
            let path = parts.uri.path().trim_start_matches('/');
            format!("asked for {}", path.splitn(3, '/').take(2).collect::<Vec<_>>().join("/"))
        };
        app.store.surroundings().reach(asked).await;
        Ok(Self(params))
    }
}

/// Maximum length of an idempotency token, in bytes. Twilio's are UUIDs.
const TOKEN: usize = 64;

/// Twilio's idempotency token, which is the same in each attempt of one request
/// (<https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>). It is not signed: it may tell that a request is
/// a repetition, and nothing else. `None`: there is none, or it cannot be one.
#[derive(Debug)]
pub(crate) struct Token(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for Token {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let given = parts.headers.get("I-Twilio-Idempotency-Token").and_then(|token| token.to_str().ok());
        Ok(Self(given.filter(|token| !token.is_empty() && token.len() <= TOKEN).map(str::to_owned)))
    }
}

/// A JSON body that Twilio has signed by its hash.
#[derive(Debug)]
pub(crate) struct SignedBatch(pub(crate) Bytes);

impl FromRequest<Arc<App>> for SignedBatch {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !announces_hash(&parts) {
            return Err(Problem::SignatureInvalid);
        }
        Ok(Self(hashed(app, &parts, body, BATCH).await?))
    }
}

/// True when the content has this media type, whatever its parameters.
pub(crate) fn is_of_kind(headers: &HeaderMap, kind: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(kind))
}

fn announces_hash(parts: &Parts) -> bool {
    parts.uri.query().is_some_and(|query| signature::announces_body_hash(&format!("?{query}")))
}

/// A body whose hash is in the URL. The signature covers the URL alone: the sender is verified before the body is
/// read.
async fn hashed(app: &App, parts: &Parts, body: Body, limit: usize) -> Result<Bytes, Problem> {
    validate(app, parts, &[])?;
    let body = body::read(&app.config.limits, body, limit, None).await?;
    let url = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if signature::body_hash_is_right(url, &body) { Ok(body) } else { refused(parts) }
}

/// The parameters of a form, which are signed with the URL. A request without a signature is refused unread.
async fn form(app: &App, parts: &Parts, body: Body) -> Result<Vec<(String, String)>, Problem> {
    if !parts.headers.contains_key(signature::HEADER) {
        return Err(Problem::SignatureInvalid);
    }
    let limit = longest_form(parts.uri.path());
    let body = body::read(&app.config.limits, body, limit, parts.extensions.get()).await?;
    let params = webhook::form(&body);
    validate(app, parts, &params)?;
    Ok(params)
}

/// Verifies Twilio's signature over the URL and these parameters.
fn validate(app: &App, parts: &Parts, params: &[(String, String)]) -> Result<(), Problem> {
    let tokens = std::iter::once(&app.config.auth_token).chain(&app.config.previous_auth_token);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    // The URL as Twilio knows it: what a proxy makes of Host and scheme does not matter.
    verify(tokens, app.config.signed_as(path), parts, params)
}

/// Verifies the signature of a request that was signed with one of these tokens over one of these URLs.
pub(super) fn verify<'a>(
    tokens: impl Iterator<Item = &'a SecretString>,
    mut urls: impl Iterator<Item = String>,
    parts: &Parts,
    params: &[(String, String)],
) -> Result<(), Problem> {
    let Some(given) = parts.headers.get(signature::HEADER) else { return Err(Problem::SignatureInvalid) };
    let given = given.to_str().unwrap_or_default();
    let tokens: Vec<&str> = tokens.map(ExposeSecret::expose_secret).collect();
    if !urls.any(|url| signature::validate(&tokens, &url, SignedPart::Form(params), given)) {
        return refused(parts);
    }
    if let Some(unverified) = parts.extensions.get::<Unverified>() {
        unverified.signed();
    }
    Ok(())
}

fn refused<T>(parts: &Parts) -> Result<T, Problem> {
    tracing::warn!(path = parts.uri.path(), "refused a request without a valid signature");
    Err(Problem::SignatureInvalid)
}
