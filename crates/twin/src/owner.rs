//! The account's owner, who signs in at the API.

use crate::{config::TwinConfig, model::ApiError};
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use rejoin_protocol::{AccountSid, WorkspaceSid};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// A standard API key. The secret of the twin's keys is the auth token.
pub const STANDARD_KEY: &str = "SK00000000000000000000000000000001";
/// A restricted one with all permissions that there are.
pub const RESTRICTED_KEY: &str = "SK00000000000000000000000000000002";

/// The owner of the API.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The account.
    pub account: AccountSid,
    /// Its only workspace.
    pub workspace: WorkspaceSid,
    /// The auth token that it signs in with.
    pub auth_token: SecretString,
}

impl Owner {
    pub(crate) fn of(config: &TwinConfig) -> Self {
        Self {
            account: config.account.clone(),
            workspace: config.demo_account().workspace,
            auth_token: config.auth_token.clone(),
        }
    }

    /// Basic authentication with the account's SID and auth token, or with an API key: [`STANDARD_KEY`] or [`RESTRICTED_KEY`].
    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.user(headers).map(drop)
    }

    /// The same for Flex, its plugins and Serverless, which restricted keys do not reach
    /// (<https://www.twilio.com/docs/iam/api-keys/restricted-api-keys>). *Assumed*: the code.
    pub(crate) fn authorize_flex(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match self.user(headers)?.as_str() {
            RESTRICTED_KEY => Err(ApiError {
                status: 403,
                code: 70051,
                message: "The key is not allowed to do this".into(),
            }),
            _ => Ok(()),
        }
    }

    fn user(&self, headers: &HeaderMap) -> Result<String, ApiError> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"))
            .and_then(|(_, credentials)| STANDARD.decode(credentials).ok());
        let users = [self.account.as_str(), STANDARD_KEY, RESTRICTED_KEY];
        let is_it = |user: &&&str| {
            let wanted = format!("{user}:{}", self.auth_token.expose_secret());
            given.as_ref().is_some_and(|given| bool::from(given.ct_eq(wanted.as_bytes())))
        };
        let user = users.iter().find(is_it).map(|user| (*user).to_owned());
        user.ok_or(ApiError { status: 401, code: 20003, message: "Authenticate".into() })
    }
}
