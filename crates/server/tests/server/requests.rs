//! How many requests a recovery costs: an account has a rate limit, and thousands of agents may be lost at once.

use crate::floor::Floor;

/// `POST Calls/…`, from the twin's log line of a request.
fn request(line: &str) -> Option<String> {
    let asked = line.split_once(" is answered").or_else(|| line.split_once(" is refused"))?.0;
    let (method, path) = asked.split_once(' ')?.1.split_once(' ')?;
    // After the account or the workspace.
    let path = path.trim_end_matches(".json").splitn(4, '/').nth(3)?;
    // The simulated agent's requests go there, too, and validating the token is not part of a recovery.
    if ["Workers/", "Tokens/"].iter().any(|other| path.starts_with(other)) {
        return None;
    }
    let name = |(at, part): (usize, &str)| if at % 2 == 0 { part.to_owned() } else { "…".to_owned() };
    let path: Vec<String> = path.split('/').enumerate().map(name).collect();
    Some(format!("{method} {}", path.join("/")))
}

/// With the real Flex there is one more: its exit flag is cleared. Eight are allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_through_the_queue_takes_seven_requests() {
    let patient = |config: &mut rejoin_server::Config| {
        // Even on a busy machine the task is read within the grace period, and nothing is repeated.
        config.timings.grace_ms = 3000;
        config.timings.twilio_timeout_ms = 20_000;
    };
    let floor = Floor::open_with(patient).await;
    let talk = floor.talk().await;
    floor.lose(&talk);
    floor
        .until("the agent is looked for", |state| {
            let ping = |task: &&serde_json::Value| task["channel"] == "recovery-ping";
            state["tasks"].as_array()?.iter().find(ping).map(|_| ())
        })
        .await;
    floor.back(&talk).await;
    floor.together(&talk.customer, Some(&talk)).await;
    assert_eq!(floor.ended(&talk.customer).await, "rejoined");
    let mut asked: Vec<String> = floor.twin.log_lines().iter().filter_map(|line| request(line)).collect();
    asked.sort_unstable();
    let wanted = [
        "GET Tasks/…",                       // is there a graceful mark?
        "POST Calls/…",                      // to the queue
        "POST Conferences/…/Participants/…", // the customer hears what has happened
        "POST Tasks",                        // the ping
        "POST Tasks/…",                      // the mark of the task
        "POST Tasks/…",                      // the end of the ping
        "POST Tasks/…/Reservations/…",       // the old reservation is over
    ];
    assert_eq!(asked, wanted, "{:#?}", floor.twin.log_lines());
}
