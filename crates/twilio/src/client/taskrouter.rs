//! Tasks, reservations, workers: taskrouter.twilio.com.

use super::request::Request;
use super::{Client, TASKROUTER, encoded};
use crate::error::Error;
use crate::gate::Family;
use crate::resource::{Activity, Event, Reservation, Task, Worker};
use http::{Method, header};
use rejoin_protocol::{ActivitySid, ReservationSid, TaskSid, WorkerSid, WorkflowSid};

/// A task to be created for one worker, whatever his capacity and activity
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
    /// `Timeout`: how long it may stand before it is assigned, in seconds.
    pub timeout_seconds: u64,
    /// `Attributes`: JSON text.
    pub attributes: &'a str,
}

/// How a task ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// `canceled`: before it was assigned.
    Canceled,
    /// `completed`: after.
    Completed,
}

impl Client {
    /// A task as it is now, with its `ETag`.
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

    /// Replaces a task's attributes (JSON text), unless it was changed since it was read: [`Error::Conflict`].
    pub async fn update_task_attributes(
        &self,
        task: &TaskSid,
        attributes: &str,
        if_match: Option<&str>,
    ) -> Result<(), Error> {
        let mut request = self.taskrouter(Method::POST, &format!("Tasks/{task}"));
        if let Some(etag) = if_match {
            request = request.with(header::IF_MATCH, etag);
        }
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

    /// Tasks whose attributes fulfil an expression. Attributes are not part of the answer.
    /// Twilio allows three of these a second (<https://www.twilio.com/docs/taskrouter/limits>).
    pub async fn list_tasks(
        &self,
        expression: &str,
        workflow: Option<&WorkflowSid>,
    ) -> Result<Vec<Task>, Error> {
        let mut query = vec![("EvaluateTaskAttributes", expression), ("PageSize", "20")];
        if let Some(workflow) = workflow {
            query.push(("WorkflowSid", workflow.as_str()));
        }
        let list: TaskList = self.task_search(&format!("Tasks?{}", encoded(&query))).json(&[]).await?;
        Ok(list.tasks)
    }

    /// A task's reservations, at most 50.
    pub async fn list_reservations(&self, task: &TaskSid) -> Result<Vec<Reservation>, Error> {
        let path = format!("Tasks/{task}/Reservations?PageSize=50");
        let list: ReservationList = self.taskrouter(Method::GET, &path).json(&[]).await?;
        Ok(list.reservations)
    }

    /// What has happened to a task in the last day, also when it is deleted (<https://www.twilio.com/docs/taskrouter/api/event>).
    pub async fn list_events(&self, task: &TaskSid) -> Result<Vec<Event>, Error> {
        let path = format!("Events?TaskSid={task}&Minutes=1440&PageSize=1000");
        let list: EventList = self.taskrouter(Method::GET, &path).json(&[]).await?;
        Ok(list.events)
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

    /// A worker as she is now.
    pub async fn fetch_worker(&self, worker: &WorkerSid) -> Result<Worker, Error> {
        self.taskrouter(Method::GET, &format!("Workers/{worker}")).json(&[]).await
    }

    /// Puts a worker into an activity (<https://www.twilio.com/docs/taskrouter/api/worker#update-a-worker-resource>).
    pub async fn set_activity(&self, worker: &WorkerSid, activity: &ActivitySid) -> Result<(), Error> {
        let form = [("ActivitySid", activity.as_str())];
        self.taskrouter(Method::POST, &format!("Workers/{worker}")).done(&form).await
    }

    /// The workspace's activities (<https://www.twilio.com/docs/taskrouter/api/activity>).
    pub async fn list_activities(&self) -> Result<Vec<Activity>, Error> {
        let list: ActivityList = self.taskrouter(Method::GET, "Activities?PageSize=1000").json(&[]).await?;
        Ok(list.activities)
    }

    fn taskrouter(&self, method: Method, path: &str) -> Request {
        let before = format!("/v1/Workspaces/{}/", self.settings.workspace);
        self.request(method, TASKROUTER, (&before, path), Some(Family::TaskRouter))
    }

    fn task_search(&self, path: &str) -> Request {
        Request { family: Some(Family::TaskSearch), ..self.taskrouter(Method::GET, path) }
    }
}

#[derive(serde::Deserialize)]
struct TaskList {
    tasks: Vec<Task>,
}

#[derive(serde::Deserialize)]
struct ActivityList {
    activities: Vec<Activity>,
}

#[derive(serde::Deserialize)]
struct EventList {
    events: Vec<Event>,
}

#[derive(serde::Deserialize)]
struct ReservationList {
    reservations: Vec<Reservation>,
}
