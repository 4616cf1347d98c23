//! What an administrator sets up in TaskRouter: activities, task channels, queues and workflows.

use super::{
    Model,
    account::{ActivitySetup, ChannelSetup, QueueSetup, WorkflowSetup},
    api::{ApiError, Reply},
    requests::{Answer, ok},
    workflow::Workflow,
};
use rejoin_protocol::{ActivitySid, TaskChannelSid, TaskQueueSid, WorkflowSid};
use serde_json::Value;

/// A request of an administrator, or of a program that works for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// `POST Activities`.
    CreateActivity {
        /// `FriendlyName`.
        name: String,
        /// `Available`.
        available: bool,
    },
    /// `DELETE Activities/{WA}`.
    DeleteActivity(ActivitySid),
    /// `GET TaskChannels`.
    ListTaskChannels,
    /// `POST TaskChannels`.
    CreateTaskChannel {
        /// `FriendlyName`.
        name: String,
        /// `UniqueName`.
        unique_name: String,
    },
    /// `DELETE TaskChannels/{TC}`.
    DeleteTaskChannel(TaskChannelSid),
    /// `POST TaskQueues`.
    CreateTaskQueue {
        /// `FriendlyName`.
        name: String,
        /// `TargetWorkers`.
        target_workers: Option<String>,
    },
    /// `DELETE TaskQueues/{WQ}`.
    DeleteTaskQueue(TaskQueueSid),
    /// `GET Workflows/{WW}`.
    FetchWorkflow(WorkflowSid),
    /// `POST Workflows`.
    CreateWorkflow {
        /// `FriendlyName`.
        name: String,
        /// `Configuration`.
        configuration: String,
    },
    /// `POST Workflows/{WW}`.
    UpdateWorkflow {
        /// The workflow.
        workflow: WorkflowSid,
        /// `FriendlyName`.
        name: Option<String>,
        /// `Configuration`.
        configuration: Option<String>,
    },
    /// `DELETE Workflows/{WW}`.
    DeleteWorkflow(WorkflowSid),
}

impl Model {
    pub(super) fn set_up(&mut self, request: SetUp) -> Answer {
        match request {
            SetUp::CreateActivity { name, available } => {
                self.is_free("an activity", &name, self.account.activities.iter().map(|it| &it.name))?;
                let sid = ActivitySid::numbered(self.number());
                self.account.activities.push(ActivitySetup { sid, name, available });
                created(last(&self.activity_list(), "activities"))
            }
            SetUp::DeleteActivity(sid) => {
                if self.workers.values().any(|worker| worker.activity == sid) {
                    return Err(ApiError::bad_request("workers are in this activity"));
                }
                deleted(&mut self.account.activities, "activity", |it| it.sid == sid)
            }
            SetUp::ListTaskChannels => Ok(self.task_channel_list()),
            SetUp::CreateTaskChannel { name, unique_name } => {
                let taken = self.account.channels.iter().map(|it| &it.unique_name);
                self.is_free("a task channel", &unique_name, taken)?;
                let sid = TaskChannelSid::numbered(self.number());
                self.account.channels.push(ChannelSetup { sid, unique_name, name });
                // Each worker gets a share of it at once.
                self.workers.values_mut().for_each(|worker| worker.capacity.push(1));
                created(last(&self.task_channel_list(), "channels"))
            }
            SetUp::DeleteTaskChannel(sid) => {
                let found = self.account.channels.iter().position(|it| it.sid == sid);
                let index = found.ok_or_else(|| ApiError::not_found("task channel"))?;
                if self.tasks.values().any(|task| task.channel >= index) {
                    return Err(ApiError::bad_request(
                        "the twin keeps a channel that tasks, or later channels, use",
                    ));
                }
                for worker in self.workers.values_mut().filter(|worker| index < worker.capacity.len()) {
                    worker.capacity.remove(index);
                }
                deleted(&mut self.account.channels, "task channel", |it| it.sid == sid)
            }
            SetUp::CreateTaskQueue { name, target_workers } => {
                if target_workers.is_some_and(|workers| workers != "1==1") {
                    return Err(ApiError::bad_request("TargetWorkers: the twin models `1==1` alone"));
                }
                self.is_free("a queue", &name, self.account.queues.iter().map(|it| &it.name))?;
                let sid = TaskQueueSid::numbered(self.number());
                self.account.queues.push(QueueSetup { sid, name });
                created(last(&self.queue_list(), "task_queues"))
            }
            SetUp::DeleteTaskQueue(sid) => {
                let names = |workflow: &WorkflowSetup| workflow.configuration.contains(sid.as_str());
                if self.account.workflows.iter().any(names) {
                    return Err(ApiError::bad_request("a workflow names this queue"));
                }
                deleted(&mut self.account.queues, "queue", |it| it.sid == sid)
            }
            SetUp::FetchWorkflow(sid) => self.workflow_reply(&sid),
            SetUp::CreateWorkflow { name, configuration } => {
                self.is_free("a workflow", &name, self.account.workflows.iter().map(|it| &it.name))?;
                let setup = WorkflowSetup { sid: WorkflowSid::numbered(self.number()), name, configuration };
                self.workflows.push(self.parsed(&setup)?);
                self.account.workflows.push(setup);
                created(last(&self.workflow_list(), "workflows"))
            }
            SetUp::UpdateWorkflow { workflow, name, configuration } => {
                let found = self.account.workflows.iter().position(|it| it.sid == workflow);
                let index = found.ok_or_else(|| ApiError::not_found("workflow"))?;
                let mut setup = self.account.workflows[index].clone();
                setup.name = name.unwrap_or(setup.name);
                setup.configuration = configuration.unwrap_or(setup.configuration);
                self.workflows[index] = self.parsed(&setup)?;
                self.account.workflows[index] = setup;
                self.workflow_reply(&workflow)
            }
            SetUp::DeleteWorkflow(sid) => {
                if self.tasks.values().any(|task| task.workflow == sid) {
                    return Err(ApiError::bad_request("tasks are in this workflow"));
                }
                self.workflows.retain(|it| it.sid != sid);
                deleted(&mut self.account.workflows, "workflow", |it| it.sid == sid)
            }
        }
    }

    /// The configuration must be Twilio's, and name queues of this workspace.
    fn parsed(&self, setup: &WorkflowSetup) -> Result<Workflow, ApiError> {
        let workflow = Workflow::new(setup).map_err(|error| ApiError::bad_request(error.to_string()))?;
        let is_unknown =
            |queue: &&TaskQueueSid| !self.account.queues.iter().any(|known| known.sid == **queue);
        if let Some(unknown) = workflow.queues().find(is_unknown) {
            return Err(ApiError::bad_request(format!("Configuration: there is no queue {unknown}")));
        }
        Ok(workflow)
    }

    fn is_free<'a>(
        &self,
        what: &str,
        name: &str,
        mut taken: impl Iterator<Item = &'a String>,
    ) -> Result<(), ApiError> {
        match taken.any(|other| other == name) {
            true => {
                Err(ApiError { status: 409, code: 20001, message: format!("{what} of this name exists") })
            }
            false => Ok(()),
        }
    }

    fn workflow_reply(&self, sid: &WorkflowSid) -> Answer {
        let all = self.workflow_list();
        let found =
            all.body["workflows"].as_array().and_then(|all| all.iter().find(|it| it["sid"] == *sid.as_str()));
        found.cloned().map(|body| ok(body, Value::Null)).ok_or_else(|| ApiError::not_found("workflow"))
    }
}

fn last(of: &Reply, key: &str) -> Option<Value> {
    of.body[key].as_array().and_then(|all| all.last()).cloned()
}

fn created(body: Option<Value>) -> Answer {
    let body = body.ok_or_else(|| ApiError::not_found("resource"))?;
    Ok(Reply { status: 201, body, etag: None, bridge: Value::Null })
}

fn deleted<T>(all: &mut Vec<T>, what: &str, is_it: impl Fn(&T) -> bool) -> Answer {
    let before = all.len();
    all.retain(|it| !is_it(it));
    if all.len() == before {
        return Err(ApiError::not_found(what));
    }
    Ok(Reply { status: 204, body: Value::Null, etag: None, bridge: Value::Null })
}
