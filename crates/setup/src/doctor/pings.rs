//! The channel, the workflow and the queue of the Recovery Pings.

use super::{Expected, Finding, TaskRouter, shown};
use crate::plan::is_everyones;
use crate::workflow::Routing;
use rejoin_protocol::attributes::RECOVERY_PING_CHANNEL;

const NOT_PINGED: &str = "lost agents are not pinged: each customer waits until the ping's time is over, and goes to the next agent";

/// One finding for each of the three; none for what depends on one that is missing.
pub(super) fn judge(taskrouter: &TaskRouter, expected: &Expected) -> Vec<Finding> {
    let mut all = vec![channel(taskrouter)];
    let sid = &expected.ping_workflow;
    let Some(workflow) = taskrouter.workflows.iter().find(|workflow| workflow.sid == *sid) else {
        all.push(Finding::failed(
            "ping-workflow",
            format!("the workspace has no workflow {sid}"),
            NOT_PINGED,
            "set REJOIN_PING_WORKFLOW_SID to the workflow \"Recovery Ping\"; `rejoin provision` makes one",
        ));
        return all;
    };
    let name = shown(&workflow.friendly_name);
    let queue = Routing::of(&workflow.configuration).and_then(|routing| routing.default_queue);
    let Some(queue) = queue else {
        all.push(Finding::failed(
            "ping-workflow",
            format!("{name} ({sid}) has no default queue"),
            NOT_PINGED,
            "give it one that has every worker",
        ));
        return all;
    };
    let Some(there) = taskrouter.queues.iter().find(|there| there.sid == queue) else {
        all.push(Finding::failed(
            "ping-workflow",
            format!("{name} ({sid}) leads to {queue}, which does not exist"),
            NOT_PINGED,
            "give it a queue that has every worker",
        ));
        return all;
    };
    let queue_name = shown(&there.friendly_name);
    all.push(Finding::ok(
        "ping-workflow",
        format!("{name} ({sid}) leads to the queue {queue_name} ({queue})"),
    ));
    all.push(if is_everyones(there.target_workers.as_deref()) {
        Finding::ok("ping-queue", format!("{queue_name} ({queue}) has every worker"))
    } else {
        Finding::failed(
            "ping-queue",
            format!(
                "{queue_name} ({queue}) has only workers with {}",
                shown(there.target_workers.as_deref().unwrap_or_default())
            ),
            "agents outside it are not pinged: their customers go to somebody else",
            "set its workers to 1==1",
        )
    });
    all
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
