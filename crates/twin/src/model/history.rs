//! TaskRouter's event log of workers and tasks, which outlives deleted tasks
//! (<https://www.twilio.com/docs/taskrouter/api/event>).

use super::{
    Model,
    requests::ok,
    view::{TASKROUTER, list},
};
use crate::dates::iso;
use crate::model::api::Reply;
use rejoin_protocol::{Millis, ReservationSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid};
use serde_json::{Map, Value, json};

/// Twilio keeps events for 30 days.
const KEPT: Millis = Millis::seconds(30 * 24 * 3600);

/// `Minutes` of a request without it.
const MINUTES: u32 = 15;

#[derive(Clone, Debug)]
pub(super) struct Happened {
    number: u128,
    at: Millis,
    /// The event, as in `task.created`.
    name: String,
    /// For an event of a task or a reservation: the task at that time.
    task: Option<OfTask>,
    /// For an event of a reservation, or of a transfer: the reservation, or the one that hands the task over.
    reservation: Option<ReservationSid>,
    /// For an event of a worker or of a reservation: the worker.
    worker: Option<WorkerSid>,
}

#[derive(Clone, Debug)]
struct OfTask {
    sid: TaskSid,
    workflow: Option<WorkflowSid>,
    queue: Option<TaskQueueSid>,
    /// Index into the account's task channels.
    channel: Option<usize>,
}

impl Happened {
    fn is_of_reservation(&self) -> bool {
        self.name.starts_with("reservation.")
    }
}

impl Model {
    pub(super) fn record(&mut self, name: &str, task: &TaskSid, reservation: Option<&ReservationSid>) {
        let known = self.tasks.get(task);
        let task = OfTask {
            sid: task.clone(),
            workflow: known.map(|task| task.workflow.clone()),
            queue: known.and_then(|task| task.queue.clone()),
            channel: known.map(|task| task.channel),
        };
        let worker = reservation.and_then(|sid| self.reservations.get(sid)).map(|it| it.worker.clone());
        self.happened(name, Some(task), reservation.cloned(), worker);
    }

    pub(super) fn record_worker(&mut self, name: &str, worker: &WorkerSid) {
        self.happened(name, None, None, Some(worker.clone()));
    }

    fn happened(
        &mut self,
        name: &str,
        task: Option<OfTask>,
        reservation: Option<ReservationSid>,
        worker: Option<WorkerSid>,
    ) {
        while self.history.front().is_some_and(|first| first.at + KEPT < self.now) {
            self.history.pop_front();
        }
        let number = self.history.back().map_or(0, |last| last.number) + 1;
        let name = name.to_owned();
        self.history.push_back(Happened { number, at: self.now, name, task, reservation, worker });
    }

    /// `GET Events`, oldest first.
    pub(super) fn event_list(
        &self,
        task: Option<&TaskSid>,
        kind: Option<&str>,
        minutes: Option<u32>,
    ) -> Reply {
        let minutes = Millis::seconds(u64::from(minutes.unwrap_or(MINUTES)) * 60);
        let listed = |it: &&Happened| {
            task.is_none_or(|task| it.task.as_ref().is_some_and(|of| of.sid == *task))
                && kind.is_none_or(|kind| kind == it.name)
                && self.now <= it.at + minutes
        };
        let items = self.history.iter().filter(listed).map(|it| self.rest_event(it)).collect();
        ok(list("events", items), Value::Null)
    }

    fn rest_event(&self, it: &Happened) -> Value {
        let sid = format!("EV{:032x}", it.number);
        let workspace = format!("{TASKROUTER}/{}", self.account.workspace);
        let of_reservation = it.reservation.as_ref().filter(|_| it.is_of_reservation());
        let (kind, resource, path) = match (of_reservation, &it.task, &it.worker) {
            (Some(of), Some(task), _) => {
                ("reservation", of.as_str(), format!("Tasks/{}/Reservations/{of}", task.sid))
            }
            (_, Some(task), _) => ("task", task.sid.as_str(), format!("Tasks/{}", task.sid)),
            (_, None, Some(worker)) => ("worker", worker.as_str(), format!("Workers/{worker}")),
            (_, None, None) => ("workspace", self.account.workspace.as_str(), String::new()),
        };
        json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "actor_sid": self.account.workspace, "actor_type": "workspace", "actor_url": workspace,
            "description": format!("{} of {resource}", it.name), "event_data": self.event_data(it),
            "event_type": it.name, "event_date": iso(it.at), "event_date_ms": it.at.0,
            "resource_type": kind, "resource_sid": resource, "resource_url": self.taskrouter_url(&path),
            "source": "twilio", "source_ip_address": null, "url": self.taskrouter_url(&format!("Events/{sid}")),
        })
    }

    /// Less than Twilio's: only the fields that are used.
    fn event_data(&self, it: &Happened) -> Value {
        let reservation =
            if it.is_of_reservation() { "reservation_sid" } else { "initiating_reservation_sid" };
        let worker =
            if it.task.is_none() || it.is_of_reservation() { "worker_sid" } else { "initiating_worker_sid" };
        let task = it.task.as_ref();
        let channel = task.and_then(|task| self.account.channels.get(task.channel?));
        let name = it.worker.as_ref().and_then(|worker| self.workers.get(worker)).map(|it| &it.name);
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                data.insert(name.to_owned(), value);
            }
        };
        put("workspace_sid", json!(self.account.workspace));
        put("task_sid", json!(task.map(|task| &task.sid)));
        put("workflow_sid", json!(task.and_then(|task| task.workflow.as_ref())));
        put("task_queue_sid", json!(task.and_then(|task| task.queue.as_ref())));
        put("task_channel_sid", json!(channel.map(|channel| &channel.sid)));
        put("task_channel_unique_name", json!(channel.map(|channel| &channel.unique_name)));
        put(reservation, json!(it.reservation));
        put(worker, json!(it.worker));
        put("worker_name", json!(name));
        Value::Object(data)
    }
}
