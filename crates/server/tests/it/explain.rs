//! `rejoin explain`, beside a server that runs.

use crate::support::*;
use std::path::Path;
use std::process::{Command, Output};

fn explain(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .arg("explain")
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", format!("sqlite:{}", folder.join("rejoin.db").display()))
        .output()
        .expect("the program starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_a_recovery_is_told_from_the_store() {
    let world = World::start().await;
    world.desk.lost().await;
    world.desk.hello(2).await;
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
    let (id, leg, conference) = (recovery().to_string(), customer().to_string(), conference().to_string());
    for subject in [&id, &leg, &conference] {
        let output = explain(world.folder.path(), &[subject]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{subject}: {}", String::from_utf8_lossy(&output.stderr));
        let order = [
            leg.as_str(),
            &conference,
            "connected",
            "agent-lost",
            "holding-the-line",
            "agent-back",
            "creating the ping",
        ];
        let mut rest = said.as_str();
        for wanted in order {
            let Some((_, after)) = rest.split_once(wanted) else {
                panic!("{wanted} is not where it should be: {said}")
            };
            rest = after;
        }
        assert!(rest.contains(&id), "{said}");
        for personal in ["Ada", "Tom"] {
            assert!(!said.contains(personal), "{personal} is in {said}");
        }
    }
    let output = explain(world.folder.path(), &["--json", &leg]);
    let story: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(story["customer"], leg.as_str());
    assert_eq!(story["lines"][0]["note"]["what"], "connected");
    assert_eq!(story["calls"][0]["recovery"][0], id.as_str());

    let unknown = rejoin_protocol::CallSid::numbered(0x999).to_string();
    for (arguments, wanted) in
        [(&[unknown.as_str()][..], "nothing about that"), (&["CAnonsense"], "is wanted")]
    {
        let output = explain(world.folder.path(), arguments);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains(wanted));
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(!explain(empty.path(), &[&leg]).status.success());
    assert!(!empty.path().join("rejoin.db").exists(), "nothing is made where nothing is");
}
