//! Event Streams: batches of CloudEvents, delivered at least once and in any order
//! (<https://www.twilio.com/docs/events/event-types/taskrouter>,
//! <https://www.twilio.com/docs/events/event-delivery-and-duplication>).
//!
//! Twilio's own examples agree only in the type, the SIDs and the attributes: nothing else is relied on.

use crate::only::Only;
use crate::resource::parse_time;
use crate::webhook::{ConferenceCallback, Malformed};
use rejoin_protocol::{Millis, ReservationSid, TaskSid, WorkerSid, WorkspaceSid};
use serde_json::Value;

/// Maximum length of an id in bytes. Twilio's are SIDs or UUIDs.
const ID: usize = 64;
/// Prefix of TaskRouter's event types.
const TASKROUTER: &str = "com.twilio.taskrouter.";
/// Prefix of conference event types, which repeat a status callback until it is delivered.
const CONFERENCE: &str = "com.twilio.voice.status-callback.conference.";

/// Events carry all attributes of a task and of a worker, most of which are never read.
const NEEDED: Only = Only::Fields(&[
    ("type", Only::All),
    ("id", Only::All),
    ("time", Only::All),
    ("data", Only::Fields(&[("payload", PAYLOAD), ("request", Only::Fields(&[("parameters", Only::All)]))])),
]);
/// The fields of a task event that are read.
const PAYLOAD: Only = Only::Fields(&[
    ("task_sid", Only::All),
    ("worker_sid", Only::All),
    ("reservation_sid", Only::All),
    ("workspace_sid", Only::All),
    ("task_attributes", Only::All),
    ("task_canceled_reason", Only::All),
]);

/// One delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The events that are understood, in their order.
    pub events: Vec<StreamEvent>,
    /// Number of events of types that are not needed.
    pub unknown: usize,
    /// Number of events of needed types that are not as Twilio documents them.
    pub malformed: usize,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// Identifies the event, for deduplication.
    pub id: String,
    /// When it happened (point in time), if the time is given in a known form.
    pub at: Option<Millis>,
    /// What happened.
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An event of a task.
    Task(Box<TaskNews>),
    /// The content of a conference status callback.
    Conference(ConferenceCallback),
}

/// An event of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskNews {
    /// Type of the event.
    pub kind: TaskNewsKind,
    /// The workspace: events of the whole account arrive here.
    pub workspace: Option<WorkspaceSid>,
    /// The task.
    pub task: TaskSid,
    /// Its attributes, JSON text.
    pub attributes: String,
    /// The worker of the reservation.
    pub worker: Option<WorkerSid>,
    /// The reservation.
    pub reservation: Option<ReservationSid>,
    /// `task_canceled_reason`.
    pub reason: Option<String>,
}

/// Types of task events that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskNewsKind {
    /// `task-queue.entered`.
    EnteredQueue,
    /// `task.canceled`.
    Canceled,
    /// `task.deleted`: a program has deleted it.
    Deleted,
    /// `reservation.accepted`.
    Accepted,
    /// `reservation.rejected`.
    Rejected,
    /// `reservation.timeout`.
    TimedOut,
    /// `reservation.canceled`.
    ReservationCanceled,
    /// `reservation.wrapup`.
    WrapUp,
}

impl TaskNewsKind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "task-queue.entered" => Self::EnteredQueue,
            "task.canceled" => Self::Canceled,
            "task.deleted" => Self::Deleted,
            "reservation.accepted" => Self::Accepted,
            "reservation.rejected" => Self::Rejected,
            "reservation.timeout" => Self::TimedOut,
            "reservation.canceled" => Self::ReservationCanceled,
            "reservation.wrapup" => Self::WrapUp,
            _ => return None,
        })
    }

    fn is_of_reservation(self) -> bool {
        !matches!(self, Self::EnteredQueue | Self::Canceled | Self::Deleted)
    }
}

impl Batch {
    /// Parses a body: a list of events, or a single one. A malformed event does not affect the others.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let body = NEEDED.read(body).map_err(|_| Malformed::Invalid("body"))?;
        let all = match body {
            Value::Array(all) => all,
            one @ Value::Object(_) => vec![one],
            _ => return Err(Malformed::Invalid("body")),
        };
        let mut batch = Self::default();
        for event in &all {
            match read(event) {
                Ok(Some(event)) => batch.events.push(event),
                Ok(None) => batch.unknown += 1,
                Err(_) => batch.malformed += 1,
            }
        }
        Ok(batch)
    }
}

/// Parses an event; `None` for a type that is not needed.
fn read(event: &Value) -> Result<Option<StreamEvent>, Malformed> {
    let kind = text(event, "type").ok_or(Malformed::Missing("type"))?;
    let data = &event["data"];
    let news = if let Some(name) = kind.strip_prefix(TASKROUTER) {
        let Some(kind) = TaskNewsKind::of(name) else { return Ok(None) };
        News::Task(Box::new(task(kind, &data["payload"])?))
    } else if kind.starts_with(CONFERENCE) {
        News::Conference(conference(&data["request"]["parameters"])?)
    } else {
        return Ok(None);
    };
    let id = text(event, "id").ok_or(Malformed::Missing("id"))?;
    if id.is_empty() || id.len() > ID {
        return Err(Malformed::Invalid("id"));
    }
    let at = text(event, "time").and_then(parse_time);
    Ok(Some(StreamEvent { id: id.to_owned(), at, news }))
}

fn task(kind: TaskNewsKind, payload: &Value) -> Result<TaskNews, Malformed> {
    let sid = text(payload, "task_sid").ok_or(Malformed::Missing("task_sid"))?;
    let worker = id(payload, "worker_sid").map(WorkerSid::parse).transpose();
    let reservation = id(payload, "reservation_sid").map(ReservationSid::parse).transpose();
    let news = TaskNews {
        kind,
        workspace: text(payload, "workspace_sid").and_then(|sid| WorkspaceSid::parse(sid).ok()),
        task: TaskSid::parse(sid).map_err(|_| Malformed::Invalid("task_sid"))?,
        attributes: text(payload, "task_attributes").unwrap_or_default().to_owned(),
        worker: worker.map_err(|_| Malformed::Invalid("worker_sid"))?,
        reservation: reservation.map_err(|_| Malformed::Invalid("reservation_sid"))?,
        reason: text(payload, "task_canceled_reason").map(str::to_owned),
    };
    if kind.is_of_reservation() && news.reservation.is_none() {
        return Err(Malformed::Missing("reservation_sid"));
    }
    Ok(news)
}

fn conference(parameters: &Value) -> Result<ConferenceCallback, Malformed> {
    let parameters = parameters.as_object().ok_or(Malformed::Missing("parameters"))?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let params: Vec<(String, String)> =
        parameters.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
    ConferenceCallback::parse(&params)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// An optional id: missing or empty when it does not apply to the event.
fn id<'a>(payload: &'a Value, name: &str) -> Option<&'a str> {
    text(payload, name).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::ConferenceCallbackEvent;
    use rejoin_protocol::{CallSid, ConferenceSid};
    use serde_json::json;

    fn accepted() -> Value {
        json!({
            "specversion": "1.0", "type": "com.twilio.taskrouter.reservation.accepted",
            "source": "/v1/Workspaces/WS/Tasks/WT", "id": "EV00000000000000000000000000000001",
            "dataschema": "https://events-schemas.twilio.com/TaskRouter.WDSEvent/1",
            "datacontenttype": "application/json", "time": "2026-11-20T05:00:00.000Z",
            "data": {"sid": "EV00000000000000000000000000000001", "level": "INFO", "payload": {
                "eventtype": "reservation.accepted", "workspace_sid": WorkspaceSid::numbered(1),
                "task_sid": TaskSid::numbered(2), "task_attributes": "{\"a\":1}", "task_age": 3,
                "worker_sid": WorkerSid::numbered(3), "worker_attributes": "{}",
                "reservation_sid": ReservationSid::numbered(4), "reservation_status": "accepted",
            }},
        })
    }

    fn parse(body: &Value) -> Batch {
        Batch::parse(body.to_string().as_bytes()).expect("JSON")
    }

    #[test]
    fn an_event_of_twilio_is_parsed() {
        let wanted = StreamEvent {
            id: "EV00000000000000000000000000000001".into(),
            at: Some(Millis(1_795_150_800_000)),
            news: News::Task(Box::new(TaskNews {
                kind: TaskNewsKind::Accepted,
                workspace: Some(WorkspaceSid::numbered(1)),
                task: TaskSid::numbered(2),
                attributes: "{\"a\":1}".into(),
                worker: Some(WorkerSid::numbered(3)),
                reservation: Some(ReservationSid::numbered(4)),
                reason: None,
            })),
        };
        let wanted = Batch { events: vec![wanted], unknown: 0, malformed: 0 };
        assert_eq!(parse(&json!([accepted()])), wanted);
        assert_eq!(parse(&accepted()), wanted, "a sink that does not batch");
    }

    #[test]
    fn a_malformed_event_does_not_affect_the_rest_of_its_batch() {
        let mut canceled = accepted();
        canceled["type"] = json!("com.twilio.taskrouter.task.canceled");
        canceled["id"] = json!("EV2");
        canceled["data"]["payload"] =
            json!({"task_sid": TaskSid::numbered(2), "task_canceled_reason": "hangup", "worker_sid": ""});
        let mut no_task = accepted();
        no_task["data"]["payload"]["task_sid"] = json!(7);
        let mut no_reservation = accepted();
        no_reservation["data"]["payload"]["reservation_sid"] = json!(null);
        let mut no_id = accepted();
        no_id["id"] = json!("");
        let mut other = accepted();
        other["type"] = json!("com.twilio.taskrouter.worker.capacity.update");
        let test = json!({"type": "com.twilio.eventstreams.test-event", "id": "1", "data": {"test_id": "1"}});
        let batch = parse(&json!([
            no_task,
            other,
            accepted(),
            no_reservation,
            test,
            no_id,
            canceled,
            7,
            null,
            {},
            []
        ]));
        assert_eq!((batch.events.len(), batch.unknown, batch.malformed), (2, 2, 7));
        let News::Task(news) = &batch.events[1].news else { panic!("a task") };
        assert_eq!((news.kind, news.reason.as_deref()), (TaskNewsKind::Canceled, Some("hangup")));
    }

    #[test]
    fn a_conference_event_equals_its_status_callback() {
        let event = json!([{
            "type": "com.twilio.voice.status-callback.conference.participant.updated", "id": "EV3",
            "data": {"request": {"method": "POST", "parameters": {
                "StatusCallbackEvent": "participant-leave", "ConferenceSid": ConferenceSid::numbered(3),
                "FriendlyName": TaskSid::numbered(4), "SequenceNumber": 7, "CallSid": CallSid::numbered(2),
                "Muted": false, "ReasonParticipantLeft": "participant_hung_up",
            }}},
        }]);
        let batch = parse(&event);
        let News::Conference(callback) = &batch.events[0].news else { panic!("a conference") };
        let reason = Some("participant_hung_up".into());
        assert_eq!(callback.sequence, 7);
        assert_eq!(callback.event, ConferenceCallbackEvent::Leave { leg: CallSid::numbered(2), reason });
        assert_eq!(batch.events[0].at, None);
    }

    #[test]
    fn a_body_that_is_not_a_batch_is_refused() {
        for body in ["", "7", "\"[]\"", "null", "[{]", "[", &"[".repeat(10_000)] {
            assert!(Batch::parse(body.as_bytes()).is_err(), "{body:.20}");
        }
        assert_eq!(Batch::parse(b"[]"), Ok(Batch::default()));
    }
}
