//! The signed context in the first server's addresses: as much of a recovery as a queue needs.
//!
//! It stands in the query as `c` (JSON in base64url) and `m` (HMAC-SHA256 of `c`, keyed with the auth token). Twilio signs the whole
//! address of a request already; this second signature holds for addresses that a request only names (`ErrorUrl`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rejoin_protocol::{RecoveryId, WorkflowSid};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Precedes what is signed, so that a signature for another purpose is not one of a context.
pub(super) const PURPOSE: &str = "rejoin fallback context: ";
/// Maximum length of `c`, in characters. The longest one that the server makes has some 1,500.
pub(super) const LONGEST: usize = 4096;

/// What an address carries about a recovery. It names no person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The workflow by which the customer goes back into the queue.
    #[serde(rename = "w")]
    pub workflow: WorkflowSid,
    /// The task's priority.
    #[serde(rename = "p")]
    pub priority: u32,
    /// The customer's language, if the task names one.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The recovery. Its id in the task's attributes tells the first server later that the customer is in the queue.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryId>,
    /// The task's attributes: one JSON object as text.
    #[serde(rename = "a")]
    pub attributes: String,
}

impl Context {
    /// The query of an address that carries it: `c=…&m=…`.
    pub fn sealed(&self, auth_token: &SecretString) -> String {
        let context = URL_SAFE_NO_PAD.encode(serde_json::to_string(self).unwrap_or_default());
        // HMAC takes keys of any length, so there is always a signature.
        let signature = keyed(auth_token, &context).map(|mac| mac.finalize().into_bytes());
        format!("c={context}&m={}", URL_SAFE_NO_PAD.encode(signature.unwrap_or_default()))
    }

    /// The context of a query. `None`: there is none, or it was not made with one of these tokens.
    pub fn opened(query: &[(String, String)], auth_tokens: &[SecretString]) -> Option<Self> {
        let value = |name| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (context, signature) = (value("c")?, value("m")?);
        if context.len() > LONGEST {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_ours = auth_tokens
            .iter()
            .filter(|token| !token.expose_secret().is_empty())
            .any(|token| keyed(token, context).is_some_and(|mac| mac.verify_slice(&signature).is_ok()));
        if !is_ours {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(context).ok()?).ok()
    }
}

fn keyed(auth_token: &SecretString, context: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(auth_token.expose_secret().as_bytes()).ok()?;
    mac.update(PURPOSE.as_bytes());
    mac.update(context.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            workflow: WorkflowSid::numbered(1),
            priority: 100,
            language: Some("ja-JP".into()),
            recovery: None,
            attributes: r#"{"name":"é"}"#.into(),
        }
    }

    fn query(sealed: &str) -> Vec<(String, String)> {
        let pairs = sealed.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn tokens(all: &[&str]) -> Vec<SecretString> {
        all.iter().map(|token| SecretString::from(*token)).collect()
    }

    #[test]
    fn a_context_opens_with_the_token_that_sealed_it_or_the_previous_one() {
        let sealed = context().sealed(&"old".into());
        assert!(sealed.chars().all(|c| c.is_ascii_alphanumeric() || "-_=&".contains(c)), "{sealed}");
        assert_eq!(Context::opened(&query(&sealed), &tokens(&["new", "old"])), Some(context()));
        assert_eq!(Context::opened(&query(&sealed), &tokens(&["new"])), None);
        let keyless = context().sealed(&"".into());
        assert_eq!(Context::opened(&query(&keyless), &tokens(&[""])), None, "no token is no key");
    }

    #[test]
    fn a_changed_context_or_signature_does_not_open() {
        let (sealed, tokens) = (query(&context().sealed(&"token".into())), tokens(&["token"]));
        let other = Context { workflow: WorkflowSid::numbered(2), ..context() }.sealed(&"token".into());
        let mixed = vec![query(&other)[0].clone(), sealed[1].clone()];
        assert_eq!(Context::opened(&mixed, &tokens), None, "another workflow under this signature");
        for at in 0..2 {
            for value in ["", "A", "====", "é", &"A".repeat(5000)] {
                let mut changed = sealed.clone();
                changed[at].1 = value.into();
                assert_eq!(Context::opened(&changed, &tokens), None, "{at} {value:.10}");
            }
            assert_eq!(Context::opened(&sealed[at..=at], &tokens), None, "one of the two alone");
        }
    }
}
