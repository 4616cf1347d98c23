//! Compatibility of the wire format: `wire/1` holds what plugin and server of the previous release write, which both
//! sides must be able to read; `wire/newer` holds what no version writes yet. A change of the format gets a folder of
//! its own, and the others stay.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use rejoin_protocol::api::{
    Beacon, GracefulMark, GracefulReason, Hello, HelloReply, Push, Registration, Stage,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn file(format: &str, name: &str) -> Value {
    let path = format!("{}/tests/wire/{format}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn is_read_and_written_alike<T: Serialize + DeserializeOwned>(name: &str) -> T {
    let json = file("1", name);
    let read: T = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(
        serde_json::to_value(&read).unwrap(),
        json,
        "{name}: the other side's previous release could not read it"
    );
    read
}

#[test]
fn this_release_reads_and_writes_as_the_previous_one() {
    is_read_and_written_alike::<Hello>("hello");
    is_read_and_written_alike::<Registration>("registration");
    is_read_and_written_alike::<GracefulMark>("graceful");
    is_read_and_written_alike::<HelloReply>("hello-reply");
    is_read_and_written_alike::<Vec<Push>>("pushes");
    let beacon = is_read_and_written_alike::<Beacon>("beacon");
    let reasons: Vec<_> = beacon.marks.iter().map(|mark| mark.reason).collect();
    assert_eq!(reasons, GracefulReason::ALL, "a new reason is lost on a server of the previous release");
}

#[test]
fn an_unknown_reason_counts_as_a_transfer() {
    let mark: GracefulMark = serde_json::from_value(file("newer", "graceful")).unwrap();
    assert_eq!(mark.reason, GracefulReason::UNKNOWN);
    assert_eq!(GracefulReason::UNKNOWN, GracefulReason::WarmTransfer);
}

#[test]
fn unknown_fields_are_ignored() {
    let _: Registration = serde_json::from_value(file("newer", "registration")).unwrap();
    let pushes = file("newer", "pushes");
    let read = |at: usize| serde_json::from_value::<Push>(pushes[at].clone());
    assert!(read(0).is_err() && read(1).is_err(), "each is passed over by itself");
    let Push::Recovery { recovery } = read(2).unwrap() else { panic!("another push") };
    assert_eq!(recovery.stage, Stage::Queued);
}
