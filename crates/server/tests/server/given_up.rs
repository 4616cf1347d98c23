//! Jobs for Twilio that were given up are not lost: operators see them.

use crate::crash::Process;
use crate::database::{Database, on_both};
use crate::support::*;
use serde_json::{Value, json};
use std::process::{Command, Output};

on_both!(what_was_given_up_is_counted_and_listed,);

fn given_up(database: &Database, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rejoin"))
        .arg("given-up")
        .args(arguments)
        .env("DATABASE_URL", &database.url)
        .output()
        .expect("the program starts")
}

async fn what_was_given_up_is_counted_and_listed(database: &Database) {
    let twilio = Twilio::start().await;
    let redirect = format!("POST Calls/{}.json", customer());
    let wanted = redirect.clone();
    twilio.script(move |asked, _| {
        let personal = json!({"code": 21218, "message": "+15550001111 is not valid", "status": 400});
        (asked.what == wanted).then_some((400, vec![], personal))
    });
    let process = Process::on(&twilio, &database.url);
    let nothing = given_up(database, &[]);
    assert!(nothing.status.success());
    assert_eq!(String::from_utf8_lossy(&nothing.stdout), "nothing was given up\n");

    process.desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    process.desk.hello(2).await;
    twilio.wait_for(&redirect, 1).await;
    let path = format!("{}/operator/given-up", process.desk.address);
    assert_eq!(process.desk.http.get(&path).send().await.unwrap().status(), 401);
    let listed = async || {
        let asked = process.desk.http.get(&path).bearer_auth(OPERATOR_TOKEN);
        asked.send().await.unwrap().json::<Value>().await.unwrap()
    };
    // For the agent who is back, and then for any agent.
    until_so("two jobs are listed", async || listed().await.as_array().unwrap().len() == 2).await;
    let listed = listed().await;
    assert_eq!(listed[0]["conference"], conference().as_str());
    assert_eq!(listed[0]["what"], "sending the customer to the queue");
    let reason = listed[0]["reason"].as_str().unwrap();
    assert!(reason.contains("21218"), "{reason}");
    assert!(listed[0]["at"].as_u64().unwrap() > 1_700_000_000_000);

    let printed = String::from_utf8(given_up(database, &[]).stdout).unwrap();
    for wanted in [conference().as_str(), reason, "rejoin explain"] {
        assert!(printed.contains(wanted), "{wanted} is not in {printed}");
    }
    assert!(!printed.contains("5550001111"), "nothing personal: {printed}");
    let as_json: Value = serde_json::from_slice(&given_up(database, &["--json"]).stdout).unwrap();
    assert_eq!(as_json, listed);

    let figures = process.desk.figures().await;
    let counted = "rejoin_jobs_given_up_total{what=\"sending the customer to the queue\"} 2";
    assert!(figures.contains(counted), "{figures}");
}
