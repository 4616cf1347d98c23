//! taskrouter.twilio.com: tasks, reservations, workers.

use super::{Call, Owner, form::Form, not_found};
use crate::model::{ApiError, ConferenceInstruction, NewTask, Request, SetUp};
use rejoin_protocol::{
    ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, WorkerSid, WorkflowSid,
};

/// For how many minutes events are kept.
const KEPT_MINUTES: u32 = 30 * 24 * 60;

pub(super) fn translate(owner: &Owner, call: &Call<'_>) -> Result<Request, ApiError> {
    let missing = || not_found(&call.segments.join("/"));
    let ["v1", "Workspaces", workspace, rest @ ..] = call.segments.as_slice() else {
        return Err(missing());
    };
    // The account's only one.
    if *workspace != owner.workspace.as_str() {
        return Err(missing());
    }
    let task = |sid: &str| TaskSid::parse(sid).map_err(|_| missing());
    let worker = |sid: &str| WorkerSid::parse(sid).map_err(|_| missing());
    let reservation = |sid: &str| ReservationSid::parse(sid).map_err(|_| missing());
    let form = &call.form;
    let if_match = call.if_match.clone();
    match (call.method, rest) {
        ("GET", ["Tasks"]) => Ok(Request::ListTasks {
            assignment_status: form.list("AssignmentStatus"),
            workflow: form.sid("WorkflowSid", WorkflowSid::parse)?,
            expression: form.text("EvaluateTaskAttributes"),
        }),
        ("POST", ["Tasks"]) => new_task(form).map(Request::CreateTask),
        ("GET", ["Tasks", sid]) => Ok(Request::FetchTask(task(sid)?)),
        ("POST", ["Tasks", sid]) => Ok(Request::UpdateTask {
            task: task(sid)?,
            if_match,
            attributes: form.text("Attributes"),
            assignment_status: form.text("AssignmentStatus"),
            reason: form.text("Reason"),
            priority: form.number("Priority")?,
        }),
        ("DELETE", ["Tasks", sid]) => Ok(Request::DeleteTask { task: task(sid)?, if_match }),
        ("GET", ["Tasks", sid, "Reservations"]) => Ok(Request::ListReservations {
            task: Some(task(sid)?),
            worker: form.sid("WorkerSid", WorkerSid::parse)?,
            status: form.text("ReservationStatus"),
        }),
        ("GET", ["Workers", sid, "Reservations"]) => Ok(Request::ListReservations {
            task: None,
            worker: Some(worker(sid)?),
            status: form.text("ReservationStatus"),
        }),
        ("GET", ["Tasks" | "Workers", _, "Reservations", sid]) => {
            Ok(Request::FetchReservation(reservation(sid)?))
        }
        ("POST", ["Tasks" | "Workers", _, "Reservations", sid]) => Ok(Request::UpdateReservation {
            reservation: reservation(sid)?,
            status: form.text("ReservationStatus"),
            instruction: instruction(form)?,
        }),
        ("GET", ["Workers"]) => Ok(Request::ListWorkers { friendly_name: form.text("FriendlyName") }),
        ("GET", ["Workers", sid]) => Ok(Request::FetchWorker(worker(sid)?)),
        ("DELETE", ["Workers", sid]) => Ok(Request::DeleteWorker(worker(sid)?)),
        ("POST", ["Workers", sid, "Channels", channel]) => Ok(Request::UpdateWorkerChannel {
            worker: worker(sid)?,
            channel: (*channel).to_owned(),
            capacity: form.number("Capacity")?,
        }),
        ("GET", ["Workers", sid, "Channels" | "WorkerChannels"]) => {
            Ok(Request::ListWorkerChannels(worker(sid)?))
        }
        ("POST", ["Workers", sid]) => Ok(Request::UpdateWorker {
            worker: worker(sid)?,
            activity: form.sid("ActivitySid", ActivitySid::parse)?,
            attributes: form.text("Attributes"),
            reject_pending: form.flag("RejectPendingReservations")?.unwrap_or(false),
        }),
        ("GET", ["Events"]) => Ok(Request::ListEvents {
            task: form.sid("TaskSid", TaskSid::parse)?,
            kind: form.text("EventType"),
            minutes: match form.number("Minutes")? {
                None if form.text("StartDate").or(form.text("EndDate")).is_some() => Some(KEPT_MINUTES),
                minutes => minutes,
            },
        }),
        ("GET", ["Activities"]) => Ok(Request::ListActivities),
        ("GET", ["Workflows"]) => Ok(Request::ListWorkflows),
        ("GET", ["TaskQueues"]) => Ok(Request::ListTaskQueues),
        _ => set_up(call.method, rest, form)?.map(Request::SetUp).ok_or_else(missing),
    }
}

/// What an administrator sets up; `None`: nothing that the twin models.
fn set_up(method: &str, path: &[&str], form: &Form) -> Result<Option<SetUp>, ApiError> {
    let name = || form.needed("FriendlyName");
    Ok(match (method, path) {
        ("POST", ["Activities"]) => {
            let available = form.flag("Available")?.unwrap_or(false);
            Some(SetUp::CreateActivity { name: name()?, available })
        }
        ("DELETE", ["Activities", sid]) => ActivitySid::parse(sid).ok().map(SetUp::DeleteActivity),
        ("GET", ["TaskChannels"]) => Some(SetUp::ListTaskChannels),
        ("POST", ["TaskChannels"]) => {
            Some(SetUp::CreateTaskChannel { name: name()?, unique_name: form.needed("UniqueName")? })
        }
        ("DELETE", ["TaskChannels", sid]) => TaskChannelSid::parse(sid).ok().map(SetUp::DeleteTaskChannel),
        ("POST", ["TaskQueues"]) => {
            Some(SetUp::CreateTaskQueue { name: name()?, target_workers: form.text("TargetWorkers") })
        }
        ("POST", ["Workers"]) => Some(SetUp::CreateWorker {
            name: name()?,
            activity: form.sid("ActivitySid", ActivitySid::parse)?,
            attributes: form.text("Attributes"),
        }),
        ("DELETE", ["TaskQueues", sid]) => TaskQueueSid::parse(sid).ok().map(SetUp::DeleteTaskQueue),
        ("GET", ["Workflows", sid]) => WorkflowSid::parse(sid).ok().map(SetUp::FetchWorkflow),
        ("POST", ["Workflows"]) => {
            Some(SetUp::CreateWorkflow { name: name()?, configuration: form.needed("Configuration")? })
        }
        ("POST", ["Workflows", sid]) => WorkflowSid::parse(sid).ok().map(|workflow| SetUp::UpdateWorkflow {
            workflow,
            name: form.text("FriendlyName"),
            configuration: form.text("Configuration"),
        }),
        ("DELETE", ["Workflows", sid]) => WorkflowSid::parse(sid).ok().map(SetUp::DeleteWorkflow),
        _ => None,
    })
}

fn new_task(form: &Form) -> Result<NewTask, ApiError> {
    let mut task = NewTask {
        attributes: form.text("Attributes").unwrap_or_default(),
        workflow: form.sid("WorkflowSid", WorkflowSid::parse)?,
        channel: form.text("TaskChannel"),
        priority: form.number("Priority")?.unwrap_or_default(),
        timeout: form.number("Timeout")?,
        queue: form.sid("TaskQueueSid", TaskQueueSid::parse)?,
        routing_target: None,
        ignore_capacity: match form.text("IgnoreCapacity").as_deref() {
            Some("1") => Some(true),
            Some("0") => Some(false),
            _ => form.flag("IgnoreCapacity")?,
        },
    };
    // A worker, a queue or a workflow.
    let target = form.text("RoutingTarget").filter(|target| !target.is_empty());
    match target.as_deref().map(|target| (target.get(..2).unwrap_or_default(), target)) {
        Some(("WQ", _)) => task.queue = form.sid("RoutingTarget", TaskQueueSid::parse)?,
        Some(("WW", _)) => task.workflow = form.sid("RoutingTarget", WorkflowSid::parse)?,
        Some(_) => task.routing_target = form.sid("RoutingTarget", WorkerSid::parse)?,
        None => {}
    }
    Ok(task)
}

/// The reservation that the path ends with, and the field that must have this value: `Tasks/{WT}/…` addresses only
/// that task's reservations, `Workers/{WK}/…` that worker's.
pub(super) fn placed(path: &str) -> Option<(ReservationSid, &'static str, &str)> {
    let (path, reservation) = path.rsplit_once("/Reservations/")?;
    let (path, owner) = path.rsplit_once('/')?;
    let field = match path.rsplit('/').next()? {
        "Tasks" => "task_sid",
        "Workers" => "worker_sid",
        _ => return None,
    };
    Some((ReservationSid::parse(reservation).ok()?, field, owner))
}

fn instruction(form: &Form) -> Result<Option<ConferenceInstruction>, ApiError> {
    match form.text("Instruction").as_deref() {
        None => Ok(None),
        Some("conference") => Ok(Some(ConferenceInstruction {
            to: form.text("To"),
            from: form.text("From"),
            end_conference_on_exit: form.flag("EndConferenceOnExit")?.unwrap_or(false),
            end_conference_on_customer_exit: form.flag("EndConferenceOnCustomerExit")?.unwrap_or(false),
            status_callback: form.text("ConferenceStatusCallback"),
            status_callback_method: form.text("ConferenceStatusCallbackMethod"),
            status_callback_event: form.list("ConferenceStatusCallbackEvent"),
        })),
        Some(_) => Err(ApiError {
            status: 400,
            code: 20001,
            message: "Instruction: the twin models `conference` alone".into(),
        }),
    }
}
