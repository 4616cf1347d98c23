//! Resources of the account beyond calls and tasks, as far as they are read. Unknown fields are ignored.

use rejoin_protocol::{ReservationSid, SinkSid, SubscriptionSid, TaskChannelSid, TaskSid, WorkerSid};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt;

/// The account (<https://www.twilio.com/docs/iam/api/account>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// `active`, `suspended` or `closed`.
    pub status: String,
    /// `Trial` or `Full`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// A phone number of the account (<https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PhoneNumber {
    /// Its own addresses.
    #[serde(flatten)]
    pub addresses: VoiceAddresses,
    /// The number, E.164. It is not shown anywhere.
    #[serde(default)]
    pub phone_number: String,
    /// The application whose addresses are used instead.
    #[serde(default)]
    pub voice_application_sid: Option<String>,
    /// The trunk that takes the calls instead.
    #[serde(default)]
    pub trunk_sid: Option<String>,
}

/// Where Twilio fetches the documents of calls: what a phone number and a TwiML application
/// (<https://www.twilio.com/docs/usage/api/applications>) have alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct VoiceAddresses {
    /// The SID of what has them: `PN…` or `AP…`.
    pub sid: String,
    /// Where Twilio fetches the document for a call.
    #[serde(default)]
    pub voice_url: Option<String>,
    /// Where Twilio fetches it when that fails.
    #[serde(default)]
    pub voice_fallback_url: Option<String>,
    /// `GET` or `POST`.
    #[serde(default)]
    pub voice_fallback_method: Option<String>,
}

/// Where Twilio sends the account's events of conversations
/// (<https://www.twilio.com/docs/conversations/api/configuration-webhooks>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationWebhook {
    /// Where events are sent after what they tell has happened.
    #[serde(default)]
    pub post_webhook_url: Option<String>,
    /// `GET` or `POST`, also for what is sent before.
    #[serde(default)]
    pub method: Option<String>,
    /// The events that are sent.
    #[serde(default)]
    pub filters: Option<Vec<String>>,
    /// `webhook` or `flex`.
    #[serde(default)]
    pub target: Option<String>,
}

/// What has addresses for calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A phone number.
    Number,
    /// A TwiML application.
    Application,
}

impl Holder {
    /// Of this SID: `AP…` is an application's.
    pub fn of(sid: &str) -> Self {
        if sid.starts_with("AP") { Self::Application } else { Self::Number }
    }

    /// Its collection in the REST API.
    pub(crate) fn collection(self) -> &'static str {
        match self {
            Self::Number => "IncomingPhoneNumbers",
            Self::Application => "Applications",
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "number",
            Self::Application => "application",
        })
    }
}

/// A Studio flow (<https://www.twilio.com/docs/studio/rest-api/v2/flow>).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Flow {
    /// The flow's SID (`FW…`).
    pub sid: String,
    /// Its name.
    #[serde(default)]
    pub friendly_name: String,
    /// `draft` or `published`.
    #[serde(default)]
    pub status: String,
    /// The widgets; `None` in lists.
    #[serde(default)]
    pub definition: Option<Value>,
}

/// A sink of Event Streams (<https://www.twilio.com/docs/events/event-streams/sink-resource>).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Sink {
    /// The sink's SID.
    pub sid: SinkSid,
    /// `initialized`, `validating`, `active` or `failed`.
    pub status: String,
    /// `kinesis`, `webhook`, `segment` or `email`.
    pub sink_type: String,
    /// Of a webhook: `destination`, `method`, `batch_events`.
    #[serde(default)]
    pub sink_configuration: Value,
}

/// A subscription of Event Streams (<https://www.twilio.com/docs/events/event-streams/subscription>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// The subscription's SID.
    pub sid: SubscriptionSid,
    /// The sink that gets the events.
    pub sink_sid: SinkSid,
}

/// A type of a subscription (<https://www.twilio.com/docs/events/event-streams/subscribed-event-resource>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscribedEvent {
    /// Such as `com.twilio.taskrouter.reservation.accepted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of its schema that was subscribed.
    #[serde(default)]
    pub schema_version: Option<u32>,
}

/// A worker in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ListedWorker {
    /// The worker's SID.
    pub sid: WorkerSid,
    /// The worker's name.
    #[serde(default)]
    pub friendly_name: String,
}

/// A task that is, or was, offered to a worker (<https://www.twilio.com/docs/taskrouter/api/worker-reservation>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Offer {
    /// The reservation's SID.
    pub sid: ReservationSid,
    /// The task.
    pub task_sid: TaskSid,
    /// `pending`, `accepted`, `rejected`, `timeout`, `canceled`, `rescinded`, `wrapping` or `completed`.
    pub reservation_status: String,
}

/// A worker's share of a task channel (<https://www.twilio.com/docs/taskrouter/api/worker-channel>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WorkerChannel {
    /// `WC…`.
    #[serde(default)]
    pub sid: String,
    /// The task channel.
    pub task_channel_sid: TaskChannelSid,
    /// Its unique name.
    pub task_channel_unique_name: String,
    /// True when the worker takes tasks of it.
    pub available: bool,
    /// How many tasks of it the worker may have at once.
    pub configured_capacity: u32,
}

/// A rule of the Webhooks configuration API (<https://www.twilio.com/docs/usage/webhooks/webhook-rules>).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookRule {
    /// The rule's id (`webhooks_rule_…`).
    pub id: String,
    /// `EXACT_MATCH`, `PREFIX_MATCH` or `DEFAULT`.
    pub match_type: String,
    /// The URL of an exact match.
    pub value: Option<String>,
    /// The beginning of a URL.
    pub prefix: Option<String>,
    /// The settings that it applies. Unconfirmed: whether an entry is an id, or an object that has one; both are read.
    #[serde(deserialize_with = "ids")]
    pub settings: Vec<String>,
}

/// A setting of the Webhooks configuration API (<https://www.twilio.com/docs/usage/webhooks/webhook-settings>).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookSetting {
    /// The setting's id (`webhooks_setting_…`).
    pub id: String,
    /// How Twilio signs. Unconfirmed: the names of its fields; the documents say that it names a key and an algorithm.
    pub signature: Value,
}

fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let entries: Vec<Value> = Deserialize::deserialize(deserializer)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let id = |entry: &Value| {
        let values = || entry.as_object().into_iter().flat_map(|object| object.values());
        text(entry).or_else(|| values().filter_map(text).find(|id| id.starts_with("webhooks_setting_")))
    };
    Ok(entries.iter().filter_map(id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_rule_are_read_as_ids_and_as_objects() {
        let rule = |settings: &str| {
            let text = format!(
                r#"{{"id":"webhooks_rule_1","matchType":"PREFIX_MATCH","prefix":"https://example.com","settings":{settings},
                    "status":"new"}}"#
            );
            serde_json::from_str::<WebhookRule>(&text).expect("a rule")
        };
        let wanted = ["webhooks_setting_1", "webhooks_setting_2"];
        assert_eq!(rule(r#"["webhooks_setting_1","webhooks_setting_2"]"#).settings, wanted);
        let objects =
            r#"[{"settingId":"webhooks_setting_1","weight":90},{"weight":10,"id":"webhooks_setting_2"}]"#;
        assert_eq!(rule(objects).settings, wanted);
        assert_eq!(rule("[1, {}]").settings, Vec::<String>::new());
        let rule = rule("[]");
        assert_eq!((rule.value, rule.prefix.as_deref()), (None, Some("https://example.com")));
    }
}
