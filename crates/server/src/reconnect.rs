//! The attributes of the task that brings a customer back.

use rejoin_protocol::attributes as names;
use rejoin_protocol::{TaskSid, WorkerSid};
use rejoin_recovery::{Call, Recovery};
use serde_json::{Map, Value, json};

/// Approximate number of characters that Twilio adds to a task about the call (`call_sid`, `from_city` and so on).
const ADDED_BY_TWILIO: usize = 800;
/// Original attributes that are left out last: desktops and workflows read them first.
const KEPT_LONGEST: [&str; 6] = ["name", "from", "to", "type", "direction", "call_sid"];
/// Flex Insights' object, see `conversations`.
const CONVERSATIONS: &str = "conversations";

/// Longest value, in characters, and number of values that an address carries for the fallback: with a length that Twilio takes.
const FALLBACK_VALUE: usize = 100;
const FALLBACK_VALUES: usize = 5;

/// The agent for whom the customer is on the way into the queue, or waits there; `None`: any agent.
pub fn target(recovery: &Recovery) -> Option<&WorkerSid> {
    recovery.phase.target().flatten()
}

/// The attributes as JSON text, short enough for Twilio. What is left out stays in our store.
pub fn attributes(call: &Call, recovery: &Recovery, target: Option<&WorkerSid>) -> String {
    let mut kept: Map<String, Value> = serde_json::from_str(&call.facts.task.attributes).unwrap_or_default();
    let limit = names::LIMIT - if kept.contains_key("call_sid") { 0 } else { ADDED_BY_TWILIO };
    let mut conversations = conversations(kept.remove(CONVERSATIONS), &call.task);
    name_who_was_called(&mut kept);
    let ours = ours(call, recovery, target);
    // A call that is recovered again carries the previous target; facts about the old task do not apply to the new
    // one.
    let of_old = ["conference", names::TARGET_WORKER_SID, names::SENT_AGAIN, names::LEFT];
    kept.retain(|key, _| !ours.contains_key(key) && !of_old.contains(&key.as_str()));
    loop {
        let mut all = kept.clone();
        all.extend(ours.clone());
        all.insert(CONVERSATIONS.into(), Value::Object(conversations.clone()));
        let text = Value::Object(all).to_string();
        if length(&text) <= limit {
            return text;
        }
        // The largest of those that matter least.
        let largest = |longest: bool| {
            let of_kind = kept.iter().filter(|(key, _)| KEPT_LONGEST.contains(&key.as_str()) == longest);
            of_kind.max_by_key(|(_, value)| length(&value.to_string())).map(|(key, _)| key.clone())
        };
        if let Some(key) = largest(false) {
            kept.remove(&key);
        } else if conversations.len() > 2 {
            conversations.retain(|key, _| key == "conversation_id" || key == "preceded_by");
        } else if let Some(key) = largest(true) {
            kept.remove(&key);
        } else {
            // Only our own attributes are left, which are some hundred characters.
            return text;
        }
    }
}

/// The attributes of a task by which the fallback sends a customer to any agent: our id, which tells the server later that the customer
/// is in the queue, the link to the conversation, and of the original attributes those in `routing`. They stand in addresses.
pub fn fallback_attributes(call: &Call, recovery: &Recovery, routing: &[String]) -> String {
    let original: Map<String, Value> = serde_json::from_str(&call.facts.task.attributes).unwrap_or_default();
    let is_short = |value: &Value| match value {
        Value::String(text) => text.chars().count() <= FALLBACK_VALUE,
        Value::Bool(_) | Value::Number(_) => true,
        _ => false,
    };
    let of_task = |name: &str| original.get(name).filter(|value| is_short(value)).cloned();
    let routing = routing.iter().map(|name| name.trim());
    let routing = routing.filter_map(|name| Some((name.to_owned(), of_task(name)?)));
    let mut all: Map<String, Value> = routing.take(FALLBACK_VALUES).collect();
    let link = original.get(CONVERSATIONS).and_then(|link| link["conversation_id"].as_str());
    let link = link.filter(|link| link.len() <= FALLBACK_VALUE).unwrap_or(call.task.as_str());
    let link = json!({ "conversation_id": link, "preceded_by": names::RECONNECT_AGENT });
    all.insert(CONVERSATIONS.into(), link);
    all.insert(names::IS_RECONNECT.into(), true.into());
    all.insert(names::RECOVERY_ID.into(), recovery.absence.id.as_str().into());
    all.insert(names::DISCONNECTED_TASK_SID.into(), call.task.as_str().into());
    Value::Object(all).to_string()
}

/// The language that a task's attributes name in this attribute; dots lead into objects.
pub fn language(attributes: &str, attribute: &str) -> Option<String> {
    let attributes: Value = serde_json::from_str(attributes).ok()?;
    let named = attribute.split('.').try_fold(&attributes, |value, name| value.get(name))?;
    named.as_str().map(str::to_owned)
}

/// True for an outbound call.
pub fn was_placed(call: &Call) -> bool {
    serde_json::from_str(&call.facts.task.attributes).is_ok_and(|attributes| is_outbound(&attributes))
}

fn is_outbound(attributes: &Map<String, Value>) -> bool {
    attributes.get("direction").is_some_and(|direction| direction == "outbound")
}

/// An outbound call comes back as an offered one, for which Flex would show `from`, the company's own number.
fn name_who_was_called(attributes: &mut Map<String, Value>) {
    let called = attributes.get("outbound_to").filter(|_| is_outbound(attributes));
    if let Some(called) = called.cloned() {
        attributes.entry("name").or_insert(called);
    }
}

fn ours(call: &Call, recovery: &Recovery, target: Option<&WorkerSid>) -> Map<String, Value> {
    let mut ours = Map::new();
    let mut insert = |key: &str, value: Value| ours.insert(key.to_owned(), value);
    insert(names::IS_RECONNECT, true.into());
    insert(names::RECOVERY_ID, recovery.absence.id.as_str().into());
    insert(names::DISCONNECTED_TASK_SID, call.task.as_str().into());
    insert(names::DISCONNECTED_WORKER_SID, recovery.absence.agent.worker.as_str().into());
    insert(names::DISCONNECTED_WORKER_NAME, recovery.absence.agent.name.as_str().into());
    insert(names::DISCONNECTED_TIME, recovery.absence.lost_at.0.into());
    insert(names::DISCONNECTED_CONFERENCE_SID, call.conference.as_str().into());
    insert(names::DISCONNECTED_RESERVATION_SID, recovery.absence.agent.reservation.as_str().into());
    if let Some(worker) = target {
        insert(names::TARGET_WORKER_SID, worker.as_str().into());
    }
    if recovery.resent() > 0 && target.is_none() {
        insert(names::SENT_AGAIN, recovery.resent().into());
    }
    ours
}

/// Links the new task to the conversation that the old one began or continued
/// (<https://www.twilio.com/docs/flex/developer/insights/enhance-integration>).
fn conversations(original: Option<Value>, task: &TaskSid) -> Map<String, Value> {
    let mut conversations = match original {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    conversations.remove("followed_by");
    conversations.entry("conversation_id").or_insert_with(|| task.as_str().into());
    conversations.insert("preceded_by".into(), names::RECONNECT_AGENT.into());
    conversations
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_protocol::api::Registration;
    use rejoin_protocol::{CallSid, ConferenceSid, Millis, ReservationSid, WorkflowSid};
    use rejoin_recovery::{
        ConferenceEvent, ConferenceEventKind, Config, Event, LeaveReason, Machine, ParticipantFlags, Phase,
        Trip,
    };

    /// A call whose agent was just lost, with these task attributes.
    fn lost(attributes: &Value) -> Call {
        let (conference, task) = (ConferenceSid::numbered(1), TaskSid::numbered(1));
        let mut machine = Machine::new(Config::default(), []);
        let leg = CallSid::numbered(2);
        let owner = Some((ReservationSid::numbered(1), WorkerSid::numbered(1)));
        let joins = [CallSid::numbered(1), leg.clone()]
            .map(|leg| ConferenceEventKind::Join { leg, flags: ParticipantFlags::default() });
        for (sequence, kind) in (0..).zip([ConferenceEventKind::Start].into_iter().chain(joins)) {
            let event = ConferenceEvent {
                owner: owner.clone(),
                ..ConferenceEvent::new(conference.clone(), Some(task.clone()), sequence, kind)
            };
            machine.handle(Millis(1), Event::Conference(event));
        }
        machine.handle(
            Millis(1),
            Event::Registered {
                worker: WorkerSid::numbered(1),
                registration: Registration {
                    id: None,
                    epoch: 1,
                    task: task.clone(),
                    reservation: ReservationSid::numbered(1),
                    workflow: WorkflowSid::numbered(1),
                    queue: None,
                    conference: conference.clone(),
                    worker_leg: leg.clone(),
                    customer_leg: CallSid::numbered(1),
                    worker_name: "Ada".into(),
                    answers_messages: false,
                },
            },
        );
        let kind = ConferenceEventKind::Leave { leg, reason: LeaveReason::HungUp };
        let event = ConferenceEvent::new(conference.clone(), Some(task), 3, kind);
        machine.handle(Millis(7), Event::Conference(event));
        let mut call = machine.call(&conference).expect("known").clone();
        call.facts.task.attributes = attributes.to_string();
        call
    }

    fn made(call: &Call, target: Option<&WorkerSid>) -> Value {
        let recovery = call.recovery.as_ref().expect("a recovery has begun");
        let text = attributes(call, recovery, target);
        assert!(length(&text) <= names::LIMIT, "{} characters", length(&text));
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn original_attributes_stay_and_ours_are_added() {
        let call = lost(&json!({
            "name": "é", "call_sid": "CA1", "conference": {"sid": "CF1"}, "targetWorkerSid": "WK9", "own": [1],
            "rejoinLeft": {"reservation": "WR1"},
            "conversations": {"conversation_id": "WT7", "followed_by": "Reconnect Agent", "queue": "a"},
        }));
        let worker = WorkerSid::numbered(1);
        let wanted = json!({
            "name": "é", "call_sid": "CA1", "own": [1],
            "conversations": {"conversation_id": "WT7", "preceded_by": "Reconnect Agent", "queue": "a"},
            "isReconnect": true,
            "rejoinRecoveryId": call.recovery.as_ref().expect("begun").absence.id,
            "targetWorkerSid": worker,
            "disconnectedTaskSid": TaskSid::numbered(1),
            "disconnectedWorkerSid": worker,
            "disconnectedWorkerName": "Ada",
            "disconnectedTime": 7,
            "disconnectedConferenceSid": ConferenceSid::numbered(1),
            "disconnectedReservationSid": ReservationSid::numbered(1),
        });
        assert_eq!(made(&call, Some(&worker)), wanted);
        assert_eq!(made(&call, None).get("targetWorkerSid"), None, "for any agent");
    }

    #[test]
    fn the_task_of_a_repeated_sending_carries_its_count() {
        let mut call = lost(&json!({"rejoinSentAgain": 1}));
        assert_eq!(
            made(&call, None).get(names::SENT_AGAIN),
            None,
            "what was said of another task is not of this one"
        );
        let trip = Trip { resent: 2, ..Trip::default() };
        call.recovery.as_mut().expect("begun").phase = Phase::Queued(trip);
        assert_eq!(made(&call, None)["rejoinSentAgain"], 2);
        assert_eq!(made(&call, Some(&WorkerSid::numbered(1))).get(names::SENT_AGAIN), None);
    }

    #[test]
    fn who_was_called_has_a_name() {
        let called = json!({"direction": "outbound", "from": "+15550001111", "outbound_to": "+15550002222"});
        assert_eq!(made(&lost(&called), None)["name"], "+15550002222");
        assert!(was_placed(&lost(&called)));
        let mut named = called.clone();
        named["name"] = "Tom".into();
        assert_eq!(made(&lost(&named), None)["name"], "Tom");
        let calls = json!({"direction": "inbound", "from": "+15550002222", "outbound_to": "+15550001111"});
        assert_eq!(made(&lost(&calls), None).get("name"), None);
        assert!(!was_placed(&lost(&calls)) && !was_placed(&lost(&json!("nonsense"))));
    }

    #[test]
    fn a_task_without_readable_attributes_is_recovered_too() {
        for attributes in [json!(null), json!([1]), json!({"conversations": "text"})] {
            let made = made(&lost(&attributes), None);
            assert_eq!(made["conversations"]["conversation_id"], json!(TaskSid::numbered(1)));
            assert_eq!(made["isReconnect"], true);
        }
    }

    #[test]
    fn attributes_that_do_not_fit_are_left_out_the_largest_first() {
        let call = lost(&json!({
            "name": "Tom", "from": "+15550001111", "call_sid": "CA1",
            "notes": "x".repeat(2500), "history": "é".repeat(1500), "small": 1,
        }));
        let made = made(&call, None);
        assert_eq!(made.get("notes"), None, "the largest one is enough");
        assert_eq!((&made["history"], &made["small"]), (&json!("é".repeat(1500)), &json!(1)));
        assert_eq!(made["name"], "Tom");
    }

    #[test]
    fn even_the_longest_attributes_fit() {
        let rich = json!({
            "name": "🙂".repeat(3000), "from": "+1", "conversations": {"content": "x".repeat(5000)},
            "own": "y".repeat(4000),
        });
        let made = made(&lost(&rich), None);
        assert_eq!((made.get("name"), made.get("own")), (None, None));
        assert_eq!(made["from"], "+1");
    }
}
