//! What came in about a call, and its consequences. Names, phone numbers, labels and attributes are left out.

use rejoin_protocol::api::DeliveryId;
use rejoin_protocol::{Millis, TaskSid};
use rejoin_recovery::{Call, ConferenceEventKind, Effect, Event, Outcome, TaskEventKind, Timer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The source of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A conference status callback.
    Callback,
    /// Event Streams.
    EventStream,
    /// The plugin.
    Plugin,
    /// Twilio requested a document.
    Document,
    /// A job ended.
    Job,
    /// A timer went off.
    Timer,
    /// An operator's command.
    Operator,
}

/// An input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The source.
    pub from: Source,
    /// The name of its kind.
    pub kind: String,
    /// Its identity for deduplication, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its content.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub about: Map<String, Value>,
    /// Its consequences. Empty: it was a duplicate, or changes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<Then>,
}

/// A decision. Lines of timelines are kept separately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "then", rename_all = "kebab-case")]
pub enum Then {
    /// A new job for Twilio.
    Job {
        /// The action.
        action: String,
        /// When it stops making sense (point in time).
        deadline: Millis,
    },
    /// A timer is set.
    Timer {
        /// The timer.
        timer: Timer,
        /// When it is due (point in time).
        at: Millis,
    },
    /// A push to a desktop.
    Told {
        /// The name of the stage.
        stage: String,
    },
}

impl Input {
    /// An event, as far as it concerns the call of this task. `delivery`: its id, if Event Streams has delivered it.
    /// `None`: it does not concern that call.
    pub(crate) fn of(event: &Event, delivery: Option<&str>, task: &TaskSid, then: Vec<Then>) -> Option<Self> {
        if let Event::Hello { hello, .. } = event
            && then.is_empty()
            && !hello.holdings.iter().any(|holding| &holding.task == task)
        {
            // A page's hello is about all calls of its worker.
            return None;
        }
        let input = input(event, task);
        Some(match delivery {
            Some(id) => Self { from: Source::EventStream, id: Some(id.to_owned()), then, ..input },
            None => Self { then, ..input },
        })
    }
}

/// An effect on this call; `None`: it has lines of its own, or is irrelevant.
pub(crate) fn then(effect: &Effect, call: &Call) -> Option<Then> {
    match effect {
        Effect::Act { conference, action, deadline } if *conference == call.conference => {
            Some(Then::Job { action: action.name().into(), deadline: *deadline })
        }
        Effect::SetTimer { conference, timer, at } if *conference == call.conference => {
            Some(Then::Timer { timer: *timer, at: *at })
        }
        // Only the stage: which agent has the customer now is left out.
        Effect::Push { view, .. } if call.absences().any(|absent| absent.absence().id == view.id) => {
            let stage = serde_json::to_value(&view.stage).ok()?;
            Some(Then::Told { stage: stage.get("name")?.as_str()?.to_owned() })
        }
        Effect::Act { .. }
        | Effect::SetTimer { .. }
        | Effect::Push { .. }
        | Effect::ClearTimer { .. }
        | Effect::Note { .. }
        | Effect::Forget { .. } => None,
    }
}

fn input(event: &Event, task: &TaskSid) -> Input {
    let of = |from, id: Option<String>, about: Value| Input {
        from,
        kind: event.name().to_owned(),
        id,
        about: fields(about),
        then: vec![],
    };
    let delivery = |id: &Option<DeliveryId>| id.as_ref().map(plain);
    match event {
        Event::Conference(event) => {
            let about = match &event.kind {
                ConferenceEventKind::Join { leg, flags } | ConferenceEventKind::Modify { leg, flags } => {
                    json!({"leg": leg, "flags": flags})
                }
                ConferenceEventKind::Leave { leg, reason } => json!({"leg": leg, "reason": reason}),
                ConferenceEventKind::Start
                | ConferenceEventKind::End
                | ConferenceEventKind::AnnouncementEnd => Value::Null,
            };
            of(Source::Callback, Some(format!("#{}", event.sequence)), about)
        }
        Event::Registered { worker, registration } => of(
            Source::Plugin,
            delivery(&registration.id),
            json!({
                "worker": worker, "epoch": registration.epoch, "leg": registration.worker_leg,
                "customer": registration.customer_leg, "task": registration.task,
                "reservation": registration.reservation,
            }),
        ),
        Event::Graceful { worker, mark } => of(
            Source::Plugin,
            delivery(&mark.id),
            json!({"worker": worker, "reservation": mark.reservation, "reason": mark.reason}),
        ),
        Event::Hello { worker, hello, older_page_connected } => {
            let holding = hello.holdings.iter().find(|holding| &holding.task == task);
            let older = older_page_connected.then_some(true);
            let accepts = hello.accepts_ping.then_some(true);
            let about = json!({"worker": worker, "holding": holding, "olderPageConnected": older, "acceptsPing": accepts});
            of(Source::Plugin, Some(format!("epoch {}", hello.epoch)), about)
        }
        Event::Goodbye { worker, goodbye } => {
            of(Source::Plugin, Some(format!("epoch {}", goodbye.epoch)), json!({"worker": worker}))
        }
        Event::PushLost { worker, epoch } | Event::PushBack { worker, epoch } => {
            of(Source::Plugin, Some(format!("epoch {epoch}")), json!({"worker": worker}))
        }
        Event::PageAnswered { leg, .. } => of(Source::Plugin, None, json!({"leg": leg})),
        Event::EnteredQueue { recovery, customer } => {
            of(Source::Document, None, json!({"recovery": recovery, "customer": customer}))
        }
        Event::LeftQueue { recovery, customer, bridged, hung_up, token } => of(
            Source::Document,
            token.clone(),
            json!({"recovery": recovery, "customer": customer, "bridged": bridged, "hungUp": hung_up}),
        ),
        Event::Restored { conference: _, seen } => {
            of(Source::Operator, None, json!({"legs": seen.participants.len(), "onLine": seen.on_line}))
        }
        Event::ActionUrlFetched { customer } => of(Source::Document, None, json!({"customer": customer})),
        Event::Task(event) => {
            let hung_up = match event.kind {
                TaskEventKind::Canceled { hung_up } => Some(hung_up),
                _ => None,
            };
            of(
                Source::EventStream,
                Some(event.id.clone()),
                json!({
                    "hungUp": hung_up, "task": event.task, "worker": event.worker, "reservation": event.reservation,
                    "recovery": event.purpose.recovery(),
                }),
            )
        }
        Event::Done { conference: _, action: _, outcome } => {
            let (outcome, found) = match outcome {
                Outcome::Ok | Outcome::TaskRead { .. } => ("done", Value::Null),
                Outcome::PingCreated(task) => ("done", json!({"task": task})),
                Outcome::TaskLookedUp(found) => {
                    ("done", json!({"customer": found.customer_leg, "leg": found.worker_leg}))
                }
                Outcome::Number { allowed } => ("done", json!({"allowed": allowed})),
                Outcome::ReservationsRead { is_of_task, .. } => ("done", json!({"isOfTask": is_of_task})),
                Outcome::Activity { activity, available } => {
                    ("done", json!({"activity": activity, "available": available}))
                }
                Outcome::Polled(seen) => (
                    "done",
                    json!({
                        "there": seen.participants, "onLine": seen.on_line, "reconnectTasks": seen.reconnects.len(),
                    }),
                ),
                Outcome::AgentFound(met) => {
                    ("overtaken", json!({"leg": met.leg, "reservation": met.holder.reservation}))
                }
                Outcome::Gone => ("gone", Value::Null),
                Outcome::Overtaken => ("overtaken", Value::Null),
                Outcome::Failed { reason } => ("failed", json!({"why": reason})),
            };
            of(Source::Job, None, json!({"outcome": outcome, "found": found}))
        }
        Event::Timer { .. } => of(Source::Timer, None, Value::Null),
    }
}

/// The fields that are not null.
fn fields(about: Value) -> Map<String, Value> {
    match about {
        Value::Object(about) => about.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// As in JSON, without quotes.
fn plain(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_protocol::api::{Hello, Holding};
    use rejoin_protocol::{CallSid, ConferenceSid, ReservationSid, WorkerSid, WorkflowSid};
    use rejoin_recovery::{Action, ConferenceEvent, LeaveReason, LookUpAnswer};

    #[test]
    fn an_input_has_its_source_and_identity() {
        let kind = ConferenceEventKind::Leave { leg: CallSid::numbered(1), reason: LeaveReason::HungUp };
        let conference = ConferenceSid::numbered(1);
        let label = Some("+15550100001".to_owned());
        let event =
            Event::Conference(ConferenceEvent { label, ..ConferenceEvent::new(conference, None, 7, kind) });
        let task = TaskSid::numbered(1);
        let input = Input::of(&event, None, &task, vec![]).expect("of this call");
        assert_eq!(
            (input.from, input.kind.as_str(), input.id.as_deref()),
            (Source::Callback, "participant-leave", Some("#7"))
        );
        assert!(!serde_json::to_string(&input).expect("JSON").contains("5550100001"));
        let input = Input::of(&event, Some("EZ1"), &task, vec![]).expect("of this call");
        assert_eq!((input.from, input.id.as_deref()), (Source::EventStream, Some("EZ1")));
    }

    #[test]
    fn a_look_up_is_recorded_without_names_and_attributes() {
        let found = LookUpAnswer {
            is_accepted: false,
            workflow: WorkflowSid::numbered(1),
            queue: None,
            customer_leg: Some(CallSid::numbered(2)),
            worker_leg: None,
            reservation: None,
            worker: Some((WorkerSid::numbered(1), "Ada".into())),
            attributes: r#"{"name":"Tom"}"#.into(),
        };
        let task = TaskSid::numbered(1);
        let action = Action::LookUpTask { task: task.clone() };
        let outcome = Outcome::TaskLookedUp(Box::new(found));
        let event = Event::Done { conference: ConferenceSid::numbered(1), action, outcome };
        let input = Input::of(&event, None, &task, vec![]);
        let text = serde_json::to_string(&input).expect("JSON");
        assert!(
            text.contains(CallSid::numbered(2).as_str()) && !text.contains("Ada") && !text.contains("Tom"),
            "{text}"
        );
    }

    #[test]
    fn each_calls_story_has_only_its_part_of_a_hello() {
        let hello = |tasks: &[u128]| {
            let holding = |number: &u128| Holding {
                task: TaskSid::numbered(*number),
                reservation: ReservationSid::numbered(*number),
                wrapping: true,
                can_join: false,
                other_browser: false,
            };
            let holdings = tasks.iter().map(holding).collect();
            let hello = Hello { epoch: 5, holdings, unavailable: false, accepts_ping: false };
            Event::Hello { worker: WorkerSid::numbered(1), hello, older_page_connected: false }
        };
        let of = |tasks: &[u128], then| Input::of(&hello(tasks), None, &TaskSid::numbered(1), then);
        assert_eq!(of(&[2, 3], vec![]), None);
        let own = of(&[2, 1], vec![]).expect("it names the call");
        assert_eq!(own.about["holding"]["task"], TaskSid::numbered(1).as_str());
        let told = Then::Told { stage: "interrupted".into() };
        assert!(of(&[], vec![told]).is_some(), "something followed");
    }
}
