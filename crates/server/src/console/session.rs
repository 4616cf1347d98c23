//! Sessions of the console: a signed cookie, so that each server on the same settings accepts it and none stores anything.
//!
//! The cookie is a JSON in base64url and its HMAC-SHA256, keyed with the operator token: another token ends all sessions.
//! Without an operator token only users of Flex can sign in, and the key is the auth token of the account.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rejoin_protocol::Millis;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The cookie's name.
pub(crate) const COOKIE: &str = "rejoin_console";
/// How long a session lasts at most.
pub(crate) const LASTS: Millis = Millis::seconds(8 * 3600);
/// Precedes what is signed, so that a signature for another purpose is not one of a session.
const PURPOSE: &str = "rejoin console session: ";
/// Maximum length of a cookie's value, in characters. The longest one that the server makes has some 150.
const LONGEST: usize = 512;

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Signed in with the operator token: may see all, and do what operators may do.
    #[serde(rename = "o")]
    Operator,
    /// A supervisor or an administrator of Flex: may see all.
    #[serde(rename = "s")]
    Supervisor,
}

/// A session. It names no person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// What it may do.
    #[serde(rename = "r")]
    pub(crate) role: Role,
    /// When it ends (point in time).
    #[serde(rename = "e")]
    pub(crate) ends: Millis,
    /// Tells sessions apart, for limits. It is no secret.
    #[serde(rename = "n")]
    pub(crate) number: u64,
}

impl Session {
    /// A new session. `expires`: when the token that it was begun with expires, if known (point in time).
    pub(crate) fn new(role: Role, now: Millis, expires: Option<Millis>, number: u64) -> Self {
        let ends = now + LASTS;
        Self { role, ends: expires.map_or(ends, |expires| ends.min(expires)), number }
    }

    /// The cookie's value. `keys`: the first one signs. `None`: there is no key.
    pub(crate) fn sealed(&self, keys: &[&SecretString]) -> Option<String> {
        let session = URL_SAFE_NO_PAD.encode(serde_json::to_string(self).ok()?);
        let signature = keyed(usable(keys).next()?, &session)?.finalize().into_bytes();
        Some(format!("{session}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The session of a cookie. `None`: it was not made with one of these keys, or has ended.
    pub(crate) fn opened(value: &str, keys: &[&SecretString], now: Millis) -> Option<Self> {
        if value.len() > LONGEST {
            return None;
        }
        let (session, signature) = value.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_ours = |key| keyed(key, session).is_some_and(|mac| mac.verify_slice(&signature).is_ok());
        if !usable(keys).any(is_ours) {
            return None;
        }
        let session: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(session).ok()?).ok()?;
        (session.ends > now).then_some(session)
    }
}

fn usable<'a>(keys: &'a [&SecretString]) -> impl Iterator<Item = &'a SecretString> {
    keys.iter().copied().filter(|key| !key.expose_secret().is_empty())
}

fn keyed(key: &SecretString, session: &str) -> Option<Hmac<Sha256>> {
    // Takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok()?;
    mac.update(PURPOSE.as_bytes());
    mac.update(session.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Millis = Millis::seconds(1_000_000);

    fn key(token: &str) -> SecretString {
        SecretString::from(token)
    }

    #[test]
    fn a_session_opens_with_the_key_that_sealed_it_or_a_previous_one_until_it_ends() {
        let session = Session::new(Role::Operator, NOW, None, 7);
        let (old, new) = (key("old"), key("new"));
        let sealed = session.sealed(&[&old]).expect("a key");
        assert_eq!(Session::opened(&sealed, &[&new, &old], NOW), Some(session.clone()));
        assert_eq!(Session::opened(&sealed, &[&new], NOW), None, "another token ends it");
        let last = Millis(session.ends.0 - 1);
        assert_eq!(Session::opened(&sealed, &[&old], last), Some(session.clone()));
        assert_eq!(Session::opened(&sealed, &[&old], session.ends), None);
        assert_eq!(session.sealed(&[&key("")]), None, "no token is no key");
    }

    #[test]
    fn a_session_lasts_no_longer_than_the_token_that_began_it() {
        let of = |expires| Session::new(Role::Supervisor, NOW, expires, 7).ends;
        assert_eq!(of(None), NOW + LASTS);
        assert_eq!(of(Some(NOW + Millis::seconds(60))), NOW + Millis::seconds(60));
        assert_eq!(of(Some(NOW + LASTS + LASTS)), NOW + LASTS);
    }

    proptest! {
        #[test]
        fn a_changed_cookie_does_not_open(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
            let key = key("a token that is long enough to be one");
            let sealed = Session::new(Role::Supervisor, NOW, None, 7).sealed(&[&key]).expect("a key");
            let mut changed = sealed.clone().into_bytes();
            let at = at % changed.len();
            changed[at] = byte;
            if let Ok(changed) = String::from_utf8(changed)
                && changed != sealed
            {
                prop_assert_eq!(Session::opened(&changed, &[&key], NOW), None, "{}", changed);
            }
            prop_assert_eq!(Session::opened(&sealed[..cut % sealed.len()], &[&key], NOW), None);
        }

        #[test]
        fn nonsense_does_not_open(value in ".{0,600}") {
            prop_assert_eq!(Session::opened(&value, &[&key("token")], NOW), None);
        }
    }
}
