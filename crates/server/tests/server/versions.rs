//! Pages with a newer version of the plugin: what this server does not know does not harm what it knows.

use crate::crash::Process;
use crate::support::*;
use serde_json::{Value, json};

fn newer(name: &str) -> Value {
    let path = format!("{}/../protocol/tests/wire/newer/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_newer_plugins_hello_is_answered_as_far_as_it_is_known() {
    let world = World::start().await;
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    let reply = world.desk.plugin("/v1/hello?version=99.0.0&more=1", "ada", newer("hello")).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["rejoin-version"], env!("CARGO_PKG_VERSION"));
    let reply: Value = reply.json().await.unwrap();
    assert_eq!(reply["recoveries"][0]["id"], recovery().as_str());
    // The agent is back by the one holding that is understood.
    world.twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
}

#[tokio::test]
async fn given_a_newer_plugin_its_hellos_are_counted_with_one_warning() {
    let twilio = Twilio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // A process of its own: metrics and log are shared by all servers of a process.
    let process = Process::logging(&twilio, folder.path(), &log, &[]);
    for _ in 0..2 {
        let hello = json!({"epoch": 1, "holdings": []});
        let reply = process.desk.plugin("/v1/hello?version=99.0.0", "ada", hello).await;
        assert_eq!(reply.status(), 200);
    }
    let figures = process.desk.figures().await;
    assert!(figures.contains("rejoin_plugin_hellos_total{version=\"99.0.0\"} 2"), "{figures}");
    process.terminate();
    assert!(process.ended().success());
    let log = std::fs::read_to_string(&log).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("99.0.0")).collect();
    assert!(matches!(warnings[..], [only] if only.contains("WARN")), "{log}");
}

#[tokio::test]
async fn a_newer_plugins_registration_is_accepted() {
    let world = World::start().await;
    world.desk.join(1, &customer()).await;
    world.desk.join(2, &ada_leg()).await;
    assert_eq!(world.desk.registers("ada", newer("registration")).await, 204);
}

/// In a way that this version does not know: it is graceful, and the customer is not hung up on.
#[tokio::test]
async fn a_goodbye_with_an_unknown_reason_is_accepted() {
    for by_beacon in [true, false] {
        let world = World::start().await;
        let desk = &world.desk;
        desk.talking().await;
        if by_beacon {
            let beacon =
                desk.http.post(format!("{}/v1/goodbye", desk.address)).body(newer("beacon").to_string());
            assert_eq!(beacon.send().await.unwrap().status(), 204);
        } else {
            assert_eq!(desk.plugin("/v1/graceful", "ada", newer("graceful")).await.status(), 204);
        }
        assert_eq!(desk.leave(3, &ada_leg()).await, 204);
        // Twilio is asked whether an agent takes the customer, as after a transfer.
        world.twilio.wait_for(&format!("GET Conferences/{}/Participants.json", conference()), 1).await;
        let kinds = world.twilio.kinds();
        assert!(!kinds.contains(&"POST Tasks".to_owned()), "no agent counts as missing: {kinds:?}");
        let ends = format!("POST Conferences/{}.json", conference());
        assert!(!kinds.contains(&ends), "no call is ended: {kinds:?}");
    }
}
