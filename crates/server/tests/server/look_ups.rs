//! An agent who causes requests to Twilio: each unknown call that a page names costs requests.

use crate::storm::status;
use crate::support::*;
use rejoin_protocol::{ReservationSid, TaskSid, WorkerSid};
use serde_json::{Value, json};
use std::time::Instant;

/// The call that an honest page of Bo's names.
const BOS: u128 = 0xb0;

fn holding(number: u128) -> Value {
    json!({"task": TaskSid::numbered(number), "reservation": ReservationSid::numbered(number), "wrapping": false})
}

/// Twilio knows Bo's task, and none of the others.
fn only_bos(world: &World) {
    world.twilio.script(|asked, _| answer_about_tasks(asked));
}

fn answer_about_tasks(asked: &Asked) -> Option<Answer> {
    let what = asked.what.strip_prefix("GET Tasks/")?;
    if what == format!("{}/Reservations", TaskSid::numbered(BOS)) {
        let own = json!({"sid": ReservationSid::numbered(BOS), "worker_sid": WorkerSid::numbered(0xb0),
                         "worker_name": "Bo", "reservation_status": "accepted"});
        return Some((200, vec![], json!({"reservations": [own]})));
    }
    let is_bos = what == TaskSid::numbered(BOS).as_str();
    (!is_bos).then(|| (404, vec![], json!({"code": 20404, "status": 404})))
}

/// The first request of a look-up of this call.
fn look_up(number: u128) -> String {
    format!("GET Tasks/{}/Reservations", TaskSid::numbered(number))
}

fn is_look_up(asked: &Asked) -> bool {
    asked.what.starts_with("GET Tasks/WT") && asked.what.ends_with("/Reservations")
}

/// The look-ups that Twilio received, in their order.
fn look_ups(twilio: &Twilio) -> Vec<String> {
    twilio.all().into_iter().filter(is_look_up).map(|asked| asked.what).collect()
}

/// A server with a Twilio that answers no look-up and knows only Bo's task. `at_once`: limit of concurrent requests
/// to TaskRouter.
async fn unanswered(at_once: u64) -> World {
    let world = World::start_with(|config| {
        config.pacing.taskrouter_at_once = at_once;
        config.pacing.taskrouter_per_second = 1000;
        config.timings.twilio_timeout_ms = u64::try_from(PATIENCE.as_millis()).unwrap();
    })
    .await;
    only_bos(&world);
    world.twilio.hold_back(|asked, _| is_look_up(asked));
    world
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
    // A colleague's call is looked up nevertheless.
    says_hello(&world, "bo", 1, vec![holding(BOS)]).await;
    world.twilio.wait_for(&look_up(BOS), 1).await;
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
async fn a_call_that_twilio_does_not_know_is_not_looked_up_again() {
    let world = World::start().await;
    only_bos(&world);
    says_hello(&world, "ada", 1, vec![holding(0x1000)]).await;
    world.twilio.wait_for(&look_up(0x1000), 1).await;
    // The calls of one hello are looked up one after the other.
    says_hello(&world, "ada", 2, vec![holding(0x1000), holding(0x1001)]).await;
    world.twilio.wait_for(&look_up(0x1001), 1).await;
    // Another agent's call counts as unknown.
    says_hello(&world, "ada", 3, vec![holding(BOS), holding(0x1002)]).await;
    world.twilio.wait_for(&look_up(0x1002), 1).await;
    says_hello(&world, "ada", 4, vec![holding(BOS), holding(0x1003)]).await;
    world.twilio.wait_for(&look_up(0x1003), 1).await;
    assert_eq!(world.twilio.asked(&look_up(0x1000)).len(), 1);
    assert_eq!(world.twilio.asked(&look_up(BOS)).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_look_up_in_progress_the_same_call_is_not_looked_up_again() {
    let world = unanswered(8).await;
    world.twilio.hold_back(|asked, before| asked.what == look_up(0x1000) && before == 0);
    says_hello(&world, "ada", 1, vec![holding(0x1000)]).await;
    world.twilio.wait_for(&look_up(0x1000), 1).await;
    // The calls of one hello are looked up one after the other.
    says_hello(&world, "ada", 2, vec![holding(0x1000), holding(0x1001)]).await;
    world.twilio.wait_for_many(2, is_look_up).await;
    assert_eq!(look_ups(&world.twilio), [look_up(0x1000), look_up(0x1001)]);
    world.twilio.let_go();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_twilio_does_not_answer_is_repeated() {
    let world = World::start().await;
    world.twilio.script(|asked, before| {
        let fails = asked.what == look_up(BOS) && before == 0;
        if fails { Some((503, vec![], json!({"status": 503}))) } else { answer_about_tasks(asked) }
    });
    let hello = json!({"epoch": 1, "holdings": [holding(BOS)]});
    assert_eq!(world.desk.plugin("/v1/hello", "bo", hello).await.status(), 200);
    world.twilio.wait_for(&look_up(BOS), 2).await;
    world.twilio.wait_for(&format!("GET Tasks/{}", TaskSid::numbered(BOS)), 1).await;
}

/// Twilio does not answer at first, and the page names its calls with each hello.
#[tokio::test(flavor = "multi_thread")]
async fn the_repeats_of_a_look_up_do_not_count_as_further_calls() {
    let world = World::start().await;
    world.twilio.script(|asked, before| {
        let fails = asked.what.ends_with("/Reservations") && before == 0;
        if fails { Some((503, vec![], json!({"status": 503}))) } else { answer_about_tasks(asked) }
    });
    let calls: Vec<_> = (0x1000..0x1003).map(holding).collect();
    for epoch in 1..=5 {
        says_hello(&world, "ada", epoch, calls.clone()).await;
    }
    for call in 0x1000..0x1003 {
        world.twilio.wait_for(&look_up(call), 2).await;
    }
    // With these three it is ten calls, which an agent may name in a minute.
    for call in 0x2000..0x2007 {
        says_hello(&world, "ada", 6, vec![holding(call)]).await;
        world.twilio.wait_for(&look_up(call), 1).await;
    }
}

/// Pages of twelve agents name unknown calls.
#[tokio::test(flavor = "multi_thread")]
async fn given_look_ups_without_an_answer_a_lost_agent_is_pinged() {
    let world = unanswered(5).await;
    for agent in 1..=12 {
        says_hello(&world, &agent.to_string(), 1, vec![holding(0x1000 + agent)]).await;
    }
    world.twilio.wait_for_many(4, is_look_up).await;
    // Look-ups leave the fifth place to what a known call needs.
    world.desk.lost().await;
    world.twilio.wait_for("POST Tasks", 1).await;
    assert_eq!(look_ups(&world.twilio).len(), 4);
    world.twilio.let_go();
    world.twilio.wait_for_many(12, is_look_up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_full_lane_a_look_up_waits_for_its_turn() {
    let world = unanswered(1).await;
    for agent in 1..=2 {
        says_hello(&world, &agent.to_string(), 1, vec![holding(0x1000 + agent)]).await;
    }
    let begun = Instant::now();
    let waiting = async || {
        let status = status(&world.desk).await;
        let lanes = status["lanes"].as_array().unwrap();
        lanes.iter().find(|lane| lane["family"] == "taskRouter").unwrap()["waiting"]["lookUp"].as_u64()
    };
    while waiting().await != Some(1) {
        assert!(begun.elapsed() < PATIENCE, "no look-up waits: {:?}", look_ups(&world.twilio));
    }
    assert_eq!(look_ups(&world.twilio).len(), 1);
    world.twilio.let_go();
    world.twilio.wait_for_many(2, is_look_up).await;
}

#[tokio::test]
async fn a_hello_with_more_calls_than_an_agent_can_have_is_refused() {
    let world = World::start().await;
    let holdings: Vec<Value> = (0..21).map(holding).collect();
    let body = json!({"epoch": 1, "holdings": holdings});
    assert_eq!(world.desk.plugin("/v1/hello", "ada", body).await.status(), 400);
}
