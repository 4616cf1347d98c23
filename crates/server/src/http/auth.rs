//! Who asks: the Flex user's token, checked with Twilio and remembered for a short while.

use super::App;
use super::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_twilio::{Client, Error as TwilioError};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// So long a token that was good counts as good without asking again.
const REMEMBERED: Millis = Millis::seconds(60);
/// Longer ones are refused unasked, in bytes.
const LONGEST: usize = 8192;
/// So many tokens are checked at once: nobody is to keep Twilio busy with guesses.
const AT_ONCE: usize = 8;

/// An agent, by a good token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    /// Who.
    pub(crate) worker: WorkerSid,
    /// Until when the token is good, if that is known (point in time).
    pub(crate) expires: Option<Millis>,
}

impl FromRequestParts<Arc<App>> for Agent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(parts).ok_or(Problem::TokenMissing)?;
        app.tokens.check(token, crate::engine::now()).await
    }
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Checks tokens. Those that were good are remembered by their hash.
#[derive(Debug)]
pub(crate) struct Tokens {
    client: Client,
    known: Mutex<HashMap<[u8; 32], (Agent, Millis)>>,
    permits: Semaphore,
}

impl Tokens {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default(), permits: Semaphore::new(AT_ONCE) }
    }

    pub(crate) async fn check(&self, token: &str, now: Millis) -> Result<Agent, Problem> {
        if token.len() > LONGEST {
            return Err(Problem::TokenRefused);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(agent) = self.remembered(&hash, now) {
            return Ok(agent);
        }
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let info = match self.client.validate_token(&SecretString::from(token)).await {
            Ok(info) => info,
            // 401 speaks of our own credentials.
            Err(TwilioError::Refused { status, .. }) if status != 401 => return Err(Problem::TokenRefused),
            Err(TwilioError::Gone) => return Err(Problem::TokenRefused),
            Err(error) => {
                tracing::error!(%error, "a Flex token could not be checked");
                return Err(Problem::TwilioUnavailable);
            }
        };
        if !info.valid || info.expiration.is_some_and(|at| at <= now) {
            return Err(Problem::TokenRefused);
        }
        let worker = info.worker_sid.ok_or(Problem::NotAWorker)?;
        let agent = Agent { worker, expires: info.expiration };
        let until = info.expiration.map_or(now + REMEMBERED, |at| at.min(now + REMEMBERED));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, until)| *until > now);
        known.insert(hash, (agent.clone(), until));
        Ok(agent)
    }

    fn remembered(&self, hash: &[u8; 32], now: Millis) -> Option<Agent> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).filter(|(_, until)| *until > now).map(|(agent, _)| agent.clone())
    }
}
