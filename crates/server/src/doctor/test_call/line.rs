//! What a number does with a call, and whether the server's audio can be fetched.

use crate::config::Config;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use rejoin_protocol::CallSid;
use rejoin_twilio::{Body, PhoneNumber, ReadVerb, Transport, encoded, read_twiml, signature};
use secrecy::ExposeSecret as _;

/// How long the number's document has to keep the line, in seconds.
const KEEPS: u64 = 180;
/// What a number for test calls is to have.
pub(super) const BIN: &str = "give the number of --to a TwiML Bin as its voice URL that does nothing but wait: <Response><Pause length=\"300\"/></Response>";

/// True when calls to this number do not go to its voice URL.
pub(super) fn is_led_elsewhere(number: &PhoneNumber) -> bool {
    let is_set = |sid: &Option<String>| sid.as_deref().is_some_and(|sid| !sid.is_empty());
    is_set(&number.voice_application_sid) || is_set(&number.trunk_sid)
}

/// Checks that a number's document only waits. Any other document might bring the test call to an agent.
///
/// # Errors
/// What it does instead.
pub(super) fn only_waits(document: &str, own_url: &str) -> Result<(), String> {
    let verbs = read_twiml(document).ok_or("its document is no TwiML")?;
    let mut seconds = 0;
    for verb in &verbs {
        seconds += match verb.name.as_str() {
            "Say" => 0,
            "Pause" => number(verb, "length").unwrap_or(1),
            "Play" if number(verb, "loop") == Some(0) => KEEPS,
            "Play" => number(verb, "loop").unwrap_or(1),
            "Redirect" if verb.text.trim() == own_url || verb.text.trim().is_empty() => KEEPS,
            other => return Err(format!("its document has <{}>", other.escape_debug())),
        };
    }
    if seconds < KEEPS {
        return Err(format!("its document ends after about {seconds} s, and {KEEPS} s are wanted"));
    }
    Ok(())
}

fn number(verb: &ReadVerb, attribute: &str) -> Option<u64> {
    verb.attribute(attribute)?.parse().ok()
}

/// Fetches a document as Twilio does for a call, with its signature.
///
/// # Errors
/// Why there is none, in a few words.
pub(super) async fn document(
    transport: &dyn Transport,
    config: &Config,
    url: &str,
    (from, to): (&str, &str),
) -> Result<String, String> {
    let params = [
        ("CallSid", CallSid::numbered(0).to_string()),
        ("AccountSid", config.account.to_string()),
        ("From", from.to_owned()),
        ("To", to.to_owned()),
        ("CallStatus", "ringing".to_owned()),
        ("Direction", "inbound".to_owned()),
        ("ApiVersion", "2010-04-01".to_owned()),
    ];
    let params: Vec<(String, String)> =
        params.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let signed = signature::sign(config.auth_token.expose_secret(), url, &params);
    let mut signed = HeaderValue::try_from(signed).map_err(|_| "that is no address")?;
    signed.set_sensitive(true);
    let form: Vec<(&str, &str)> = params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(signature::HEADER, signed)
        .body(Bytes::from(encoded(&form)))
        .map_err(|_| "that is no address")?;
    let answer = sent(transport, request).await?;
    let body = answer.body().as_ref().ok_or("the answer is too long")?;
    String::from_utf8(body.to_vec()).map_err(|_| "the answer is no text".to_owned())
}

/// Fetches every audio file that a document plays, and returns how many there are.
///
/// # Errors
/// The first one that is missing, or no audio, with why.
pub(super) async fn audio(transport: &dyn Transport, document: &str) -> Result<usize, String> {
    let verbs = read_twiml(document).ok_or("the server's document is no TwiML")?;
    let addresses = || verbs.iter().filter(|verb| verb.name == "Play").map(|verb| verb.text.trim());
    for url in addresses() {
        let request = Request::get(url).body(Bytes::new()).map_err(|_| format!("{url} is no address"))?;
        let answer = sent(transport, request).await.map_err(|why| format!("{url}: {why}"))?;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("audio/") {
            return Err(format!("{url} is no audio, but \"{}\"", kind.escape_debug()));
        }
        if answer.body().as_ref().is_none_or(Bytes::is_empty) {
            return Err(format!("{url} is empty, or too long to be read"));
        }
    }
    Ok(addresses().count())
}

async fn sent(transport: &dyn Transport, request: Request<Bytes>) -> Result<Response<Body>, String> {
    let answer = transport.send(request).await.map_err(|why| super::super::answers::word(why).to_owned())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("HTTP status {}", answer.status().as_u16()));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://example.com/waits";

    #[test]
    fn a_document_that_only_waits_is_told_from_one_that_does_more() {
        let judged = |verbs: &str| only_waits(&format!("<Response>{verbs}</Response>"), OWN);
        for good in [
            r#"<Pause length="300"/>"#,
            r#"<Say>A test line.</Say><Pause length="100"/><Pause length="90"/>"#,
            r#"<Play loop="0">https://example.com/a.wav</Play>"#,
            &format!("<Pause/><Redirect>{OWN}</Redirect>"),
        ] {
            assert_eq!(judged(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "<Pause/>",
            r#"<Pause length="179"/>"#,
            r#"<Enqueue workflowSid="WW1"/><Pause length="300"/>"#,
            r#"<Dial>+15550100001</Dial><Pause length="300"/>"#,
            r#"<Gather><Pause length="300"/></Gather>"#,
            r#"<Pause length="300"/><Redirect>https://example.com/other</Redirect>"#,
        ] {
            assert!(judged(bad).is_err(), "{bad}");
        }
        assert!(only_waits("<html/>", OWN).is_err());
    }
}
