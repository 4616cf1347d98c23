//! The filter that brings a customer back to the same agent, in each workflow.

use super::{Expected, Finding, TaskRouter, shown};
use crate::plan::is_everyones;
use crate::workflow::{self, Routing};
use rejoin_protocol::TaskQueueSid;
use rejoin_twilio::Workflow;

const ELSEWHERE: &str = "its customers, back through the queue, go to any agent instead of their own";

/// A finding for each workflow but the one of the pings, and one if the configured one for outbound calls is missing.
pub(super) fn judge(taskrouter: &TaskRouter, expected: &Expected) -> Vec<Finding> {
    let voice = taskrouter.workflows.iter().filter(|workflow| workflow.sid != expected.ping_workflow);
    let mut all: Vec<_> = voice.map(|workflow| one(workflow, taskrouter, expected)).collect();
    let missing = expected
        .outbound_workflow
        .as_ref()
        .filter(|sid| !taskrouter.workflows.iter().any(|workflow| workflow.sid == **sid));
    all.extend(missing.map(|sid| {
        Finding::failed(
            "outbound-workflow",
            format!("the workspace has no workflow {sid}"),
            "customers of calls that agents placed cannot be requeued",
            "set REJOIN_OUTBOUND_WORKFLOW_SID to a workflow that finds any agent",
        )
    }));
    all
}

/// True when customers come back to their own agents through this workflow.
pub(super) fn has_filter(workflow: &Workflow) -> bool {
    Routing::of(&workflow.configuration).is_some_and(|routing| routing.reconnects.is_some())
}

fn one(workflow: &Workflow, taskrouter: &TaskRouter, expected: &Expected) -> Finding {
    let (sid, name) = (&workflow.sid, shown(&workflow.friendly_name));
    let check = format!("workflow-{sid}");
    let Some(routing) = Routing::of(&workflow.configuration) else {
        return Finding::warning(
            check,
            format!("{name} has no list of filters"),
            ELSEWHERE,
            "if customers' calls go through it, write its configuration anew in the console",
        );
    };
    let Some(place) = routing.reconnects else {
        // `rejoin provision` refuses a workflow without one.
        let first = if routing.default_queue.is_none() { "give it a default queue first; " } else { "" };
        return Finding::warning(
            check,
            format!("{name} has no filter for customers who come back"),
            format!("if customers' calls go through it: {ELSEWHERE}"),
            format!("{first}`rejoin provision --workflow {sid}` adds the filter; else leave it"),
        );
    };
    if place > 0 {
        return Finding::failed(
            check,
            format!(
                "{name}: {} before the filter for customers who come back",
                super::count(place, "filter")
            ),
            format!("what an earlier filter takes never reaches it: {ELSEWHERE}"),
            "move the filter to the first place",
        );
    }
    let queues = workflow::queues_of_filter(&workflow.configuration, place);
    let there = |queue: &TaskQueueSid| taskrouter.queues.iter().find(|there| there.sid == *queue);
    if let Some(gone) = queues.iter().find(|queue| there(queue).is_none()) {
        return Finding::failed(
            check,
            format!(
                "{name}: the filter for customers who come back names the queue {gone}, which does not exist"
            ),
            ELSEWHERE,
            "name a queue that has every worker",
        );
    }
    // The queue of the pings has a check of its own.
    let pings = taskrouter.workflows.iter().find(|workflow| workflow.sid == expected.ping_workflow);
    let pings = pings.and_then(|workflow| Routing::of(&workflow.configuration)?.default_queue);
    let own = queues.first().filter(|queue| Some(*queue) != pings.as_ref()).and_then(there);
    if let Some(narrow) = own.filter(|queue| !is_everyones(queue.target_workers.as_deref())) {
        return Finding::warning(
            check,
            format!(
                "{name}: the filter for customers who come back looks in {} alone",
                shown(&narrow.friendly_name)
            ),
            "agents outside that queue do not get their customers back through the queue",
            "let its first target name a queue that has every worker",
        );
    }
    Finding::ok(check, format!("{name}: customers come back to their own agents"))
}
