//! The model's resources in the event bridge's form, as `twilio-taskrouter` 2.1.1 reads it.

use super::{
    Model,
    state::{Participant, ParticipantKind, Reservation, Task, Transfer, Worker},
    with,
};
use crate::dates::iso;
use rejoin_protocol::{
    ConferenceSid, Millis, ParticipantSid, ReservationSid, TaskSid, TransferSid, WorkerSid,
};
use serde_json::{Value, json};

/// The event bridge counts in seconds.
pub(super) fn seconds(at: Millis) -> u64 {
    at.0 / 1000
}

impl Model {
    pub(super) fn bridge_page(items: Vec<Value>) -> Value {
        with(json!({"after_sid": null}), [("contents", items.into())])
    }

    pub(super) fn bridge_task(&self, sid: &TaskSid, task: &Task) -> Value {
        let (channel, channel_name) = self.channel(task);
        json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "assignment_status": task.status.as_str(), "attributes": task.attributes.text(),
            "addons": "{}", "age": task.created.until(self.now).0 / 1000, "priority": task.priority,
            "timeout": task.timeout.0 / 1000, "reason": task.reason,
            "date_created": seconds(task.created), "date_updated": seconds(task.updated),
            "queue_sid": task.queue, "queue_name": self.queue_name(task),
            "routing_target": task.routing_target,
            "task_channel_sid": channel, "task_channel_unique_name": channel_name,
            "workflow_sid": task.workflow, "workflow_name": self.workflow_name(task),
            "version": task.version.to_string(), "virtual_start_time": seconds(task.created),
        })
    }

    /// The form of replies to changes, without transfers: `twilio-taskrouter` would throw.
    pub(super) fn bridge_reservation(&self, sid: &ReservationSid, reservation: &Reservation) -> Value {
        let task = self.tasks.get(&reservation.task).map(|task| self.bridge_task(&reservation.task, task));
        let bridged = json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "task_sid": reservation.task, "worker_sid": reservation.worker,
            "reservation_status": reservation.status.as_str(),
            "reservation_timeout": self.facts.reservation_timeout.0 / 1000,
            "date_created": seconds(reservation.created), "date_updated": seconds(reservation.updated),
            "version": reservation.version.to_string(),
        });
        with(bridged, [("task", task.unwrap_or_default())])
    }

    /// The form of events and lists: with transfers, and the reason of a cancellation.
    pub(super) fn bridge_reservation_in_full(
        &self,
        sid: &ReservationSid,
        reservation: &Reservation,
    ) -> Value {
        let mut bridged = self.bridge_reservation(sid, reservation);
        // An absent transfer must not be `null` either: Flex would read it as one.
        let incoming = reservation.transfer.as_ref().and_then(|sid| Some((sid, self.transfers.get(sid)?)));
        if let Some((sid, transfer)) = incoming {
            bridged["task_transfer"] = self.bridge_transfer(sid, transfer);
        }
        if let Some((sid, transfer)) = self.open_transfer_from(sid) {
            bridged["active_outgoing_task_transfer"] = self.bridge_transfer(sid, transfer);
        }
        if let Some(code) = reservation.canceled_code {
            bridged["canceled_reason_code"] = json!(code);
        }
        bridged
    }

    pub(super) fn bridge_transfer(&self, sid: &TransferSid, transfer: &Transfer) -> Value {
        json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "task_sid": transfer.task, "transfer_mode": transfer.mode.as_str(), "transfer_type": transfer.to.kind(),
            "transfer_to": transfer.to.as_str(), "transfer_status": transfer.status.as_str(),
            "transfer_failed_reason": transfer.failed,
            "initiating_reservation_sid": transfer.reservation, "initiating_worker_sid": transfer.worker,
            "initiating_queue_sid": transfer.queue, "initiating_workflow_sid": transfer.workflow,
            "date_created": seconds(transfer.created), "date_updated": seconds(transfer.updated),
        })
    }

    pub(super) fn bridge_worker(&self, sid: &WorkerSid, worker: &Worker) -> Value {
        json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "friendly_name": worker.name, "attributes": worker.attributes.text(),
            "activity_sid": worker.activity, "activity_name": self.activity_name(worker),
            "available": self.is_available(worker), "date_created": seconds(worker.created),
            "date_updated": seconds(worker.updated), "date_status_changed": seconds(worker.status_changed),
            "version": worker.version.to_string(),
        })
    }

    /// All workers and all queues, for Flex's directory. Lists that are asked for in an order have a token instead of
    /// `after_sid` (*read* in `twilio-taskrouter`).
    pub(super) fn bridge_workers(&self) -> Value {
        let workers: Vec<Value> =
            self.workers.iter().map(|(sid, worker)| self.bridge_worker(sid, worker)).collect();
        json!({ "contents": workers, "after_sid": null, "meta": { "next_token": null } })
    }

    pub(super) fn bridge_queues(&self) -> Value {
        let queues = self.account.queues.iter().map(|queue| {
            json!({
                "sid": queue.sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
                "friendly_name": queue.name, "target_workers": queue.target_workers, "task_order": "FIFO",
                "max_reserved_workers": 1, "assignment_activity_sid": null, "assignment_activity_name": null,
                "reservation_activity_sid": null, "reservation_activity_name": null,
                "lifo_queue": false, "date_created": seconds(Millis(0)), "date_updated": seconds(Millis(0)),
            })
        });
        let queues: Vec<Value> = queues.collect();
        json!({ "contents": queues, "after_sid": null, "meta": { "next_token": null } })
    }

    pub(super) fn bridge_channels(&self, task: &TaskSid) -> Value {
        json!({"channels": [self.bridge_channel(task)]})
    }

    pub(super) fn bridge_channel(&self, task: &TaskSid) -> Value {
        let conference = self.open_conference(task.as_str()).or_else(|| {
            let mut all = self.conferences.iter().rev();
            all.find(|(_, conference)| conference.name == task.as_str()).map(|(sid, _)| sid.clone())
        });
        let status = match &conference {
            None => "setup",
            Some(sid) if self.conferences.get(sid).is_some_and(|state| state.ended.is_some()) => "closed",
            Some(_) => "active",
        };
        json!({
            "sid": channel_sid(task), "type": "voice", "interaction_sid": interaction_sid(task),
            "status": status, "media_sid": conference,
        })
    }

    pub(super) fn bridge_channel_participants(&self, task: &TaskSid) -> Value {
        let open = self.open_conference(task.as_str());
        let participants: Vec<Value> = open
            .and_then(|sid| Some((self.conferences.get(&sid)?, sid)))
            .map(|(conference, sid)| {
                conference
                    .live()
                    .map(|participant| {
                        let bridged = json!({
                            "sid": participant.sid, "type": participant.kind.as_str(),
                            "interaction_sid": interaction_sid(task), "channel_sid": channel_sid(task),
                        });
                        with(bridged, self.properties(&sid, task, participant))
                    })
                    .collect()
            })
            .unwrap_or_default();
        with(json!({"channel_type": "voice"}), [("participants", participants.into())])
    }

    /// Payload of `participant.added`, `.modified` and `.removed`.
    pub(super) fn bridge_participant(
        &self,
        conference: &ConferenceSid,
        task: &TaskSid,
        participant: &Participant,
    ) -> Value {
        let bridged = json!({
            "participant_sid": participant.sid, "channel_sid": channel_sid(task), "channel_type": "voice",
            "interaction_sid": interaction_sid(task), "type": participant.kind.as_str(),
        });
        with(bridged, self.properties(conference, task, participant))
    }

    fn properties(
        &self,
        conference: &ConferenceSid,
        task: &TaskSid,
        participant: &Participant,
    ) -> [(&'static str, Value); 2] {
        [
            ("media_properties", self.media_properties(conference, task, participant)),
            ("routing_properties", routing_properties(task, participant)),
        ]
    }

    /// The reply to a change of a participant.
    pub(super) fn bridge_participant_stub(task: &TaskSid, sid: &ParticipantSid, kind: &str) -> Value {
        json!({
            "sid": sid, "type": kind, "interaction_sid": interaction_sid(task), "channel_sid": channel_sid(task),
        })
    }

    /// Every value is a list of one string.
    fn media_properties(&self, sid: &ConferenceSid, task: &TaskSid, participant: &Participant) -> Value {
        let call = self.calls.get(&participant.call);
        json!({
            "AccountSid": [self.account.sid], "CallSid": [participant.call],
            "Coaching": [participant.coaches.is_some().to_string()],
            "ConferenceSid": [sid], "FriendlyName": [task],
            "EndConferenceOnExit": [participant.end_on_exit.to_string()],
            "Hold": [participant.hold.to_string()], "Muted": [participant.muted.to_string()],
            "SequenceNumber": [participant.sequence.to_string()],
            "StartConferenceOnEnter": [participant.start_on_enter.to_string()],
            "StatusCallbackEvent": [participant.event], "Timestamp": [iso(participant.updated)],
            "From": [call.map_or("", |call| call.from.as_str())],
            "To": [call.map_or("", |call| call.to.as_str())],
        })
    }
}

fn interaction_sid(task: &TaskSid) -> String {
    format!("KD{}", task.digits())
}

fn channel_sid(task: &TaskSid) -> String {
    format!("UO{}", task.digits())
}

fn routing_properties(task: &TaskSid, participant: &Participant) -> Value {
    match &participant.kind {
        ParticipantKind::Agent { worker, reservation } => {
            json!({"task_sid": task, "reservation_sid": reservation, "worker_sid": worker})
        }
        ParticipantKind::Supervisor(worker) => json!({"task_sid": task, "worker_sid": worker}),
        ParticipantKind::Customer | ParticipantKind::External => json!({"task_sid": task}),
    }
}
