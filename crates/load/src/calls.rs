//! Calls by number, and the requests about them as Twilio and desktops make them.

use crate::connection::Connection;
use crate::figure::Outcome;
use crate::server::{AUTH_TOKEN, PUBLIC};
use rejoin_protocol::{AccountSid, CallSid, ConferenceSid, ReservationSid, TaskSid, WorkerSid, WorkflowSid};
use rejoin_twilio::{encoded, signature};
use serde_json::json;

/// A call between a customer and an agent. All its SIDs are derived from its number.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    number: u64,
    /// Number of the agent.
    worker: u64,
}

impl Call {
    pub fn new(number: u64, worker: u64) -> Self {
        Self { number: number + 1, worker: worker + 1 }
    }

    pub fn conference(self) -> ConferenceSid {
        ConferenceSid::numbered(self.number.into())
    }

    pub fn customer(self) -> CallSid {
        CallSid::numbered((2 * self.number).into())
    }

    pub fn agent(self) -> CallSid {
        CallSid::numbered((2 * self.number + 1).into())
    }

    pub fn task(self) -> TaskSid {
        // The ping's SID has a range of its own.
        TaskSid::numbered(u128::from(self.number) << 32)
    }

    fn worker(self) -> WorkerSid {
        WorkerSid::numbered(self.worker.into())
    }

    fn reservation(self) -> ReservationSid {
        ReservationSid::numbered(self.number.into())
    }

    /// Both legs join, and the agent's page registers the call. The server accepts the registration, as Twilio's
    /// callbacks have said whose call it is.
    pub async fn begins(self, connection: &mut Connection) -> Outcome<()> {
        connection.tell(&self.joins(1, &self.customer())).await?;
        connection.tell(&self.joins(2, &self.agent())).await?;
        connection.tell(&self.registration()).await?;
        Ok(())
    }

    /// The registration by the agent's page.
    fn registration(self) -> Vec<u8> {
        let body = json!({
            "epoch": 1, "task": self.task(), "reservation": self.reservation(), "conference": self.conference(),
            "workflow": WorkflowSid::numbered(1), "workerLeg": self.agent(), "customerLeg": self.customer(),
            "workerName": "Agent",
        });
        self.of_page("/v1/calls", &body.to_string())
    }

    /// The agent's page has reloaded.
    pub fn hello(self) -> Vec<u8> {
        let holding = json!({"task": self.task(), "reservation": self.reservation(), "wrapping": true});
        self.of_page("/v1/hello", &json!({"epoch": 2, "holdings": [holding]}).to_string())
    }

    fn of_page(self, path: &str, body: &str) -> Vec<u8> {
        let (token, length) = (self.worker, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    fn joins(self, sequence: u64, leg: &CallSid) -> Vec<u8> {
        self.callback(sequence, "participant-join", leg, false)
    }

    /// A change of the agent's leg: muted and unmuted by turns.
    pub fn changes(self, sequence: u64) -> Vec<u8> {
        self.callback(sequence, "participant-modify", &self.agent(), sequence.is_multiple_of(2))
    }

    /// The leave of the agent's leg.
    pub fn leaves(self, sequence: u64) -> Vec<u8> {
        self.callback(sequence, "participant-leave", &self.agent(), false)
    }

    /// A conference status callback with the parameters that Twilio sends.
    fn callback(self, sequence: u64, event: &str, leg: &CallSid, muted: bool) -> Vec<u8> {
        let (account, conference) = (AccountSid::numbered(1).to_string(), self.conference().to_string());
        let (task, sequence, muted) = (self.task().to_string(), sequence.to_string(), muted.to_string());
        let path =
            format!("/webhooks/conference?worker={}&reservation={}", self.worker(), self.reservation());
        signed(
            &path,
            &[
                ("AccountSid", &account),
                ("CallSid", leg.as_str()),
                ("Coaching", "false"),
                ("ConferenceSid", &conference),
                ("EndConferenceOnExit", "false"),
                ("FriendlyName", &task),
                ("Hold", "false"),
                ("Muted", &muted),
                ("ReasonParticipantLeft", "participant_hung_up"),
                ("SequenceNumber", &sequence),
                ("StartConferenceOnEnter", "true"),
                ("StatusCallbackEvent", event),
                ("Timestamp", "Fri, 20 Nov 2026 12:00:00 +0000"),
            ],
        )
    }
}

/// A request of Twilio to the server with its signature.
fn signed(path: &str, params: &[(&str, &str)]) -> Vec<u8> {
    signed_to(PUBLIC, path, params)
}

/// A request of Twilio with its signature, to a host that it knows by this address.
pub fn signed_to(public: &str, path: &str, params: &[(&str, &str)]) -> Vec<u8> {
    let body = encoded(params);
    let params: Vec<(String, String)> =
        params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let signature = signature::sign(AUTH_TOKEN, &format!("{public}{path}"), &params);
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nx-twilio-signature: {signature}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
