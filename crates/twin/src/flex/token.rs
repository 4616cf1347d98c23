//! Tokens of the demo's agents, in the form of Flex's: a JWT signed with the account's secret. Flex only passes its
//! token on; the twin verifies it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use rejoin_protocol::{AccountSid, Millis, WorkerSid, WorkspaceSid};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;

/// Lifetime of a token. Flex warns an hour before its token ends, so it is not shorter.
pub const LIFETIME: Millis = Millis::seconds(6 * 3600);

/// The content of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenClaims {
    /// The account.
    pub account: AccountSid,
    /// The workspace.
    pub workspace: WorkspaceSid,
    /// The worker whom it was issued to.
    pub worker: WorkerSid,
    /// The worker's identity as a Voice SDK client, such as `ada_40example_2Ecom`.
    pub identity: String,
    /// Flex's roles.
    pub roles: Vec<String>,
    /// When it expires (point in time).
    pub expires: Millis,
}

/// The parts of the payload that are read again.
#[derive(Deserialize)]
struct Payload {
    sub: AccountSid,
    exp: u64,
    grants: Grants,
}

#[derive(Deserialize)]
struct Grants {
    identity: String,
    task_router: TaskRouter,
    flex: Flex,
}

#[derive(Deserialize)]
struct TaskRouter {
    workspace_sid: WorkspaceSid,
    worker_sid: WorkerSid,
}

#[derive(Deserialize)]
struct Flex {
    roles: Vec<String>,
}

/// Signs these claims.
pub fn issue(secret: &str, claims: &TokenClaims) -> String {
    let header = json!({ "alg": "HS256", "typ": "JWT", "cty": "twilio-fpa;v=1" });
    let payload = json!({
        "jti": format!("{}-{}", claims.worker, claims.expires.0),
        "iss": claims.account,
        "sub": claims.account,
        "exp": claims.expires.0 / 1000,
        "grants": {
            "identity": claims.identity,
            "task_router": {
                "workspace_sid": claims.workspace, "worker_sid": claims.worker, "role": "worker"
            },
            "voice": { "incoming": { "allow": true } },
            "chat": { "service_sid": "IS00000000000000000000000000000001" },
            "data_sync": { "service_sid": "default" },
            "flex": { "roles": claims.roles },
        },
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&payload));
    let signature = URL_SAFE_NO_PAD.encode(mac(secret, &signed).finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// The token's claims; `None` when it is not signed with this secret, expired, or malformed.
pub fn verify(secret: &str, token: &str, now: Millis) -> Option<TokenClaims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    // In constant time.
    mac(secret, signed).verify_slice(&signature).ok()?;
    let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
    let payload: Payload = serde_json::from_slice(&payload).ok()?;
    let expires = Millis::seconds(payload.exp);
    (now < expires).then_some(TokenClaims {
        account: payload.sub,
        workspace: payload.grants.task_router.workspace_sid,
        worker: payload.grants.task_router.worker_sid,
        identity: payload.grants.identity,
        roles: payload.grants.flex.roles,
        expires,
    })
}

#[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn mac(secret: &str, text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> TokenClaims {
        TokenClaims {
            account: AccountSid::numbered(1),
            workspace: WorkspaceSid::numbered(1),
            worker: WorkerSid::numbered(0xada),
            identity: "ada_40example_2Ecom".into(),
            roles: vec!["agent".into()],
            expires: Millis::seconds(1000),
        }
    }

    #[test]
    fn an_issued_token_is_valid_until_it_expires() {
        let token = issue("secret", &ada());
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(verify("secret", &token, Millis(999_999)), Some(ada()));
        assert_eq!(verify("secret", &token, Millis(1_000_000)), None);
    }

    #[test]
    fn a_changed_or_foreign_token_is_refused() {
        let token = issue("secret", &ada());
        assert_eq!(verify("other", &token, Millis(0)), None);
        let mut parts: Vec<&str> = token.split('.').collect();
        let bo = issue("other", &TokenClaims { worker: WorkerSid::numbered(0xb0), ..ada() });
        parts[1] = bo.split('.').nth(1).expect("a payload");
        assert_eq!(verify("secret", &parts.join("."), Millis(0)), None);
        for text in ["", ".", "..", "a.b.c", &token[..token.len() - 2], &token[1..]] {
            assert_eq!(verify("secret", text, Millis(0)), None, "{text}");
        }
    }
}
