//! What the real Flex UI speaks to besides Twilio's REST API: boot end points, TaskRouter's event bridge, twilsock
//! with Sync, and the Voice SDK's signalling.
//!
//! Wire formats were read in the packages of Flex UI 2.17.1 (`@twilio/flex-ui`, `twilio-taskrouter` 2.1.1,
//! `twilio-sync` 2.0.1, `@twilio/voice-sdk` 2.11.1); Flex UI 2.0.0 (`twilio-taskrouter` 0.7.1, `@twilio/voice-sdk`
//! 2.0.1) speaks them the same way, and asks iam.twilio.com about its token. Twilio's side of them is not documented;
//! this is what those clients accept.

pub mod agent;
mod boot;
#[cfg(test)]
mod chat_tests;
mod conversations;
mod event_bridge;
mod frame;
#[cfg(test)]
mod message_tests;
pub mod rpc;
mod signalling;
#[cfg(test)]
mod socket_tests;
pub mod token;
mod twilsock;
mod wav;

use crate::{Twin, TwinConfig, model::Account, shell, sync::SharedSync};
use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rejoin_protocol::{CallSid, WorkerSid};
use secrecy::ExposeSecret;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use token::TokenClaims;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

pub(crate) use wav::wav_file;

/// State that the handlers share. Clones refer to the same state.
#[derive(Clone)]
struct Flex {
    twin: Twin,
    shared: Arc<Shared>,
}

struct Shared {
    /// Held while reporting, so that reports do not overlap.
    reporting: tokio::sync::Mutex<()>,
    /// The worker whose phone each leg rang on: nobody else may answer it or hang it up.
    phones: Mutex<HashMap<CallSid, WorkerSid>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these plain collections consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flex {
    /// The claims of a valid token.
    fn verified(&self, token: &str) -> Result<TokenClaims, Refused> {
        token::verify(self.twin.config().auth_token.expose_secret(), token, shell::now()).ok_or(Refused)
    }

    fn sync(&self) -> &SharedSync {
        self.twin.shared_sync()
    }

    /// Updates Sync from the model, and notifies subscribers.
    async fn report(&self) {
        let _in_turn = self.shared.reporting.lock().await;
        let reports = self.twin.reports().await;
        let told = self.sync().objects().report(shell::now(), reports);
        self.sync().notify(told);
    }

    /// The claims of the request's token, in any of the forms that Flex uses.
    fn authenticated(&self, headers: &HeaderMap) -> Result<TokenClaims, Refused> {
        self.verified(&token_of(headers).ok_or(Refused)?)
    }
}

/// Notifies subscribers of views of the contact centre after every change.
async fn keep_reporting(flex: Flex) {
    let mut changes = flex.twin.changes();
    while changes.changed().await.is_ok() {
        if flex.sync().objects().is_watched() {
            flex.report().await;
        }
    }
}

/// The request carries no token, or an invalid one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "code": 20003, "status": 401,
            "message": "Authenticate: the token is missing, expired or not one of this account; log in again",
            "more_info": "https://www.twilio.com/docs/errors/20003"
        });
        (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response()
    }
}

/// `X-Flex-JWE: token`, `Authorization: Basic base64("token:" token)` or `Authorization: Bearer token`.
pub(crate) fn token_of(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(token) = text("x-flex-jwe").or_else(|| text("x-twilio-token")) {
        return Some(token);
    }
    let authorization = text(header::AUTHORIZATION.as_str())?;
    let (scheme, credentials) = authorization.split_once(' ').unwrap_or(("", &authorization));
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(credentials.to_owned()),
        "basic" => {
            // Flex 2.17.1 writes `Basic …)`, with an extra bracket, when it requests its configuration.
            let credentials = credentials.trim_end_matches(')');
            let plain = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
            plain.split_once(':').map(|(_, token)| token.to_owned())
        }
        _ => None,
    }
}

/// The account that this twin serves.
pub(crate) fn account_of(config: &TwinConfig) -> Account {
    config.demo_account()
}

/// The routes.
pub fn router(twin: Twin) -> Router {
    let shared = Shared { reporting: tokio::sync::Mutex::default(), phones: Mutex::default() };
    let flex = Flex { twin, shared: Arc::new(shared) };
    tokio::spawn(keep_reporting(flex.clone()));
    Router::new()
        .merge(boot::routes())
        .merge(event_bridge::routes())
        .merge(twilsock::routes())
        .merge(signalling::routes())
        .with_state(flex)
        .layer(cors())
}

/// Twilio's services answer pages of every origin.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
        .allow_private_network(true)
        .max_age(std::time::Duration::from_secs(600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            header::HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a value"),
        )])
    }

    #[test]
    fn tokens_are_found_in_every_header_that_flex_uses() {
        let basic = format!("Basic {}", STANDARD.encode("token:a.b.c"));
        for headers in [
            headers("x-flex-jwe", "a.b.c"),
            headers("authorization", "Bearer a.b.c"),
            headers("authorization", &basic),
            headers("authorization", &format!("{basic})")),
        ] {
            assert_eq!(token_of(&headers).as_deref(), Some("a.b.c"));
        }
        for headers in
            [HeaderMap::new(), headers("authorization", "Basic !"), headers("authorization", "a.b.c")]
        {
            assert_eq!(token_of(&headers), None);
        }
    }
}
