use rejoin_protocol::Millis;
use rejoin_protocol::api::Failure;

/// What the blocking dialog shows. The words are in `js-shim/languages/`.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The agent's phone is not registered yet; the call waits for it.
    WaitingForPhone {
        /// When the server moves on to the next agent: milliseconds since the Unix epoch.
        until: Option<Millis>,
    },
    /// The browser keeps the microphone from this page; the call waits for it.
    MicrophoneDenied {
        /// When the server moves on to the next agent.
        until: Option<Millis>,
    },
    /// There is no microphone; the call waits for one.
    NoMicrophone {
        /// When the server moves on to the next agent.
        until: Option<Millis>,
    },
    /// The agent is on the call, and the browser plays nothing before a click. Button.
    NeedsClick,
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
    /// The same, because the customer was lost too often lately. Button.
    TooOften,
    /// Another agent has the customer. Button.
    HandedOver {
        /// Who.
        name: Option<String>,
    },
    /// The customer hung up. Button.
    CustomerLeft,
    /// Twilio refused for good. Button.
    Failed {
        /// Why.
        reason: Failure,
    },
}
