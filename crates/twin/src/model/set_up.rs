//! What an administrator sets up in TaskRouter: activities, task channels, queues and workflows.

use super::{
    Model,
    account::{ActivitySetup, ChannelSetup, QueueSetup, WorkerSetup, WorkflowSetup},
    api::{ApiError, Reply},
    expression::Expression,
    requests::{Answer, ok},
    state::Worker,
    taskrouter::parse_attributes,
    workflow::Workflow,
};
use rejoin_protocol::{ActivitySid, TaskChannelSid, TaskQueueSid, WorkerSid, WorkflowSid};
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
    /// `POST Workers`.
    CreateWorker {
        /// `FriendlyName`.
        name: String,
        /// `ActivitySid`; without it the workspace's default, which is offline.
        activity: Option<ActivitySid>,
        /// `Attributes`, JSON text.
        attributes: Option<String>,
    },
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
                if self.tasks.values().any(|task| task.channel == index && !task.status.is_final()) {
                    return Err(ApiError::bad_request("tasks are in this channel"));
                }
                // What is over would be deleted within five minutes.
                self.tasks.retain(|_, task| task.channel != index);
                for task in self.tasks.values_mut().filter(|task| task.channel > index) {
                    task.channel -= 1;
                }
                for worker in self.workers.values_mut().filter(|worker| index < worker.capacity.len()) {
                    worker.capacity.remove(index);
                }
                deleted(&mut self.account.channels, "task channel", |it| it.sid == sid)
            }
            SetUp::CreateTaskQueue { name, target_workers } => {
                let target_workers = target_workers.unwrap_or_else(|| EVERYONE.into());
                if let Err(error) = Expression::parse(&target_workers) {
                    return Err(ApiError::bad_request(format!("TargetWorkers: {error}")));
                }
                self.is_free("a queue", &name, self.account.queues.iter().map(|it| &it.name))?;
                let sid = TaskQueueSid::numbered(self.number());
                self.account.queues.push(QueueSetup { sid, name, target_workers });
                created(last(&self.queue_list(), "task_queues"))
            }
            SetUp::CreateWorker { name, activity, attributes } => {
                self.create_worker(name, activity.as_ref(), attributes)
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
                // Tasks in progress may still route by it; those that are over do not
                // (<https://support.twilio.com/hc/en-us/articles/36535203110043>).
                if self.tasks.values().any(|task| task.workflow == sid && !task.status.is_final()) {
                    return Err(ApiError::bad_request("tasks are in this workflow"));
                }
                self.workflows.retain(|it| it.sid != sid);
                deleted(&mut self.account.workflows, "workflow", |it| it.sid == sid)
            }
        }
    }

    fn create_worker(
        &mut self,
        name: String,
        activity: Option<&ActivitySid>,
        attributes: Option<String>,
    ) -> Answer {
        self.is_free("a worker", &name, self.workers.values().map(|worker| &worker.name))?;
        let attributes = attributes.unwrap_or_else(|| "{}".into());
        parse_attributes(&attributes)?;
        let known = |it: &&ActivitySetup| activity.map_or(!it.available, |wanted| it.sid == *wanted);
        let found = self.account.activities.iter().find(known).map(|it| it.sid.clone());
        let found = found.ok_or_else(|| ApiError::bad_request("there is no such ActivitySid"))?;
        let sid = WorkerSid::numbered(self.number());
        let identity = identity(&name);
        let capacity = vec![1; self.account.channels.len()];
        let setup = WorkerSetup { sid: sid.clone(), name, identity, attributes, capacity };
        self.workers.insert(sid.clone(), Worker { created: self.now, ..Worker::new(&setup, found) });
        self.touch_worker(&sid, "worker.created");
        Ok(Reply { status: 201, ..self.worker_reply(&sid)? })
    }

    /// A worker with tasks is kept (*assumed*: the documentation does not say what Twilio does).
    pub(super) fn delete_worker(&mut self, sid: &WorkerSid) -> Answer {
        if !self.workers.contains_key(sid) {
            return Err(ApiError::not_found("worker"));
        }
        if self.reservations.values().any(|it| it.worker == *sid && it.status.is_active()) {
            return Err(ApiError::bad_request("the worker has reservations that are not completed"));
        }
        self.workers.remove(sid);
        Ok(Reply { status: 204, body: Value::Null, etag: None, bridge: Value::Null })
    }

    /// `POST Workers/{WK}/Channels/{WC}` (<https://www.twilio.com/docs/taskrouter/api/worker-channel>).
    pub(super) fn update_worker_channel(
        &mut self,
        sid: &WorkerSid,
        channel: &str,
        capacity: Option<u32>,
    ) -> Answer {
        let missing = || ApiError::not_found("worker channel");
        let position = |body: &Value| {
            let all = body["channels"].as_array()?;
            all.iter().position(|it| it["sid"] == channel)
        };
        let index = position(&self.channel_list(sid)?.body).ok_or_else(missing)?;
        let worker = self.workers.get_mut(sid).ok_or_else(missing)?;
        if let (Some(capacity), Some(place)) = (capacity, worker.capacity.get_mut(index)) {
            *place = capacity;
        }
        let body = self.channel_list(sid)?.body["channels"][index].take();
        Ok(ok(body, Value::Null))
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

/// The expression that every worker satisfies.
pub(super) const EVERYONE: &str = "1==1";

/// The identity of a client with this name (<https://www.twilio.com/docs/voice/sdks/javascript>).
fn identity(name: &str) -> String {
    let of = |c: char| {
        if c.is_ascii_alphanumeric() { c.to_string() } else { format!("_{:02X}", u32::from(c)) }
    };
    name.chars().map(of).collect()
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
