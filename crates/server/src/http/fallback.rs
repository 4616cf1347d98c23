//! The routes of `rejoin fallback`: documents for Twilio's signed requests, audio, and whether it is live.

use super::body;
use super::problem::Problem;
use super::signed::{FORM, is_of_kind, verify};
use super::source;
use super::twiml::comfort_audio;
use super::unverified::Budget;
use crate::audio::COMFORT_PATH;
use crate::config::fragments;
use crate::fallback::{Asked, Rules};
use crate::limits::Limits;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rejoin_protocol::overrides::with_overrides;
use rejoin_twilio::twiml::CONTENT_TYPE;
use rejoin_twilio::{signature, webhook};
use std::sync::Arc;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Answering {
    /// Which document a request gets.
    pub(crate) rules: Rules,
    /// Limits of requests.
    pub(crate) limits: Limits,
}

impl Answering {
    /// The URLs over which Twilio may have signed a request for this path and query: at this host, or at the first server's name
    /// when that leads here.
    fn signed_as<'a>(&'a self, path: &'a str) -> impl Iterator<Item = String> + 'a {
        let Rules { own, primary, document_overrides, callback_overrides, .. } = &self.rules;
        let known = fragments(document_overrides, callback_overrides);
        let plain = move || std::iter::once(own).chain(primary).map(move |url| format!("{url}{path}"));
        let with = move |overrides| plain().map(move |url| with_overrides(&url, overrides));
        plain().chain(known.into_iter().flat_map(with))
    }
}

/// All routes.
pub(crate) fn fallback_router(answering: Answering) -> Router {
    let admits = (Arc::new(answering.limits.clone()), Budget::new(&answering.limits));
    Router::new()
        .route("/twiml/{*path}", get(document).post(document))
        .route(COMFORT_PATH, get(comfort_audio))
        .route_layer(axum::middleware::from_fn_with_state(admits, source::admit))
        .route("/health/live", get(|| async { StatusCode::OK }))
        .fallback(|| async { Problem::NotFound })
        .with_state(Arc::new(answering))
}

/// A document for a request that Twilio has signed.
async fn document(State(answering): State<Arc<Answering>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    // A request without a signature is refused unread.
    if !parts.headers.contains_key(signature::HEADER) {
        return Err(Problem::SignatureInvalid);
    }
    let is_form =
        parts.method == Method::POST && is_of_kind(&parts.headers, "application/x-www-form-urlencoded");
    // The signature covers nothing but a form, so there must be nothing else.
    let most = if is_form { FORM } else { 0 };
    let body = body::read(&answering.limits, body, most, parts.extensions.get()).await;
    let body = body.map_err(|problem| if is_form { problem } else { Problem::SignatureInvalid })?;
    let form = webhook::form(&body);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    verify(answering.rules.tokens.iter(), answering.signed_as(path), &parts, &form)?;
    let query = webhook::form(parts.uri.query().unwrap_or_default().as_bytes());
    // Parameters of a GET are in its query.
    let form = if is_form { &form } else { &query };
    let asked = Asked { path: parts.uri.path(), query: &query, form };
    let document = answering.rules.answer(asked).ok_or(Problem::NotFound)?;
    let code = form.iter().find(|(name, _)| name == "ErrorCode").map(|(_, code)| code.as_str());
    let code = code.filter(|code| code.len() <= 5 && code.chars().all(|c| c.is_ascii_digit()));
    let end_point = parts.uri.path().split('/').nth(2).unwrap_or_default();
    tracing::warn!(
        end_point,
        code,
        "Rejoin's server did not answer Twilio: a caller got the fallback's document"
    );
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], document).into_response())
}
