//! The account's owner, who signs in at the API.

use crate::{config::TwinConfig, model::ApiError};
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use rejoin_protocol::{AccountSid, WorkspaceSid};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

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

    /// Basic authentication with account SID and auth token.
    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let wanted = format!("{}:{}", self.account, self.auth_token.expose_secret());
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"))
            .and_then(|(_, credentials)| STANDARD.decode(credentials).ok());
        match given {
            Some(given) if bool::from(given.ct_eq(wanted.as_bytes())) => Ok(()),
            _ => Err(ApiError { status: 401, code: 20003, message: "Authenticate".into() }),
        }
    }
}
