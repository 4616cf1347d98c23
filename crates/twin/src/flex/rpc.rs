//! Requests over the event bridge, translated into the model's.
//!
//! A page does not send them through its socket: it posts `{url, method, params, token}` beside it.

use crate::model::{ChatRequest, ConferenceInstruction, NewTask, ParticipantChange, Request};
use rejoin_protocol::{
    ActivitySid, InteractionSid, InviteSid, ParticipantSid, ReservationSid, TaskQueueSid, TaskSid,
    TransferSid, WorkerSid, WorkflowSid, WorkspaceSid,
};
use serde::Deserialize;
use serde_json::Value;

/// A request.
#[derive(Debug, Deserialize)]
pub struct Rpc {
    /// Path after the service's address, such as `Workspaces/WS…/Workers/WK…`.
    pub url: String,
    /// `GET` or `POST`.
    pub method: String,
    /// An object.
    #[serde(default)]
    pub params: Value,
    /// Token of the page's user.
    pub token: String,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The twin does not know it.
    Unknown,
    /// It concerns another worker or another workspace.
    Foreign,
    /// A parameter is missing or malformed.
    Parameter(&'static str),
}

/// Translates a request of this worker.
///
/// # Errors
/// When the request is unknown, not allowed, or malformed.
pub fn translate(rpc: &Rpc, workspace: &WorkspaceSid, worker: &WorkerSid) -> Result<Request, Refusal> {
    let segments: Vec<&str> = rpc.url.trim_start_matches('/').split('/').collect();
    let params = Params(&rpc.params);
    match segments.as_slice() {
        ["Workspaces", sid, rest @ ..] => {
            if *sid != workspace.as_str() {
                return Err(Refusal::Foreign);
            }
            match rest {
                ["Workers", sid, rest @ ..] if *sid == worker.as_str() => {
                    own(worker, &rpc.method, rest, params)
                }
                // Flex's directory, whose filters are not looked at, and the names of other agents.
                ["Workers"] if rpc.method == "GET" => Ok(Request::ListWorkers { friendly_name: None }),
                ["TaskQueues"] if rpc.method == "GET" => Ok(Request::ListTaskQueues),
                ["Workers", sid] if rpc.method == "GET" => {
                    Ok(Request::FetchWorker(WorkerSid::parse(sid).map_err(|_| Refusal::Unknown)?))
                }
                ["Workers", ..] => Err(Refusal::Foreign),
                ["Activities"] if rpc.method == "GET" => Ok(Request::ListActivities),
                ["Tasks"] if rpc.method == "POST" => outbound_task(worker, params),
                ["Tasks", sid] => task(&rpc.method, sid, params),
                ["Tasks", _, "Reservations", sid] if rpc.method == "POST" => supervise(sid, worker, params),
                _ => Err(Refusal::Unknown),
            }
        }
        ["v1", "Interactions", interaction, "Channels", rest @ ..] => {
            interaction_channel(worker, &rpc.method, interaction, rest, params)
        }
        ["v1", "Instances", _, "Interactions", interaction, "Channels", _, "Transfers"] => {
            transfers(worker, &rpc.method, interaction, params)
        }
        ["v1", "Channels"] if rpc.method == "GET" => {
            Ok(Request::Chat(ChatRequest::ListPaused { worker: worker.clone() }))
        }
        _ => Err(Refusal::Unknown),
    }
}

fn own(worker: &WorkerSid, method: &str, path: &[&str], params: Params<'_>) -> Result<Request, Refusal> {
    match (method, path) {
        ("GET", []) => Ok(Request::FetchWorker(worker.clone())),
        ("POST", []) => {
            let activity = params.text("ActivitySid").map(|sid| ActivitySid::parse(&sid));
            let request = Request::UpdateWorker {
                worker: worker.clone(),
                activity: activity.transpose().map_err(|_| Refusal::Parameter("ActivitySid"))?,
                attributes: params.json("Attributes"),
                reject_pending: params.flag("RejectPendingReservations").unwrap_or(false),
            };
            Ok(request)
        }
        ("GET", ["WorkerChannels"]) => Ok(Request::ListWorkerChannels(worker.clone())),
        ("GET", ["Reservations"]) => {
            let active = params.flag("Active") == Some(true);
            let status = if active {
                Some("pending,accepted,wrapping".into())
            } else {
                params.text("ReservationStatus")
            };
            let request = Request::ListReservations { task: None, worker: Some(worker.clone()), status };
            Ok(request)
        }
        ("GET", ["Reservations", sid]) => Ok(Request::FetchReservation(reservation(sid)?)),
        ("POST", ["Reservations", sid]) => {
            let instruction = match params.text("Instruction").as_deref() {
                None => None,
                Some("conference") => Some(instruction(params)),
                Some(_) => return Err(Refusal::Parameter("Instruction")),
            };
            let request = Request::UpdateReservation {
                reservation: reservation(sid)?,
                status: params.text("ReservationStatus"),
                instruction,
            };
            Ok(request)
        }
        ("POST", ["WorkerParticipant"]) => {
            let request = Request::UpdateWorkerParticipant {
                reservation: params.sid("ReservationSid", ReservationSid::parse)?,
                change: change(params, ["Mute", "Hold", "HoldUrl", "EndConferenceOnExit"]),
            };
            Ok(request)
        }
        ("POST", ["CustomerParticipant"]) => {
            let request = Request::UpdateCustomerParticipant {
                task: params.sid("TaskSid", TaskSid::parse)?,
                change: change(params, ["Mute", "Hold", "HoldUrl", "EndConferenceOnExit"]),
            };
            Ok(request)
        }
        ("POST", ["Transfers"]) => Ok(Request::Transfer {
            worker: worker.clone(),
            reservation: params.sid("ReservationSid", ReservationSid::parse)?,
            to: params.text("To").ok_or(Refusal::Parameter("To"))?,
            mode: params.text("Mode"),
            attributes: params.json("Attributes"),
        }),
        ("POST", ["Transfers", sid]) => Ok(Request::UpdateTransfer {
            worker: worker.clone(),
            transfer: TransferSid::parse(sid).map_err(|_| Refusal::Unknown)?,
            status: params.text("TransferStatus").ok_or(Refusal::Parameter("TransferStatus"))?,
        }),
        ("POST", ["KickWorkerParticipant"]) => Ok(Request::KickWorker {
            task: params.sid("TaskSid", TaskSid::parse)?,
            worker: params.sid("TargetWorkerSid", WorkerSid::parse)?,
        }),
        ("POST", ["HoldWorkerParticipant"]) => Ok(Request::HoldWorker {
            task: params.sid("TaskSid", TaskSid::parse)?,
            worker: params.sid("TargetWorkerSid", WorkerSid::parse)?,
            change: change(params, ["Mute", "Hold", "HoldUrl", "EndConferenceOnExit"]),
        }),
        _ => Err(Refusal::Unknown),
    }
}

/// Flex's "Monitor Call": the supervisor is the requesting worker.
fn supervise(sid: &str, worker: &WorkerSid, params: Params<'_>) -> Result<Request, Refusal> {
    if params.text("Instruction").as_deref() != Some("supervise") {
        return Err(Refusal::Parameter("Instruction"));
    }
    if params.text("SupervisorMode").as_deref() != Some("monitor") {
        return Err(Refusal::Parameter("SupervisorMode"));
    }
    let supervisor = params.sid("Supervisor", WorkerSid::parse)?;
    if supervisor != *worker {
        return Err(Refusal::Foreign);
    }
    let to = params.text("To").ok_or(Refusal::Parameter("To"))?;
    Ok(Request::Supervise { reservation: reservation(sid)?, supervisor, to })
}

/// A task, such as a call, that the worker starts: it belongs to this worker alone.
fn outbound_task(worker: &WorkerSid, params: Params<'_>) -> Result<Request, Refusal> {
    if params.text("RoutingTarget").is_some_and(|target| target != worker.as_str()) {
        return Err(Refusal::Foreign);
    }
    let workflow = params.text("WorkflowSid").map(|sid| WorkflowSid::parse(&sid)).transpose();
    let queue = params.text("TaskQueueSid").map(|sid| TaskQueueSid::parse(&sid)).transpose();
    Ok(Request::CreateTask(NewTask {
        attributes: params.json("Attributes").unwrap_or_default(),
        workflow: workflow.map_err(|_| Refusal::Parameter("WorkflowSid"))?,
        channel: params.text("TaskChannelUniqueName").or_else(|| params.text("TaskChannelSid")),
        queue: queue.map_err(|_| Refusal::Parameter("TaskQueueSid"))?,
        routing_target: Some(worker.clone()),
        ..NewTask::default()
    }))
}

fn task(method: &str, sid: &str, params: Params<'_>) -> Result<Request, Refusal> {
    let task = TaskSid::parse(sid).map_err(|_| Refusal::Unknown)?;
    match method {
        "GET" => Ok(Request::FetchTask(task)),
        "POST" => {
            let request = Request::UpdateTask {
                task,
                if_match: None,
                attributes: params.json("Attributes"),
                assignment_status: params.text("AssignmentStatus"),
                reason: params.text("Reason"),
                priority: params.text("Priority").and_then(|priority| priority.parse().ok()),
            };
            Ok(request)
        }
        _ => Err(Refusal::Unknown),
    }
}

/// The interaction of a call is named after its task, and so is its only channel.
fn interaction_channel(
    worker: &WorkerSid,
    method: &str,
    interaction: &str,
    path: &[&str],
    params: Params<'_>,
) -> Result<Request, Refusal> {
    let digits = interaction.strip_prefix("KD").ok_or(Refusal::Unknown)?;
    let task = TaskSid::parse(&format!("WT{digits}")).map_err(|_| Refusal::Unknown)?;
    let interaction = InteractionSid::parse(interaction).map_err(|_| Refusal::Unknown)?;
    let request = match (method, path) {
        ("GET", []) => Request::ListChannels(task),
        ("GET", [_, "Participants"]) if params.text("status").as_deref() == Some("all") => {
            Request::Chat(ChatRequest::ListAllParticipants(interaction))
        }
        ("GET", [_, "Participants"]) => Request::ListChannelParticipants(task),
        ("GET", [_]) => Request::Chat(ChatRequest::FetchChannel(interaction)),
        ("POST", [_]) if params.text("status").as_deref() == Some("active") => {
            Request::Chat(ChatRequest::Resume { interaction, worker: worker.clone() })
        }
        ("POST", [_]) => Request::Chat(ChatRequest::UpdateChannel {
            interaction,
            status: params.text("status").ok_or(Refusal::Parameter("status"))?,
            routing: params.of("routing").text("status"),
        }),
        ("POST", [_, "Invites", sid]) => Request::Chat(ChatRequest::AnswerInvite {
            interaction,
            invite: InviteSid::parse(sid).map_err(|_| Refusal::Unknown)?,
            worker: worker.clone(),
            accept: match params.text("action").as_deref() {
                Some("accept") => true,
                Some("decline") => false,
                _ => return Err(Refusal::Parameter("action")),
            },
            reservation: params.of("routing").of("reservation").sid("sid", ReservationSid::parse)?,
        }),
        ("POST", [_, "Participants"]) => new_participant(task, params)?,
        ("POST", [_, "Participants", sid]) => {
            let media = params.of("media_properties");
            Request::UpdateChannelParticipant {
                task,
                participant: ParticipantSid::parse(sid).map_err(|_| Refusal::Unknown)?,
                change: change(media, ["muted", "hold", "hold_url", "end_conference_on_exit"]),
                close: params.text("status").as_deref() == Some("closed"),
            }
        }
        _ => return Err(Refusal::Unknown),
    };
    Ok(request)
}

/// Transfers of a chat. Flex offers cold ones only.
fn transfers(
    worker: &WorkerSid,
    method: &str,
    interaction: &str,
    params: Params<'_>,
) -> Result<Request, Refusal> {
    let interaction = InteractionSid::parse(interaction).map_err(|_| Refusal::Unknown)?;
    match method {
        "GET" => Ok(Request::Chat(ChatRequest::ListTransfers(interaction))),
        "POST" if params.text("type").as_deref() == Some("cold") => {
            Ok(Request::Chat(ChatRequest::Transfer {
                interaction,
                worker: worker.clone(),
                from: params.sid("from", ParticipantSid::parse)?,
                to: params.text("to").ok_or(Refusal::Parameter("to"))?,
            }))
        }
        "POST" => Err(Refusal::Parameter("type")),
        _ => Err(Refusal::Unknown),
    }
}

/// Flex's "Join Call", or a third party.
fn new_participant(task: TaskSid, params: Params<'_>) -> Result<Request, Refusal> {
    let coordinates = params.of("media_properties").of("coordinates");
    match params.text("type").as_deref() {
        Some("agent") => {}
        Some("external") => {
            return Ok(Request::AddExternalParticipant {
                task,
                from: coordinates.text("from").unwrap_or_default(),
                to: coordinates.text("to").ok_or(Refusal::Parameter("media_properties.coordinates.to"))?,
            });
        }
        _ => return Err(Refusal::Unknown),
    }
    let reservation = params.of("routing_properties").text("reservation_sid").unwrap_or_default();
    Ok(Request::AddAgentParticipant {
        task,
        reservation: ReservationSid::parse(&reservation)
            .map_err(|_| Refusal::Parameter("routing_properties.reservation_sid"))?,
        to: coordinates.text("to").ok_or(Refusal::Parameter("media_properties.coordinates.to"))?,
        from: coordinates.text("from").unwrap_or_default(),
    })
}

fn reservation(sid: &str) -> Result<ReservationSid, Refusal> {
    ReservationSid::parse(sid).map_err(|_| Refusal::Unknown)
}

fn instruction(params: Params<'_>) -> ConferenceInstruction {
    ConferenceInstruction {
        to: params.text("To"),
        from: params.text("From"),
        end_conference_on_exit: params.flag("EndConferenceOnExit").unwrap_or(false),
        end_conference_on_customer_exit: params.flag("EndConferenceOnCustomerExit").unwrap_or(false),
        status_callback: params.text("ConferenceStatusCallback"),
        status_callback_method: params.text("ConferenceStatusCallbackMethod"),
        status_callback_event: params.text("ConferenceStatusCallbackEvent"),
    }
}

fn change(params: Params<'_>, [muted, hold, hold_url, exit]: [&str; 4]) -> ParticipantChange {
    ParticipantChange {
        muted: params.flag(muted),
        hold: params.flag(hold),
        hold_url: params.text(hold_url),
        hold_method: None,
        end_conference_on_exit: params.flag(exit),
        coaches: None,
        announce_url: None,
        announce_method: None,
    }
}

/// Parameters, whose values may be JSON values or strings.
#[derive(Clone, Copy)]
struct Params<'a>(&'a Value);

impl<'a> Params<'a> {
    fn of(self, name: &str) -> Params<'a> {
        Params(self.0.get(name).unwrap_or(&Value::Null))
    }

    fn text(self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    fn sid<T, E>(self, name: &'static str, parse: fn(&str) -> Result<T, E>) -> Result<T, Refusal> {
        parse(&self.text(name).unwrap_or_default()).map_err(|_| Refusal::Parameter(name))
    }

    fn flag(self, name: &str) -> Option<bool> {
        self.text(name).map(|text| text.eq_ignore_ascii_case("true"))
    }

    /// JSON as a string, whether it was sent as one or not.
    fn json(self, name: &str) -> Option<String> {
        self.text(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(method: &str, url: &str, params: Value) -> Result<Request, Refusal> {
        let rpc = Rpc { url: url.into(), method: method.into(), params, token: String::new() };
        translate(&rpc, &WorkspaceSid::numbered(1), &WorkerSid::numbered(0xada))
    }

    fn own(rest: &str) -> String {
        format!("Workspaces/{}/Workers/{}{rest}", WorkspaceSid::numbered(1), WorkerSid::numbered(0xada))
    }

    #[test]
    fn accepting_carries_every_option_of_the_conference() {
        let url = own(&format!("/Reservations/{}", ReservationSid::numbered(7)));
        let params = json!({
            "Instruction": "conference", "EndConferenceOnExit": false, "EndConferenceOnCustomerExit": "true",
            "To": "client:ada", "ConferenceStatusCallback": "http://x/", "ConferenceStatusCallbackEvent": "end,join",
            "ConferenceStatusCallbackMethod": "POST", "ConferenceRecord": false
        });
        let Ok(Request::UpdateReservation { reservation, status, instruction }) = ask("POST", &url, params)
        else {
            panic!("not an update of a reservation");
        };
        assert_eq!((reservation, status), (ReservationSid::numbered(7), None));
        let wanted = ConferenceInstruction {
            to: Some("client:ada".into()),
            from: None,
            end_conference_on_exit: false,
            end_conference_on_customer_exit: true,
            status_callback: Some("http://x/".into()),
            status_callback_method: Some("POST".into()),
            status_callback_event: Some("end,join".into()),
        };
        assert_eq!(instruction, Some(wanted));
    }

    #[test]
    fn flex_sets_its_own_leg_and_holds_the_customer() {
        let params = json!({ "ReservationSid": ReservationSid::numbered(7), "EndConferenceOnExit": true });
        let request = ask("POST", &own("/WorkerParticipant"), params).expect("known");
        let Request::UpdateWorkerParticipant { change, .. } = request else { panic!("{request:?}") };
        let exit = ParticipantChange { end_conference_on_exit: Some(true), ..ParticipantChange::default() };
        assert_eq!(change, exit);

        let params = json!({ "TaskSid": TaskSid::numbered(7), "Hold": true, "HoldMethod": "GET" });
        let request = ask("POST", &own("/CustomerParticipant"), params).expect("known");
        let Request::UpdateCustomerParticipant { change, .. } = request else { panic!("{request:?}") };
        assert_eq!((change.hold, change.end_conference_on_exit), (Some(true), None));
    }

    #[test]
    fn an_interaction_is_named_after_its_task() {
        let task = TaskSid::numbered(0xabc);
        let url = format!("v1/Interactions/KD{}/Channels/UO{}/Participants", task.digits(), task.digits());
        let request = ask("GET", &url, Value::Null).expect("known");
        assert!(matches!(request, Request::ListChannelParticipants(of) if of == task));
        let url = format!("{url}/{}", ParticipantSid::numbered(3));
        let params = json!({ "media_properties": { "end_conference_on_exit": false } });
        let request = ask("POST", &url, params).expect("known");
        assert!(matches!(
            request,
            Request::UpdateChannelParticipant {
                close: false,
                change: ParticipantChange { end_conference_on_exit: Some(false), .. },
                ..
            }
        ));
        let request = ask("POST", &url, json!({ "status": "closed" })).expect("known");
        assert!(matches!(request, Request::UpdateChannelParticipant { close: true, .. }));
    }

    #[test]
    fn join_call_requests_another_leg_of_the_agent() {
        let task = TaskSid::numbered(0xabc);
        let url = format!("v1/Interactions/KD{}/Channels/UO{}/Participants", task.digits(), task.digits());
        let params = json!({
            "type": "agent",
            "media_properties": { "coordinates": { "from": "+15550001111", "to": "client:ada" } },
            "routing_properties": { "task_sid": task, "reservation_sid": ReservationSid::numbered(7) }
        });
        let request = ask("POST", &url, params).expect("known");
        let Request::AddAgentParticipant { reservation, to, .. } = request else { panic!("{request:?}") };
        assert_eq!((reservation, to.as_str()), (ReservationSid::numbered(7), "client:ada"));
        let from_outside = json!({
            "type": "external", "media_properties": { "coordinates": { "from": "+15550001111", "to": "+15550003333" } }
        });
        let request = ask("POST", &url, from_outside).expect("known");
        assert!(matches!(request, Request::AddExternalParticipant { to, .. } if to == "+15550003333"));
        assert_eq!(ask("POST", &url, json!({ "type": "supervisor" })).err(), Some(Refusal::Unknown));
    }

    #[test]
    fn transfers_name_reservation_and_target() {
        let params = json!({
            "ReservationSid": ReservationSid::numbered(7), "TaskSid": TaskSid::numbered(7),
            "To": WorkerSid::numbered(0xb0), "Mode": "COLD"
        });
        let request = ask("POST", &own("/Transfers"), params).expect("known");
        let Request::Transfer { worker, reservation, to, mode, attributes: None } = request else {
            panic!("{request:?}");
        };
        assert_eq!((worker, reservation), (WorkerSid::numbered(0xada), ReservationSid::numbered(7)));
        assert_eq!((to.as_str(), mode.as_deref()), (WorkerSid::numbered(0xb0).as_str(), Some("COLD")));

        let url = own(&format!("/Transfers/{}", TransferSid::numbered(7)));
        let params = json!({ "TaskSid": TaskSid::numbered(7), "TransferStatus": "canceled" });
        let request = ask("POST", &url, params).expect("known");
        assert!(matches!(request, Request::UpdateTransfer { status, .. } if status == "canceled"));
        assert_eq!(ask("POST", &url, json!({})).err(), Some(Refusal::Parameter("TransferStatus")));
    }

    #[test]
    fn a_chat_is_transferred_by_its_participant() {
        let digits = TaskSid::numbered(0xabc).digits().to_owned();
        let url = format!("v1/Instances/GO{digits}/Interactions/KD{digits}/Channels/UO{digits}/Transfers");
        let from = ParticipantSid::numbered(3);
        let params =
            json!({ "type": "cold", "from": from, "to": WorkerSid::numbered(0xb0), "noteSid": null });
        let request = ask("POST", &url, params).expect("known");
        assert!(matches!(request, Request::Chat(ChatRequest::Transfer { from: of, .. }) if of == from));
        assert_eq!(ask("POST", &url, json!({ "type": "warm" })).err(), Some(Refusal::Parameter("type")));
        let request = ask("GET", &url, Value::Null).expect("known");
        assert!(matches!(request, Request::Chat(ChatRequest::ListTransfers(_))));
    }

    #[test]
    fn agents_hold_and_remove_each_other_and_end_the_call_for_all() {
        let bo = WorkerSid::numbered(0xb0);
        let params = json!({ "TaskSid": TaskSid::numbered(7), "TargetWorkerSid": bo, "Hold": true });
        let request = ask("POST", &own("/HoldWorkerParticipant"), params.clone()).expect("known");
        assert!(
            matches!(request, Request::HoldWorker { worker, change, .. } if worker == bo && change.hold == Some(true))
        );
        let request = ask("POST", &own("/KickWorkerParticipant"), params).expect("known");
        assert!(matches!(request, Request::KickWorker { worker, .. } if worker == bo));
        let task = TaskSid::numbered(7);
        let url = format!("v1/Interactions/KD{}/Channels/UO{}", task.digits(), task.digits());
        let request = ask("POST", &url, json!({ "status": "closed" })).expect("known");
        assert!(matches!(request, Request::Chat(ChatRequest::UpdateChannel { interaction, status, .. })
            if interaction.digits() == task.digits() && status == "closed"));
        assert_eq!(ask("POST", &url, json!({})).err(), Some(Refusal::Parameter("status")));
    }

    #[test]
    fn attributes_may_be_objects_or_text() {
        let url = format!("Workspaces/{}/Tasks/{}", WorkspaceSid::numbered(1), TaskSid::numbered(7));
        for attributes in [json!({ "a": 1 }), json!(r#"{"a":1}"#)] {
            let request = ask("POST", &url, json!({ "Attributes": attributes })).expect("known");
            let Request::UpdateTask { attributes, .. } = request else { panic!("{request:?}") };
            assert_eq!(attributes.as_deref(), Some(r#"{"a":1}"#));
        }
    }

    #[test]
    fn requests_about_other_workers_are_refused() {
        let bo = own("/Reservations").replace("ada", "0b0");
        assert_eq!(ask("GET", &bo, Value::Null).err(), Some(Refusal::Foreign));
        let url = own("").replace(WorkspaceSid::numbered(1).as_str(), WorkspaceSid::numbered(2).as_str());
        assert_eq!(ask("GET", &url, Value::Null).err(), Some(Refusal::Foreign));
        assert_eq!(ask("POST", &own("/Weather"), Value::Null).err(), Some(Refusal::Unknown));
        let of_bo = json!({ "Instruction": "supervise", "SupervisorMode": "monitor", "Supervisor": WorkerSid::numbered(0xb0) });
        let url = format!(
            "Workspaces/{}/Tasks/{}/Reservations/{}",
            WorkspaceSid::numbered(1),
            TaskSid::numbered(7),
            ReservationSid::numbered(7)
        );
        assert_eq!(ask("POST", &url, of_bo).err(), Some(Refusal::Foreign));
        let refusal = ask("POST", &own("/WorkerParticipant"), json!({})).err();
        assert_eq!(refusal, Some(Refusal::Parameter("ReservationSid")));
    }
}
