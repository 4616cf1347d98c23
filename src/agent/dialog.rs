use rejoin_protocol::Millis;
use serde::Serialize;

/// What the blocking dialog shows. The words are the shim's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Dialog {
    /// The page was gone during a call; the server is being asked about it.
    Checking,
    /// The server does not answer. Button.
    Unreachable,
    /// The agent's leg is gone, the customer is kept.
    Interrupted {
        /// When the server moves on to the next agent: milliseconds since the Unix epoch.
        until: Option<Millis>,
    },
    /// The agent is being put back into the conference where the customer still is.
    InPlace,
    /// The customer is on the way back to this agent.
    Reconnecting,
    /// It takes longer than it should. Button.
    Slow,
    /// The agent is back on the call.
    Rejoined,
    /// The customer waits for any agent. Button.
    WaitingForOther,
    /// Another agent has the customer. Button.
    HandedOver {
        /// Who.
        name: Option<String>,
    },
    /// The customer hung up. Button.
    CustomerLeft,
    /// Twilio refused for good. Button.
    Failed {
        /// One sentence.
        reason: String,
    },
}
