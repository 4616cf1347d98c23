//! `X-Twilio-Signature`, with which Twilio signs its webhooks
//! (<https://www.twilio.com/docs/usage/webhooks/webhooks-security>).
//!
//! The signature contains no time, so a replay is valid: the caller has to deduplicate too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use subtle::ConstantTimeEq as _;

/// Name of the HTTP header that carries the signature.
pub const HEADER: &str = "X-Twilio-Signature";

/// Query parameter with the SHA-256 of a body that is not a form.
pub const BODY_HASH: &str = "bodySHA256";

/// The signed content of a request beside its URL.
#[derive(Clone, Copy, Debug)]
pub enum Signed<'a> {
    /// A form's decoded parameters; empty with `GET`.
    Form(&'a [(String, String)]),
    /// A body that is not a form. The URL carries its hash.
    Body(&'a [u8]),
}

/// The signature of a request with these form parameters (decoded; none with `GET` or with a JSON body).
///
/// `url` is the exact requested URL, with its query and without a fragment. A key that occurs more than once counts
/// with each of its different values.
pub fn sign(auth_token: &str, url: &str, params: &[(String, String)]) -> String {
    // The error cannot occur, and an empty signature is never valid.
    keyed(auth_token).map_or_else(String::new, |mac| signature_of(mac, url, &signed_params(params)))
}

/// The keyed hash of a token, computed once for all signatures. HMAC accepts keys of any length, so there is always
/// one.
fn keyed(auth_token: &str) -> Option<Hmac<Sha1>> {
    Hmac::new_from_slice(auth_token.as_bytes()).ok()
}

fn signature_of(mut mac: Hmac<Sha1>, url: &str, params: &str) -> String {
    mac.update(url.as_bytes());
    mac.update(params.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The parameters in the form in which they are signed, after the URL.
fn signed_params(params: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = params.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut data = String::with_capacity(sorted.iter().map(|(key, value)| key.len() + value.len()).sum());
    for (key, value) in sorted {
        data.push_str(key);
        data.push_str(value);
    }
    data
}

/// True when `signature` (the header's value) was made for this request with one of the tokens.
///
/// More than one token is given while tokens are rotated. Twilio signs some URLs with and some without their port,
/// and some with an apostrophe escaped: all these forms are accepted. Without a token or a signature the result is
/// false.
pub fn validate<T: AsRef<str>>(auth_tokens: &[T], url: &str, signed: Signed<'_>, signature: &str) -> bool {
    let params = match signed {
        Signed::Form(params) => params,
        Signed::Body(body) => {
            if !body_hash_is_right(url, body) {
                return false;
            }
            &[]
        }
    };
    let (forms, params) = (forms(url), signed_params(params));
    let mut valid = subtle::Choice::from(0);
    for token in auth_tokens.iter().map(AsRef::as_ref).filter(|token| !token.is_empty()) {
        let Some(mac) = keyed(token) else { continue };
        for form in &forms {
            valid |= signature_of(mac.clone(), form, &params).as_bytes().ct_eq(signature.as_bytes());
        }
    }
    valid.into()
}

/// True when the URL contains the hash of a body, which is signed instead of form parameters.
pub fn announces_body_hash(url: &str) -> bool {
    announced(url).is_some()
}

/// The hash of a body in the form in which the URL contains it.
pub fn body_hash(body: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
    Sha256::digest(body).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn announced(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(BODY_HASH)?.strip_prefix('='))
}

/// True when the URL contains the hash of this body. That proves the sender only if the URL's own signature is valid.
pub fn body_hash_is_right(url: &str, body: &[u8]) -> bool {
    let Some(announced) = announced(url) else { return false };
    body_hash(body).as_bytes().ct_eq(announced.as_bytes()).into()
}

/// The forms in which Twilio may have signed a URL.
fn forms(url: &str) -> Vec<Cow<'_, str>> {
    let mut forms = vec![Cow::Borrowed(url)];
    if let Some(parts) = Parts::of(url) {
        let default_port = if parts.scheme == "https" { "443" } else { "80" };
        let other = match parts.port {
            Some(_) => format!("{}://{}{}", parts.scheme, parts.host, parts.rest),
            None => format!("{}://{}:{default_port}{}", parts.scheme, parts.host, parts.rest),
        };
        forms.push(Cow::Owned(other));
    }
    let escaped: Vec<Cow<'_, str>> = forms
        .iter()
        .filter(|form| form.contains('\''))
        .map(|form| form.replace('\'', "%27").into())
        .collect();
    forms.extend(escaped);
    forms
}

struct Parts<'a> {
    scheme: &'a str,
    /// With user information, without the port.
    host: &'a str,
    port: Option<&'a str>,
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, after) = url.split_once("://")?;
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        // A colon before `@` belongs to a password, one inside brackets to an IPv6 address.
        let host_start = authority.rfind('@').map_or(0, |at| at + 1);
        let port_search = authority.rfind(']').map_or(host_start, |bracket| bracket + 1);
        let colon = authority.get(port_search..)?.find(':').map(|colon| colon + port_search);
        Some(match colon {
            Some(colon) => {
                Self { scheme, host: authority.get(..colon)?, port: authority.get(colon + 1..), rest }
            }
            None => Self { scheme, host: authority, port: None, rest },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "12345";
    const U: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn p() -> Vec<(String, String)> {
        form(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ])
    }

    fn takes(url: &str, params: &[(String, String)], signature: &str) -> bool {
        validate(&[TOKEN], url, Signed::Form(params), signature)
    }

    fn takes_body(url: &str, body: &str, signature: &str) -> bool {
        validate(&[TOKEN], url, Signed::Body(body.as_bytes()), signature)
    }

    /// Test vectors of Twilio's library for Node.
    #[test]
    fn signatures_for_all_kinds_of_urls_are_valid() {
        let with = |authority: &str| format!("{authority}/myapp.php?foo=1&bar=2");
        let vectors = [
            (1, U.to_owned(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (2, with("https://mycompany.com:443"), "kvajT1Ptam85bY51eRf/AJRuM3w="),
            (2, U.to_owned(), "kvajT1Ptam85bY51eRf/AJRuM3w="),
            (3, with("http://mycompany.com:80"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
            (3, with("http://mycompany.com"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
            (4, with("http://mycompany.com:1234"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
            (5, with("https://mycompany.com:1234"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (6, with("https://user:pass@mycompany.com"), "CukzLTc1tT5dXEDIHm/tKBanW10="),
            (6, with("https://user:pass@mycompany.com:443"), "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
            (7, with("https://user@mycompany.com"), "2YRLlVAflCqxaNicjMpJcSTgzSs="),
            (8, format!("{U}&Body=It's+amazing"), "TfZzewPq8wqrGlMfyAud8+/IvJ0="),
            (8, format!("{U}&Body=It's+amazing"), "dsq4Ehbj6cs+KdTkpF5sSSplOWw="),
        ];
        for (number, url, signature) in vectors {
            assert!(takes(&url, &p(), signature), "vector {number}: {url}");
        }
    }

    #[test]
    fn a_signature_equals_that_of_twilio() {
        assert_eq!(sign(TOKEN, U, &p()), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        let unsorted: Vec<_> = p().into_iter().rev().collect();
        assert_eq!(sign(TOKEN, U, &unsorted), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        assert_eq!(sign(TOKEN, &format!("{U}&Body=It's+amazing"), &p()), "dsq4Ehbj6cs+KdTkpF5sSSplOWw=");
    }

    #[test]
    fn a_repeated_key_counts_with_each_different_value() {
        let (one, two) = ("+1325xxxxxxx", "+1415xxxxxxx");
        let key = "MessagingBinding.Address";
        for params in [form(&[(key, one), (key, two)]), form(&[(key, two), (key, one)])] {
            assert!(takes(U, &params, "83O6e2vORAoJHUNzJjDWN1jz+BA="), "vector 9");
        }
        let params = form(&[
            ("Sid", "CA123"),
            ("SidAccount", "AC123"),
            ("Digits", "5678"),
            ("Digits", "1234"),
            ("Digits", "1234"),
        ]);
        assert!(takes(U, &params, "IK+Dwps556ElfBT0I3Rgjkr1wJU="), "vector 10");
    }

    #[test]
    fn a_body_that_is_not_a_form_is_signed_by_its_hash() {
        let body = r#"{"property": "value", "boolean": true}"#;
        let hash = "bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let both = format!("{U}&{hash}");
        let alone = format!("https://mycompany.com/myapp.php?{hash}");
        let empty =
            format!("{U}&bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert!(takes_body(&both, body, "a9nBmqA0ju/hNViExpshrM61xv4="), "vector 11");
        assert!(takes_body(&alone, body, "y77kIzt2vzLz71DgmJGsen2scGs="), "vector 12");
        assert!(takes_body(&empty, "{}", "Ldidvp12m26NI7eqEvxnEpkd9Hc="), "vector 13, with port");
        assert!(takes_body(&empty, "{}", "rw/jVviOgicj2+kHZULvebnA4ag="), "vector 13, without port");
        let url = "https://recover.example.com/webhooks/taskrouter?\
                   bodySHA256=7bebe82117ddc23a62a550ea7454519440cd5b83e058a71e9fe9271a64d4fdae";
        let events = r#"[{"specversion":"1.0","type":"com.twilio.taskrouter.reservation.accepted","id":"EV00000000000000000000000000000001"}]"#;
        assert!(takes_body(url, events, "b/ye1qBMhTAkH0/2plSNH97eBJU="), "vector 16");

        assert!(!takes_body(&both, "{}", "a9nBmqA0ju/hNViExpshrM61xv4="), "another body");
        assert!(!takes_body(&both, body, "a9nBmqA0ju/hNViExpshrM61xv5="), "another signature");
        let plain = sign(TOKEN, U, &[]);
        assert!(!takes_body(U, body, &plain), "a body without its hash in the URL");
        assert!(announces_body_hash(&both) && !announces_body_hash(U));
    }

    #[test]
    fn the_documented_examples_and_a_conference_callback_are_valid() {
        let mut params = p();
        for (key, value) in &mut params {
            if key == "Caller" || key == "From" {
                *value = "+14158675310".into();
            }
        }
        let url = "https://example.com/myapp.php?foo=1&bar=2";
        assert!(takes(url, &params, "L/OH5YylLD5NRKLltdqwSvS0BnU="), "vector 14");
        let params = form(&[
            ("AccountSid", "AC00000000000000000000000000000001"),
            ("CallSid", "CA00000000000000000000000000000002"),
            ("Coaching", "false"),
            ("ConferenceSid", "CF00000000000000000000000000000003"),
            ("EndConferenceOnExit", "false"),
            ("FriendlyName", "WT00000000000000000000000000000004"),
            ("Hold", "false"),
            ("Muted", "false"),
            ("ParticipantCallStatus", "completed"),
            ("ReasonParticipantLeft", "participant_hung_up"),
            ("SequenceNumber", "7"),
            ("StartConferenceOnEnter", "true"),
            ("StatusCallbackEvent", "participant-leave"),
            ("Timestamp", "Thu, 1 Jun 2017 20:48:32 +0000"),
        ]);
        let url = "https://recover.example.com/webhooks/conference";
        assert!(takes(url, &params, "yMdXvEypbr9PVQmRCNRcmaS4HMM="), "vector 15");
    }

    #[test]
    fn any_other_signature_is_invalid() {
        let right = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        for wrong in
            ["", "undefined", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "RSOYDt4T1cUTdK1PDd93/VVr8B9=", "=", "é"]
        {
            assert!(!takes(U, &p(), wrong), "{wrong:?}");
        }
        assert!(!takes("https://mycompany.com/myapp.php?foo=1&bar=3", &p(), right), "another URL");
        assert!(!takes(U, &p()[1..], right), "a parameter less");
        assert!(!validate(&["54321"], U, Signed::Form(&p()), right), "another token");
        assert!(!validate::<&str>(&[], U, Signed::Form(&p()), right), "no token");
        assert!(!validate(&[""], U, Signed::Form(&p()), &sign("", U, &p())), "an empty token");
    }

    #[test]
    fn old_and_new_token_are_both_valid_during_a_rotation() {
        for token in ["old", "new"] {
            assert!(validate(&["new", "old"], U, Signed::Form(&p()), &sign(token, U, &p())), "{token}");
        }
    }

    #[test]
    fn a_malformed_url_does_not_panic() {
        for url in ["", "://", "https://", "https://[::1]:8080/x", "https://é@:@é:/", "mailto:a@b"] {
            assert!(takes(url, &[], &sign(TOKEN, url, &[])), "{url}");
        }
        assert!(takes("http://[::1]:8080/x", &[], &sign(TOKEN, "http://[::1]/x", &[])));
    }
}
