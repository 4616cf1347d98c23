//! Tasks, reservations, workers: taskrouter.twilio.com.

use super::request::Request;
use super::{Client, TASKROUTER, encoded};
use crate::error::Error;
use crate::gate::Family;
use crate::resource::{Activity, Event, Reservation, Task, Worker};
use http::Method;
use rejoin_protocol::{ActivitySid, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use serde::de::DeserializeOwned;

/// A task for one worker, whatever the worker's capacity and activity
/// (<https://www.twilio.com/docs/taskrouter/api/task#create-a-task-resource>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask<'a> {
    /// `WorkflowSid`.
    pub workflow: &'a WorkflowSid,
    /// `TaskChannel`: unique name.
    pub channel: &'a str,
    /// `RoutingTarget`.
    pub worker: &'a WorkerSid,
    /// `Priority`.
    pub priority: u32,
    /// `Timeout`: how long the task may wait for its assignment, in seconds.
    pub timeout_seconds: u64,
    /// `Attributes`: JSON text.
    pub attributes: &'a str,
}

/// How a task ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// `canceled`: before it was assigned.
    Canceled,
    /// `completed`: after it was assigned.
    Completed,
}

impl Client {
    /// Fetches a task with its `ETag`.
    pub async fn fetch_task(&self, task: &TaskSid) -> Result<Task, Error> {
        self.taskrouter(Method::GET, &format!("Tasks/{task}")).task(&[]).await
    }

    /// Creates a task. Not idempotent.
    pub async fn create_task(&self, task: &NewTask<'_>) -> Result<Task, Error> {
        let (priority, timeout) = (task.priority.to_string(), task.timeout_seconds.to_string());
        let form = [
            ("WorkflowSid", task.workflow.as_str()),
            ("TaskChannel", task.channel),
            ("RoutingTarget", task.worker.as_str()),
            ("IgnoreCapacity", "true"),
            ("Priority", &priority),
            ("Timeout", &timeout),
            ("Attributes", task.attributes),
        ];
        self.taskrouter(Method::POST, "Tasks").task(&form).await
    }

    /// Replaces a task's attributes (JSON text), unless the task has changed since it was read: [`Error::Conflict`].
    pub async fn update_task_attributes(
        &self,
        task: &TaskSid,
        attributes: &str,
        if_match: Option<&str>,
    ) -> Result<(), Error> {
        let request = self.taskrouter(Method::POST, &format!("Tasks/{task}")).if_match(if_match);
        request.done(&[("Attributes", attributes)]).await
    }

    /// Ends a task.
    pub async fn end_task(&self, task: &TaskSid, end: TaskEnd, reason: &str) -> Result<(), Error> {
        let status = match end {
            TaskEnd::Canceled => "canceled",
            TaskEnd::Completed => "completed",
        };
        self.taskrouter(Method::POST, &format!("Tasks/{task}"))
            .done(&[("AssignmentStatus", status), ("Reason", reason)])
            .await
    }

    /// Lists tasks whose attributes match an expression, without their attributes. Twilio allows three of these
    /// requests a second (<https://www.twilio.com/docs/taskrouter/limits>).
    pub async fn list_tasks(
        &self,
        expression: &str,
        workflow: Option<&WorkflowSid>,
    ) -> Result<Vec<Task>, Error> {
        let mut query = vec![("EvaluateTaskAttributes", expression), ("PageSize", "50")];
        if let Some(workflow) = workflow {
            query.push(("WorkflowSid", workflow.as_str()));
        }
        self.list(
            TASKROUTER,
            &self.workspace(),
            &format!("Tasks?{}", encoded(&query)),
            Some(Family::TaskSearch),
        )
        .await
    }

    /// Lists a task's reservations in any status. A task that nobody accepts gets a new one for each agent whom it is
    /// offered.
    pub async fn list_reservations(&self, task: &TaskSid) -> Result<Vec<Reservation>, Error> {
        self.taskrouter_list(&format!("Tasks/{task}/Reservations?PageSize=100")).await
    }

    /// Lists a task's reservations in one status, see [`Reservation::reservation_status`].
    pub async fn list_reservations_in(
        &self,
        task: &TaskSid,
        status: &str,
    ) -> Result<Vec<Reservation>, Error> {
        let query = encoded(&[("ReservationStatus", status), ("PageSize", "100")]);
        self.taskrouter_list(&format!("Tasks/{task}/Reservations?{query}")).await
    }

    /// Lists a task's events of the last day, even if the task is deleted
    /// (<https://www.twilio.com/docs/taskrouter/api/event>).
    ///
    /// An event repeats the attributes of its task and its worker. With the longest ones (4,096 characters each,
    /// escaped twice) a page of 50 stays below [`ANSWER_LIMIT`](crate::transport::ANSWER_LIMIT). `EventType` takes
    /// one type only, and a request for each type would be more requests for the usual log, which is one page.
    pub async fn list_events(&self, task: &TaskSid) -> Result<Vec<Event>, Error> {
        self.taskrouter_list(&format!("Events?TaskSid={task}&Minutes=1440&PageSize=50")).await
    }

    /// Completes a reservation that is wrapping or accepted.
    pub async fn complete_reservation(
        &self,
        task: &TaskSid,
        reservation: &ReservationSid,
    ) -> Result<(), Error> {
        self.taskrouter(Method::POST, &format!("Tasks/{task}/Reservations/{reservation}"))
            .done(&[("ReservationStatus", "completed")])
            .await
    }

    /// Fetches a worker with its `ETag`.
    pub async fn fetch_worker(&self, worker: &WorkerSid) -> Result<Worker, Error> {
        let request = self.taskrouter(Method::GET, &format!("Workers/{worker}"));
        let (found, etag) = request.tagged::<Worker>(&[]).await?;
        Ok(Worker { etag, ..found })
    }

    /// Puts a worker into an activity, unless the worker has changed since it was read: [`Error::Conflict`]
    /// (<https://www.twilio.com/docs/taskrouter/api/worker#update-a-worker-resource>).
    pub async fn set_activity(
        &self,
        worker: &WorkerSid,
        activity: &ActivitySid,
        if_match: Option<&str>,
    ) -> Result<(), Error> {
        let form = [("ActivitySid", activity.as_str())];
        self.taskrouter(Method::POST, &format!("Workers/{worker}")).if_match(if_match).done(&form).await
    }

    /// Lists the workspace's activities (<https://www.twilio.com/docs/taskrouter/api/activity>).
    pub async fn list_activities(&self) -> Result<Vec<Activity>, Error> {
        self.taskrouter_list("Activities?PageSize=1000").await
    }

    pub(super) fn taskrouter(&self, method: Method, path: &str) -> Request {
        self.request(method, TASKROUTER, (&self.workspace(), path), Some(Family::TaskRouter))
    }

    pub(super) async fn taskrouter_list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        self.list(TASKROUTER, &self.workspace(), path, Some(Family::TaskRouter)).await
    }

    pub(super) fn workspace(&self) -> String {
        format!("/v1/Workspaces/{}/", self.settings.workspace)
    }
}
