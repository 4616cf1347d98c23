//! An agent who makes the server ask Twilio: each call that a page names and that is not known costs requests.

use crate::support::*;
use rejoin_protocol::{ReservationSid, TaskSid, WorkerSid};
use serde_json::{Value, json};
use std::time::Instant;

/// What an honest page of Bo's names.
const BOS: u128 = 0xb0;

fn holding(number: u128) -> Value {
    json!({"task": TaskSid::numbered(number), "reservation": ReservationSid::numbered(number), "wrapping": false})
}

/// Twilio knows Bo's task, and none of the others.
fn only_bos(world: &World) {
    world.twilio.script(|asked, _| {
        let what = asked.what.strip_prefix("GET Tasks/")?;
        if what == format!("{}/Reservations", TaskSid::numbered(BOS)) {
            let own = json!({"sid": ReservationSid::numbered(BOS), "worker_sid": WorkerSid::numbered(0xb0),
                             "worker_name": "Bo", "reservation_status": "accepted"});
            return Some((200, vec![], json!({"reservations": [own]})));
        }
        let is_bos = what == TaskSid::numbered(BOS).as_str();
        (!is_bos).then(|| (404, vec![], json!({"code": 20404, "status": 404})))
    });
}

async fn says_hello(world: &World, token: &str, epoch: u64, holdings: Vec<Value>) {
    let reply = world.desk.plugin("/v1/hello", token, json!({"epoch": epoch, "holdings": holdings})).await;
    assert_eq!(reply.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_who_invents_calls_does_not_flood_twilio() {
    let world = World::start().await;
    only_bos(&world);
    let began = Instant::now();
    for hello in 0..60 {
        let invented = (0..20).map(|at| holding(0x1000 + hello * 100 + at)).collect();
        says_hello(&world, "ada", hello as u64 + 1, invented).await;
    }
    // A colleague's call is looked up all the same.
    says_hello(&world, "bo", 1, vec![holding(BOS)]).await;
    world.twilio.wait_for(&format!("GET Tasks/{}/Reservations", TaskSid::numbered(BOS)), 1).await;
    let invented = |asked: &&String| {
        asked.starts_with("GET Tasks/WT") && !asked.contains(TaskSid::numbered(BOS).as_str())
    };
    let asked = world.twilio.kinds().iter().filter(invented).count();
    // Ten calls at once, one more every six seconds, and one request for each.
    let allowed = 10 + usize::try_from(began.elapsed().as_secs()).unwrap() / 6 + 1;
    println!("{asked} requests for 1,200 invented calls in {:?}", began.elapsed());
    assert!(asked <= allowed, "{asked} requests, {allowed} are allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_twilio_does_not_know_is_not_asked_for_again() {
    let world = World::start().await;
    only_bos(&world);
    let path = |number| format!("GET Tasks/{}/Reservations", TaskSid::numbered(number));
    says_hello(&world, "ada", 1, vec![holding(0x1000)]).await;
    world.twilio.wait_for(&path(0x1000), 1).await;
    // The calls of one hello are looked up one after the other.
    says_hello(&world, "ada", 2, vec![holding(0x1000), holding(0x1001)]).await;
    world.twilio.wait_for(&path(0x1001), 1).await;
    // Somebody else's is as good as unknown.
    says_hello(&world, "ada", 3, vec![holding(BOS), holding(0x1002)]).await;
    world.twilio.wait_for(&path(0x1002), 1).await;
    says_hello(&world, "ada", 4, vec![holding(BOS), holding(0x1003)]).await;
    world.twilio.wait_for(&path(0x1003), 1).await;
    assert_eq!(world.twilio.asked(&path(0x1000)).len(), 1);
    assert_eq!(world.twilio.asked(&path(BOS)).len(), 1);
}

#[tokio::test]
async fn a_hello_with_more_calls_than_an_agent_can_have_is_refused() {
    let world = World::start().await;
    let holdings: Vec<Value> = (0..21).map(holding).collect();
    let body = json!({"epoch": 1, "holdings": holdings});
    assert_eq!(world.desk.plugin("/v1/hello", "ada", body).await.status(), 400);
}
