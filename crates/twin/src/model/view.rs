//! The model's resources in the REST API's form.

use super::{
    ActivitySetup, ApiError, ChannelSetup, Model,
    api::Reply,
    bridge::seconds,
    state::{Call, Conference, Participant, Reservation, Task, Worker},
    with,
};
use crate::dates::{iso, rfc2822};
use rejoin_protocol::{CallSid, ConferenceSid, Millis, ReservationSid, TaskSid, WorkerChannelSid, WorkerSid};
use serde_json::{Map, Value, json};

const API: &str = "/2010-04-01/Accounts";
pub(super) const TASKROUTER: &str = "https://taskrouter.twilio.com/v1/Workspaces";

// --- api.twilio.com ---

impl Model {
    pub(super) fn voice_path(&self, path: &str) -> String {
        format!("{API}/{}/{path}.json", self.account.sid)
    }

    pub(super) fn rest_call(&self, sid: &CallSid, call: &Call) -> Value {
        let duration = call.ended.map(|ended| (call.created.until(ended).0 / 1000).to_string());
        json!({
            "sid": sid, "account_sid": self.account.sid, "api_version": "2010-04-01",
            "from": call.from, "from_formatted": call.from, "to": call.to, "to_formatted": call.to,
            "status": call.status.as_str(), "direction": call.kind.direction(),
            "start_time": rfc2822(call.created), "end_time": call.ended.map(rfc2822), "duration": duration,
            "date_created": rfc2822(call.created), "date_updated": rfc2822(call.ended.unwrap_or(call.created)),
            "parent_call_sid": null, "answered_by": null, "caller_name": null, "forwarded_from": null,
            "group_sid": null, "phone_number_sid": null, "price": null, "price_unit": "USD",
            "queue_time": "0", "trunk_sid": null,
            "uri": self.voice_path(&format!("Calls/{sid}")), "subresource_uris": self.of_call(sid),
        })
    }

    fn of_call(&self, sid: &CallSid) -> Value {
        let path = |(name, path): (&str, &str)| {
            (name.to_owned(), self.voice_path(&format!("Calls/{sid}/{path}")).into())
        };
        let parts = [
            ("events", "Events"),
            ("notifications", "Notifications"),
            ("payments", "Payments"),
            ("recordings", "Recordings"),
            ("siprec", "Siprec"),
            ("streams", "Streams"),
            ("transcriptions", "Transcriptions"),
            ("user_defined_message_subscriptions", "UserDefinedMessageSubscriptions"),
            ("user_defined_messages", "UserDefinedMessages"),
        ];
        Value::Object(parts.map(path).into_iter().collect())
    }

    pub(super) fn rest_conference(&self, sid: &ConferenceSid, conference: &Conference) -> Value {
        let ended = conference.ended.as_ref();
        json!({
            "sid": sid, "account_sid": self.account.sid, "api_version": "2010-04-01",
            "friendly_name": conference.name, "status": conference.status.as_str(), "region": "us1",
            "date_created": rfc2822(conference.created), "date_updated": rfc2822(conference.updated),
            "reason_conference_ended": ended.map(|ended| ended.as_str()),
            "call_sid_ending_conference": ended.and_then(|ended| ended.call()),
            "uri": self.voice_path(&format!("Conferences/{sid}")),
            "subresource_uris": {
                "participants": self.voice_path(&format!("Conferences/{sid}/Participants")),
                "recordings": self.voice_path(&format!("Conferences/{sid}/Recordings")),
            },
        })
    }

    /// Like [`Model::rest_participant`], for a participant whose phone rings.
    pub(super) fn rest_queued_participant(
        &self,
        sid: &ConferenceSid,
        call: &CallSid,
        label: Option<&str>,
    ) -> Value {
        let at = rfc2822(self.now);
        json!({
            "account_sid": self.account.sid, "call_sid": call, "label": label, "conference_sid": sid,
            "date_created": at, "date_updated": at, "end_conference_on_exit": false, "muted": false,
            "hold": false, "status": "queued", "start_conference_on_enter": true, "coaching": false,
            "call_sid_to_coach": null, "queue_time": null,
            "uri": self.voice_path(&format!("Conferences/{sid}/Participants/{call}")),
        })
    }

    pub(super) fn rest_participant(&self, sid: &ConferenceSid, participant: &Participant) -> Value {
        json!({
            "account_sid": self.account.sid, "call_sid": participant.call, "label": participant.label,
            "conference_sid": sid, "date_created": rfc2822(participant.joined),
            "date_updated": rfc2822(participant.updated),
            "end_conference_on_exit": participant.end_on_exit, "muted": participant.muted,
            "hold": participant.hold, "status": "connected",
            "start_conference_on_enter": participant.start_on_enter,
            "coaching": participant.coaches.is_some(), "call_sid_to_coach": participant.coaches,
            "queue_time": null,
            "uri": self.voice_path(&format!("Conferences/{sid}/Participants/{}", participant.call)),
        })
    }
}

// --- taskrouter.twilio.com ---

impl Model {
    pub(super) fn taskrouter_url(&self, path: &str) -> String {
        format!("{TASKROUTER}/{}/{path}", self.account.workspace)
    }

    pub(super) fn queue_name(&self, task: &Task) -> Option<&str> {
        let queue = task.queue.as_ref()?;
        self.account.queues.iter().find(|known| known.sid == *queue).map(|known| known.name.as_str())
    }

    pub(super) fn workflow_name(&self, task: &Task) -> &str {
        self.workflow(&task.workflow).map_or("", |workflow| workflow.name.as_str())
    }

    pub(super) fn activity_name(&self, worker: &Worker) -> &str {
        let found = self.account.activities.iter().find(|known| known.sid == worker.activity);
        found.map_or("", |known| known.name.as_str())
    }

    /// SID and unique name.
    pub(super) fn channel(&self, task: &Task) -> (Value, Value) {
        self.account
            .channels
            .get(task.channel)
            .map_or((Value::Null, Value::Null), |channel| (json!(channel.sid), json!(channel.unique_name)))
    }

    pub(super) fn rest_task(&self, sid: &TaskSid, task: &Task, attributes: bool) -> Value {
        let (channel, channel_name) = self.channel(task);
        let url = self.taskrouter_url(&format!("Tasks/{sid}"));
        json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "assignment_status": task.status.as_str(),
            "attributes": attributes.then(|| task.attributes.text()), "addons": "{}",
            "age": task.created.until(self.now).0 / 1000, "priority": task.priority,
            "timeout": task.timeout.0 / 1000, "reason": task.reason,
            "date_created": iso(task.created), "date_updated": iso(task.updated),
            "task_queue_entered_date": task.queue_entered.map(iso), "virtual_start_time": iso(task.created),
            "task_queue_sid": task.queue, "task_queue_friendly_name": self.queue_name(task),
            "task_channel_sid": channel, "task_channel_unique_name": channel_name,
            "workflow_sid": task.workflow, "workflow_friendly_name": self.workflow_name(task),
            "ignore_capacity": task.ignore_capacity, "routing_target": task.routing_target,
            "links": {
                "reservations": format!("{url}/Reservations"),
                "task_queue": task.queue.as_ref().map(|queue| self.taskrouter_url(&format!("TaskQueues/{queue}"))),
                "workflow": self.taskrouter_url(&format!("Workflows/{}", task.workflow)),
                "workspace": format!("{TASKROUTER}/{}", self.account.workspace),
            },
            "url": url,
        })
    }

    pub(super) fn rest_reservation(&self, sid: &ReservationSid, reservation: &Reservation) -> Value {
        let task = self.taskrouter_url(&format!("Tasks/{}", reservation.task));
        let worker = self.workers.get(&reservation.worker);
        json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "task_sid": reservation.task, "worker_sid": reservation.worker,
            "worker_name": worker.map(|worker| worker.name.as_str()),
            "reservation_status": reservation.status.as_str(),
            "date_created": iso(reservation.created), "date_updated": iso(reservation.updated),
            "url": format!("{task}/Reservations/{sid}"),
            "links": {
                "task": task,
                "worker": self.taskrouter_url(&format!("Workers/{}", reservation.worker)),
                "workspace": format!("{TASKROUTER}/{}", self.account.workspace),
            },
        })
    }

    pub(super) fn rest_worker(&self, sid: &WorkerSid, worker: &Worker) -> Value {
        let url = self.taskrouter_url(&format!("Workers/{sid}"));
        json!({
            "sid": sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
            "friendly_name": worker.name, "attributes": worker.attributes.text(),
            "activity_sid": worker.activity, "activity_name": self.activity_name(worker),
            "available": self.is_available(worker), "date_created": iso(worker.created),
            "date_updated": iso(worker.updated), "date_status_changed": iso(worker.status_changed),
            "links": {
                "reservations": format!("{url}/Reservations"), "channels": format!("{url}/Channels"),
                "worker_channels": format!("{url}/WorkerChannels"), "statistics": format!("{url}/Statistics"),
                "activity": self.taskrouter_url(&format!("Activities/{}", worker.activity)),
                "real_time_statistics": self.taskrouter_url("Workers/RealTimeStatistics"),
                "cumulative_statistics": self.taskrouter_url("Workers/CumulativeStatistics"),
                "worker_statistics": self.taskrouter_url("Workers/Statistics"),
                "workspace": format!("{TASKROUTER}/{}", self.account.workspace),
            },
            "url": url,
        })
    }

    pub(super) fn activity_list(&self) -> Reply {
        let at = Millis(0);
        let of = |date: Value, activity: &ActivitySetup| {
            json!({
                "sid": activity.sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
                "friendly_name": activity.name, "available": activity.available,
                "date_created": date, "date_updated": date,
            })
        };
        let rest = |activity: &ActivitySetup| {
            let workspace = format!("{TASKROUTER}/{}", self.account.workspace);
            let url = self.taskrouter_url(&format!("Activities/{}", activity.sid));
            with(
                of(json!(iso(at)), activity),
                [("url", url.into()), ("links", json!({ "workspace": workspace }))],
            )
        };
        let rest = self.account.activities.iter().map(rest).collect();
        let bridge: Vec<_> =
            self.account.activities.iter().map(|activity| of(json!(seconds(at)), activity)).collect();
        Reply { status: 200, body: list("activities", rest), etag: None, bridge: Self::bridge_page(bridge) }
    }

    pub(super) fn task_channel_list(&self) -> Reply {
        let of = |channel: &ChannelSetup| {
            json!({
                "sid": channel.sid, "account_sid": self.account.sid, "workspace_sid": self.account.workspace,
                "friendly_name": channel.name, "unique_name": channel.unique_name,
                "channel_optimized_routing": false, "date_created": iso(Millis(0)), "date_updated": iso(Millis(0)),
                "url": self.taskrouter_url(&format!("TaskChannels/{}", channel.sid)),
                "links": { "workspace": format!("{TASKROUTER}/{}", self.account.workspace) },
            })
        };
        let body = list("channels", self.account.channels.iter().map(of).collect());
        Reply { status: 200, body, etag: None, bridge: Value::Null }
    }

    pub(super) fn workflow_list(&self) -> Reply {
        let items: Vec<_> = self
            .account
            .workflows
            .iter()
            .map(|workflow| {
                let url = self.taskrouter_url(&format!("Workflows/{}", workflow.sid));
                json!({
                    "sid": workflow.sid, "account_sid": self.account.sid,
                    "workspace_sid": self.account.workspace, "friendly_name": workflow.name,
                    "configuration": workflow.configuration,
                    "task_reservation_timeout": self.facts.reservation_timeout.0 / 1000,
                    "assignment_callback_url": "", "fallback_assignment_callback_url": "",
                    "document_content_type": "application/json",
                    "date_created": iso(Millis(0)), "date_updated": iso(Millis(0)),
                    "url": url, "links": {
                        "statistics": format!("{url}/Statistics"),
                        "real_time_statistics": format!("{url}/RealTimeStatistics"),
                        "cumulative_statistics": format!("{url}/CumulativeStatistics"),
                    },
                })
            })
            .collect();
        let body = list("workflows", items);
        Reply { status: 200, body, etag: None, bridge: Value::Null }
    }

    pub(super) fn queue_list(&self) -> Reply {
        let items: Vec<_> = self
            .account
            .queues
            .iter()
            .map(|queue| {
                let url = self.taskrouter_url(&format!("TaskQueues/{}", queue.sid));
                json!({
                    "sid": queue.sid, "account_sid": self.account.sid,
                    "workspace_sid": self.account.workspace, "friendly_name": queue.name,
                    "target_workers": queue.target_workers, "task_order": "FIFO", "max_reserved_workers": 1,
                    "assignment_activity_sid": null, "assignment_activity_name": null,
                    "reservation_activity_sid": null, "reservation_activity_name": null,
                    "date_created": iso(Millis(0)), "date_updated": iso(Millis(0)),
                    "url": url, "links": {
                        "assignment_activity": null, "reservation_activity": null,
                        "workspace": format!("{TASKROUTER}/{}", self.account.workspace),
                        "statistics": format!("{url}/Statistics"),
                        "real_time_statistics": format!("{url}/RealTimeStatistics"),
                        "cumulative_statistics": format!("{url}/CumulativeStatistics"),
                        "list_statistics": self.taskrouter_url("TaskQueues/Statistics"),
                        "bulk_real_time_statistics": self.taskrouter_url("TaskQueues/RealTimeStatistics"),
                    },
                })
            })
            .collect();
        let body = list("task_queues", items);
        Reply { status: 200, body, etag: None, bridge: self.bridge_queues() }
    }

    pub(super) fn channel_list(&self, sid: &WorkerSid) -> Result<Reply, ApiError> {
        let worker = self.workers.get(sid).ok_or_else(|| ApiError::not_found("worker"))?;
        let of = |date: Value, index: usize, channel: &ChannelSetup| {
            let capacity = worker.capacity.get(index).copied().unwrap_or_default();
            let used = self.used_capacity(sid, index);
            let free = capacity.saturating_sub(used) * 100 / capacity.max(1);
            json!({
                "sid": worker_channel(sid, index), "account_sid": self.account.sid,
                "workspace_sid": self.account.workspace, "worker_sid": sid,
                "task_channel_sid": channel.sid, "task_channel_unique_name": channel.unique_name,
                "assigned_tasks": used, "available": true, "available_capacity_percentage": free,
                "configured_capacity": capacity, "date_created": date, "date_updated": date,
            })
        };
        let channels = || self.account.channels.iter().enumerate();
        let rest = channels().map(|(index, channel)| {
            let path = format!("Workers/{sid}/Channels/{}", worker_channel(sid, index));
            let url = self.taskrouter_url(&path).into();
            with(of(json!(iso(worker.created)), index, channel), [("url", url)])
        });
        let rest = rest.collect();
        // Flex's own library reads one more field.
        let reserved = seconds(worker.last_reserved);
        let bridge = channels().map(|(index, channel)| {
            let channel = of(json!(seconds(worker.created)), index, channel);
            with(channel, [("last_reserved_time", json!(reserved))])
        });
        let bridge: Vec<_> = bridge.collect();
        Ok(Reply { status: 200, body: list("channels", rest), etag: None, bridge: Self::bridge_page(bridge) })
    }
}

/// The whole list. The REST API cuts the requested page out of it.
pub(super) fn list(key: &str, items: Vec<Value>) -> Value {
    let mut list = Map::new();
    list.insert(key.to_owned(), items.into());
    Value::Object(list)
}

/// A worker's share of a channel has no SID of its own in the model.
fn worker_channel(worker: &WorkerSid, index: usize) -> WorkerChannelSid {
    let worker = u128::from_str_radix(worker.digits(), 16).unwrap_or_default();
    WorkerChannelSid::numbered(worker.wrapping_mul(16).wrapping_add(index as u128))
}
