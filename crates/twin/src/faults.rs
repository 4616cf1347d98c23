//! Faults between the twin and the Rejoin server that tests inject: requests that are refused, not answered, or
//! carried out without an answer, and lost callbacks. Also a record of what was carried out, for tests to count.

use rejoin_protocol::{Millis, WorkerSid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// All injected faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Faults {
    /// Faults of REST requests. The first that matches applies.
    pub requests: Vec<RequestFault>,
    /// Faults of conference status callbacks.
    pub callbacks: Vec<LostCallback>,
}

/// Faults of the sockets below the Conversations SDK.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChatFaults {
    /// How many messages are stored, but their reply is lost with the socket.
    pub lost_replies: u32,
    /// Workers whose sockets stay open, but nothing comes through.
    pub silent: Vec<WorkerSid>,
}

impl ChatFaults {
    /// True when the reply to this message is lost.
    pub(crate) fn loses_reply(&mut self) -> bool {
        let loses = self.lost_replies > 0;
        self.lost_replies = self.lost_replies.saturating_sub(1);
        loses
    }

    pub(crate) fn is_silent(&self, worker: &WorkerSid) -> bool {
        self.silent.contains(worker)
    }
}

/// A fault of a REST request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestFault {
    /// Only requests to this part of the API.
    #[serde(default)]
    pub api: Option<Api>,
    /// Only requests with this method, such as `POST`.
    #[serde(default)]
    pub method: Option<String>,
    /// Only requests whose path contains this.
    #[serde(default)]
    pub path: Option<String>,
    /// What happens instead of the answer.
    pub answer: Answer,
    /// True when the request is carried out nevertheless.
    #[serde(default)]
    pub applied: bool,
    /// `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// How often; without it forever.
    #[serde(default)]
    pub times: Option<u32>,
    /// Every nth matching request; without it each.
    #[serde(default)]
    pub every: Option<u32>,
    #[serde(skip)]
    met: u32,
}

/// Parts of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Calls and conferences.
    Voice,
    /// Tasks, reservations, workers.
    Taskrouter,
    /// Files and releases of plugins. The path of an upload is `serverless-upload`.
    Hosting,
    /// Interactions and conversations.
    Conversations,
}

/// What happens instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// HTTP 401.
    Unauthorized,
    /// HTTP 429.
    Throttled,
    /// HTTP 500.
    Broken,
    /// HTTP 503.
    Unavailable,
    /// No answer, for as long as the client waits.
    Silence,
    /// The connection is reset.
    Reset,
}

/// A conference status callback that is lost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LostCallback {
    /// Only this `StatusCallbackEvent`; without it any.
    #[serde(default)]
    pub event: Option<String>,
    /// Only callbacks about this leg.
    #[serde(default)]
    pub call: Option<String>,
    /// How often; without it forever.
    #[serde(default)]
    pub times: Option<u32>,
}

/// A change that a REST request has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// When (point in time).
    pub at: Millis,
    /// Method and path after the account or the workspace, such as `POST Tasks`.
    pub request: String,
    /// Its parameters; of task attributes only `rejoinRecoveryId`.
    pub said: Map<String, Value>,
}

impl RequestFault {
    fn fits(&self, api: Api, method: &str, path: &str) -> bool {
        self.api.is_none_or(|wanted| wanted == api)
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path.as_deref().is_none_or(|wanted| path.contains(wanted))
            && self.times != Some(0)
    }
}

impl Faults {
    /// The fault that applies to this request, if any.
    pub(crate) fn of_request(&mut self, api: Api, method: &str, path: &str) -> Option<RequestFault> {
        let fault = self.requests.iter_mut().find(|fault| fault.fits(api, method, path))?;
        fault.met += 1;
        if !fault.met.is_multiple_of(fault.every.unwrap_or(1).max(1)) {
            return None;
        }
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.clone())
    }

    /// True when this callback is lost.
    pub(crate) fn loses(&mut self, params: &[(String, String)]) -> bool {
        let param = |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (event, call) = (param("StatusCallbackEvent"), param("CallSid"));
        let fits = |lost: &&mut LostCallback| {
            (lost.event.is_none() || lost.event.as_deref() == event)
                && (lost.call.is_none() || lost.call.as_deref() == call)
                && lost.times != Some(0)
        };
        let Some(lost) = self.callbacks.iter_mut().filter(|_| event.is_some()).find(fits) else {
            return false;
        };
        lost.times = lost.times.map(|times| times - 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fault_applies_only_to_matching_requests() {
        let mut faults: Faults = serde_json::from_value(json!({"requests": [
            {"api": "voice", "method": "POST", "path": "Calls/", "answer": "reset", "every": 2, "times": 1},
        ]}))
        .expect("faults");
        let mut meets = |api, method, path| faults.of_request(api, method, path).is_some();
        assert!(!meets(Api::Taskrouter, "POST", "Calls/CA1"));
        assert!(!meets(Api::Voice, "GET", "Calls/CA1"));
        assert!(!meets(Api::Voice, "POST", "Conferences/CF1"));
        let met: Vec<bool> = (0..6).map(|_| meets(Api::Voice, "POST", "Calls/CA1")).collect();
        assert_eq!(met, [false, true, false, false, false, false]);
        assert!(serde_json::from_value::<Faults>(json!({"request": []})).is_err(), "a slip is told");
    }

    #[test]
    fn only_matching_callbacks_are_lost() {
        let mut faults: Faults =
            serde_json::from_value(json!({"callbacks": [{"event": "participant-leave", "times": 1}]}))
                .expect("faults");
        let params = |event: &str| vec![("StatusCallbackEvent".to_owned(), event.to_owned())];
        assert!(!faults.loses(&params("participant-join")));
        assert!(!faults.loses(&[]));
        assert!(faults.loses(&params("participant-leave")));
        assert!(!faults.loses(&params("participant-leave")));
    }
}
