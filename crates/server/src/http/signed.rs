//! Requests of Twilio: nothing is looked at before the signature is found good.

use super::problem::Problem;
use super::{App, body};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use rejoin_twilio::signature::{self, Signed as SignedPart};
use rejoin_twilio::webhook;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// The parameters of a request that Twilio has signed.
#[derive(Debug)]
pub(crate) struct Signed(pub(crate) Vec<(String, String)>);

impl FromRequest<Arc<App>> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, sent) = request.into_parts();
        let signature = parts.headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
        let Some(signature) = signature else { return Err(Problem::SignatureInvalid) };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        // As Twilio knows us: what a proxy in between makes of Host and scheme does not matter.
        let url = app.config.public(path);
        let body = body::read(app, sent, body::LIMIT).await?;
        let is_form = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        let params = if is_form { webhook::form(&body) } else { vec![] };
        let signed = if signature::announces_body_hash(&url) || !(is_form || body.is_empty()) {
            SignedPart::Body(&body)
        } else {
            SignedPart::Form(&params)
        };
        let tokens: Vec<&str> = std::iter::once(&app.config.auth_token)
            .chain(&app.config.previous_auth_token)
            .map(|token: &SecretString| token.expose_secret())
            .collect();
        if signature::validate(&tokens, &url, signed, signature) {
            Ok(Self(params))
        } else {
            tracing::warn!(path = parts.uri.path(), "refused a request without a valid signature");
            Err(Problem::SignatureInvalid)
        }
    }
}
