//! Input from outside, with any bytes: nothing panics, what is read is valid, and what is written can be read again.
//! The test beside it and the fuzz targets (`fuzz/`) share it.

use rejoin_protocol::WorkflowSid;
use rejoin_protocol::api::{Beacon, Conversations, GracefulMark, Hello, Push, Registration};
use rejoin_twilio::TokenInfo;
use rejoin_twilio::conversation_webhook::{ConversationCallback, InteractionCallback};
use rejoin_twilio::events::Batch;
use rejoin_twilio::signature::{self, Signed};
use rejoin_twilio::twiml::{Document, Enqueue};
use rejoin_twilio::webhook::{self, ConferenceCallback, VoiceRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A parser of bytes.
pub type Input = fn(&[u8]);

/// All inputs, by the names of their fuzz targets and corpora.
pub const ALL: [(&str, Input); 6] = [
    ("webhook", webhook),
    ("events", events),
    ("plugin", plugin),
    ("signature", signature),
    ("twiml", twiml),
    ("token", token),
];

/// The form of a webhook.
pub fn webhook(bytes: &[u8]) {
    let params = webhook::form(bytes);
    if let Ok(callback) = ConferenceCallback::parse(&params) {
        assert!(params.iter().any(|(_, value)| value == callback.conference.as_str()));
    }
    if let Ok(request) = VoiceRequest::parse(&params) {
        assert!(params.iter().any(|(_, value)| value == request.call.as_str()));
    }
    if let Ok(callback) = ConversationCallback::parse(&params) {
        assert!(params.iter().any(|(_, value)| value == callback.conversation.as_str()));
    }
    if let Ok(callback) = InteractionCallback::parse(&params) {
        assert!(params.iter().any(|(_, value)| value == callback.channel.as_str()));
    }
}

/// A batch of events.
pub fn events(bytes: &[u8]) {
    let Ok(batch) = Batch::parse(bytes) else { return };
    let text = std::str::from_utf8(bytes).expect("JSON is text");
    assert!(batch.events.len() + batch.unknown + batch.malformed <= text.len().max(1));
    assert!(batch.events.iter().all(|event| !event.id.is_empty() && event.id.len() <= 64));
}

/// A body from the plugin. What can be read is written and read again as the same.
pub fn plugin(bytes: &[u8]) {
    fn again<T: DeserializeOwned + Serialize + PartialEq>(bytes: &[u8]) {
        if let Ok(read) = serde_json::from_slice::<T>(bytes) {
            let written = serde_json::to_vec(&read).expect("can be written");
            assert!(serde_json::from_slice::<T>(&written).is_ok_and(|again| again == read));
        }
    }
    again::<Hello>(bytes);
    again::<Registration>(bytes);
    again::<GracefulMark>(bytes);
    again::<Beacon>(bytes);
    again::<Push>(bytes);
    again::<Conversations>(bytes);
}

/// Lines: a token, a URL, a signature, and the body. Only what was signed with the token is valid.
pub fn signature(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (token, url, given, body) = (next(), next(), next(), next());
    let params = webhook::form(body.as_bytes());
    let right = signature::sign(token, url, &params);
    let valid = |signature: &str| signature::validate(&[token], url, Signed::Form(&params), signature);
    assert_eq!(valid(&right), !token.is_empty());
    assert!(!valid("") && !valid(&right[..right.len().min(27)]));
    let other = format!("{token}x");
    assert!(!signature::validate(&[other.as_str()], url, Signed::Form(&params), &right));
    // Signed for this body with this token, or invalid.
    let _ = valid(given);
    assert!(!signature::validate(&[token], "https://a/", Signed::Body(body.as_bytes()), &right));
    let hashed = format!("https://a/?{}={}", signature::BODY_HASH, signature::body_hash(body.as_bytes()));
    let right = signature::sign(token, &hashed, &[]);
    let takes = |body: &[u8]| signature::validate(&[token], &hashed, Signed::Body(body), &right);
    assert_eq!(takes(body.as_bytes()), !token.is_empty());
    assert!(!takes(format!("{body}x").as_bytes()));
}

/// Texts of settings and attributes in a document: the document is well-formed, and contains them.
pub fn twiml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let workflow = WorkflowSid::numbered(1);
    let enqueue = Enqueue {
        workflow: &workflow,
        wait_url: &text,
        action: &text,
        priority: 1,
        timeout_seconds: 1,
        attributes: &text,
    };
    let document = Document::new().say(&text, &text).play(&text).enqueue(&enqueue).redirect(&text).finish();
    let mut reader = quick_xml::reader::Reader::from_str(&document);
    let mut depth = 0_i32;
    let mut names = vec![];
    loop {
        match reader.read_event().expect("well-formed") {
            quick_xml::events::Event::Start(start) => {
                depth += 1;
                names.push(start.name().as_ref().to_owned());
                for attribute in start.attributes() {
                    attribute.expect("an attribute");
                }
            }
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    assert_eq!(
        names,
        ["Response", "Say", "Play", "Enqueue", "Task", "Redirect"],
        "nothing came from the text"
    );
}

/// Twilio's answer about a token.
pub fn token(bytes: &[u8]) {
    if let Ok(info) = serde_json::from_slice::<TokenInfo>(bytes) {
        assert!(
            info.expiration.is_none_or(|at| at.0 < 253_402_300_800_000 + 86_400_000),
            "year 9999 at most"
        );
    }
}
