//! The channel, the workflow and the queue of the Recovery Pings.

use super::{Expected, Finding, TaskRouter, shown};
use crate::plan::is_everyones;
use crate::workflow::Routing;
use rejoin_protocol::WorkflowSid;
use rejoin_protocol::attributes::RECOVERY_PING_CHANNEL;
use rejoin_twilio::{TaskQueue, Workflow};

const NOT_PINGED: &str = "lost agents are not pinged: each customer waits until the ping's time is over, and goes to the next agent";

/// One finding for each of the three; none for what depends on one that is missing.
pub(super) fn judge(taskrouter: &TaskRouter, expected: &Expected) -> Vec<Finding> {
    let mut all = vec![channel(taskrouter)];
    match way(taskrouter, &expected.ping_workflow) {
        Ok((workflow, queue)) => all.extend([leads(workflow, queue), has_everyone(queue)]),
        Err(missing) => all.push(missing),
    }
    all
}

/// The workflow of the pings, and the queue that it leads to; or what is missing.
fn way<'a>(taskrouter: &'a TaskRouter, sid: &WorkflowSid) -> Result<(&'a Workflow, &'a TaskQueue), Finding> {
    let missing = |found: String, remedy: &str| Finding::failed("ping-workflow", found, NOT_PINGED, remedy);
    let workflow = taskrouter.workflows.iter().find(|workflow| workflow.sid == *sid).ok_or_else(|| {
        let remedy =
            "set REJOIN_PING_WORKFLOW_SID to the workflow \"Recovery Ping\"; `rejoin provision` makes one";
        missing(format!("the workspace has no workflow {sid}"), remedy)
    })?;
    let name = shown(&workflow.friendly_name);
    let queue = Routing::of(&workflow.configuration).and_then(|routing| routing.default_queue);
    let queue = queue.ok_or_else(|| {
        missing(format!("{name} ({sid}) has no default queue"), "give it one that has every worker")
    })?;
    let there = taskrouter.queues.iter().find(|there| there.sid == queue).ok_or_else(|| {
        let found = format!("{name} ({sid}) leads to {queue}, which does not exist");
        missing(found, "give it a queue that has every worker")
    })?;
    Ok((workflow, there))
}

fn leads(workflow: &Workflow, queue: &TaskQueue) -> Finding {
    let (name, queue_name) = (shown(&workflow.friendly_name), shown(&queue.friendly_name));
    let found = format!("{name} ({}) leads to the queue {queue_name} ({})", workflow.sid, queue.sid);
    Finding::ok("ping-workflow", found)
}

fn has_everyone(queue: &TaskQueue) -> Finding {
    let (name, target) = (shown(&queue.friendly_name), queue.target_workers.as_deref());
    if is_everyones(target) {
        return Finding::ok("ping-queue", format!("{name} ({}) has every worker", queue.sid));
    }
    Finding::failed(
        "ping-queue",
        format!("{name} ({}) has only workers with {}", queue.sid, shown(target.unwrap_or_default())),
        "agents outside it are not pinged: their customers go to another agent",
        "set its workers to 1==1",
    )
}

fn channel(taskrouter: &TaskRouter) -> Finding {
    let found = taskrouter.channels.iter().find(|channel| channel.unique_name == RECOVERY_PING_CHANNEL);
    match found {
        Some(channel) => {
            Finding::ok("ping-channel", format!("{RECOVERY_PING_CHANNEL} is there ({})", channel.sid))
        }
        None => Finding::failed(
            "ping-channel",
            format!("the workspace has no task channel {RECOVERY_PING_CHANNEL}"),
            NOT_PINGED,
            "`rejoin provision` makes it",
        ),
    }
}
