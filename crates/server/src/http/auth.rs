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
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// So long what Twilio said of a token counts without asking again.
const REMEMBERED: Millis = Millis::seconds(60);
/// Longer ones are refused unasked, in bytes.
const LONGEST: usize = 8192;
/// So many tokens are remembered. When there are more, the next ones are asked about each time.
const KNOWN: usize = 50_000;
/// So long a check may wait for others to end.
const PATIENCE: Duration = Duration::from_secs(4);
/// So many tokens are checked at once: nobody is to keep Twilio busy with guesses.
const AT_ONCE: usize = 8;

/// Roles that may look at calls that are not their own (<https://www.twilio.com/docs/flex/admin-guide/setup/permissions>).
const SEE_ALL: [&str; 2] = ["supervisor", "admin"];

/// Somebody with a good token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// Who, if it is a worker.
    pub(crate) worker: Option<WorkerSid>,
    /// May he or she look at calls that are not his or her own?
    pub(crate) may_see_all: bool,
    expires: Option<Millis>,
}

/// An agent, by a good token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    /// Who.
    pub(crate) worker: WorkerSid,
    /// Until when the token is good, if that is known (point in time).
    pub(crate) expires: Option<Millis>,
}

impl FromRequestParts<Arc<App>> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(parts).ok_or(Problem::TokenMissing)?;
        Self::of(app, token).await
    }
}

impl User {
    /// Whose token this is. Counts as one more request of the worker.
    async fn of(app: &App, token: &str) -> Result<Self, Problem> {
        let user = app.tokens.check(token, app.store.now()).await?;
        if let Some(worker) = &user.worker {
            app.rate.check(worker)?;
        }
        Ok(user)
    }
}

impl FromRequestParts<Arc<App>> for Agent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        User::from_request_parts(parts, app).await?.try_into()
    }
}

impl Agent {
    /// Whose token this is.
    pub(crate) async fn of(app: &App, token: &str) -> Result<Self, Problem> {
        User::of(app, token).await?.try_into()
    }
}

impl TryFrom<User> for Agent {
    type Error = Problem;

    fn try_from(user: User) -> Result<Self, Problem> {
        let worker = user.worker.ok_or(Problem::NotAWorker)?;
        Ok(Self { worker, expires: user.expires })
    }
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Checks tokens. What Twilio said is remembered by their hash: a token that was taken back is good for so long at most,
/// and nobody keeps Twilio busy with the same bad one.
#[derive(Debug)]
pub(crate) struct Tokens {
    client: Client,
    known: Mutex<HashMap<[u8; 32], Known>>,
    permits: Semaphore,
    /// When somebody last came whose token Twilio did not answer for (milliseconds); 0: never.
    unanswered: AtomicU64,
}

/// What Twilio said of a token.
#[derive(Clone, Debug)]
struct Known {
    said: Result<User, Problem>,
    /// Counts until then (point in time).
    until: Millis,
}

impl Tokens {
    pub(crate) fn new(client: Client) -> Self {
        let (known, unanswered) = (Mutex::default(), AtomicU64::new(0));
        Self { client, known, permits: Semaphore::new(AT_ONCE), unanswered }
    }

    /// Has somebody come since then for whose token Twilio did not answer? It may have been anybody.
    pub(crate) fn is_unanswered_since(&self, since: Millis) -> bool {
        self.unanswered.load(Ordering::Relaxed) > since.0
    }

    pub(crate) async fn check(&self, token: &str, now: Millis) -> Result<User, Problem> {
        if token.len() > LONGEST {
            return Err(Problem::TokenRefused);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.remembered(&hash, now) {
            return known;
        }
        // The semaphore is never closed. Whoever waits for long is told to come back.
        let Ok(_permit) = tokio::time::timeout(PATIENCE, self.permits.acquire()).await else {
            return Err(Problem::TwilioUnavailable);
        };
        let said = self.ask(token, now).await;
        // Passing trouble is not what Twilio says about the token.
        if matches!(said, Ok(_) | Err(Problem::TokenRefused)) {
            let expires = said.as_ref().ok().and_then(|user| user.expires);
            let until = expires.map_or(now + REMEMBERED, |at| at.min(now + REMEMBERED));
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= KNOWN {
                known.retain(|_, known| known.until > now);
            }
            if known.len() < KNOWN {
                known.insert(hash, Known { said: said.clone(), until });
            }
        }
        said
    }

    async fn ask(&self, token: &str, now: Millis) -> Result<User, Problem> {
        let info = match self.client.validate_token(&SecretString::from(token)).await {
            Ok(info) => info,
            // Our own credentials, and how often we ask, are errors of their own.
            Err(TwilioError::Refused { .. }) => return Err(Problem::TokenRefused),
            Err(TwilioError::Gone) => return Err(Problem::TokenRefused),
            Err(error) => {
                tracing::error!(%error, "a Flex token could not be checked");
                self.unanswered.fetch_max(now.0, Ordering::Relaxed);
                return Err(Problem::TwilioUnavailable);
            }
        };
        if !info.valid || info.expiration.is_some_and(|at| at <= now) {
            return Err(Problem::TokenRefused);
        }
        let may_see_all = info.roles.iter().any(|role| SEE_ALL.contains(&role.as_str()));
        Ok(User { worker: info.worker_sid, may_see_all, expires: info.expiration })
    }

    fn remembered(&self, hash: &[u8; 32], now: Millis) -> Option<Result<User, Problem>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).filter(|known| known.until > now).map(|known| known.said.clone())
    }
}
