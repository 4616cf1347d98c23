//! The filter of a voice workflow that brings a reconnect task to its agent.

use crate::json_text;
use rejoin_protocol::TaskQueueSid;
use rejoin_protocol::attributes::{IS_RECONNECT, OWN_AGENT_PRIORITY, PRIORITY, TARGET_WORKER_SID};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

/// Where a workflow's configuration has its filters
/// (<https://www.twilio.com/docs/taskrouter/workflow-configuration>).
const FILTERS: [&str; 2] = ["task_routing", "filters"];
/// The name of our filter.
const NAME: &str = "Back to the same agent (Rejoin)";
/// How long a reconnect task waits for its agent before any agent may have it, in seconds.
const WAITS: u32 = 30;

/// Our filter, in the order in which its keys are written.
#[derive(Serialize)]
struct Filter<'a> {
    filter_friendly_name: &'a str,
    expression: String,
    targets: (Own<'a>, Any<'a>),
}

/// The agent who was lost.
#[derive(Serialize)]
struct Own<'a> {
    queue: &'a TaskQueueSid,
    known_worker_sid: String,
    timeout: u32,
    priority: u32,
}

/// Any agent.
#[derive(Serialize)]
struct Any<'a> {
    queue: &'a TaskQueueSid,
    priority: u32,
}

/// A workflow's configuration, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routing {
    /// The index of our filter, or of one that does the same.
    pub(crate) reconnects: Option<usize>,
    /// The queue that tasks go to which no filter takes.
    pub(crate) default_queue: Option<TaskQueueSid>,
}

impl Routing {
    /// `None` if the text is no configuration of a workflow.
    pub(crate) fn of(configuration: &str) -> Option<Self> {
        let configuration: Value = serde_json::from_str(configuration).ok()?;
        let routing = configuration.get(FILTERS[0])?.as_object()?;
        let filters = routing.get(FILTERS[1]).and_then(Value::as_array)?;
        let reconnects = filters.iter().position(|filter| {
            let expression = filter["expression"].as_str().unwrap_or_default();
            let known = format!("task.{TARGET_WORKER_SID}");
            let targets = filter["targets"].as_array();
            expression.contains(IS_RECONNECT)
                && targets.is_some_and(|targets| targets.iter().any(|it| it["known_worker_sid"] == *known))
        });
        let default_queue = routing.get("default_filter").and_then(|filter| filter["queue"].as_str());
        Some(Self {
            reconnects,
            default_queue: default_queue.and_then(|queue| TaskQueueSid::parse(queue).ok()),
        })
    }
}

/// The queues that a filter names, in the order of its targets.
pub(crate) fn queues_of_filter(configuration: &str, place: usize) -> Vec<TaskQueueSid> {
    let configuration: Value = serde_json::from_str(configuration).unwrap_or_default();
    let targets = configuration[FILTERS[0]][FILTERS[1]][place]["targets"].as_array();
    let queues = targets.into_iter().flatten().filter_map(|target| target["queue"].as_str());
    queues.filter_map(|queue| TaskQueueSid::parse(queue).ok()).collect()
}

/// The configuration with our filter before all others. `everyone`: a queue of every worker, `any`: where a task goes whose
/// agent does not come. `None` if the text is no configuration of a workflow.
pub fn with_filter(configuration: &str, everyone: &TaskQueueSid, any: &TaskQueueSid) -> Option<String> {
    json_text::insert_first(configuration, &FILTERS, |indentation| written(everyone, any, indentation))
}

/// The configuration without our filter; `None` if it has none.
pub(crate) fn without_filter(configuration: &str) -> Option<String> {
    json_text::remove(configuration, &FILTERS, Routing::of(configuration)?.reconnects?)
}

/// The filter as text. With an indentation it is written on lines of their own.
pub(crate) fn written(everyone: &TaskQueueSid, any: &TaskQueueSid, indentation: Option<&str>) -> String {
    let filter = Filter {
        filter_friendly_name: NAME,
        expression: format!("{IS_RECONNECT} == true AND {TARGET_WORKER_SID} != null"),
        targets: (
            Own {
                queue: everyone,
                known_worker_sid: format!("task.{TARGET_WORKER_SID}"),
                timeout: WAITS,
                priority: OWN_AGENT_PRIORITY,
            },
            Any { queue: any, priority: PRIORITY },
        ),
    };
    let Some(indentation) = indentation else { return serde_json::to_string(&filter).unwrap_or_default() };
    let mut text = vec![];
    // Writing into memory cannot fail, and the filter has only texts and numbers.
    let _ = filter.serialize(&mut Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"  ")));
    String::from_utf8_lossy(&text).replace('\n', &format!("\n{indentation}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"{
  "task_routing": {
    "filters": [
      { "filter_friendly_name": "VIP", "expression": "vip == true", "targets": [{ "queue": "WQ00000000000000000000000000000009" }] }
    ],
    "default_filter": { "queue": "WQ00000000000000000000000000000001" },
    "a key that we do not know": [1, 2.50]
  }
}"#;

    #[test]
    fn the_filter_comes_first_and_goes_without_a_trace() {
        let (everyone, any) = (TaskQueueSid::numbered(2), TaskQueueSid::numbered(1));
        let after = with_filter(BEFORE, &everyone, &any).expect("a configuration");
        assert_eq!(Routing::of(&after), Some(Routing { reconnects: Some(0), default_queue: Some(any) }));
        let lines: Vec<_> = after.lines().collect();
        assert_eq!(lines[3], "      {");
        assert_eq!(lines[4], r#"        "filter_friendly_name": "Back to the same agent (Rejoin)","#);
        assert!(after.contains(r#""a key that we do not know": [1, 2.50]"#), "{after}");
        assert_eq!(without_filter(&after).as_deref(), Some(BEFORE));
        assert_eq!(without_filter(BEFORE), None);
    }

    #[test]
    fn what_is_no_configuration_is_left_alone() {
        let queue = TaskQueueSid::numbered(1);
        for text in ["", "[]", "{}", r#"{"task_routing": {}}"#, r#"{"task_routing": {"filters": {}}}"#] {
            assert_eq!(Routing::of(text), None, "{text}");
            assert_eq!(with_filter(text, &queue, &queue), None, "{text}");
        }
    }
}
