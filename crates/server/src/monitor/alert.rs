//! Alerts, and the form in which each kind of target takes them.

use super::endpoint::EndPoint;
use super::watch::Change;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

/// An alert. It contains no secret and no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whether the end point has failed, or works again.
    pub change: Change,
    /// The end point.
    pub end_point: EndPoint,
    /// Why it has failed; when it works again: what has become of it, if that is not the usual.
    pub reason: String,
    /// When that was found (Unix time, in milliseconds).
    pub at_ms: u64,
}

impl Alert {
    /// The same for each alert about this end point, from every monitor: a target knows by it what belongs together.
    pub fn dedup_key(&self) -> String {
        format!("rejoin {}", self.end_point)
    }

    /// What has happened, for people.
    pub fn summary(&self) -> String {
        match self.change {
            Change::Trigger => format!("{}: {}", self.end_point, self.reason),
            Change::Resolve if self.reason.is_empty() => {
                format!("{}: {}", self.end_point, self.end_point.kind.resolved())
            }
            Change::Resolve => format!("{}: {}", self.end_point, self.reason),
        }
    }

    /// The same, with whether it has begun or is over.
    pub fn headline(&self) -> String {
        match self.change {
            Change::Trigger => format!("Alert: {}", self.summary()),
            Change::Resolve => format!("Resolved: {}", self.summary()),
        }
    }

    /// PagerDuty's word for the change.
    pub(super) fn event(&self) -> &'static str {
        match self.change {
            Change::Trigger => "trigger",
            Change::Resolve => "resolve",
        }
    }
}

/// The form of an alert that is posted.
#[derive(Clone, Debug)]
pub enum Form {
    /// Our own JSON.
    Webhook,
    /// Slack's incoming webhooks: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
    Slack,
    /// PagerDuty's Events API v2, with the integration key:
    /// <https://developer.pagerduty.com/docs/events-api-v2-overview>.
    PagerDuty(SecretString),
}

impl Form {
    /// The body of the request. It may contain the integration key: it is not for a log.
    pub fn body(&self, alert: &Alert) -> Value {
        match self {
            Self::Webhook => json!({
                "event": alert.event(),
                "dedup_key": alert.dedup_key(),
                "kind": alert.end_point.kind.to_string(),
                "url": alert.end_point.url,
                "summary": alert.summary(),
                "at_ms": alert.at_ms,
            }),
            Self::Slack => json!({ "text": escaped(&alert.headline()) }),
            // A resolve needs no `payload` (https://developer.pagerduty.com/docs/events-api-v2-overview).
            Self::PagerDuty(key) => {
                let mut body = json!({
                    "routing_key": key.expose_secret(),
                    "event_action": alert.event(),
                    "dedup_key": alert.dedup_key(),
                });
                if alert.change == Change::Trigger {
                    body["payload"] = json!({
                        "summary": alert.summary(),
                        "source": alert.end_point.url,
                        "severity": "critical",
                        "component": alert.end_point.kind.to_string(),
                    });
                }
                body
            }
        }
    }
}

/// Slack's three characters of control: <https://docs.slack.dev/messaging/formatting-message-text#escaping>.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::endpoint::Kind;

    #[test]
    fn slack_takes_no_character_of_an_alert_for_its_own() {
        let end_point = EndPoint { kind: Kind::Server, url: "https://a.test".to_owned() };
        let reason = "<!channel> & more".to_owned();
        let alert = Alert { change: Change::Trigger, end_point, reason, at_ms: 1 };
        let text = "Alert: server https://a.test: &lt;!channel&gt; &amp; more";
        assert_eq!(Form::Slack.body(&alert), json!({ "text": text }));
    }
}
