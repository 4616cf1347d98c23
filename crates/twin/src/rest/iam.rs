//! iam.twilio.com: token validation.

use super::{Owner, not_found};
use crate::{
    dates,
    flex::{agent::Agent, token, token_of},
    model::ApiError,
};
use axum::http::HeaderMap;
use rejoin_protocol::Millis;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Body {
    token: String,
}

/// Authorises the account, or an agent: Flex UI up to 2.7 asks here about the token that it signs in with (read in
/// `@twilio/flex-ui` 2.0.0 to 2.7.2: `Basic base64("token:" token)`), later ones ask flex-api.twilio.com.
pub(super) fn authorize(owner: &Owner, now: Millis, headers: &HeaderMap) -> Result<(), ApiError> {
    owner.authorize(headers).or_else(|refused| {
        let secret = owner.auth_token.expose_secret();
        let agent = token_of(headers).and_then(|token| token::verify(secret, &token, now));
        agent.map(|_| ()).ok_or(refused)
    })
}

/// `POST /v1/Accounts/{AC}/Tokens/validate`, the request of
/// <https://www.npmjs.com/package/twilio-flex-token-validator>.
pub(super) fn answer(
    owner: &Owner,
    now: Millis,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<Value, ApiError> {
    let wanted = format!("v1/Accounts/{}/Tokens/validate", owner.account);
    if method != "POST" || path != wanted {
        return Err(not_found(path));
    }
    let body: Body = serde_json::from_slice(body).map_err(|_| ApiError {
        status: 400,
        code: 20001,
        message: "the body is not {\"token\":\"…\"}".into(),
    })?;
    let claims = token::verify(owner.auth_token.expose_secret(), &body.token, now);
    Ok(match claims {
        Some(claims) => json!({
            "valid": true, "code": 0, "message": null, "expiration": dates::iso(claims.expires),
            "realm_user_id": Agent::of(&claims.worker).map(Agent::email), "identity": claims.identity, "roles": claims.roles,
            "worker_sid": claims.worker, "flex_user_sid": Agent::of(&claims.worker).map(Agent::user),
            "account_sid": claims.account,
        }),
        None => json!({"valid": false, "code": 20101, "message": "The token is not valid or has expired"}),
    })
}
