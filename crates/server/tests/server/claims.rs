//! An agent's page with a valid token names legs, workflows and epochs of its own choice: only Twilio's word counts.

use crate::support::*;
use axum::http::StatusCode;
use rejoin_protocol::{CallSid, ConferenceSid, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_recovery::Key;
use rejoin_server::store::Store;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A live call of others, in a conference of another agent.
fn strangers_leg() -> CallSid {
    CallSid::numbered(0x57)
}

fn bo_leg() -> CallSid {
    CallSid::numbered(0xb)
}

fn calls(leg: &CallSid) -> String {
    format!("POST Calls/{leg}.json")
}

/// Ada's and Bo's tasks at Twilio. Returns the legs in Ada's conference.
fn twilio_knows(world: &World) -> Arc<Mutex<Vec<CallSid>>> {
    let there = Arc::new(Mutex::new(vec![customer(), ada_leg()]));
    let in_conference = Arc::clone(&there);
    world.twilio.script(move |asked, _| {
        let participant = |leg: CallSid| {
            json!({"call_sid": leg, "hold": false, "muted": false, "coaching": false,
                   "end_conference_on_exit": false})
        };
        let list = format!("GET Conferences/{}/Participants.json", conference());
        match asked.what.as_str() {
            what if what == list => {
                let there = in_conference.lock().unwrap().clone();
                let there: Vec<Value> = there.into_iter().map(participant).collect();
                Some((200, vec![], json!({"participants": there})))
            }
            what if what.contains(strangers_leg().as_str()) && what.contains("/Participants/") => {
                Some((404, vec![], json!({"code": 20404, "message": "not found", "status": 404})))
            }
            what if what == format!("GET Calls/{}.json", strangers_leg()) => {
                Some((200, vec![], json!({"sid": strangers_leg(), "status": "in-progress"})))
            }
            what if what == format!("GET Tasks/{}", task()) => {
                let legs = json!({"worker": ada_leg(), "customer": customer()});
                let here = json!({"conference": {"sid": conference(), "participants": legs}}).to_string();
                Some((200, vec![("etag", "\"7\"".into())], task_json(&task(), "assigned", &here)))
            }
            what if what == format!("GET Tasks/{}/Reservations", task()) => {
                let of = |number, worker: WorkerSid, status: &str| {
                    json!({"sid": ReservationSid::numbered(number), "worker_sid": worker,
                           "worker_name": "Somebody", "reservation_status": status})
                };
                let both = [of(1, ada(), "accepted"), of(2, WorkerSid::numbered(0xb0), "wrapping")];
                Some((200, vec![], json!({"reservations": both})))
            }
            _ => None,
        }
    });
    there
}

/// The registration by Ada's page, with these differences.
fn registration(differs: &Value) -> Value {
    let mut body = json!({
        "epoch": 1, "task": task(), "reservation": reservation(), "workflow": workflow(),
        "conference": conference(), "workerLeg": ada_leg(), "customerLeg": customer(), "workerName": "Ada",
    });
    for (key, value) in differs.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// Stops the server when all its jobs are done, and returns its requests about this leg.
async fn asked_for_stranger(world: &mut World) -> Vec<String> {
    world.server.take().unwrap().stop().await;
    let about = |what: &String| what.contains(strangers_leg().as_str()) && what.starts_with("POST");
    world.twilio.kinds().into_iter().filter(about).collect()
}

/// Ada names a stranger's leg as the customer's, and any workflow, and is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_named_as_the_customer_is_not_sent_anywhere() {
    let mut world = World::start().await;
    let there = twilio_knows(&world);
    let desk = world.desk.clone();
    desk.join(1, &customer()).await;
    desk.join(2, &ada_leg()).await;
    let other = WorkflowSid::numbered(0x666);
    let body = registration(&json!({"customerLeg": strangers_leg(), "workflow": other}));
    assert_eq!(desk.registers("ada", body).await, StatusCode::NO_CONTENT);
    *there.lock().unwrap() = vec![customer()];
    assert_eq!(desk.leave(3, &ada_leg()).await, StatusCode::NO_CONTENT);
    desk.hello(2).await;
    // The actual customer is recovered, by the workflow of the task.
    let sent = world.twilio.wait_for(&calls(&customer()), 1).await;
    let document = sent[0].param("Twiml").expect("sent along");
    assert!(document.contains(workflow().as_str()) && !document.contains(other.as_str()), "{document}");
    assert_eq!(asked_for_stranger(&mut world).await, [""; 0]);
}

/// Ada registers the call correctly, except for the workflow.
#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_only_the_page_names_is_never_used() {
    let world = World::start().await;
    let _there = twilio_knows(&world);
    let desk = &world.desk;
    desk.join(1, &customer()).await;
    desk.join(2, &ada_leg()).await;
    let other = WorkflowSid::numbered(0x666);
    let body = registration(&json!({"workflow": other}));
    assert_eq!(desk.registers("ada", body).await, StatusCode::NO_CONTENT);
    assert_eq!(desk.leave(3, &ada_leg()).await, StatusCode::NO_CONTENT);
    desk.hello(2).await;
    let sent = world.twilio.wait_for(&calls(&customer()), 1).await;
    let document = sent[0].param("Twiml").expect("sent along");
    assert!(document.contains(workflow().as_str()) && !document.contains(other.as_str()), "{document}");
    let path = format!("/twiml/requeue/{}", recovery());
    let asked_for = desk.signed(&path, &[]).await.text().await.unwrap();
    assert!(asked_for.contains(workflow().as_str()) && !asked_for.contains(other.as_str()), "{asked_for}");
}

/// A second registration names another customer's leg, as the customer's or as Ada's. That leg would follow into the
/// next conference.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_named_later_does_not_follow_as_a_third_party() {
    // Each in a server of its own: one registration may settle what the other leaves open.
    for named in [json!({"customerLeg": strangers_leg()}), json!({"workerLeg": strangers_leg()})] {
        let mut world = World::start().await;
        let there = twilio_knows(&world);
        let desk = world.desk.clone();
        desk.talking().await;
        let mut body = registration(&named);
        body["id"] = json!("1-1");
        desk.registers("ada", body).await;
        let third = CallSid::numbered(0x77);
        *there.lock().unwrap() = vec![customer(), third.clone()];
        desk.join(4, &third).await;
        assert_eq!(desk.leave(5, &ada_leg()).await, StatusCode::NO_CONTENT);
        desk.hello(2).await;
        world.twilio.wait_for(&calls(&customer()), 1).await;
        desk.register_again(&CallSid::numbered(0xbb)).await;
        world.twilio.wait_for(&calls(&third), 1).await;
        assert_eq!(asked_for_stranger(&mut world).await, [""; 0], "{named}");
    }
}

/// Ada has handed the customer over to Bo and takes the mark back with a leg that does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_who_has_left_does_not_count_by_an_invented_leg() {
    let world = World::start().await;
    let _there = twilio_knows(&world);
    let desk = &world.desk;
    desk.talking().await;
    let mark = json!({"id": "1-1", "task": task(), "reservation": reservation(), "reason": "cold-transfer"});
    assert_eq!(desk.plugin("/v1/graceful", "ada", mark).await.status(), StatusCode::NO_CONTENT);
    let taken = [
        ("CallSid", "CA0000000000000000000000000000000a"),
        ("ReasonParticipantLeft", "participant_updated_via_api"),
    ];
    assert_eq!(desk.callback(3, "participant-leave", &taken).await, StatusCode::NO_CONTENT);
    desk.join(4, &bo_leg()).await;
    let of_bo =
        json!({"reservation": ReservationSid::numbered(2), "workerLeg": bo_leg(), "workerName": "Bo"});
    assert_eq!(desk.registers("bo", registration(&of_bo)).await, StatusCode::NO_CONTENT);
    let phantom = json!({"id": "1-9", "workerLeg": CallSid::numbered(0xbad)});
    assert_eq!(desk.registers("ada", registration(&phantom)).await, StatusCode::NO_CONTENT);

    assert_eq!(desk.leave(5, &bo_leg()).await, StatusCode::NO_CONTENT);
    let body = json!({"epoch": 1, "holdings": []});
    let said: Value = desk.plugin("/v1/hello", "bo", body).await.json().await.unwrap();
    assert_eq!(said["recoveries"].as_array().unwrap().len(), 1, "Bo is missed at once: {said}");
}

/// A page that claims an epoch of the far future would shut out its agent's later pages.
#[tokio::test(flavor = "multi_thread")]
async fn an_implausible_epoch_is_refused_and_changes_nothing() {
    let world = World::start().await;
    let _there = twilio_knows(&world);
    let desk = &world.desk;
    desk.talking().await;
    let year = 366 * 24 * 3600 * 1000;
    for epoch in [u64::MAX, 1 << 53, now().0 + 2 * year] {
        let id = format!("{epoch}-1");
        let holding = json!({"task": task(), "reservation": reservation(), "wrapping": true});
        let mark = json!({"id": id, "task": task(), "reservation": reservation(), "reason": "hang-up"});
        let goodbye = json!({"epoch": epoch, "tasks": [task()]});
        for (path, body) in [
            ("/v1/hello", json!({"epoch": epoch, "holdings": [holding]})),
            ("/v1/calls", registration(&json!({"epoch": epoch}))),
            ("/v1/calls", registration(&json!({"id": id}))),
            ("/v1/graceful", mark.clone()),
            ("/v1/goodbye", json!({"token": "ada", "goodbye": goodbye})),
            ("/v1/goodbye", json!({"token": "ada", "marks": [mark]})),
        ] {
            let answer = desk.plugin(path, "ada", body).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path} {epoch}");
            assert_eq!(answer.json::<Value>().await.unwrap()["code"], "body-invalid");
        }
        let push = desk.http.get(format!("{}/v1/push?epoch={epoch}", desk.address)).bearer_auth("ada");
        assert_eq!(push.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    // A machine whose clock is a month ahead works.
    let ahead = now().0 + year / 12;
    assert_eq!(desk.leave(3, &ada_leg()).await, StatusCode::NO_CONTENT);
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(desk.hello(ahead).await["superseded"], false);
    world.twilio.wait_for(&calls(&customer()), 1).await;
}

/// Somebody who may write the task writes there that Ada has left, with an epoch that no page of Ada's has.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_mark_in_the_task_does_not_hang_up_the_customer() {
    let mut world = World::start().await;
    let alone = format!("GET Conferences/{}/Participants.json", conference());
    world.twilio.script(move |asked, _| {
        if asked.what == alone {
            let customer = json!({"call_sid": customer(), "hold": false, "muted": false, "coaching": false,
                                  "end_conference_on_exit": false});
            return Some((200, vec![], json!({"participants": [customer]})));
        }
        (asked.what == format!("GET Tasks/{}", task())).then(|| {
            let mark = json!({"id": format!("{}-1", u64::MAX), "task": task(), "reservation": reservation(),
                              "reason": "hang-up"});
            let written = json!({"rejoinLeft": mark}).to_string();
            (200, vec![("etag", "\"7\"".into())], task_json(&task(), "wrapping", &written))
        })
    });
    let desk = world.desk.clone();
    desk.lost().await;
    // The call is recovered.
    world.twilio.wait_for("POST Tasks", 1).await;
    desk.hello(2).await;
    world.twilio.wait_for(&calls(&customer()), 1).await;
    world.server.take().unwrap().stop().await;
    let ended = format!("POST Conferences/{}.json", conference());
    let completed =
        world.twilio.asked(&ended).into_iter().filter(|it| it.param("Status") == Some("completed"));
    assert_eq!(completed.count(), 0);
}

/// The agent of a reconnect task writes into its attributes that the customer is in another call's conference.
#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_tasks_conference_counts_only_if_named_after_it() {
    let (reconnect, named) = (TaskSid::numbered(0x9), ConferenceSid::numbered(0x9));
    let who_is_there = format!("GET Conferences/{named}/Participants.json");
    for is_of_task in [true, false] {
        let mut world = World::start_with(|config| config.timings.watch_recovery_ms = 100).await;
        let gone = format!("GET Conferences/{}/Participants.json", conference());
        let (task, conference, who) = (reconnect.clone(), named.clone(), who_is_there.clone());
        world.twilio.script(move |asked, _| {
            let attributes = json!({
                "isReconnect": true, "rejoinRecoveryId": recovery(), "targetWorkerSid": ada(),
                "conference": {"sid": conference},
            });
            let found = || task_json(&task, "assigned", &attributes.to_string());
            let name = if is_of_task { task.to_string() } else { TaskSid::numbered(0x666).to_string() };
            match asked.what.as_str() {
                what if what == gone => Some((200, vec![], json!({"participants": []}))),
                what if what == who => {
                    let customer = json!({"call_sid": customer(), "hold": false, "muted": false,
                                          "coaching": false, "end_conference_on_exit": false});
                    Some((200, vec![], json!({"participants": [customer]})))
                }
                what if what == format!("GET Calls/{}.json", customer()) => {
                    Some((200, vec![], json!({"sid": customer(), "status": "in-progress"})))
                }
                "GET Tasks" => Some((200, vec![], json!({"tasks": [found()]}))),
                what if what == format!("GET Tasks/{task}") => Some((200, vec![], found())),
                what if what == format!("GET Tasks/{task}/Reservations") => {
                    let taken = json!({"sid": ReservationSid::numbered(9), "worker_sid": ada(),
                                       "worker_name": "Ada", "reservation_status": "accepted"});
                    Some((200, vec![], json!({"reservations": [taken]})))
                }
                what if what == format!("GET Conferences/{conference}.json") => Some((
                    200,
                    vec![],
                    json!({"sid": conference, "friendly_name": name, "status": "in-progress"}),
                )),
                _ => None,
            }
        });
        let desk = world.desk.clone();
        desk.lost().await;
        desk.hello(2).await;
        world.twilio.wait_for(&calls(&customer()), 1).await;
        let wait = format!("/twiml/wait/{}", recovery());
        assert_eq!(desk.signed(&wait, &[("CallSid", customer().as_str())]).await.status(), StatusCode::OK);
        let path = format!("/operator/timeline/{}", customer());
        let mut timeline = Events::open(&desk, &path, OPERATOR_TOKEN).await;
        while timeline.next().await.unwrap()["note"]["what"] != "ended" {}
        if is_of_task {
            world.twilio.wait_for(&who_is_there, 1).await;
        }
        world.server.take().unwrap().stop().await;
        let url = format!("sqlite:{}", world.folder.path().join("rejoin.db").display());
        let stored = Store::open(&url).await.unwrap();
        let known = stored.find(&[Key::Conference(named.clone())].into()).await.unwrap();
        assert_eq!(known.iter().any(|call| call.conference == named), is_of_task, "{known:#?}");
    }
}
