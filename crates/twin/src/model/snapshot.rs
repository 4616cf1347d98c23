//! The model's whole state as JSON, for people and tests.

use super::{
    Model,
    state::{CallKind, Doing},
};
use serde_json::{Value, json};

impl Model {
    /// The whole state as JSON, for people and tests.
    pub fn snapshot(&self) -> Value {
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|(sid, call)| {
                let (kind, worker) = match &call.kind {
                    CallKind::Customer { .. } => ("customer", None),
                    CallKind::Agent(worker) => ("agent", Some(worker)),
                    CallKind::Dialled => ("dialled", None),
                    CallKind::Line => ("line", None),
                };
                let doing = match &call.doing {
                    Doing::Nothing if call.ended.is_some() => "ended",
                    Doing::Nothing => "nothing",
                    Doing::Ringing(_) => "ringing",
                    Doing::Fetching => "fetching",
                    Doing::Sounding => "playing",
                    Doing::Queued(_) => "queued",
                    Doing::Conference(..) => "conference",
                };
                let task = match &call.doing {
                    Doing::Queued(queued) => Some(&queued.task),
                    _ => None,
                };
                json!({
                    "sid": sid, "kind": kind, "worker": worker, "status": call.status.as_str(), "doing": doing,
                    "native": matches!(call.kind, CallKind::Customer { native: true }),
                    "conference": self.conference_of(sid), "task": task,
                })
            })
            .collect();
        let conferences: Vec<Value> = self
            .conferences
            .iter()
            .map(|(sid, conference)| {
                let participants: Vec<Value> = conference
                    .participants
                    .iter()
                    .map(|participant| {
                        json!({
                            "sid": participant.sid, "callSid": participant.call,
                            "kind": participant.kind.as_str(), "joined": participant.left.is_none(),
                            "endConferenceOnExit": participant.end_on_exit, "hold": participant.hold,
                            "muted": participant.muted, "coaches": participant.coaches, "label": participant.label,
                        })
                    })
                    .collect();
                json!({
                    "sid": sid, "friendlyName": conference.name, "status": conference.status.as_str(),
                    "reason": conference.ended.as_ref().map(|ended| ended.as_str()),
                    "participants": participants,
                })
            })
            .collect();
        let tasks: Vec<Value> = self
            .tasks
            .iter()
            .map(|(sid, task)| {
                let (_, channel) = self.channel(task);
                json!({
                    "sid": sid, "status": task.status.as_str(), "reason": task.reason,
                    "priority": task.priority, "attributes": *task.attributes, "channel": channel,
                    "workflow": self.workflow_name(task), "queue": self.queue_name(task),
                    "routingTarget": task.routing_target, "version": task.version,
                })
            })
            .collect();
        let reservations: Vec<Value> = self
            .reservations
            .iter()
            .map(|(sid, reservation)| {
                json!({
                    "sid": sid, "task": reservation.task, "worker": reservation.worker,
                    "status": reservation.status.as_str(),
                })
            })
            .collect();
        let workers: Vec<Value> = self
            .workers
            .iter()
            .map(|(sid, worker)| {
                json!({
                    "sid": sid, "name": worker.name, "activity": self.activity_name(worker),
                    "available": self.is_available(worker), "sockets": worker.sockets,
                })
            })
            .collect();
        json!({
            "calls": calls, "conferences": conferences, "tasks": tasks, "reservations": reservations,
            "workers": workers, "chats": self.chat_snapshot(),
        })
    }
}
