//! Lists: filters, order and pages.

use super::{Setup, body, queried};
use rejoin_protocol::WorkerSid;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Creates tasks for any agent, with rising priorities.
async fn tasks(setup: &Setup, count: usize) -> Vec<String> {
    let mut sids = vec![];
    for priority in 0..count {
        let form = [
            ("WorkflowSid", "WW00000000000000000000000000000002".to_owned()),
            ("TaskChannel", "recovery-ping".to_owned()),
            ("Priority", priority.to_string()),
            ("Attributes", format!(r#"{{"n":{priority}}}"#)),
        ];
        let made = setup.taskrouter(Method::POST, "Tasks").form(&form).send().await.expect("an answer");
        sids.push(body(made).await.1["sid"].as_str().expect("a SID").to_owned());
    }
    sids
}

fn sids(page: &Value) -> Vec<String> {
    let items = page["tasks"].as_array().expect("a list").iter();
    items.map(|task| task["sid"].as_str().expect("a SID").to_owned()).collect()
}

impl Setup {
    async fn list(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let answer = queried(self.taskrouter(Method::GET, path), query).send().await.expect("an answer");
        let (status, page) = body(answer).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page
    }

    /// The page at one of Twilio's addresses.
    async fn follow(&self, address: &Value) -> Value {
        let address = address.as_str().expect("an address");
        let path = match address.strip_prefix("https://") {
            Some(path) => path.to_owned(),
            None => format!("api.twilio.com{address}"),
        };
        let answer = self.request(Method::GET, &path).send().await.expect("an answer");
        let (status, page) = body(answer).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page_with_its_filters() {
    let setup = Setup::new().await;
    let all = tasks(&setup, 60).await;
    // Fifty by default.
    let page = setup.list("Tasks", &[]).await;
    assert_eq!((sids(&page).len(), &page["meta"]["page_size"]), (50, &50.into()));
    assert_eq!(page["meta"]["previous_page_url"], Value::Null);
    assert_eq!(page["meta"]["key"], "tasks");
    let rest = setup.follow(&page["meta"]["next_page_url"]).await;
    assert_eq!(rest["meta"]["next_page_url"], Value::Null);
    assert_eq!([sids(&page), sids(&rest)].concat(), all);

    let filter = [("EvaluateTaskAttributes", "n < 50 AND n >= 1"), ("PageSize", "20")];
    let mut page = setup.list("Tasks", &filter).await;
    let mut found = sids(&page);
    let mut numbers = vec![page["meta"]["page"].clone()];
    while !page["meta"]["next_page_url"].is_null() {
        page = setup.follow(&page["meta"]["next_page_url"]).await;
        found.extend(sids(&page));
        numbers.push(page["meta"]["page"].clone());
    }
    assert_eq!((found, numbers), (all[1..50].to_vec(), vec![0.into(), 1.into(), 2.into()]));
    let before = setup.follow(&page["meta"]["previous_page_url"]).await;
    assert_eq!((sids(&before), &before["meta"]["page"]), (all[21..41].to_vec(), &1.into()));
    let first = setup.follow(&before["meta"]["previous_page_url"]).await;
    assert_eq!(sids(&first), all[1..21]);
    assert_eq!(sids(&setup.follow(&page["meta"]["first_page_url"]).await), all[1..21]);

    // Items that vanish in between do not hide others.
    let page = setup.list("Tasks", &[("PageSize", "2")]).await;
    for gone in [&all[0], &all[2]] {
        let path = format!("Tasks/{gone}");
        let answer = setup.taskrouter(Method::DELETE, &path).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(sids(&setup.follow(&page["meta"]["next_page_url"]).await), all[3..5]);
}

#[tokio::test]
async fn calls_are_read_page_by_page() {
    let setup = Setup::new().await;
    for _ in 0..3 {
        setup.twin.dial_native("+15550002222".into(), 660.0);
    }
    let query = [("PageSize", "2"), ("From", "+15550002222"), ("Status", "in-progress")];
    let answer = queried(setup.voice(Method::GET, "Calls"), &query).send().await.expect("an answer");
    let page = body(answer).await.1;
    assert_eq!((page["calls"].as_array().map(Vec::len), &page["end"]), (Some(2), &1.into()));
    let next = page["next_page_uri"].as_str().expect("an address");
    assert!(next.contains("From=%2B15550002222") && next.starts_with("/2010-04-01/"), "{next}");
    let page = setup.follow(&page["next_page_uri"]).await;
    assert_eq!((page["calls"].as_array().map(Vec::len), &page["start"]), (Some(1), &2.into()));
    assert_eq!(page["next_page_uri"], Value::Null);
    for (filter, wanted) in [
        (("From", "+15550009999"), 0),
        (("To", "+15550001111"), 3),
        (("StartTime>", "2020-01-01"), 3),
        (("StartTime<", "2020-01-01"), 0),
        (("EndTime>", "2020-01-01"), 0),
        (("ParentCallSid", "CA00000000000000000000000000000009"), 0),
    ] {
        let answer = queried(setup.voice(Method::GET, "Calls"), &[filter]).send().await.expect("an answer");
        assert_eq!(body(answer).await.1["calls"].as_array().map(Vec::len), Some(wanted), "{filter:?}");
    }
}

#[tokio::test]
async fn each_filter_keeps_only_matching_items() {
    let setup = Setup::new().await;
    let all = tasks(&setup, 3).await;
    let ada = WorkerSid::numbered(0xada);
    let form = [
        ("WorkflowSid", "WW00000000000000000000000000000001"),
        ("TaskChannel", "voice"),
        ("RoutingTarget", ada.as_str()),
    ];
    let made = setup.taskrouter(Method::POST, "Tasks").form(&form).send().await.expect("an answer");
    let direct = body(made).await.1["sid"].as_str().expect("a SID").to_owned();
    let count = async |path: &str, key: &str, name: &str, value: &str| {
        setup.list(path, &[(name, value)]).await[key].as_array().expect("a list").len()
    };
    for (name, value, wanted) in [
        ("Priority", "2", 1),
        ("AssignmentStatus", "pending", 3),
        ("AssignmentStatus", "pending,reserved", 4),
        ("WorkflowName", "Recovery Ping", 3),
        ("TaskQueueSid", "WQ00000000000000000000000000000002", 3),
        ("TaskQueueName", "Second line", 0),
        ("RoutingTarget", ada.as_str(), 1),
        ("HasAddons", "true", 0),
        ("HasAddons", "false", 4),
    ] {
        assert_eq!(count("Tasks", "tasks", name, value).await, wanted, "{name}={value}");
    }
    let page = setup.list("Tasks", &[("Ordering", "Priority:desc"), ("WorkflowName", "Recovery Ping")]).await;
    assert!(sids(&page).iter().eq(all.iter().rev()));
    for (name, value, wanted) in [
        ("TaskSid", all[0].as_str(), 2),
        ("TaskChannel", "voice", 3),
        ("WorkerSid", ada.as_str(), 1),
        ("WorkflowSid", "WW00000000000000000000000000000001", 3),
        ("EventType", "task.created", 4),
        ("Sid", "EV00000000000000000000000000000001", 1),
        ("StartDate", "2020-01-01T00:00:00Z", 9),
        ("EndDate", "2020-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(count("Events", "events", name, value).await, wanted, "{name}={value}");
    }
    for (name, value, wanted) in [
        ("ActivityName", "Offline", 2),
        ("Available", "true", 0),
        ("FriendlyName", "ada@example.com", 1),
        ("TargetWorkersExpression", r#"full_name == "Bo""#, 1),
        ("Ordering", "DateStatusChanged:desc", 2),
    ] {
        assert_eq!(count("Workers", "workers", name, value).await, wanted, "{name}={value}");
    }
    assert_eq!(count("Activities", "activities", "Available", "true").await, 2);
    assert_eq!(count("Workflows", "workflows", "FriendlyName", "Outbound").await, 1);
    assert_eq!(count("TaskQueues", "task_queues", "FriendlyName", "Everyone").await, 1);
    let path = format!("Tasks/{direct}/Reservations");
    assert_eq!(count(&path, "reservations", "WorkerSid", ada.as_str()).await, 1);
    assert_eq!(count(&path, "reservations", "ReservationStatus", "accepted").await, 0);
}
