//! Many agents are lost at once (case 22).

use crate::support::*;
use rejoin_protocol::{CallSid, ConferenceSid, RecoveryId, ReservationSid, TaskSid};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many calls; what is asked of Twilio is paced, and the machine that tests has to bear it.
const CALLS: u128 = 300;
/// So many lost agents are a storm.
const STORM: usize = 20;

fn conference_of(n: u128) -> ConferenceSid {
    ConferenceSid::numbered(0x1000 + n)
}
fn task_of(n: u128) -> TaskSid {
    TaskSid::numbered(0x2000 + n)
}
fn customer_of(n: u128) -> CallSid {
    CallSid::numbered(0x3000 + n)
}
fn agent_of(n: u128) -> CallSid {
    CallSid::numbered(0x4000 + n)
}
fn reservation_of(n: u128) -> ReservationSid {
    ReservationSid::numbered(0x5000 + n)
}

async fn callback(desk: &Desk, n: u128, sequence: u64, event: &str, extra: &[(&str, &str)]) {
    let (conference, task, sequence) =
        (conference_of(n).to_string(), task_of(n).to_string(), sequence.to_string());
    let mut params = vec![
        ("StatusCallbackEvent", event),
        ("ConferenceSid", conference.as_str()),
        ("FriendlyName", task.as_str()),
        ("SequenceNumber", sequence.as_str()),
    ];
    params.extend(extra);
    assert_eq!(desk.signed("/webhooks/conference", &params).await.status(), 204);
}

/// An agent talks to a customer.
async fn talk(desk: &Desk, n: u128) {
    for (sequence, leg) in [(1, customer_of(n)), (2, agent_of(n))] {
        let extra = [
            ("CallSid", leg.as_str()),
            ("EndConferenceOnExit", "false"),
            ("Hold", "false"),
            ("Muted", "false"),
        ];
        callback(desk, n, sequence, "participant-join", &extra).await;
    }
    let registration = json!({
        "epoch": 1, "task": task_of(n), "reservation": reservation_of(n), "workflow": workflow(),
        "conference": conference_of(n), "workerLeg": agent_of(n), "customerLeg": customer_of(n),
        "workerName": "Ada",
    });
    assert_eq!(desk.plugin("/v1/calls", "ada", registration).await.status(), 204);
}

async fn lose(desk: &Desk, n: u128) {
    let leg = agent_of(n);
    let extra = [("CallSid", leg.as_str()), ("ReasonParticipantLeft", "participant_hung_up")];
    callback(desk, n, 3, "participant-leave", &extra).await;
}

/// Each of them at once, as far as there is room.
async fn all<F: Future<Output = ()> + Send + 'static>(each: impl Fn(Desk, u128) -> F, desk: &Desk) {
    let mut running = tokio::task::JoinSet::new();
    for n in 0..CALLS {
        if running.len() == 32 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(each(desk.clone(), n));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

async fn status(desk: &Desk) -> Value {
    let asked = desk.http.get(format!("{}/operator/storm", desk.address)).bearer_auth(OPERATOR_TOKEN);
    asked.send().await.unwrap().json().await.unwrap()
}

fn counted(requests: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(request).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_storm_every_customer_is_kept_and_told_before_agents_are_looked_for() {
    let world = World::start_with(|config| {
        // Fewer than callbacks come, also on a busy machine.
        config.pacing.voice_per_second = 40;
        config.pacing.taskrouter_per_second = 300;
        config.pacing.storm_at = STORM;
        config.timings.ping_ttl_ms = 300_000;
        config.timings.rejoin_within_ms = 300_000;
        config.timings.watch_recovery_ms = 0;
        config.timings.twilio_timeout_ms = 60_000;
    })
    .await;
    all(|desk, n| async move { talk(&desk, n).await }, &world.desk).await;
    all(|desk, n| async move { lose(&desk, n).await }, &world.desk).await;
    // Operators see it.
    let seen = async { while status(&world.desk).await["storm"] != true {} };
    tokio::time::timeout(PATIENCE, seen).await.expect("it is known to be a storm");
    // Pings are the last thing that is asked.
    for n in 0..CALLS {
        let told = format!("POST Conferences/{}/Participants/{}.json", conference_of(n), customer_of(n));
        world.twilio.wait_for(&told, 1).await;
    }
    for some in [CALLS / 3, 2 * CALLS / 3, CALLS] {
        world.twilio.wait_for("POST Tasks", usize::try_from(some).unwrap()).await;
    }
    let asked = world.twilio.all();
    // Each is alone: what tells him keeps him, too.
    let tells = |asked: &Asked| asked.param("HoldUrl").is_some_and(|url| url.contains("/twiml/hold/"));
    let last = asked.iter().rposition(tells).expect("told");
    let early = asked[..last].iter().filter(|asked| asked.what == "POST Tasks").count();
    // A storm is one from its twentieth agent on.
    assert!(early <= STORM + 16, "{early} pings before the last was told");
    let told = counted(asked.iter().filter(|asked| tells(asked)).map(|asked| asked.what.clone()));
    assert_eq!((told.len() as u128, told.values().max()), (CALLS, Some(&1)), "each is told once");
    let pinged = counted(asked.iter().filter(|asked| asked.what == "POST Tasks").map(|asked| {
        let attributes: Value = serde_json::from_str(asked.param("Attributes").unwrap()).unwrap();
        attributes["rejoinRecoveryId"].as_str().unwrap().to_owned()
    }));
    let wanted = counted((0..CALLS).map(|n| RecoveryId::of(&agent_of(n)).to_string()));
    assert_eq!(pinged, wanted, "each agent is looked for once");

    let status = status(&world.desk).await;
    assert_eq!(status["failsafe"], false);
    assert_eq!(status["lanes"][0]["family"], "voice");

    // Everybody is back.
    let holdings: Vec<Value> = (0..CALLS)
        .map(|n| json!({"task": task_of(n), "reservation": reservation_of(n), "wrapping": true}))
        .collect();
    for some in holdings.chunks(20) {
        let hello = json!({"epoch": 2, "holdings": some});
        assert_eq!(world.desk.plugin("/v1/hello", "ada", hello).await.status(), 200);
    }
    for n in 0..CALLS {
        let sent = world.twilio.wait_for(&format!("POST Calls/{}.json", customer_of(n)), 1).await;
        assert_eq!(sent.len(), 1, "each customer is sent once");
    }
}

#[tokio::test]
async fn operators_alone_see_and_end_a_storm() {
    let world = World::start().await;
    for (method, path) in [("GET", "/operator/storm"), ("POST", "/operator/storm/go-on")] {
        for (token, status) in [("ada", 401), (OPERATOR_TOKEN, 200)] {
            let url = format!("{}{path}", world.desk.address);
            let request = world.desk.http.request(method.parse().unwrap(), url).bearer_auth(token);
            assert_eq!(request.send().await.unwrap().status(), status, "{method} {path}");
        }
    }
}
