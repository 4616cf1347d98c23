//! Who and what stands in the way of a set-up.

use super::{TOKEN, URL, Way, World, configuration, wanted};
use rejoin_protocol::WorkflowSid;
use rejoin_setup::{Choice, Error, Plan, Wanted};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn wrong_credentials_are_told_and_change_nothing() {
    let world = World::new().await;
    let before = world.account().await;
    let client = world.client("ffffffffffffffffffffffffffffffff", &Arc::default());
    let error = world.provision(&client, &wanted()).await.expect_err("a refusal");
    assert!(error.to_string().contains("TWILIO_AUTH_TOKEN"), "{error}");
    assert_eq!(world.account().await, before);
}

/// Twilio stops answering after each request in turn: each next run goes on, and the last one finds nothing to do.
#[tokio::test]
async fn a_run_that_ends_half_way_goes_on() {
    let world = World::new().await;
    let before = world.account().await;
    let mut runs = 0;
    for passing in 0.. {
        runs += 1;
        let way = Arc::<Way>::default();
        way.instead.lock().expect("a lock").extend(vec![None; passing].into_iter().chain([Some(503); 40]));
        match world.provision(&world.client(TOKEN, &way), &wanted()).await {
            Ok(_) => break,
            Err(error) => assert!(error.to_string().contains("run it again"), "{error}"),
        }
        assert!(runs < 40, "it gets on");
    }
    assert!(runs > 10, "{runs}");
    let plan = Plan::of(&world.account().await, &wanted()).expect("a plan");
    assert_eq!(plan.changes, []);
    world.unprovision(&world.usual()).await.expect("taken back");
    assert_eq!(world.account().await, before);
}

#[tokio::test]
async fn a_request_that_twilio_wants_later_is_repeated() {
    let world = World::new().await;
    let way = Arc::<Way>::default();
    let throttled = (0..30).map(|n| (n % 3 != 0).then_some(429));
    way.instead.lock().expect("a lock").extend([None; 6].into_iter().chain(throttled));
    world.provision(&world.client(TOKEN, &way), &wanted()).await.expect("a set-up");
    assert_eq!(Plan::of(&world.account().await, &wanted()).expect("a plan").changes, []);
}

/// Somebody saves the workflow in the console between the plan and its execution.
#[tokio::test]
async fn a_workflow_that_somebody_edits_meanwhile_is_not_overwritten() {
    let world = World::new().await;
    let client = world.usual();
    let mut account = world.account().await;
    let theirs = configuration(&account, 1).replace("\"filters\":[]", "\"filters\":[ ]");
    let file = world.record();
    let mut record = rejoin_setup::Record::new(account.sid.clone(), account.workspace.clone());
    client.configure_workflow(&WorkflowSid::numbered(1), &theirs).await.expect("an edit");
    let error = rejoin_setup::provision(&client, &mut account, &wanted(), &mut record, &file, |_| {})
        .await
        .expect_err("a refusal");
    assert!(matches!(&error, Error::Changed(name) if name == "Assign to Anyone"), "{error}");
    assert_eq!(configuration(&world.account().await, 1), theirs);
    // The next run has read what they wrote.
    world.provision(&client, &wanted()).await.expect("a set-up");
    assert!(configuration(&world.account().await, 1).contains("isReconnect"));
}

/// Somebody adds a filter after the set-up: only ours goes, and theirs stays.
#[tokio::test]
async fn what_others_have_changed_since_stays() {
    let world = World::new().await;
    let client = world.usual();
    world.provision(&client, &wanted()).await.expect("a set-up");
    let workflow = WorkflowSid::numbered(1);
    let ours = configuration(&world.account().await, 1).to_owned();
    let theirs = ours.replacen("\"default_filter\":{", "\"default_filter\":{ ", 1).replacen(
        "}]}]",
        "}]},{\"expression\":\"vip == true\",\"targets\":[{\"queue\":\"WQ00000000000000000000000000000003\"}]}]",
        1,
    );
    assert_ne!(theirs, ours);
    client.configure_workflow(&workflow, &theirs).await.expect("an edit");
    let mut attributes = world.account().await.ui_attributes;
    attributes["custom_data"]["rejoin"] = json!({"server": "https://another.example.com"});
    attributes["custom_data"]["other"] = json!(1);
    client.set_ui_attributes(&attributes).await.expect("an edit");
    let lines = world.unprovision(&client).await.expect("taken back");
    assert!(lines.iter().any(|line| line.contains("stays")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("left as it is")), "{lines:?}");
    let account = world.account().await;
    assert_eq!(account.ui_attributes, attributes);
    let left = configuration(&account, 1);
    assert!(left.contains("vip == true") && !left.contains("isReconnect"), "{left}");
}

#[tokio::test]
async fn names_that_collide_are_told_all_at_once() {
    let world = World::new().await;
    let client = world.usual();
    client.create_activity("Reconnecting", false).await.expect("an activity");
    let workflows = Choice::Named(vec!["Outbound".into(), "Nobody's".into()]);
    let wanted = Wanted {
        public_url: URL.into(),
        workflows,
        reconnecting: true,
        event_streams: true,
        chats: None,
        fallback: None,
    };
    let before = world.account().await;
    let error = world.provision(&client, &wanted).await.expect_err("a refusal").to_string();
    for part in ["\"Reconnecting\" (WA", "rename it", "\"Nobody's\"", "no default queue"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(world.account().await, before);
    let nothing = Wanted { workflows: Choice::Named(vec![]), reconnecting: false, ..wanted };
    let error = world.provision(&client, &nothing).await.expect_err("a refusal").to_string();
    assert!(
        error.contains("--all-workflows") && error.contains("WW00000000000000000000000000000001 Assign"),
        "{error}"
    );
}

/// The record is what the way back needs: one that cannot be read whole is not written over.
#[tokio::test]
async fn a_record_of_another_account_or_version_is_refused_and_nothing_is_changed() {
    let world = World::new().await;
    let before = world.account().await;
    let (ours, theirs) = ("AC00000000000000000000000000000001", "AC00000000000000000000000000000002");
    let of = |account: &str, more: &str| {
        format!(r#"{{"account":"{account}","workspace":"WS00000000000000000000000000000001"{more}}}"#)
    };
    let records = [
        ("{}".to_owned(), "is not a record"),
        (of(ours, r#","sinks":["DG1"]"#), "is not a record"),
        (of(theirs, ""), "is of the account AC00000000000000000000000000000002"),
    ];
    for (record, why) in records {
        std::fs::write(world.record(), &record).expect("a file");
        let error = world.provision(&world.usual(), &wanted()).await.expect_err("a refusal");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(std::fs::read_to_string(world.record()).expect("a file"), record);
    }
    assert_eq!(world.account().await, before);
}

/// Somebody has a sink that leads here with some of the types already, and another that leads elsewhere: ours gets what is
/// missing, and only that is taken back.
#[tokio::test]
async fn a_sink_that_is_there_gets_the_missing_types() {
    let world = World::new().await;
    let client = world.usual();
    client.create_sink("theirs", "https://elsewhere.example.com/webhooks/events").await.expect("a sink");
    let sink = client.create_sink("ours", &format!("{URL}/webhooks/events#rc=3")).await.expect("a sink");
    let first = [("com.twilio.taskrouter.reservation.accepted", 1)];
    client.create_subscription("ours", &sink.sid, &first).await.expect("a subscription");
    let before = world.account().await;
    let (_, done) = world.provision(&client, &wanted()).await.expect("a set-up");
    assert!(done.contains(&"+ subscription of the sink, to 7 types".to_owned()), "{done:?}");
    assert!(!done.iter().any(|line| line.contains("+ sink")), "{done:?}");
    assert_eq!(client.list_sinks().await.expect("sinks").len(), 2);
    world.unprovision(&client).await.expect("taken back");
    assert_eq!(world.account().await, before);
}
