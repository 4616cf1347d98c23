//! Workflows: which queue and which workers a task goes to
//! (<https://www.twilio.com/docs/taskrouter/workflow-configuration>).

use super::{
    account::WorkflowSetup,
    expression::{Expression, ExpressionError, lookup},
};
use rejoin_protocol::{Millis, TaskQueueSid, WorkflowSid};
use serde::Deserialize;
use serde_json::Value;

/// Why the account cannot be modelled.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A workflow's configuration is not in Twilio's format.
    #[error("the configuration of workflow {workflow} cannot be read: {source}")]
    Configuration {
        /// The workflow.
        workflow: WorkflowSid,
        /// The cause.
        source: serde_json::Error,
    },
    /// An expression in it is malformed, or not modelled.
    #[error("workflow {workflow}: {source}")]
    Expression {
        /// The workflow.
        workflow: WorkflowSid,
        /// The cause.
        source: ExpressionError,
    },
}

/// A parsed workflow.
#[derive(Clone, Debug)]
pub(super) struct Workflow {
    pub(super) sid: WorkflowSid,
    pub(super) name: String,
    filters: Vec<Filter>,
    default: Vec<Target>,
}

#[derive(Clone, Debug)]
struct Filter {
    expression: Expression,
    targets: Vec<Target>,
}

/// A step of a task through a workflow.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) queue: TaskQueueSid,
    /// An expression on the worker's attributes, with `task.…` for the task's.
    pub(super) expression: Option<Expression>,
    pub(super) timeout: Option<Millis>,
    /// Overrides the task's own priority.
    pub(super) priority: Option<u32>,
    /// Path in the task's attributes to the only worker who may have it.
    pub(super) known_worker: Option<String>,
    pub(super) skip_if: Option<Expression>,
}

impl Target {
    /// Any worker of this queue.
    pub(super) fn of(queue: TaskQueueSid) -> Self {
        Self { queue, expression: None, timeout: None, priority: None, known_worker: None, skip_if: None }
    }
}

#[derive(Deserialize)]
struct Configuration {
    task_routing: Routing,
}

#[derive(Deserialize)]
struct Routing {
    #[serde(default)]
    filters: Vec<FilterForm>,
    default_filter: Option<TargetForm>,
}

#[derive(Deserialize)]
struct FilterForm {
    expression: String,
    targets: Vec<TargetForm>,
}

#[derive(Deserialize)]
struct TargetForm {
    queue: Option<TaskQueueSid>,
    expression: Option<String>,
    #[serde(default, deserialize_with = "number")]
    timeout: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    priority: Option<u64>,
    known_worker_sid: Option<String>,
    skip_if: Option<String>,
}

/// Numbers may be strings.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_u64()),
        Some(Value::String(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
        Some(_) => Err(serde::de::Error::custom("a number was expected")),
    }
}

impl Workflow {
    /// The queues that it names.
    pub(super) fn queues(&self) -> impl Iterator<Item = &TaskQueueSid> {
        let targets = self.filters.iter().flat_map(|filter| &filter.targets).chain(&self.default);
        targets.map(|target| &target.queue)
    }

    pub(super) fn new(setup: &WorkflowSetup) -> Result<Self, ModelError> {
        let configuration: Configuration = serde_json::from_str(&setup.configuration)
            .map_err(|source| ModelError::Configuration { workflow: setup.sid.clone(), source })?;
        let parse = |text: &str| {
            Expression::parse(text)
                .map_err(|source| ModelError::Expression { workflow: setup.sid.clone(), source })
        };
        let targets = |forms: Vec<TargetForm>| -> Result<Vec<Target>, ModelError> {
            let mut targets: Vec<Target> = vec![];
            for form in forms {
                // A later target without a queue inherits it.
                let queue = form.queue.or_else(|| targets.last().map(|target| target.queue.clone()));
                let Some(queue) = queue else { continue };
                targets.push(Target {
                    queue,
                    expression: form.expression.as_deref().map(parse).transpose()?,
                    timeout: form.timeout.map(Millis::seconds),
                    priority: form.priority.map(|priority| u32::try_from(priority).unwrap_or(u32::MAX)),
                    known_worker: form
                        .known_worker_sid
                        .map(|path| path.strip_prefix("task.").unwrap_or(&path).to_owned()),
                    skip_if: form.skip_if.as_deref().map(parse).transpose()?,
                });
            }
            Ok(targets)
        };
        let mut filters = vec![];
        for filter in configuration.task_routing.filters {
            filters
                .push(Filter { expression: parse(&filter.expression)?, targets: targets(filter.targets)? });
        }
        Ok(Self {
            sid: setup.sid.clone(),
            name: setup.name.clone(),
            filters,
            default: targets(configuration.task_routing.default_filter.into_iter().collect())?,
        })
    }

    /// The steps of a task with these attributes: those of the first matching filter, else of the default.
    pub(super) fn targets(&self, attributes: &Value) -> Vec<Target> {
        let matching = |filter: &&Filter| filter.expression.holds(&|path| lookup(attributes, path));
        self.filters
            .iter()
            .find(matching)
            .map_or_else(|| self.default.clone(), |filter| filter.targets.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workflow(configuration: &Value) -> Result<Workflow, ModelError> {
        let configuration = configuration.to_string();
        Workflow::new(&WorkflowSetup { sid: WorkflowSid::numbered(1), name: "W".into(), configuration })
    }

    #[test]
    fn the_first_matching_filter_wins() {
        let (one, two, three) =
            (TaskQueueSid::numbered(1), TaskQueueSid::numbered(2), TaskQueueSid::numbered(3));
        let workflow = workflow(&json!({"task_routing": {
            "filters": [
                {"expression": "a == 1", "targets": [{"queue": one, "timeout": "30", "priority": 7,
                    "known_worker_sid": "task.who"}, {"skip_if": "1==1"}]},
                {"expression": "a != null", "targets": [{"queue": two}]}
            ],
            "default_filter": {"queue": three}
        }}))
        .expect("a workflow");
        let targets = workflow.targets(&json!({"a": 1}));
        assert_eq!(targets.len(), 2);
        assert_eq!(
            (targets[0].timeout, targets[0].priority, targets[0].known_worker.as_deref()),
            (Some(Millis::seconds(30)), Some(7), Some("who"))
        );
        assert_eq!(targets[1].queue, one);
        assert_eq!(workflow.targets(&json!({"a": 2}))[0].queue, two);
        assert_eq!(workflow.targets(&json!({}))[0].queue, three);
    }

    #[test]
    fn a_malformed_configuration_is_refused() {
        assert!(workflow(&json!({})).is_err());
        assert!(
            workflow(&json!({"task_routing": {"filters": [{"expression": "==", "targets": []}]}})).is_err()
        );
    }
}
