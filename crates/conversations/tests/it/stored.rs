//! Stored conversations: of this release, of a newer one, and of none.

use crate::room::*;
use rejoin_conversations::*;
use serde_json::{Value, json};

fn stored() -> Value {
    let mut room = Room::chatting();
    room.writes(CUSTOMER);
    room.ada_goes();
    room.pass(30);
    serde_json::to_value(room.machine.conversation(&conversation()).unwrap()).unwrap()
}

fn read(stored: Value) -> Result<Conversation, serde_json::Error> {
    serde_json::from_value(stored)
}

#[test]
fn a_stored_conversation_is_read_as_it_was() {
    let text = stored();
    let again = serde_json::to_value(read(text.clone()).unwrap()).unwrap();
    assert_eq!(again, text);
    assert_eq!(text["format"], json!(Format::CURRENT));
}

#[test]
fn fields_of_a_newer_release_are_ignored_and_missing_ones_have_defaults() {
    let mut newer = stored();
    newer["mood"] = json!("good");
    newer["facts"]["weather"] = json!({"rain": true});
    newer["absence"]["colour"] = json!(7);
    assert_eq!(read(newer).unwrap(), read(stored()).unwrap());
    let least = json!({"format": 1, "conversation": conversation()});
    assert!(read(least).is_ok());
}

#[test]
fn a_conversation_of_another_format_is_refused() {
    for format in [json!(0), json!(Format::CURRENT + 1), json!("1"), Value::Null] {
        let mut other = stored();
        other["format"] = format.clone();
        assert!(read(other).is_err(), "{format}");
    }
}

#[test]
fn no_text_of_anybody_is_stored() {
    // Messages have an index, an author's SID and a time; there is no field that could take more.
    let text = stored().to_string();
    assert!(!text.contains("body") && !text.contains("identity"), "{text}");
}

/// A conversation as the first release stored it.
const FIRST: &str = include_str!("../stored/1.json");

#[test]
fn a_conversation_stored_by_the_first_release_goes_on() {
    if std::env::var_os("REJOIN_WRITE_STORED").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stored/1.json");
        std::fs::write(file, serde_json::to_string_pretty(&stored()).unwrap() + "\n").unwrap();
    }
    let conversation: Conversation = serde_json::from_str(FIRST).unwrap();
    assert!(conversation.absence().is_some());
    let at = conversation.timer().unwrap();
    let sid = conversation.sid().clone();
    let mut machine = Machine::new(Policy::default(), [conversation], []);
    machine.handle(at, &Event::Timer { conversation: sid.clone() });
    assert!(machine.conversation(&sid).is_some());
}
