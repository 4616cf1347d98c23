//! No personal data in the log, at any level, nor in metrics.

use crate::floor::Floor;
use crate::support::{AUTH_TOKEN, OPERATOR_TOKEN};

/// True when this text is in the log as a word of its own.
fn contains(log: &str, marked: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    log.match_indices(marked).any(|(at, _)| {
        let (before, after) = (&log[..at], &log[at + marked.len()..]);
        !is_word(before.chars().next_back()) && !is_word(after.chars().next())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn log_and_metrics_contain_no_personal_data() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let floor = Floor::open_program(&log, &[("REJOIN_LOG", "trace"), ("REJOIN_LOG_FORMAT", "json")]).await;

    // A customer comes back to Ada, and requests with personal data are refused.
    let talk = floor.talk().await;
    floor.lose(&talk);
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.back(&talk).await;
    floor.together(&talk.customer, Some(&talk)).await;
    assert_eq!(floor.ended(&talk.customer).await, "rejoined");
    assert!(floor.done("POST Calls").iter().all(|done| done.request != "POST Calls"), "no call is placed");
    let nonsense =
        floor.desk.signed("/webhooks/conference", &[("From", "+15550100001"), ("Name", "Ada")]).await;
    assert!(nonsense.status().is_client_error());
    let token = floor.token();
    let body = serde_json::json!({"epoch": "+15550100001", "workerName": "Ada"});
    assert!(floor.desk.plugin("/v1/calls", &token, body).await.status().is_client_error());

    let figures = floor.desk.figures().await;
    assert!(figures.contains("rejoin_recoveries_total{outcome=\"rejoined\"} 1"), "{figures}");
    let said = std::fs::read_to_string(&log).unwrap();
    let recovery = rejoin_protocol::RecoveryId::of(&talk.ada).to_string();
    assert!(said.contains(&recovery) && said.contains("\"TRACE\""), "the log is not that of the recovery");

    let numbers = ["+15550100001", "15550100001", "5550100001", "+15550200001", "15550200001"];
    let people = [
        "Ada",
        "ada@example.com",
        "ada_40example_2Ecom",
        "full_name",
        "contact_uri",
        "caller",
        "call_status",
    ];
    let secrets = [AUTH_TOKEN, OPERATOR_TOKEN, token.as_str()];
    for marked in numbers.into_iter().chain(people).chain(secrets) {
        let line = said.lines().find(|line| contains(line, marked));
        assert_eq!(line, None, "{marked} is in the log");
        assert!(!contains(&figures, marked), "{marked} is in the figures");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_about_a_recovery_carries_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let floor = Floor::open_program(&log, &[("REJOIN_LOG", "info"), ("REJOIN_LOG_FORMAT", "json")]).await;
    let talk = floor.talk().await;
    floor.lose(&talk);
    floor.noted(&talk.customer, "holding-the-line").await;
    floor.back(&talk).await;
    floor.together(&talk.customer, Some(&talk)).await;
    floor.ended(&talk.customer).await;
    let recovery = rejoin_protocol::RecoveryId::of(&talk.ada).to_string();
    let said = std::fs::read_to_string(&log).unwrap();
    let (mut begun, mut lines) = (false, 0);
    for line in said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        // After the loss every line about the first conference has the recovery's id.
        begun |= line["note"].as_str().is_some_and(|note| note.starts_with("AgentLost"));
        if begun && line["conference"] == talk.conference.as_str() {
            let id = if line["recovery"].is_null() { &line["span"]["recovery"] } else { &line["recovery"] };
            assert_eq!(*id, recovery.as_str(), "{line}");
            lines += 1;
        }
    }
    assert!(lines > 5, "{said}");
}
