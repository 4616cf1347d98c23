//! Tasks, reservations and workers, and their life cycle
//! (<https://www.twilio.com/docs/taskrouter/lifecycle-task-state>).

use super::{
    Model,
    account::WorkerSetup,
    api::{ApiError, Effect, NewTask},
    state::{CallStatus, Due, Left, Reservation, ReservationStatus, Task, TaskStatus, Worker},
    twiml::Enqueue,
    workflow::Target,
};
use rejoin_protocol::{
    ActivitySid, CallSid, Millis, ReservationSid, TaskSid, TransferSid, WorkerSid, attributes,
};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::iter::repeat_n;

/// Task channel of calls.
const VOICE: &str = "voice";

impl Worker {
    pub(super) fn new(setup: &WorkerSetup, activity: ActivitySid) -> Self {
        Self {
            name: setup.name.clone(),
            identity: setup.identity.clone(),
            // Attributes that are not JSON count as none.
            attributes: serde_json::from_str(&setup.attributes).unwrap_or_else(|_| json!({})).into(),
            activity,
            capacity: setup.capacity.clone(),
            created: Millis(0),
            updated: Millis(0),
            status_changed: Millis(0),
            version: 0,
            sockets: 0,
            absences: 0,
            last_reserved: Millis(0),
        }
    }
}

/// Parses attributes: a JSON object of limited length.
pub(super) fn parse_attributes(text: &str) -> Result<Value, ApiError> {
    if text.chars().count() > attributes::LIMIT {
        return Err(ApiError::bad_request(format!(
            "Attributes are longer than {} characters; leave something out",
            attributes::LIMIT
        )));
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(ApiError::bad_request("Attributes are not a JSON object")),
    }
}

impl Model {
    /// `POST Tasks`.
    pub(super) fn create_task(&mut self, new: NewTask) -> Result<TaskSid, ApiError> {
        let text = if new.attributes.is_empty() { "{}" } else { &new.attributes };
        let attributes = parse_attributes(text)?;
        let workflow = new
            .workflow
            .ok_or_else(|| ApiError::bad_request("WorkflowSid is missing and the workspace has several"))?;
        let channel = new.channel.as_deref().unwrap_or("default");
        let channel = self
            .account
            .channels
            .iter()
            .position(|known| known.unique_name == channel || known.sid.as_str() == channel)
            .ok_or_else(|| ApiError::bad_request("there is no such TaskChannel"))?;
        let targets: VecDeque<_> = match self.workflow(&workflow) {
            // Without a worker a queue replaces the workflow's steps.
            Some(_) if let (Some(queue), None) = (&new.queue, &new.routing_target) => {
                VecDeque::from([Target::of(queue.clone())])
            }
            Some(workflow) => workflow.targets(&attributes).into(),
            None => return Err(ApiError::bad_request("there is no such WorkflowSid")),
        };
        if new
            .queue
            .as_ref()
            .is_some_and(|queue| !self.account.queues.iter().any(|known| known.sid == *queue))
        {
            return Err(ApiError::bad_request("there is no such TaskQueueSid"));
        }
        if let Some(target) = &new.routing_target
            && !self.workers.contains_key(target)
        {
            return Err(ApiError::bad_request("RoutingTarget is no worker of this workspace"));
        }
        let sid = TaskSid::numbered(self.number());
        let timeout = new.timeout.map_or(self.facts.task_timeout, Millis::seconds);
        let task = Task {
            attributes: attributes.into(),
            status: TaskStatus::Pending,
            reason: None,
            priority: new.priority,
            created: self.now,
            updated: self.now,
            timeout,
            channel,
            workflow,
            queue: None,
            queue_entered: None,
            // With a routing target, capacity and availability are ignored unless the request says otherwise.
            ignore_capacity: new.ignore_capacity.unwrap_or(new.routing_target.is_some()),
            routing_target: new.routing_target,
            version: 0,
            targets,
            target_ends: None,
            rejected_by: vec![],
            call: None,
            expired: false,
            handed_on: false,
        };
        let queue = new.queue;
        self.tasks.insert(sid.clone(), task);
        self.log(format!("{sid} is a new task"));
        self.timer(timeout, Due::TaskTimeout(sid.clone()));
        self.stream_task(&sid, "task.created");
        self.enter_target(&sid, self.now);
        if let (Some(queue), Some(task)) = (queue, self.tasks.get_mut(&sid)) {
            task.queue = Some(queue);
        }
        Ok(sid)
    }

    /// Creates the task of a call that is put into a queue.
    pub(super) fn task_of_call(&mut self, call: &CallSid, enqueue: &Enqueue) -> Result<TaskSid, ApiError> {
        let own = parse_attributes(&enqueue.attributes)?;
        let Some(leg) = self.calls.get(call) else { return Err(ApiError::not_found("call")) };
        let mut of_call = json!({
            "call_sid": call,
            "account_sid": self.account.sid,
            "from": leg.from,
            "to": leg.to,
            "caller": leg.from,
            "called": leg.to,
            "direction": leg.kind.direction(),
            "call_status": leg.status.as_str(),
            "api_version": "2010-04-01",
        });
        // The location of the numbers, as far as Twilio knows it: it counts towards the limit.
        for party in ["from", "to", "caller", "called"] {
            for (part, known) in [("city", ""), ("state", ""), ("zip", ""), ("country", "US")] {
                of_call[format!("{party}_{part}")] = known.into();
            }
        }
        let (mut under, over) =
            if self.facts.task_attributes_win { (of_call, own) } else { (own, of_call.take()) };
        if let (Value::Object(under), Value::Object(over)) = (&mut under, over) {
            under.extend(over);
        }
        let task = self.create_task(NewTask {
            attributes: under.to_string(),
            workflow: Some(enqueue.workflow.clone()),
            channel: Some(VOICE.into()),
            priority: enqueue.priority,
            timeout: enqueue.timeout.map(|timeout| timeout.0 / 1000),
            ..NewTask::default()
        })?;
        if let Some(task) = self.tasks.get_mut(&task) {
            task.call = Some(call.clone());
        }
        Ok(task)
    }

    /// Offers a task to a worker; `transfer` when another worker hands it over.
    pub(super) fn reserve(&mut self, task_sid: &TaskSid, worker: &WorkerSid, transfer: Option<TransferSid>) {
        let sid = ReservationSid::numbered(self.number());
        let now = self.now;
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.last_reserved = now;
        }
        if let Some(task) = self.tasks.get_mut(task_sid) {
            task.status = TaskStatus::Reserved;
            task.version += 1;
            task.updated = now;
        }
        self.reservations.insert(
            sid.clone(),
            Reservation {
                task: task_sid.clone(),
                worker: worker.clone(),
                status: ReservationStatus::Pending,
                created: now,
                updated: now,
                version: 0,
                ringing: None,
                transfer,
                canceled_code: None,
            },
        );
        self.log(format!("{sid} {task_sid} is offered to {worker}"));
        self.timer(self.facts.reservation_timeout, Due::Reservation(sid.clone()));
        self.tell_reservation(&sid);
    }

    /// Sends the reservation's state to its worker.
    fn tell_reservation(&mut self, sid: &ReservationSid) {
        let Some(reservation) = self.reservations.get(sid) else { return };
        let event_type = format!("reservation.{}", reservation.status.event());
        let worker = reservation.worker.clone();
        let payload = self.bridge_reservation_in_full(sid, reservation);
        self.effects.push(Effect::Tell { worker, event_type: event_type.clone(), payload });
        self.stream_reservation(sid, &event_type);
    }

    /// Workers with an active reservation of the task.
    pub(super) fn workers_on(&self, task: &TaskSid) -> Vec<WorkerSid> {
        let mut workers: Vec<WorkerSid> = self
            .reservations
            .values()
            .filter(|reservation| reservation.task == *task && reservation.status.is_active())
            .map(|reservation| reservation.worker.clone())
            .collect();
        workers.sort();
        workers.dedup();
        workers
    }

    pub(super) fn tell_task(&mut self, sid: &TaskSid, event_type: &str) {
        let Some(task) = self.tasks.get(sid) else { return };
        let workers = self.workers_on(sid);
        if !workers.is_empty() {
            let payload = self.bridge_task(sid, task);
            self.tell(workers, event_type, payload);
        }
    }

    /// Sends the same event to some workers.
    pub(super) fn tell(&mut self, workers: Vec<WorkerSid>, event_type: &str, payload: Value) {
        let copies = repeat_n(payload, workers.len());
        let told = workers.into_iter().zip(copies);
        self.effects.extend(told.map(|(worker, payload)| Effect::Tell {
            worker,
            event_type: event_type.into(),
            payload,
        }));
    }

    /// Changes a reservation and its task, and sends the change to the worker.
    pub(super) fn set_reservation(&mut self, sid: &ReservationSid, status: ReservationStatus) {
        let now = self.now;
        let Some(reservation) = self.reservations.get_mut(sid) else { return };
        if reservation.status == status {
            return;
        }
        reservation.status = status;
        reservation.updated = now;
        reservation.version += 1;
        let ringing = reservation.ringing.take();
        let task_sid = reservation.task.clone();
        let worker = reservation.worker.clone();
        if status != ReservationStatus::Pending {
            self.cancel_timers(&Due::Reservation(sid.clone()));
        }
        self.log(format!("{sid} is {}", status.as_str()));
        let has = |model: &Self, wanted: ReservationStatus| {
            model.reservations.values().any(|other| other.task == task_sid && other.status == wanted)
        };
        let (accepted, wrapping, pending) = (
            has(self, ReservationStatus::Accepted),
            has(self, ReservationStatus::Wrapping),
            has(self, ReservationStatus::Pending),
        );
        let Some(task) = self.tasks.get_mut(&task_sid) else { return };
        let before = task.status;
        if status == ReservationStatus::Accepted {
            task.handed_on = false;
        }
        let next = if task.status.is_final() {
            task.status
        } else if pending {
            // Even while the worker who hands it over still has it.
            TaskStatus::Reserved
        } else if accepted {
            TaskStatus::Assigned
        } else if task.handed_on {
            TaskStatus::Pending
        } else if wrapping {
            TaskStatus::Wrapping
        } else if status == ReservationStatus::Completed {
            TaskStatus::Completed
        } else {
            TaskStatus::Pending
        };
        if status == ReservationStatus::Rejected {
            task.rejected_by.push(worker);
        }
        if next != task.status {
            task.status = next;
            task.version += 1;
            task.updated = now;
        }
        let (completed, expired) = (next == TaskStatus::Completed, task.expired);
        let over = !status.is_active();
        let wraps = next == TaskStatus::Wrapping && before != next;
        self.settle_transfer(sid, status);
        self.tell_reservation(sid);
        if over {
            self.seat_is_over(sid);
        }
        if wraps {
            self.tell_task(&task_sid, "task.wrapup");
        }
        if let Some(call) = ringing {
            // The phone still rings: the reservation ended for another reason.
            self.end_call(&call, CallStatus::Canceled, Left::HungUp);
        }
        if completed {
            self.timer(self.facts.task_deleted_after, Due::TaskDeletion(task_sid.clone()));
        } else if next == TaskStatus::Pending && expired {
            self.cancel_task(&task_sid, "Task TTL Exceeded");
        }
    }

    /// Ends a task that no worker has yet.
    pub(super) fn cancel_task(&mut self, sid: &TaskSid, reason: &str) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(sid) else { return };
        if !matches!(task.status, TaskStatus::Pending | TaskStatus::Reserved) {
            return;
        }
        task.status = TaskStatus::Canceled;
        task.reason = Some(reason.into());
        task.version += 1;
        task.updated = now;
        self.log(format!("{sid} is canceled: {reason}"));
        self.stream_task(sid, "task.canceled");
        self.timer(self.facts.task_deleted_after, Due::TaskDeletion(sid.clone()));
        let pending: Vec<ReservationSid> = self
            .reservations
            .iter()
            .filter(|(_, reservation)| {
                reservation.task == *sid && reservation.status == ReservationStatus::Pending
            })
            .map(|(reservation, _)| reservation.clone())
            .collect();
        for reservation in pending {
            self.set_reservation(&reservation, ReservationStatus::Canceled);
        }
        self.chat_transfer_fails(sid);
    }

    /// Ends a task that a worker has.
    pub(super) fn complete_task(&mut self, sid: &TaskSid, reason: Option<String>) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(sid) else { return };
        task.status = TaskStatus::Completed;
        task.reason = reason;
        task.version += 1;
        task.updated = now;
        self.log(format!("{sid} is completed"));
        self.timer(self.facts.task_deleted_after, Due::TaskDeletion(sid.clone()));
        let active: Vec<ReservationSid> = self
            .reservations
            .iter()
            .filter(|(_, reservation)| reservation.task == *sid && reservation.status.is_active())
            .map(|(reservation, _)| reservation.clone())
            .collect();
        for reservation in active {
            self.set_reservation(&reservation, ReservationStatus::Completed);
        }
    }

    /// Wraps up all accepted reservations of the task.
    pub(super) fn wrap_task(&mut self, sid: &TaskSid) {
        let accepted: Vec<ReservationSid> = self
            .reservations
            .iter()
            .filter(|(_, reservation)| {
                reservation.task == *sid && reservation.status == ReservationStatus::Accepted
            })
            .map(|(reservation, _)| reservation.clone())
            .collect();
        for reservation in accepted {
            self.set_reservation(&reservation, ReservationStatus::Wrapping);
        }
    }

    pub(super) fn task_timed_out(&mut self, sid: &TaskSid) {
        let ringing = self
            .reservations
            .values()
            .any(|reservation| reservation.task == *sid && reservation.ringing.is_some());
        if ringing {
            // Timeouts are suspended while the agent is being connected.
            if let Some(task) = self.tasks.get_mut(sid) {
                task.expired = true;
            }
        } else {
            self.cancel_task(sid, "Task TTL Exceeded");
        }
    }

    pub(super) fn forget_task(&mut self, sid: &TaskSid) {
        self.tasks.remove(sid);
        self.reservations.retain(|_, reservation| reservation.task != *sid);
        self.transfers.retain(|_, transfer| transfer.task != *sid);
    }

    pub(super) fn reservation_timed_out(&mut self, sid: &ReservationSid) {
        let Some(reservation) = self.reservations.get(sid) else { return };
        if reservation.status != ReservationStatus::Pending || reservation.ringing.is_some() {
            return;
        }
        let worker = reservation.worker.clone();
        if self.facts.timeout_makes_offline {
            // First, or the same worker would be offered the task again.
            self.go_offline(&worker);
        }
        self.set_reservation(sid, ReservationStatus::Timeout);
    }

    fn go_offline(&mut self, worker: &WorkerSid) {
        let offline = self.account.activities.iter().find(|activity| !activity.available);
        if let Some(activity) = offline.map(|activity| activity.sid.clone()) {
            self.set_activity(worker, activity);
        }
    }

    pub(super) fn set_activity(&mut self, sid: &WorkerSid, activity: ActivitySid) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(sid) else { return };
        if worker.activity != activity {
            worker.activity = activity;
            worker.status_changed = now;
            // A change of activity clears earlier rejections.
            for task in self.tasks.values_mut() {
                task.rejected_by.retain(|rejected| rejected != sid);
            }
        }
        let name = self.workers.get(sid).map_or("", |worker| self.activity_name(worker)).to_owned();
        self.log(format!("{sid} is {name}"));
        self.touch_worker(sid, "worker.activity.update");
    }

    pub(super) fn touch_worker(&mut self, sid: &WorkerSid, event_type: &str) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(sid) else { return };
        worker.updated = now;
        worker.version += 1;
        let Some(worker) = self.workers.get(sid) else { return };
        let payload = self.bridge_worker(sid, worker);
        self.effects.push(Effect::Tell { worker: sid.clone(), event_type: event_type.into(), payload });
        self.stream_worker(sid, event_type);
    }

    pub(super) fn presence(&mut self, sid: &WorkerSid, open: bool) {
        let Some(worker) = self.workers.get_mut(sid) else { return };
        if open {
            worker.sockets += 1;
        } else {
            worker.sockets = worker.sockets.saturating_sub(1);
            if worker.sockets == 0 {
                worker.absences += 1;
                let due = Due::Presence(sid.clone(), worker.absences);
                self.timer(self.facts.presence_ttl, due);
            }
        }
    }

    pub(super) fn absent(&mut self, sid: &WorkerSid, absence: u64) {
        let Some(worker) = self.workers.get(sid) else { return };
        if worker.sockets == 0 && worker.absences == absence && self.is_available(worker) {
            self.log(format!("{sid} has had no desktop for too long and is offline"));
            self.go_offline(sid);
        }
    }
}
