//! Twilio's resources, as far as they are read. Unknown fields are ignored.

use rejoin_protocol::{
    ActivitySid, CallSid, Millis, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, WorkerSid,
    WorkflowSid,
};
use serde::{Deserialize, Deserializer};

/// A conference.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Conference {
    /// Its name: Flex names conferences after their tasks.
    pub friendly_name: String,
}

/// A participant of a conference.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Participant {
    /// The leg.
    pub call_sid: CallSid,
    /// True while on hold.
    pub hold: bool,
    /// True while muted.
    pub muted: bool,
    /// True when the conference ends as this leg leaves.
    pub end_conference_on_exit: bool,
    /// True when only one participant hears this one.
    #[serde(default)]
    pub coaching: bool,
    /// The leg that hears it.
    #[serde(default)]
    pub call_sid_to_coach: Option<CallSid>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// The call's SID.
    pub sid: CallSid,
    /// `queued`, `ringing`, `in-progress`, `completed`, `busy`, `failed`, `no-answer` or `canceled`.
    pub status: String,
    /// `inbound`, `outbound-api` or `outbound-dial`.
    #[serde(default)]
    pub direction: Option<String>,
    /// The caller.
    #[serde(default)]
    pub from: Option<String>,
    /// The callee.
    #[serde(default)]
    pub to: Option<String>,
}

impl Call {
    /// The number at the other end of the line.
    pub fn others_number(&self) -> Option<&str> {
        if self.direction.as_deref()? == "inbound" { self.from.as_deref() } else { self.to.as_deref() }
    }

    /// True when the call's phone is a browser or an app (<https://www.twilio.com/docs/voice/api/call-resource#to>),
    /// as agents have it.
    pub fn is_client(&self) -> bool {
        let is = |end: &Option<String>| end.as_deref().is_some_and(|end| end.starts_with("client:"));
        is(&self.from) || is(&self.to)
    }

    /// True while the call is connected.
    pub fn is_in_progress(&self) -> bool {
        self.status == "in-progress"
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// The task's SID.
    pub sid: TaskSid,
    /// `pending`, `reserved`, `assigned`, `wrapping`, `completed` or `canceled`.
    pub assignment_status: String,
    /// JSON text; `None` in lists.
    pub attributes: Option<String>,
    /// The task's workflow.
    pub workflow_sid: Option<WorkflowSid>,
    /// Its task channel, such as `voice` or `chat`.
    #[serde(default)]
    pub task_channel_unique_name: Option<String>,
    /// The queue in which the task waits, or from which it was accepted.
    #[serde(default)]
    pub task_queue_sid: Option<TaskQueueSid>,
    /// Seconds since it was created, by Twilio's clock (<https://www.twilio.com/docs/taskrouter/api/task>).
    #[serde(default)]
    pub age: Option<u64>,
    /// Its version, to be sent back with a change. `None` for tasks of a list.
    #[serde(skip)]
    pub etag: Option<String>,
}

/// A reservation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reservation {
    /// The reservation's SID.
    pub sid: ReservationSid,
    /// The worker whom the task is offered.
    pub worker_sid: WorkerSid,
    /// The worker's friendly name.
    pub worker_name: String,
    /// `pending`, `accepted`, `rejected`, `timeout`, `canceled`, `rescinded`, `wrapping` or `completed`.
    pub reservation_status: String,
}

/// An entry of TaskRouter's event log (<https://www.twilio.com/docs/taskrouter/api/event>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// Such as `reservation.wrapup` (<https://www.twilio.com/docs/taskrouter/api/event/reference>).
    pub event_type: String,
    /// When it happened, in milliseconds since the epoch, by Twilio's clock.
    #[serde(rename = "event_date_ms")]
    pub at: Option<u64>,
    /// The resource that it is about: for `reservation.…` a reservation.
    pub resource_sid: Option<String>,
    /// What Twilio knew about it at that time. The fields differ by type.
    #[serde(default)]
    event_data: serde_json::Value,
}

impl Event {
    /// The task's workflow at that time, if the event names it
    /// (<https://www.twilio.com/docs/taskrouter/api/event/reference#task-events>).
    pub fn workflow(&self) -> Option<WorkflowSid> {
        self.event_data["workflow_sid"].as_str().and_then(|sid| WorkflowSid::parse(sid).ok())
    }
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Worker {
    /// The worker's activity.
    pub activity_sid: ActivitySid,
    /// True when the activity receives tasks.
    pub available: bool,
    /// JSON text.
    #[serde(default)]
    pub attributes: Option<String>,
    /// Their version, to be sent back with a change.
    #[serde(skip)]
    pub etag: Option<String>,
}

/// An activity of workers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Activity {
    /// The activity's SID.
    pub sid: ActivitySid,
    /// Its name.
    #[serde(default)]
    pub friendly_name: String,
    /// True when it receives tasks.
    pub available: bool,
}

/// A task channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TaskChannel {
    /// The channel's SID.
    pub sid: TaskChannelSid,
    /// Its name.
    pub friendly_name: String,
    /// Its unique name.
    pub unique_name: String,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TaskQueue {
    /// The queue's SID.
    pub sid: TaskQueueSid,
    /// Its name.
    pub friendly_name: String,
    /// The expression that its workers satisfy; `1==1`: every worker.
    #[serde(default)]
    pub target_workers: Option<String>,
}

/// A workflow.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Workflow {
    /// The workflow's SID.
    pub sid: WorkflowSid,
    /// Its name.
    pub friendly_name: String,
    /// JSON text.
    pub configuration: String,
}

/// The result of validating a Flex user's token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TokenInfo {
    /// True when the token is valid.
    pub valid: bool,
    /// When it expires; `None` when that is not given in a known form.
    #[serde(default, deserialize_with = "point_in_time")]
    pub expiration: Option<Millis>,
    /// The worker of the desktop; `None` for users who are not workers.
    #[serde(default)]
    pub worker_sid: Option<WorkerSid>,
    /// The user's name as clients of the Voice SDK have it: each character that is neither a letter nor a digit is
    /// `_` and two hexadecimal digits.
    #[serde(default)]
    pub identity: Option<String>,
    /// `agent`, `supervisor`, `admin` and others.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl TokenInfo {
    /// The user's name: the decoded identity. Flex gives the same name to the worker.
    pub fn name(&self) -> Option<String> {
        let mut rest = self.identity.as_deref()?.as_bytes();
        let mut name = vec![];
        while let Some((first, after)) = rest.split_first() {
            let escaped = (*first == b'_').then(|| after.split_at_checked(2)).flatten();
            let byte = escaped.and_then(|(digits, after)| {
                let digits = std::str::from_utf8(digits).ok().filter(|it| !it.starts_with('+'))?;
                Some((u8::from_str_radix(digits, 16).ok()?, after))
            });
            let (byte, after) = byte.unwrap_or((*first, after));
            name.push(byte);
            rest = after;
        }
        String::from_utf8(name).ok()
    }
}

pub(crate) fn point_in_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let text: Option<String> = Deserialize::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(parse_time))
}

/// Parses `2018-09-24T23:22:44.240Z`, with or without a fraction.
pub(crate) fn parse_time(text: &str) -> Option<Millis> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = whole.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let days = days(year, month, day)?;
    let millis = format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok()?;
    Some(Millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis))
}

/// Days since the epoch.
pub(crate) fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years begin in March here (https://howardhinnant.github.io/date_algorithms.html).
    let years = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (years / 400, years % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_parsed_to_the_millisecond() {
        for (text, wanted) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2018-09-24T23:22:44.240Z", Some(1_537_831_364_240)),
            ("2024-02-29T12:00:00.5Z", Some(1_709_208_000_500)),
            ("2100-03-01T00:00:00.123456Z", Some(4_107_542_400_123)),
            ("2018-09-24 23:22:44", None),
            ("2018-13-24T23:22:44Z", None),
            ("2018-09-24T23:22:44.éZ", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text), wanted.map(Millis), "{text}");
        }
    }

    #[test]
    fn a_token_answer_is_parsed_as_twilio_documents_it() {
        let good = r#"{"valid":true,"code":0,"message":null,"expiration":"2018-09-24T23:22:44.240Z",
            "realm_user_id":"user@example.com","identity":"user_40example_2Dcom","roles":["agent"],
            "worker_sid":"WK00000000000000000000000000000001"}"#;
        let good: TokenInfo = serde_json::from_str(good).expect("readable");
        assert!(good.valid);
        assert_eq!(good.worker_sid, Some(WorkerSid::numbered(1)));
        assert_eq!(good.expiration, Some(Millis(1_537_831_364_240)));
        let bad: TokenInfo =
            serde_json::from_str(r#"{"valid":false,"message":"expired"}"#).expect("readable");
        let named = TokenInfo { identity: Some("ada_40example_2Ecom_zz_".into()), ..bad.clone() };
        assert_eq!(named.name().as_deref(), Some("ada@example.com_zz_"));
        assert_eq!(
            bad,
            TokenInfo { valid: false, expiration: None, worker_sid: None, identity: None, roles: vec![] }
        );
    }
}
