//! What Flex says of conversations, and what the browser's storage holds.

use crate::outside::{json_of, places, value};
use rejoin_plugin::agent::ReservationStatus;
use rejoin_plugin::boundary::conversations::*;
use rejoin_plugin::boundary::{Fields, Unfit};
use rejoin_plugin::chats::{Draft, Effect, Event, Facts, LONGEST, Message, MessageId, Notice, Outcome};
use rejoin_protocol::{ConversationSid, Millis, ReservationSid};
use serde_json::{Value as Json, json};

fn fields(json: Json) -> Fields {
    value(json).fields("test").expect("an object")
}

fn ch() -> ConversationSid {
    ConversationSid::numbered(1)
}

fn id() -> MessageId {
    MessageId::try_from("5c1a-7".to_owned()).expect("plain")
}

fn message_of(json: Json) -> Message {
    message(fields(json)).expect("a message")
}

fn payload() -> Json {
    json!({
        "id": "5c1a-7", "conversation": ch(), "at": 5, "body": "Hello", "after": 3, "plain": false,
        "attributes": {"theirs": {"a": [1]}}, "files": ["a.pdf", 7],
    })
}

#[test]
fn a_message_keeps_the_attributes_of_others_and_gets_its_id() {
    let message = message_of(payload());
    assert_eq!(json_of(attributes(&message)), json!({"theirs": {"a": [1]}, "rejoin": "5c1a-7"}));
    assert_eq!((message.after, &message.files[..]), (Some(3), &["a.pdf".to_owned()][..]));
    let mut plain = payload();
    plain["attributes"] = json!(null);
    plain["plain"] = json!(true);
    let message = message_of(plain);
    assert_eq!(json_of(attributes(&message)), json!({"rejoin": "5c1a-7"}));
}

/// What cannot be told from another message, or be sent again, is left to Flex.
#[test]
fn other_messages_are_left_alone() {
    let wrong = [
        ("attributes", json!("text")),
        ("attributes", json!([1])),
        ("attributes", json!(null)),
        ("attributes", json!({"rejoin": "theirs"})),
        ("body", json!("")),
        ("body", json!(null)),
        ("body", json!("x".repeat(LONGEST + 1))),
        ("conversation", json!("CH1")),
        ("conversation", json!(null)),
        ("id", json!("../../x")),
        ("id", json!("")),
        ("id", json!("x".repeat(65))),
    ];
    for (name, value) in wrong {
        let mut payload = payload();
        payload[name] = value.clone();
        assert!(message(fields(payload)).is_err(), "{name}: {value}");
    }
}

#[test]
fn kept_messages_and_drafts_survive_a_round_trip() {
    let message = message_of(payload());
    let returned = Message { returned: true, ..message.clone() };
    for message in [Message { after: None, ..message.clone() }, returned, message] {
        assert_eq!(stored_message(told_message(&message)), Ok(message));
    }
    let draft = Draft {
        conversation: ch(),
        at: Millis(1_700_000_000_001),
        text: "Grüß 👋".into(),
        start: 2,
        end: 7,
        files: vec!["a.pdf".into()],
    };
    assert_eq!(stored_draft(ch(), told_draft(&draft)), Ok(draft.clone()));
    let json = json_of(told_draft(&draft));
    let mut all = Vec::new();
    places(&json, "", &mut all);
    for place in all.into_iter().filter(|place| !place.starts_with("/files")) {
        let mut other = json.clone();
        *other.pointer_mut(&place).expect("a value") = json!(["nonsense"]);
        assert!(stored_draft(ch(), value(other)).is_err(), "{place}");
    }
    for other in
        [json!(null), json!("text"), json!([]), json!({}), json!({"at": 1}), json!({"at": -1, "text": ""})]
    {
        assert!(stored_draft(ch(), value(other.clone())).is_err(), "{other}");
        assert!(stored_message(value(other.clone())).is_err(), "{other}");
    }
}

#[test]
fn what_is_typed_is_read_from_the_action_and_emails_are_not() {
    let read = |json: Json| typed(fields(json));
    let event =
        |text: &str, start, end| Ok(Event::Typed { conversation: ch(), text: text.into(), start, end });
    let full = json!({"conversation": ch(), "text": "Hello", "start": 1, "end": 3});
    assert_eq!(read(full), event("Hello", 1, 3));
    assert_eq!(read(json!({"conversation": ch(), "text": ""})), event("", 0, 0));
    let odd = json!({"conversation": ch(), "text": "x", "start": -1, "end": "3"});
    assert_eq!(read(odd), event("x", 0, 0));
    assert_eq!(read(json!({"conversation": ch()})), Err(Unfit { field: "text" }));
    assert_eq!(read(json!({"text": "x"})), Err(Unfit { field: "conversation" }));
}

#[test]
fn a_conversation_is_read_from_flexs_state() {
    let read = |json: Json| facts(fields(json));
    let bare = Facts {
        conversation: ch(),
        status: ReservationStatus::Accepted,
        email: false,
        loaded: false,
        open: false,
        text: String::new(),
        files: vec![],
    };
    assert_eq!(read(json!({"conversation": ch(), "status": "accepted"})), Ok(bare.clone()));
    let full = json!({
        "conversation": ch(), "status": "accepted", "channel": "email", "loaded": true, "open": true, "text": "Hi",
        "files": ["a.pdf"],
    });
    let known = Facts {
        email: true,
        loaded: true,
        open: true,
        text: "Hi".into(),
        files: vec!["a.pdf".into()],
        ..bare
    };
    assert_eq!(read(full), Ok(known));
    assert!(read(json!({"conversation": "some-chat", "status": "accepted"})).is_err());
    assert!(read(json!({"conversation": ch()})).is_err());
}

#[test]
fn only_a_success_is_a_success() {
    let read = |json: Json| sent(&value(json));
    let event = |outcome| Some(Ok(Event::Sent { id: id(), outcome }));
    assert_eq!(read(json!({"sent": {"id": "5c1a-7", "stored": true}})), event(Outcome::Stored));
    for stored in [json!(false), json!(null), json!(1)] {
        assert_eq!(read(json!({"sent": {"id": "5c1a-7", "stored": stored}})), event(Outcome::Failed));
    }
    assert_eq!(read(json!({"sent": {"stored": true}})), Some(Err(Unfit { field: "id" })));
    for other in [json!({"pageHide": {}}), json!(null), json!({"sent": 1})] {
        assert_eq!(read(other), None);
    }
}

#[test]
fn notices_name_their_place_and_their_text() {
    let told = |conversation: Option<ConversationSid>, notice| {
        effect(&Effect::Notify { conversation, notice }).map(json_of)
    };
    let text = || "Hello".to_owned();
    for (notice, expected) in [
        (Some(Notice::Waiting { text: text() }), json!({"kind": "waiting", "text": "Hello"})),
        (Some(Notice::Sent { text: text() }), json!({"kind": "sent", "text": "Hello"})),
        (Some(Notice::NotSent { text: text() }), json!({"kind": "notSent", "text": "Hello"})),
        (Some(Notice::Files { names: text() }), json!({"kind": "files", "files": "Hello"})),
        (None, json!({})),
    ] {
        let there = json!({"notify": {"reservation": ch(), "notice": expected}});
        assert_eq!(told(Some(ch()), notice.clone()), Some(there));
        let header = json!({"notify": {"reservation": "header", "notice": expected}});
        assert_eq!(told(None, notice), Some(header));
    }
    let reservation = ReservationSid::numbered(1);
    let select = effect(&Effect::Select { reservation: reservation.clone() }).map(json_of);
    assert_eq!(select, Some(json!({"select": {"reservation": reservation}})));
    assert_eq!(effect(&Effect::ForgetAll), None);
}
