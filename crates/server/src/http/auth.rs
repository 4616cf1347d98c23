//! Authentication: the Flex user's token, validated with Twilio and cached for a short while ([`super::tokens`]).

use super::App;
use super::monitor::ByMonitor;
use super::problem::Problem;
use super::source::Source;
use super::unverified::Unverified;
use crate::server_state::KEY;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use rejoin_protocol::{Millis, WorkerSid};
use rejoin_twilio::TokenInfo;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Maximum length of a worker's name, in characters.
const NAME: usize = 200;

/// Roles that may see calls of others (<https://www.twilio.com/docs/flex/admin-guide/setup/permissions>).
const SEE_ALL: [&str; 2] = ["supervisor", "admin"];

/// A user with a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The worker, if the user is one.
    pub(crate) worker: Option<WorkerSid>,
    /// The worker's name, from Twilio; empty if unknown.
    pub(crate) name: String,
    /// True for roles that may see calls of others.
    pub(crate) may_see_all: bool,
    /// When the token expires, if known (point in time).
    pub(crate) expires: Option<Millis>,
}

/// An agent with a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    /// The worker.
    pub(crate) worker: WorkerSid,
    /// The worker's name, from Twilio; empty if unknown.
    pub(crate) name: String,
    /// True for roles that may see calls of others.
    pub(crate) may_see_all: bool,
    /// When the token expires, if known (point in time).
    pub(crate) expires: Option<Millis>,
}

impl From<TokenInfo> for User {
    fn from(info: TokenInfo) -> Self {
        let may_see_all = info.roles.iter().any(|role| SEE_ALL.contains(&role.as_str()));
        let name = info.name().unwrap_or_default().chars().take(NAME).collect();
        Self { worker: info.worker_sid, name, may_see_all, expires: info.expiration }
    }
}

impl FromRequestParts<Arc<App>> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or(Problem::TokenMissing)?;
        Self::of(app, token, &parts.extensions).await
    }
}

impl User {
    /// The user of this token. Counts as one more request of the worker.
    pub(super) async fn of(app: &App, token: &str, request: &Extensions) -> Result<Self, Problem> {
        let user = app.tokens.check(token, request.get::<Source>().copied(), app.store.now()).await?;
        if let Some(unverified) = request.get::<Unverified>() {
            unverified.verified();
        }
        match &user.worker {
            Some(worker) => app.rate.check(worker.as_str().as_bytes())?,
            // A user who is not a worker is identified by the token alone.
            None => app.rate.check(&Sha256::digest(token))?,
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
    /// The agent of this token, for the request with these extensions.
    pub(crate) async fn of(app: &App, token: &str, request: &Extensions) -> Result<Self, Problem> {
        User::of(app, token, request).await?.try_into()
    }
}

impl TryFrom<User> for Agent {
    type Error = Problem;

    fn try_from(user: User) -> Result<Self, Problem> {
        let worker = user.worker.ok_or(Problem::NotAWorker)?;
        Ok(Self { worker, name: user.name, may_see_all: user.may_see_all, expires: user.expires })
    }
}

/// Who says hello, or opens a push channel.
#[derive(Debug)]
pub(crate) enum Caller {
    /// An agent.
    Agent(Agent),
    /// A monitor with the key.
    Monitor,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        // With a key nothing else counts: a wrong one is not made good by a token.
        if parts.headers.contains_key(KEY) {
            return ByMonitor::from_request_parts(parts, app).await.map(|ByMonitor| Self::Monitor);
        }
        Agent::from_request_parts(parts, app).await.map(Self::Agent)
    }
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
