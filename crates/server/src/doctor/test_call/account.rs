//! What a test call has in TaskRouter: a worker, a queue for that worker alone, and a workflow with the filter of `rejoin
//! provision`. All have the same name, by which they are found again.

use super::patience::{patiently, until};
use rejoin_protocol::attributes::RECOVERY_PING_CHANNEL;
use rejoin_protocol::{ActivitySid, CallSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_twilio::{Activity, Client, Error};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Every name begins so. What has another name is never touched.
pub(super) const PREFIX: &str = "Rejoin test call ";
/// The attribute of the worker that the queue asks for. Values must have no hyphens
/// (<https://www.twilio.com/docs/taskrouter/api/worker>).
const ATTRIBUTE: &str = "rejoin_test_call";
/// Channel of calls.
const VOICE: &str = "voice";
/// How long a deletion may be refused before it counts as failed: what it depends on has only just ended.
const SETTLES: Duration = Duration::from_secs(15);

/// What was created.
#[derive(Clone, Debug)]
pub(super) struct Ours {
    pub(super) worker: WorkerSid,
    pub(super) workflow: WorkflowSid,
    /// An activity that receives tasks.
    pub(super) available: ActivitySid,
}

/// A name that no other run has.
pub(super) fn name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{PREFIX}{}", since.as_millis())
}

/// The first activity that receives tasks, apart from the one that the server lends, and the first that does not.
pub(super) async fn activities(
    client: &Client,
    lent: Option<&ActivitySid>,
) -> Result<Option<(ActivitySid, ActivitySid)>, Error> {
    let all = patiently(async || client.list_activities().await).await?;
    let first = |wanted: &dyn Fn(&&Activity) -> bool| all.iter().find(wanted).map(|it| it.sid.clone());
    let available = first(&|it| it.available && Some(&it.sid) != lent);
    Ok(available.zip(first(&|it| !it.available)))
}

/// Creates all of it. The worker receives no tasks yet, and none but calls and pings ever.
pub(super) async fn create(
    client: &Client,
    name: &str,
    (available, away): (ActivitySid, ActivitySid),
) -> Result<Ours, Error> {
    let value = name.trim_start_matches(PREFIX);
    let attributes = json!({ ATTRIBUTE: value, "contact_uri": "client:rejoin_test_call" }).to_string();
    let worker = patiently(async || client.create_worker(name, &away, &attributes).await).await?.sid;
    let channels = patiently(async || client.list_worker_channels(&worker).await).await?;
    for channel in channels {
        let capacity = match channel.task_channel_unique_name.as_str() {
            VOICE | RECOVERY_PING_CHANNEL => 1,
            _ => 0,
        };
        if channel.configured_capacity != capacity {
            patiently(async || client.set_capacity(&worker, &channel.sid, capacity).await).await?;
        }
    }
    let target = format!("{ATTRIBUTE} == \"{value}\"");
    let queue = patiently(async || client.create_queue_of(name, &target).await).await?.sid;
    let configuration = configuration(&queue).ok_or(Error::Unreadable { may_have_acted: false })?;
    let workflow = patiently(async || client.create_workflow(name, &configuration).await).await?.sid;
    Ok(Ours { worker, workflow, available })
}

fn configuration(queue: &TaskQueueSid) -> Option<String> {
    let bare = json!({"task_routing": {"filters": [], "default_filter": {"queue": queue}}}).to_string();
    rejoin_setup::with_filter(&bare, queue, queue)
}

/// Deletes what a run has created, or every run: its calls are ended, its tasks deleted, and then workflow, queue and worker.
/// Returns how many things were deleted.
pub(super) async fn remove(client: &Client, name: Option<&str>) -> Result<usize, Error> {
    let is_ours = |it: &str| it.starts_with(PREFIX) && name.is_none_or(|name| it == name);
    let mut workers = patiently(async || client.list_workers().await).await?;
    workers.retain(|it| is_ours(&it.friendly_name));
    let mut workflows = patiently(async || client.list_workflows().await).await?;
    workflows.retain(|it| is_ours(&it.friendly_name));
    let mut queues = patiently(async || client.list_task_queues().await).await?;
    queues.retain(|it| is_ours(&it.friendly_name));
    let activities = if workers.is_empty() { None } else { activities(client, None).await? };
    for worker in &workers {
        // From here on nothing is offered to them.
        if let Some((_, away)) = &activities {
            patiently(async || client.withdraw(&worker.sid, away).await).await?;
        }
    }
    for workflow in &workflows {
        for task in patiently(async || client.list_tasks_of(&workflow.sid).await).await? {
            end_task(client, &task.sid).await?;
        }
    }
    for worker in &workers {
        for status in ["accepted", "wrapping"] {
            for offer in patiently(async || client.offers(&worker.sid, status).await).await? {
                // Its task may be deleted by now.
                let _ = client.answer_offer(&worker.sid, &offer.sid, "completed").await;
            }
        }
    }
    for workflow in &workflows {
        deleted(async || client.delete_workflow(&workflow.sid).await).await?;
    }
    for queue in &queues {
        deleted(async || client.delete_task_queue(&queue.sid).await).await?;
    }
    for worker in &workers {
        deleted(async || client.delete_worker(&worker.sid).await).await?;
    }
    Ok(workers.len() + workflows.len() + queues.len())
}

/// Ends the calls that a task of ours names, and deletes the task.
async fn end_task(client: &Client, task: &TaskSid) -> Result<(), Error> {
    let found = match patiently(async || client.fetch_task(task).await).await {
        Err(Error::Gone) => return Ok(()),
        found => found?,
    };
    let attributes: Value = serde_json::from_str(&found.attributes.unwrap_or_default()).unwrap_or_default();
    for leg in ["/conference/participants/worker", "/conference/participants/customer", "/call_sid"] {
        if let Some(call) = attributes.pointer(leg).and_then(Value::as_str)
            && let Ok(call) = CallSid::parse(call)
        {
            end_call(client, &call).await?;
        }
    }
    deleted(async || client.delete_task(task).await).await
}

/// Ends a call, if it is not over.
pub(super) async fn end_call(client: &Client, call: &CallSid) -> Result<(), Error> {
    match patiently(async || client.end_call(call).await).await {
        Err(Error::Gone | Error::Refused { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn deleted(delete: impl AsyncFn() -> Result<(), Error>) -> Result<(), Error> {
    let mut last = Error::Gone;
    let done = until(SETTLES, async || match patiently(&delete).await {
        Ok(()) | Err(Error::Gone) => Ok(Some(())),
        Err(error @ (Error::Refused { .. } | Error::Conflict)) => {
            last = error;
            Ok(None)
        }
        Err(error) => Err(error),
    });
    match done.await? {
        Some(()) => Ok(()),
        None => Err(last),
    }
}
