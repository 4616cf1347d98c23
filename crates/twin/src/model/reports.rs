//! The data of Flex's views of the whole contact centre: the records that its teams view searches, and the state of
//! each task's conference. In the form that `@twilio/flex-ui` 2.17.1 reads.

use super::{
    Model,
    state::{Conference, Participant, ParticipantKind, ReservationStatus},
};
use crate::dates::iso;
use rejoin_protocol::{ConferenceSid, TaskSid};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Records by their key.
pub type Records = BTreeMap<String, Value>;

/// All current records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reports {
    /// Records that can be searched, by the name of their index: `tr-worker`, `tr-reservation`, `tr-queue`.
    pub indexes: BTreeMap<&'static str, Records>,
    /// The participants of the conference of each known task that has or had one.
    pub conferences: BTreeMap<TaskSid, Records>,
}

impl Model {
    /// The current records.
    pub fn reports(&self) -> Reports {
        let workers = self.workers.iter().map(|(sid, worker)| {
            let record = json!({
                "worker_sid": sid, "workspace_sid": self.account.workspace, "friendly_name": worker.name,
                "activity_sid": worker.activity, "activity_name": self.activity_name(worker),
                "attributes": *worker.attributes, "date_updated": iso(worker.updated),
                "date_activity_changed": iso(worker.status_changed),
            });
            (sid.to_string(), record)
        });
        let active = self.reservations.iter().filter(|(_, reservation)| reservation.status.is_active());
        let reservations = active.filter_map(|(sid, reservation)| {
            let task = self.tasks.get(&reservation.task)?;
            let status = match reservation.status {
                ReservationStatus::Wrapping => "wrapup",
                other => other.as_str(),
            };
            let record = json!({
                "reservation_sid": sid, "status": status, "worker_sid": reservation.worker,
                "task_sid": reservation.task, "task_status": task.status.as_str(), "task_priority": task.priority,
                "task_age": task.created.until(task.updated).0 / 1000, "task_channel_unique_name": self.channel(task).1,
                "task_routing_target": task.routing_target, "attributes": *task.attributes,
                "queue_name": self.queue_name(task), "workflow_name": self.workflow_name(task),
                "date_created": iso(reservation.created), "date_updated": iso(reservation.updated),
            });
            Some((sid.to_string(), record))
        });
        let queues = self.account.queues.iter().map(|queue| {
            let record = json!({
                "queue_sid": queue.sid, "queue_name": queue.name, "workspace_sid": self.account.workspace,
            });
            (queue.sid.to_string(), record)
        });
        let indexes = [
            ("tr-worker", workers.collect()),
            ("tr-reservation", reservations.collect()),
            ("tr-queue", queues.collect()),
        ];
        let conferences = self.conferences.iter().filter_map(|(sid, conference)| {
            let task = TaskSid::parse(&conference.name).ok().filter(|task| self.tasks.contains_key(task))?;
            Some((task, who_is_in(sid, conference)))
        });
        Reports { indexes: indexes.into(), conferences: conferences.collect() }
    }
}

/// A record for the conference itself, and one for each leg that is or was in it.
fn who_is_in(sid: &ConferenceSid, conference: &Conference) -> Records {
    let status = if conference.ended.is_some() { "ended" } else { "started" };
    let own = ("conf_status".to_owned(), json!({ "status": status, "conference_sid": sid }));
    let legs = conference
        .participants
        .iter()
        .map(|participant| (participant.call.to_string(), leg(sid, participant)));
    legs.chain([own]).collect()
}

fn leg(sid: &ConferenceSid, participant: &Participant) -> Value {
    let worker = match &participant.kind {
        ParticipantKind::Agent { worker, .. } | ParticipantKind::Supervisor(worker) => Some(worker),
        ParticipantKind::Customer | ParticipantKind::External => None,
    };
    json!({
        "participant_type": participant.kind.as_str(), "conference_sid": sid, "worker_sid": worker,
        "reservation_sid": participant.kind.reservation(), "end_conference_on_exit": participant.end_on_exit,
        "hold": participant.hold, "muted": participant.muted, "connecting": false,
        "status": if participant.left.is_none() { "joined" } else { "left" },
    })
}
