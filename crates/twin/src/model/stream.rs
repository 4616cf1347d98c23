//! Events of tasks, reservations and workers for Event Streams
//! (<https://www.twilio.com/docs/events/event-types/taskrouter>).

use super::{
    Model,
    api::{Effect, StreamEvent},
};
use crate::dates::iso;
use rejoin_protocol::{ReservationSid, TaskSid, WorkerSid};
use serde_json::{Map, Value, json};

impl Model {
    pub(super) fn stream_task(&mut self, sid: &TaskSid, name: &str) {
        self.record(name, sid, None);
        let payload = self.streamed_task(sid);
        self.stream(name, payload);
    }

    pub(super) fn stream_reservation(&mut self, sid: &ReservationSid, name: &str) {
        let Some(reservation) = self.reservations.get(sid) else { return };
        let task = reservation.task.clone();
        let mut payload = self.streamed_task(&reservation.task);
        payload.extend(self.streamed_worker(&reservation.worker));
        payload.extend(object(json!({
            "reservation_sid": sid, "reservation_status": reservation.status.as_str(),
            "reservation_timeout": self.facts.reservation_timeout.0 / 1000,
            "reservation_version": reservation.version, "reservation_reason_code": reservation.canceled_code,
        })));
        self.record(name, &task, Some(sid));
        self.stream(name, payload);
    }

    pub(super) fn stream_worker(&mut self, sid: &WorkerSid, name: &str) {
        self.record_worker(name, sid);
        let payload = self.streamed_worker(sid);
        self.stream(name, payload);
    }

    fn streamed_task(&self, sid: &TaskSid) -> Map<String, Value> {
        let Some(task) = self.tasks.get(sid) else { return Map::new() };
        let canceled = task.status.as_str() == "canceled";
        let (channel, channel_name) = self.channel(task);
        object(json!({
            "task_sid": sid, "task_attributes": task.attributes.text(),
            "task_age": task.created.until(self.now).0 / 1000, "task_priority": task.priority,
            "task_assignment_status": task.status.as_str(), "task_version": task.version,
            "task_timeout": task.timeout.0 / 1000, "task_date_created": iso(task.created),
            "task_queue_sid": task.queue, "task_queue_name": self.queue_name(task),
            "task_canceled_reason": task.reason.as_deref().filter(|_| canceled),
            "task_channel_sid": channel, "task_channel_unique_name": channel_name,
            "workflow_sid": task.workflow, "workflow_name": self.workflow_name(task),
        }))
    }

    fn streamed_worker(&self, sid: &WorkerSid) -> Map<String, Value> {
        let Some(worker) = self.workers.get(sid) else { return Map::new() };
        object(json!({
            "worker_sid": sid, "worker_name": worker.name, "worker_attributes": worker.attributes.text(),
            "worker_activity_sid": worker.activity, "worker_activity_name": self.activity_name(worker),
            "worker_available": self.is_available(worker), "worker_version": worker.version,
        }))
    }

    fn stream(&mut self, name: &str, payload: Map<String, Value>) {
        self.streamed += 1;
        let mut payload = payload;
        payload.retain(|_, value| !value.is_null());
        payload.extend(object(json!({
            "eventtype": name, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "timestamp": iso(self.now),
        })));
        let id = format!("EV{:032x}", self.streamed);
        self.effects.push(Effect::Stream(StreamEvent { id, name: name.to_owned(), at: self.now, payload }));
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
